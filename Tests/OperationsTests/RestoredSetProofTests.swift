// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import RedisProtocol
import Testing

/// What is judged after the pods run again.
struct RestoredSetProofTests {
    private static func member(_ name: String, _ info: String) -> RestoredSetProof.Member {
        RestoredSetProof.Member(name: name, info: ServerInfo(info))
    }

    private static let primary =
        "role:master\r\nconnected_slaves:1\r\nslave0:ip=a,port=1,state=online,offset=1,lag=0\r\n"
    private static let replica = "role:slave\r\nmaster_link_status:up\r\n"

    private static func snapshot(keys: UInt64, expires: UInt64 = 0) -> Manifest.Snapshot {
        Manifest.Snapshot(
            version: 10,
            bytes: 1,
            sha256: "",
            crc64: "",
            createdAt: nil,
            keys: ["0": keys],
            expires: expires,
            types: [:],
            usedMemory: nil,
            modules: [],
            functions: 0
        )
    }

    @Test(arguments: [
        ("", "no server is a primary"), ("loading:1\r\n", "b is loading"),
        ("master_link_status:down\r\n", "the link of b to its primary is down"),
    ])
    func whatIsNotInStepIsNamed(change: String, words: String) {
        let replica = Self.member("b", change + Self.replica)
        let members = change.isEmpty ? [replica] : [Self.member("a", Self.primary), replica]
        #expect(RestoredSetProof.disorder(members) == words)
    }

    @Test func aSetIsInStepWhenEveryReplicaIsOnline() {
        let (primary, replica) = (Self.member("a", Self.primary), Self.member("b", Self.replica))
        #expect(RestoredSetProof.disorder([primary, replica]) == nil)
        #expect(RestoredSetProof.disorder([primary, replica, replica]) == "1 of 2 replicas are online")
        let waiting = Self.member("a", Self.primary.replacing("online", with: "wait_bgsave"))
        #expect(RestoredSetProof.disorder([waiting, replica]) == "0 of 1 replicas are online")
        #expect(RestoredSetProof.disorder([primary]) == nil, "a server that is alone is a set too")
    }

    /// F38: a primary drops what has expired while it loads; clients may have written since.
    @Test func whatWasLoadedAndWhatExpiredMakeUpTheSnapshot() throws {
        let loaded =
            "rdb_last_load_keys_loaded:90\r\nrdb_last_load_keys_expired:10\r\n# Keyspace\r\ndb0:keys=7,expires=0\r\n"
        try RestoredSetProof.requireKeys(of: Self.member("a", loaded), Self.snapshot(keys: 100, expires: 10))
        for keys in [99, 101] as [UInt64] {
            #expect(throws: Failure.self) {
                try RestoredSetProof.requireKeys(of: Self.member("a", loaded), Self.snapshot(keys: keys, expires: 10))
            }
        }
    }

    /// A server before 7.0 does not say what it loaded.
    @Test func anOlderServerHoldsAtLeastWhatCannotExpire() throws {
        let holds = Self.member("a", "# Keyspace\r\ndb0:keys=95,expires=5\r\n")
        try RestoredSetProof.requireKeys(of: holds, Self.snapshot(keys: 100, expires: 5))
        #expect(throws: Failure.self) {
            try RestoredSetProof.requireKeys(of: holds, Self.snapshot(keys: 100, expires: 4))
        }
        let empty = Self.member("a", "role:master\r\n")
        #expect(throws: Failure.self) { try RestoredSetProof.requireKeys(of: empty, Self.snapshot(keys: 1)) }
    }
}

/// What is made of the end of a Job's pod, and of the notes on a StatefulSet.
struct VolumeRestoreJudgementTests {
    private static func message(_ code: String, _ text: String) -> String {
        #"{"command":"restore","error":{"code":"\#(code)","message":"\#(text)"},"exitCode":8}"#
    }

    @Test func whatAJobSaidIsQuoted() {
        let refused = JobVerdict(exitCode: 8, reason: "Error", message: Self.message("guard-refused", "it holds data"))
        #expect(refused.code == .guardRefused)
        #expect(refused.stateOfFailure("failed") == .asBefore("it holds data [guard-refused] (exit 8, Error)"))
        // Its log, where it left no message.
        let spoke = JobVerdict(exitCode: 1, reason: "Error", message: "one\ntwo")
        #expect(spoke.stateOfFailure("failed") == .asBefore("one two (exit 1, Error)"))
        let silent = JobVerdict(exitCode: 64, reason: nil, message: nil)
        #expect(silent.stateOfFailure("Job failed") == .asBefore("Job failed (exit 64)"))
        let done = JobVerdict(
            exitCode: 0,
            reason: nil,
            message: #"{"command":"restore","exitCode":0,"result":"restored: a"}"#
        )
        #expect(done.result == "restored: a")
    }

    /// Who was killed may have been in the middle of a rename; who was told to end was not.
    @Test(arguments: [(137, false), (139, false), (132, false), (143, true), (130, true), (5, true)])
    func whetherAVolumeIsWholeIsJudgedByHowTheProgramEnded(code: Int, isWhole: Bool) {
        let state = JobVerdict(exitCode: code, reason: nil, message: nil).stateOfFailure("failed")
        if case .asBefore = state { #expect(isWhole) } else { #expect(!isWhole) }
    }

    @Test func aPodThatIsNotHeardOfIsNotKnown() {
        let lost = JobVerdict(exitCode: nil, reason: "NodeLost", message: nil).stateOfFailure("failed")
        #expect(lost == .unknown("failed (NodeLost)"))
    }

    @Test func aNoteIsReadAsItWasWritten() {
        let restore = ReplicaNote.Restore(requestID: "r", backup: "a/b", member: "m", generation: 7)
        let note = ReplicaNote(replicas: 3, restore: restore)
        #expect(ReplicaNote(note.annotations.compactMapValues(\.self)) == note)
        #expect(ReplicaNote([ReplicaNote.replicasKey: "3", ReplicaNote.restoreKey: "nonsense"])?.restore == nil)
        #expect(ReplicaNote([:]) == nil && ReplicaNote([ReplicaNote.replicasKey: "-1"]) == nil)
        #expect(ReplicaNote([ReplicaNote.replicasKey: "three"]) == nil)
        #expect(ReplicaNote([ReplicaNote.replicasKey: "99999999"]) == nil)
    }
}
