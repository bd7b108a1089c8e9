// SPDX-License-Identifier: Apache-2.0

/// The names of fields that templates of hashes give, kept at level content only (Redis 8.10).
struct HashTemplates {
    /// Beyond so many bytes of names, no digest can be made: they would have to be kept.
    private static let bytesMax = 16 << 20
    /// What a name takes beside its bytes: its header, and its place among the others.
    private static let nameBytes = 40

    private var names: [UInt64: [[UInt8]]] = [:]
    private var bytes = 0
    private var described: UInt64 = 0
    private var used: [[UInt8]]?
    private var position = 0

    /// Whether the hash that is being read has the fields of a template.
    var isInUse: Bool { used != nil }

    /// Whether all names could be kept.
    var areComplete: Bool { bytes <= Self.bytesMax }

    mutating func beginKey() {
        used = nil
        position = 0
    }

    mutating func describe(_ id: UInt64) {
        described = id
        names[id] = []
    }

    mutating func beginName() {
        bytes += Self.nameBytes
        guard areComplete else { return }
        names[described, default: []].append([])
    }

    mutating func take(_ piece: UnsafeRawBufferPointer) {
        bytes += piece.count
        guard areComplete, let last = names[described]?.indices.last else { return }
        names[described]?[last] += piece
    }

    /// The hash has the fields of this template.
    mutating func use(_ id: UInt64) { used = names[id] ?? [] }

    /// Gives the name of the next field.
    mutating func next(_ body: (UnsafeRawBufferPointer) -> Void) {
        guard let used, position < used.count else { return }
        used[position].withUnsafeBytes { body($0) }
        position += 1
    }
}
