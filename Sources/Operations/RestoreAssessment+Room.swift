// SPDX-License-Identifier: Apache-2.0

/// Whether there is room: memory, disk, and the files that the server looks for.
extension RestoreAssessment {
    /// What a fork may make the server copy, at least: as `MemoryHeadRoom` has it, in percent.
    private static let copyPercent: Int64 = 10
    /// A server that is full says so much more than its limit, in percent: buffers count for one and not the other.
    private static let tolerancePercent: Int64 = 5
    /// From here on, in percent of the limit, the dataset is said to fill it.
    private static let fullPercent: Int64 = 90

    /// Loading evicts nothing, and the first command afterwards does (F44). A container that reaches its limit is
    /// killed in the middle of the load, and starts anew to be killed again.
    var memory: Row {
        let cell = snapshot.usedMemory.map { "\(ReadableAmount.bytes($0)) used" } ?? "not told"
        let limits = memoryCell
        guard let used = snapshot.usedMemory, used > 0 else {
            guard hasMemoryLimit else { return row(.memory, .go, cell, limits) }
            return row(.memory, .warning, cell, limits, "the snapshot does not say how much memory its data takes")
        }
        let beside = target.keepsDataWhileLoading && target.keysHeld != 0 ? target.usedMemoryBytes ?? 0 : 0
        let needed = Self.sum(used, beside)
        let text = ReadableAmount.bytes(needed) + (beside > 0 ? ", with the old data beside it" : "")
        if let most = limit(target.maxMemoryBytes), needed > Self.sum(most, most / 100 * Self.tolerancePercent) {
            let detail = "it takes \(text), maxmemory is \(ReadableAmount.bytes(most)): \(consequence)"
            return obstacle(.memory, cell, limits, detail)
        }
        if let most = limit(target.containerLimitBytes), needed > most {
            let detail = "it takes \(text), the container has \(ReadableAmount.bytes(most)): it is killed as it loads"
            return obstacle(.memory, cell, limits, detail)
        }
        guard let risk = memoryRisk(needed) else { return row(.memory, .go, cell, limits) }
        return row(.memory, .warning, cell, limits, risk)
    }

    /// What is tight, but goes.
    private func memoryRisk(_ needed: Int64) -> String? {
        let most = limit(target.maxMemoryBytes)
        if let container = limit(target.containerLimitBytes) {
            if Self.sum(needed, needed / 100 * Self.copyPercent) >= container {
                return "no room is left for what a save or an AOF rewrite copies: the container may be killed"
            }
            if let most, most >= container { return "maxmemory is not below the limit of the container" }
        }
        guard let most, needed > most / 100 * Self.fullPercent else { return nil }
        return "it fills more than \(Self.fullPercent) % of maxmemory: \(consequence), soon or at once"
    }

    /// What the server does when it is full.
    private var consequence: String {
        switch target.maxMemoryPolicy {
        case nil: "the server evicts keys, or refuses writes"
        case "noeviction": "the server refuses writes (noeviction)"
        case let policy? where policy.hasPrefix("volatile-"):
            "the server evicts keys with an expiry in silence, and then refuses writes (\(policy))"
        case let policy?: "the server evicts keys in silence (\(policy))"
        }
    }

    /// A manifest may hold any number.
    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, isTooMuch) = left.addingReportingOverflow(right)
        return isTooMuch ? .max : sum
    }

    private func limit(_ bytes: Int64?) -> Int64? { bytes.flatMap { $0 > 0 ? $0 : nil } }

    private var hasMemoryLimit: Bool {
        limit(target.maxMemoryBytes) != nil || limit(target.containerLimitBytes) != nil
    }

    private var memoryCell: String {
        let most = target.maxMemoryBytes.map { bytes in
            bytes == 0 ? "no maxmemory" : "maxmemory \(ReadableAmount.bytes(bytes)), \(target.maxMemoryPolicy ?? "?")"
        }
        let container = limit(target.containerLimitBytes).map { "container \(ReadableAmount.bytes($0))" }
        let parts = [most, container].compactMap(\.self)
        return parts.isEmpty ? Self.notKnown : parts.joined(separator: "; ")
    }
}

extension RestoreAssessment {
    /// More free space than the snapshot itself must be there, in bytes, as `StagingArea` asks for.
    private static let spareBytes: Int64 = 1 << 20

    /// The snapshot is written once, whatever the files are called: the second name is a hard link, and what was there
    /// is moved by a rename. A server that runs writes it to its disk before it loads it, unless it loads without one.
    var disk: Row? {
        guard let free = target.freeDiskBytes else { return nil }
        let cell = ReadableAmount.bytes(snapshot.bytes)
        let has = "\(ReadableAmount.bytes(free)) free"
        if free - Self.spareBytes < snapshot.bytes {
            let kept = target.filesHeld?.isEmpty == false ? "; what is there is kept, and makes no room" : ""
            return row(.disk, .noGo, cell, has, "it takes \(snapshot.bytes) bytes, and \(free) are free\(kept)")
        }
        if free - Self.spareBytes - snapshot.bytes < snapshot.bytes {
            let detail = "no room is left for the first save of the server, which writes as much again"
            return row(.disk, .warning, cell, has, detail)
        }
        return row(.disk, .go, cell, has)
    }

    /// With AOF on a server loads its AOF and nothing else, and without it its dump and nothing else (F33).
    var persistence: Row {
        let setting = target.isAppendOnly.map { $0 ? "appendonly yes" : "appendonly no" } ?? "appendonly not known"
        guard let purpose = target.filePurpose else { return livePersistence(setting) }
        let files =
            switch purpose {
            case .either: "a dump and an AOF"
            case .appendOnly: "an AOF"
            case .snapshot: "a dump"
            }
        switch (purpose, target.isAppendOnly) {
        case (.snapshot, true?), (.appendOnly, false?):
            let detail = "the server ignores these files and starts empty, unless its command line says otherwise"
            return row(.persistence, .warning, files, setting, detail)
        case (_, true?), (.appendOnly, _):
            let detail = """
                loading by way of an AOF drops the replication id: it takes a full resync; started with appendonly no, \
                and CONFIG SET appendonly yes afterwards, it keeps it
                """
            return row(.persistence, .warning, files, setting, detail)
        case (.either, nil): return row(.persistence, .go, files, setting, "either setting finds its file")
        default: return row(.persistence, .go, files, setting)
        }
    }

    private func livePersistence(_ setting: String) -> Row {
        let detail = target.isAppendOnly == true ? "it rewrites its AOF when it has loaded: that forks once more" : ""
        return row(.persistence, .go, "-", setting, detail)
    }
}
