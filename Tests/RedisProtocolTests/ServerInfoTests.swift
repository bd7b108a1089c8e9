// SPDX-License-Identifier: Apache-2.0

import RedisProtocol
import Testing

@Suite struct ServerInfoTests {
    static let replica = """
        # Server\r
        redis_version:7.0.15\r
        redis_mode:standalone\r
        run_id:074a88d09db2a6a6ca27bdef34b6ad6579357d78\r
        tcp_port:7004\r
        server_time_usec:1795456825913634\r
        uptime_in_seconds:5\r
        executable:/usr/bin/redis-server\r
        config_file:\r
        process_id:17\r
        \r
        # Memory\r
        used_memory:1332712\r
        maxmemory:0\r
        \r
        # Persistence\r
        loading:0\r
        async_loading:0\r
        current_cow_size:12\r
        rdb_changes_since_last_save:3\r
        rdb_bgsave_in_progress:1\r
        rdb_last_save_time:1795456820\r
        rdb_last_bgsave_status:ok\r
        rdb_current_bgsave_time_sec:-1\r
        rdb_last_cow_size:356352\r
        aof_enabled:0\r
        aof_rewrite_in_progress:0\r
        aof_last_bgrewrite_status:err\r
        \r
        # Replication\r
        role:slave\r
        master_host:::1\r
        master_port:7003\r
        master_link_status:up\r
        master_last_io_seconds_ago:2\r
        master_sync_in_progress:0\r
        slave_read_repl_offset:120\r
        slave_repl_offset:100\r
        connected_slaves:2\r
        slave0:ip=10.0.0.1,port=7005,state=online,offset=90,lag=1\r
        slave1:ip=10.0.0.2,port=0,state=wait_bgsave,offset=0,lag=0,type=replica\r
        master_failover_state:no-failover\r
        master_replid:549e86475109b88ef610c17bfc8798156043d1e5\r
        master_replid2:0000000000000000000000000000000000000000\r
        master_repl_offset:100\r
        second_repl_offset:-1\r
        repl_backlog_active:1\r
        repl_backlog_size:1048576\r
        \r
        # Keyspace\r
        db0:keys=12,expires=3,avg_ttl=0\r
        db15:keys=1,expires=0,avg_ttl=0,subexpiry=0\r
        """

    @Test func fieldsOfTheServerAreRead() {
        let info = ServerInfo(Self.replica)
        #expect(info.product == .redis)
        #expect(info.version == ServerVersion(7, 0, 15))
        #expect(info.mode == .standalone)
        #expect(info.runID == "074a88d09db2a6a6ca27bdef34b6ad6579357d78")
        #expect(info.port == 7004)
        #expect(info.serverTimeMicroseconds == 1_795_456_825_913_634)
        #expect(info.executable == "/usr/bin/redis-server")
        #expect(info.configFile == nil)
        #expect(info.usedMemoryBytes == 1_332_712)
        #expect(info.maxMemoryBytes == 0)
        #expect(info["tcp_port"] == "7004")
    }

    @Test func fieldsOfPersistenceAreRead() {
        let info = ServerInfo(Self.replica)
        #expect(!info.isLoading && !info.isLoadingAsynchronously && info.isSaving && !info.isRewritingAOF)
        #expect(info.lastSaveSucceeded == true)
        #expect(info.lastAOFRewriteSucceeded == false)
        #expect(info.lastSaveTimeSeconds == 1_795_456_820)
        #expect(info.currentSaveSeconds == nil)
        #expect(info.currentCopyOnWriteBytes == 12)
        #expect(info.lastCopyOnWriteBytes == 356_352)
        #expect(info.isAOFEnabled == false)
    }

    @Test func fieldsOfReplicationAreRead() {
        let info = ServerInfo(Self.replica)
        #expect(info.role == .replica)
        #expect(info.primaryHost == "::1")
        #expect(info.primaryPort == 7003)
        #expect(info.primaryLinkIsUp == true)
        #expect(info.primarySyncInProgress == false)
        #expect(info.primaryLastIOSecondsAgo == 2)
        #expect(info.processedReplicationOffset == 100)
        #expect(info.readReplicationOffset == 120)
        #expect(info.secondReplicationID == nil)
        #expect(info.secondReplicationOffset == nil)
        #expect(info.hasReplicationBacklog == true)
        #expect(
            info.connectedReplicas == [
                .init(host: "10.0.0.1", port: 7005, state: "online", offset: 90, lagSeconds: 1),
                .init(host: "10.0.0.2", port: 0, state: "wait_bgsave", offset: 0, lagSeconds: 0),
            ]
        )
    }

    @Test func theKeyspaceIsRead() {
        let info = ServerInfo(Self.replica)
        #expect(info.keyspace == [0: .init(keys: 12, expires: 3), 15: .init(keys: 1, expires: 0)])
        #expect(info.keyCount == 13)
    }

    @Test func valkeyIsNotTheRedisItIsCompatibleWith() {
        let info = ServerInfo(
            "# Server\nredis_version:7.2.4\nserver_name:valkey\nvalkey_version:9.1.2\nserver_mode:cluster\n"
        )
        #expect(info.product == .valkey)
        #expect(info.version == ServerVersion(9, 1, 2))
        #expect(info.versionText == "9.1.2")
        #expect(info.mode == .cluster)
    }

    @Test func whatIsAbsentIsUnknownAndNotNo() {
        let info = ServerInfo("")
        #expect(info.role == nil && info.version == nil && info.mode == nil && info.runID == nil)
        #expect(info.primaryLinkIsUp == nil && info.lastSaveSucceeded == nil && info.isAOFEnabled == nil)
        #expect(info.connectedReplicas.isEmpty && info.keyspace.isEmpty)
    }

    @Test func theFirstLineOfAKeyCounts() {
        // A module may write fields of any name behind those of the server.
        let info = ServerInfo("# Replication\r\nrole:master\r\n# Evil\r\nrole:slave\r\nno colon\r\n:\r\n")
        #expect(info.role == .primary)
    }

    @Test func aHostileCountOfReplicasTakesNoTime() {
        #expect(ServerInfo("connected_slaves:9223372036854775807\nslave0:ip=a,port=1").connectedReplicas.count == 1)
        #expect(ServerInfo("connected_slaves:0").connectedReplicas.isEmpty)
        #expect(ServerInfo("connected_slaves:-5").connectedReplicas.isEmpty)
    }

    @Test(arguments: [
        ("7.0.15", ServerVersion(7, 0, 15)), ("255.255.255", ServerVersion(255, 255, 255)),
        ("9.1.0-rc2", ServerVersion(9, 1, 0)),
        ("8", ServerVersion(8, 0, 0)), ("6.2", ServerVersion(6, 2, 0)), ("6.2.", ServerVersion(6, 2, 0)),
    ])
    func versionsAreRead(text: String, version: ServerVersion) {
        #expect(ServerVersion(text) == version)
    }

    @Test func versionsAreOrdered() {
        #expect(ServerVersion("") == nil)
        #expect(ServerVersion("x.1") == nil)
        let ordered = [
            ServerVersion(6, 2, 14), ServerVersion(7, 0, 0), ServerVersion(7, 0, 15), ServerVersion(7, 2, 4),
            ServerVersion(9, 1, 2),
        ]
        #expect(ordered.shuffled().sorted() == ordered)
    }
}
