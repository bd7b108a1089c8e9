// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import ObjectStorage

/// What the pods of an Indexed Job agree on: which set they make together, and who takes which snapshot.
///
/// It rests in the store, because that is the one thing all of them reach: `.runs/<name>/<job>/plan.json`, written
/// once by the first of them. Each turn that is over leaves a record below it, `<id>/turn-<number>.json`, and the pod
/// that finds all of them writes the manifest. Until then no reader sees anything of the set.
package struct IndexedRun: Sendable, Hashable, Codable {
    /// The format this program writes and reads.
    package static let formatNumber = 1

    package var format: Int
    package var name: String
    package var job: String
    /// How many pods there are.
    package var count: Int
    package var id: BackupID
    package var startedAt: Timestamp
    package var turns: [Turn]
    package var omissions: [Omission]
    /// The cluster, where the members are nodes of one.
    package var cluster: Manifest.ClusterFacts?

    package init(
        name: String,
        job: String,
        count: Int,
        id: BackupID,
        turns: [Turn],
        omissions: [Omission],
        cluster: Manifest.ClusterFacts?
    ) {
        format = Self.formatNumber
        self.name = name
        self.job = job
        self.count = count
        self.id = id
        startedAt = .now()
        self.turns = turns
        self.omissions = omissions
        self.cluster = cluster
    }

    /// One snapshot to take.
    package struct Turn: Sendable, Hashable, Codable {
        package var number: Int
        /// The pod that takes it.
        package var index: Int
        package var shard: String
        /// The members that may give it, best first.
        package var members: [String]

        package init(number: Int, index: Int, shard: String, members: [String]) {
            self.number = number
            self.index = index
            self.shard = shard
            self.members = members
        }
    }

    /// A member that is not asked.
    package struct Omission: Sendable, Hashable, Codable {
        package var member: String
        package var reason: String

        package init(member: String, reason: String) {
            self.member = member
            self.reason = reason
        }
    }

    /// How a turn ended.
    package struct Record: Sendable, Hashable, Codable {
        package var number: Int
        /// The member with its snapshot, or every candidate with its error.
        package var members: [Manifest.Member]
        package var standBys: [Omission]

        package init(number: Int, members: [Manifest.Member], standBys: [Omission]) {
            self.number = number
            self.members = members
            self.standBys = standBys
        }

        package var isKept: Bool { members.contains { $0.stored != nil } }
    }
}

/// Where an indexed run rests in the store.
package struct IndexedRunStore: Sendable {
    package static let folderName = ".runs"
    /// The largest plan or record that is read, in bytes.
    private static let sizeBytesMax = 16 << 20
    private static let planFileName = "plan.json"

    private let folder: KeyFolder
    private let store: any ObjectStore

    /// - Parameter job: what all pods of the Job, and no other Job, are given: its UID.
    /// - Throws: `.configuration` when the name or the job cannot be part of a key.
    package init(name: String, job: String, in store: any ObjectStore) throws {
        folder = try KeyFolder([Self.folderName, name, job])
        self.store = store
    }

    package func plan() async throws -> IndexedRun? {
        guard let run: IndexedRun = try await read(folder.key(Self.planFileName)) else { return nil }
        guard run.format == IndexedRun.formatNumber else {
            throw Failure(
                .unsupported,
                "read \(folder)\(Self.planFileName) in \(store.location): it is of format \(run.format)",
                hint: "Run the pods of one Job with one version of redoubt."
            )
        }
        return run
    }

    /// Writes the plan, unless another pod was faster.
    /// - Returns: the plan that counts.
    package func settle(_ run: IndexedRun) async throws -> IndexedRun {
        try await create(folder.key(Self.planFileName), run)
        return try await plan() ?? run
    }

    /// Writes how a turn ended, unless another attempt at it was faster.
    /// - Returns: the record that counts.
    package func settle(_ record: IndexedRun.Record, of run: IndexedRun) async throws -> IndexedRun.Record {
        let key = try key(ofTurn: record.number, run)
        try await create(key, record)
        return try await read(key) ?? record
    }

    /// The records that are there, by the number of their turn. Each is asked for by its own key: a listing that lags
    /// must not make every pod believe that another one is still at work.
    package func records(of run: IndexedRun, turns: [IndexedRun.Turn]? = nil) async throws -> [Int: IndexedRun.Record] {
        try await withThrowingTaskGroup(of: IndexedRun.Record?.self) { group in
            var waiting = (turns ?? run.turns).makeIterator()
            func readNext() {
                guard let turn = waiting.next() else { return }
                group.addTask { try await read(key(ofTurn: turn.number, run)) }
            }
            for _ in 0..<Self.readsAtOnce { readNext() }
            var records: [Int: IndexedRun.Record] = [:]
            while let record = try await group.next() {
                if let record { records[record.number] = record }
                readNext()
            }
            return records
        }
    }

    /// How many records are read at once.
    private static let readsAtOnce = 8

    private func key(ofTurn number: Int, _ run: IndexedRun) throws -> ObjectKey {
        try folder.key(run.id.text, "turn-\(number).json")
    }

    /// What is there already stays: it is from another attempt at the same thing.
    private func create(_ key: ObjectKey, _ value: some Encodable) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            try await store.create(key, Array(try encoder.encode(value)))
        } catch let failure as Failure where failure.code == .alreadyExists {
            return
        }
    }

    private func read<Value: Decodable>(_ key: ObjectKey) async throws -> Value? {
        do {
            let bytes = try await store.read(key, bytesMax: Self.sizeBytesMax).bytes
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        } catch let error as DecodingError {
            throw Failure(
                .corruptManifest,
                "read \(key) in \(store.location): it is no part of an indexed run",
                cause: error,
                hint: "Remove \(folder) from the store and start the Job anew."
            )
        }
    }
}
