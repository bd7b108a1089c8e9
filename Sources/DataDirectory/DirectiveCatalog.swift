// SPDX-License-Identifier: Apache-2.0

/// The directives that servers know: what `CONFIG GET *` of Redis 6.2 and 7.0 and of Valkey 9.1 lists, what stands in
/// files only (redis src/config.c, `loadServerConfigFromString`), and what src/config.c of other releases names. A test
/// holds the lists against the servers.
enum DirectiveCatalog {
    /// Whether any server knows the directive.
    static func knows(_ name: String) -> Bool {
        // Modules bring their own, with their name before a point; those that come with Redis 8 before a hyphen.
        known.contains(name) || name.contains(".") || modulePrefixes.contains { name.hasPrefix($0) }
    }

    static let names: [String] = known.sorted()

    private static let modulePrefixes = ["search-", "ts-", "bf-", "cf-"]

    private static let known = Set(
        [everywhere, inFilesOnly, since70, inRedis, in62Only, in70Only, inValkeyOnly, inOtherReleases]
            .flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
    )

    /// Other than the three: Redis 6.0, 7.2 and 7.4, Valkey 8.0.
    private static let inOtherReleases = """
        client-default-resp cluster-ping-interval debug-context enable-debug-assert events-per-io-thread
        loading-process-events-interval-bytes req-res-logfile sentinel
        """

    /// Directives that `CONFIG GET *` does not list: without a value, for tests, or accepted and passed over.
    private static let inFilesOnly = """
        include loadmodule user rename-command list-max-ziplist-entries list-max-ziplist-value lua-replicate-commands
        key-load-delay rdb-key-save-delay use-exit-on-panic watchdog-period
        """

    private static let in62Only = "gopher-enabled"

    /// In all three.
    private static let everywhere = """
        acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min
        active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
        active-defrag-threshold-upper active-expire-effort activedefrag activerehashing always-show-logo
        aof-load-truncated aof-rewrite-incremental-fsync aof-use-rdb-preamble aof_rewrite_cpulist appendfilename
        appendfsync appendonly auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave_cpulist bind bio_cpulist
        client-output-buffer-limit client-query-buffer-limit cluster-allow-reads-when-down
        cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-ip cluster-announce-port
        cluster-announce-tls-port cluster-enabled cluster-migration-barrier cluster-node-timeout
        cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage
        cluster-slave-no-failover cluster-slave-validity-factor crash-log-enabled crash-memcheck-enabled daemonize
        databases dbfilename dir disable-thp hash-max-ziplist-entries hash-max-ziplist-value hll-sparse-max-bytes hz
        ignore-warnings io-threads jemalloc-bg-thread latency-monitor-threshold lazyfree-lazy-eviction
        lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time
        lfu-log-factor list-compress-depth list-max-ziplist-size logfile loglevel lua-time-limit masterauth
        masteruser maxclients maxmemory maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples
        min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write no-appendfsync-on-rewrite
        notify-keyspace-events oom-score-adj oom-score-adj-values pidfile port proc-title-template protected-mode
        proto-max-bulk-len rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum rdbcompression
        repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync
        repl-diskless-sync-delay repl-ping-replica-period repl-ping-slave-period repl-timeout replica-announce-ip
        replica-announce-port replica-announced replica-ignore-maxmemory replica-lazy-flush replica-priority
        replica-read-only replica-serve-stale-data requirepass save server_cpulist set-max-intset-entries
        set-proc-title slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush slave-priority
        slave-read-only slave-serve-stale-data slaveof slowlog-log-slower-than slowlog-max-len
        stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries supervised syslog-enabled
        syslog-facility syslog-ident tcp-backlog tcp-keepalive timeout tracking-table-max-keys unixsocket
        unixsocketperm zset-max-ziplist-entries zset-max-ziplist-value
        """

    /// In Redis 7.0 and Valkey 9.1.
    private static let since70 = """
        aof-timestamp-enabled appenddirname bind-source-addr busy-reply-threshold
        cluster-allow-pubsubshard-when-down cluster-announce-hostname cluster-config-file cluster-link-sendbuf-limit
        cluster-port cluster-preferred-endpoint-type enable-debug-command enable-module-command
        enable-protected-configs hash-max-listpack-entries hash-max-listpack-value latency-tracking
        latency-tracking-info-percentiles list-max-listpack-size maxmemory-clients propagation-error-behavior
        repl-diskless-sync-max-replicas replica-ignore-disk-write-errors replicaof shutdown-on-sigint
        shutdown-on-sigterm shutdown-timeout socket-mark-id tls-auth-clients tls-ca-cert-dir tls-ca-cert-file
        tls-cert-file tls-ciphers tls-ciphersuites tls-client-cert-file tls-client-key-file tls-client-key-file-pass
        tls-cluster tls-dh-params-file tls-key-file tls-key-file-pass tls-port tls-prefer-server-ciphers
        tls-protocols tls-replication tls-session-cache-size tls-session-cache-timeout tls-session-caching
        zset-max-listpack-entries zset-max-listpack-value
        """

    /// In both versions of Redis.
    private static let inRedis = """
        dynamic-hz io-threads-do-reads sanitize-dump-payload
        """

    /// In Redis 7.0.
    private static let in70Only = """
        aof-disable-auto-gc
        """

    /// In Valkey 9.1.
    private static let inValkeyOnly = """
        active-defrag-cycle-us aof-rewrite-cpulist availability-zone bgsave-cpulist bio-cpulist
        cluster-announce-client-ipv4 cluster-announce-client-ipv6 cluster-announce-client-port
        cluster-announce-client-tls-port cluster-announce-human-nodename cluster-blacklist-ttl
        cluster-config-save-behavior cluster-databases cluster-manual-failover-timeout
        cluster-slot-migration-log-max-len cluster-slot-stats-enabled commandlog-execution-slower-than
        commandlog-large-reply-max-len commandlog-large-request-max-len commandlog-reply-larger-than
        commandlog-request-larger-than commandlog-slow-execution-max-len dual-channel-replication-enabled
        extended-redis-compatibility hash-seed hide-user-data-from-log import-mode locale-collate log-format
        log-timestamp-format max-new-connections-per-cycle max-new-tls-connections-per-cycle mptcp
        prefetch-batch-max-size primaryauth primaryuser rdb-version-check rdma-bind rdma-completion-vector rdma-port
        rdma-rx-size repl-mptcp server-cpulist set-max-listpack-entries set-max-listpack-value
        slot-migration-max-failover-repl-bytes tls-auth-clients-user tls-auto-reload-interval unixsocketgroup
        """
}
