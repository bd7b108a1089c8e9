// SPDX-License-Identifier: Apache-2.0

extension Manifest {
    /// How many tags a set is given, at most.
    package static let tagsMax = 32

    /// Whether a text can be a tag: nothing in it needs quoting in a list, a shell or a table.
    package static func isTag(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "._-+:=/@".utf8.contains(byte)
            }
    }
}
