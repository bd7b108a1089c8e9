// SPDX-License-Identifier: Apache-2.0

/// What a scanner counts while it walks, in the form that costs least; a summary is made of it at the end.
struct RDBCounts {
    /// The keys of the database that is being read.
    var keys: UInt64 = 0
    /// Its number. Keys before any selection belong to the first one.
    var database: UInt64 = 0
    /// The complete records of each opcode and value type.
    var records = [UInt64](repeating: 0, count: 256)
    var expires: UInt64 = 0
    var expired: UInt64 = 0
    /// Those that expire before the time that was asked for, in milliseconds since 1970.
    var past: UInt64 = 0
    var pastAt: Int64?

    /// The name of the AUX field whose value follows, if it was short enough to be kept.
    var auxName: String?
    /// When the snapshot was taken, in milliseconds since 1970.
    var createdAt: Int64?
    /// When the key that follows expires, in milliseconds since 1970.
    var expiry: Int64?
    /// Which attributes of the key that follows were read.
    var attributes: Attribute = []

    /// How many fields each template of hashes names.
    var templates: [UInt64: UInt64] = [:]

    /// The type ids of modules, without the versions in their lower ten bits.
    var modules: Set<UInt64> = []
    /// The one that was seen last.
    var module: UInt64?

    /// A value is complete.
    mutating func countKey() {
        keys += 1
        guard !attributes.isEmpty else { return }
        if let expiry {
            expires += 1
            if let createdAt, expiry < createdAt { expired += 1 }
            if let pastAt, expiry < pastAt { past += 1 }
        }
        expiry = nil
        attributes = []
    }

    /// The kinds of what is told of a key before it.
    struct Attribute: OptionSet {
        let rawValue: UInt8

        static let metadata = Attribute(rawValue: 1)
        static let idle = Attribute(rawValue: 2)
        static let frequency = Attribute(rawValue: 4)
        static let expiry = Attribute(rawValue: 8)
    }
}

extension RDBCounts.Attribute {
    init(opcode: UInt8) {
        switch opcode {
        case 243: self = .metadata
        case 248: self = .idle
        case 249: self = .frequency
        default: self = .expiry
        }
    }
}

/// The name of a module's type: nine characters of six bits each, above a version of ten bits (redis src/module.c,
/// `moduleTypeNameByID`).
func moduleName(_ type: UInt64) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    let characters = (0..<9).map { alphabet[Int(type >> (10 + 6 * (8 - UInt64($0))) & 0x3f)] }
    return String(decoding: characters, as: UTF8.self)
}
