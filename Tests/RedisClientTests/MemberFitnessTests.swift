// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisClient
import RedisProtocol
import Testing

@Suite struct MemberFitnessTests {
    /// A replica in sync, changed where a test needs it.
    private static func replica(_ changes: [String: String?] = [:]) -> ServerInfo {
        var fields: [String: String?] = [
            "run_id": "a", "role": "slave", "loading": "0", "async_loading": "0", "master_host": "primary",
            "master_port": "6379", "master_link_status": "up", "master_sync_in_progress": "0",
            "master_last_io_seconds_ago": "3", "slave_read_repl_offset": "1000", "slave_repl_offset": "990",
            "master_failover_state": "no-failover", "master_replid": "x", "master_repl_offset": "990",
            "repl_backlog_active": "1",
        ]
        fields.merge(changes) { $1 }
        return info(fields)
    }

    private static func primary(_ changes: [String: String?] = [:]) -> ServerInfo {
        var fields: [String: String?] = [
            "run_id": "a", "role": "master", "loading": "0", "connected_slaves": "1", "repl_backlog_active": "1",
            "master_replid": "x", "master_repl_offset": "1000", "master_failover_state": "no-failover",
        ]
        fields.merge(changes) { $1 }
        return info(fields)
    }

    private static func info(_ fields: [String: String?]) -> ServerInfo {
        ServerInfo(fields.compactMap { key, value in value.map { "\(key):\($0)" } }.joined(separator: "\r\n"))
    }

    @Test func membersInOrderAreFit() {
        #expect(MemberFitness().unfitness(of: Self.replica(), member: "m") == nil)
        #expect(MemberFitness().unfitness(of: Self.primary(), member: "m") == nil)
        // A server of before 7.0 does not have all fields.
        let old = Self.replica(["async_loading": nil, "slave_read_repl_offset": nil, "master_failover_state": nil])
        #expect(MemberFitness(lagBytesMax: 0).unfitness(of: old, member: "m") == nil)
        // A primary does not lag, whatever others say.
        #expect(MemberFitness(lagBytesMax: 0, primaryOffset: .max).unfitness(of: Self.primary(), member: "m") == nil)
    }

    @Test(arguments: [
        (["loading": "1"], Failure.Code.memberLoading), (["async_loading": "1"], .memberLoading),
        (["master_sync_in_progress": "1", "master_link_status": "down"], .memberLoading),
        (
            ["master_link_status": "down", "master_last_io_seconds_ago": "-1", "master_link_down_since_seconds": "17"],
            .replicaLinkDown
        ),
        (["master_last_io_seconds_ago": "31"], .replicaLinkDown),
        (["master_failover_state": "failover-in-progress"], .memberChanged),
        (["role": "sentinel"], .unsupported), (["redis_mode": "sentinel"], .unsupported),
        (["server_mode": "sentinel"], .unsupported),
    ])
    func whatIsWrongIsNamed(changes: [String: String], code: Failure.Code) {
        let failure = MemberFitness().unfitness(of: Self.replica(changes.mapValues { $0 }), member: "redis-1:6379")
        #expect(failure?.code == code)
        #expect(failure?.message.contains("redis-1:6379") == true)
    }

    @Test func aReplicaThatDoesNotSayThatItsLinkIsUpIsUnfit() {
        let silent = Self.replica(["master_link_status": nil])
        #expect(MemberFitness().unfitness(of: silent, member: "m")?.code == .replicaLinkDown)
        #expect(MemberFitness().unfitness(of: Self.info([:]), member: "m")?.code == .unsupported)
    }

    @Test func theTimeALinkIsDownIsSaid() {
        let down = Self.replica(["master_link_status": "down", "master_link_down_since_seconds": "17"])
        #expect(MemberFitness().unfitness(of: down, member: "m")?.message.contains("for 17 s") == true)
    }

    @Test func theIdleTimeOfTheLinkHasItsLimit() {
        let replica = Self.replica(["master_last_io_seconds_ago": "12"])
        #expect(MemberFitness(linkIdleSecondsMax: 12).unfitness(of: replica, member: "m") == nil)
        #expect(MemberFitness(linkIdleSecondsMax: 11).unfitness(of: replica, member: "m")?.code == .replicaLinkDown)
    }

    @Test func theLagIsWhatThePrimaryHasAndTheReplicaHasNotProcessed() {
        let replica = Self.replica()
        #expect(MemberFitness().lagBytes(of: replica) == 10)
        #expect(MemberFitness(primaryOffset: 1500).lagBytes(of: replica) == 510)
        // The replica went on since the primary was looked at.
        #expect(MemberFitness(primaryOffset: 500).lagBytes(of: replica) == 10)
        #expect(MemberFitness(primaryOffset: 1500).lagBytes(of: Self.primary()) == nil)
        #expect(MemberFitness(lagBytesMax: 510, primaryOffset: 1500).unfitness(of: replica, member: "m") == nil)
        let behind = MemberFitness(lagBytesMax: 509, primaryOffset: 1500).unfitness(of: replica, member: "m")
        #expect(behind?.code == .replicaLagging)
        #expect(behind?.message.contains("510") == true && behind?.message.contains("509") == true)
    }

    @Test(arguments: [true, false])
    func aChangeOfRoleOrHistoryIsAWarningOrAFailure(_ isStrict: Bool) {
        let fitness = MemberFitness(isTopologyStrict: isStrict)
        let changes = [
            (Self.replica(), Self.primary()), (Self.replica(), Self.replica(["master_replid": "y"])),
            (Self.primary(), Self.primary(["master_replid": "y"])), (Self.primary(), Self.replica()),
        ]
        for (before, after) in changes {
            switch fitness.change(from: before, to: after, member: "m") {
            case .none: Issue.record("no change was seen")
            case .warning(let text): #expect(!isStrict && text.contains("m "))
            case .failure(let failure): #expect(isStrict && failure.code == .memberChanged)
            }
        }
    }

    @Test func aRestartIsAlwaysAFailure() {
        guard
            case .failure(let failure) = MemberFitness().change(
                from: Self.primary(),
                to: Self.primary(["run_id": "b"]),
                member: "m"
            )
        else {
            Issue.record("a restart was not seen")
            return
        }
        #expect(failure.code == .memberChanged)
    }

    @Test func theFirstSnapshotOfALonePrimaryBeginsItsHistory() {
        let lone = Self.primary(["repl_backlog_active": "0"])
        guard
            case .none = MemberFitness(isTopologyStrict: true).change(
                from: lone,
                to: Self.primary(["master_replid": "y"]),
                member: "m"
            )
        else {
            Issue.record("a new history was taken for a change of it")
            return
        }
    }

    @Test func aLinkThatWentDownMeanwhileIsAFailureAndALagIsNot() {
        let fitness = MemberFitness(lagBytesMax: 0, primaryOffset: 990)
        guard
            case .failure(let failure) = fitness.change(
                from: Self.replica(),
                to: Self.replica(["master_link_status": "down"]),
                member: "m"
            )
        else {
            Issue.record("a link that went down was not seen")
            return
        }
        #expect(failure.code == .replicaLinkDown)
        let behind = Self.replica(["slave_read_repl_offset": "9999"])
        guard case .none = fitness.change(from: Self.replica(), to: behind, member: "m") else {
            Issue.record("the lag was judged by an old offset of the primary")
            return
        }
    }
}
