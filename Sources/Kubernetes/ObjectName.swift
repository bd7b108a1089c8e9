// SPDX-License-Identifier: Apache-2.0

import Failures

/// The names of Kubernetes' objects, which become parts of URLs.
enum ObjectName {
    private static let nameLengthMax = 253
    private static let labelLengthMax = 63

    /// Lower-case letters, digits and `-`, in parts with a `.` between them (RFC 1123, as Kubernetes reads it).
    static func isSubdomain(_ name: String) -> Bool {
        name.utf8.count <= nameLengthMax
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabelText($0) }
    }

    /// One part alone, as namespaces are named.
    static func isLabel(_ name: String) -> Bool {
        name.utf8.count <= labelLengthMax && isLabelText(name[...])
    }

    /// - Throws: `.configuration` when the name of an object or of its namespace is none.
    static func check(_ kind: String, _ name: String, namespace: String) throws {
        guard isSubdomain(name) else { throw refusal(kind, name) }
        try check(namespace: namespace)
    }

    /// - Throws: `.configuration` when it is none.
    static func check(namespace: String) throws {
        guard isLabel(namespace) else { throw refusal("namespace", namespace) }
    }

    private static func refusal(_ kind: String, _ name: String) -> Failure {
        Failure(
            .configuration,
            "name a \(kind): \(String(reflecting: String(name.prefix(80)))) is not a name of Kubernetes",
            hint: "Names have lower-case letters, digits, `-` and `.`, and begin and end with a letter or a digit."
        )
    }

    private static func isLabelText(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, first != hyphen, last != hyphen else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == hyphen
        }
    }

    private static let hyphen = UInt8(ascii: "-")
}
