// SPDX-License-Identifier: Apache-2.0

/// How the values of a value type are encoded, in the words of `OBJECT ENCODING` where it has one (redis src/rdb.h).
package struct RDBEncoding: Sendable, Hashable {
    /// Such as `hash`.
    package let type: String
    /// Such as `listpack`; `hashtable` and `skiplist` stand element by element.
    package let name: String

    /// - Parameter valueType: of a key that a scanner accepted. What 22 means depends on the dialect; both are hashes.
    package init(valueType: UInt8) {
        (type, name) =
            switch valueType {
            case 0: ("string", "string")
            case 1: ("list", "linkedlist")
            case 2: ("set", "hashtable")
            case 3: ("zset", "skiplist, scores as text")
            case 4: ("hash", "hashtable")
            case 5: ("zset", "skiplist")
            case 7: ("module", "module")
            case 9: ("hash", "zipmap")
            case 10: ("list", "ziplist")
            case 11: ("set", "intset")
            case 12: ("zset", "ziplist")
            case 13: ("hash", "ziplist")
            case 14: ("list", "quicklist of ziplists")
            case 15: ("stream", "stream, version 1")
            case 16: ("hash", "listpack")
            case 17: ("zset", "listpack")
            case 18: ("list", "quicklist")
            case 19: ("stream", "stream, version 2")
            case 20: ("set", "listpack")
            case 21: ("stream", "stream, version 3")
            case 22, 24: ("hash", "hashtable, fields expire")
            case 23, 25: ("hash", "listpack, fields expire")
            case 26: ("stream", "stream, version 4")
            case 27: ("stream", "stream, version 5")
            case 28: ("array", "array")
            case 30: ("hash", "listpack of a template")
            case 32: ("hash", "hashtable of a template")
            default: ("value", "value type \(valueType)")
            }
    }
}

/// A library of functions, as far as the first line of its code tells: `#!lua name=mylib`.
package struct RDBFunctionLibrary: Sendable, Hashable {
    /// As written, such as `lua`; `nil` where the code does not begin with `#!`.
    package let engine: String?
    package let name: String?

    /// - Parameter code: the beginning of it.
    init(code: [UInt8]) {
        let line = code.prefix { $0 != 0x0a && $0 != 0x0d }
        guard line.starts(with: Array("#!".utf8)) else {
            (engine, name) = (nil, nil)
            return
        }
        let words = line.dropFirst(2).split(separator: 0x20)
        let key = Array("name=".utf8)
        engine = words.first.map { escaped($0) }
        name = words.dropFirst().first { $0.starts(with: key) }.map { escaped($0.dropFirst(key.count), limit: 256) }
    }
}
