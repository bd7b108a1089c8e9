// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The name of a file whose bytes are not committed: `.<name>.partial~<16 hexadecimal digits>`, beside its final name.
///
/// No key has a `~` in it, so such a file can neither be listed as an object nor take the place of one.
struct TemporaryName: Sendable, Hashable {
    /// The last component of the key.
    let finalName: String
    private let mark: String

    private static let separator = ".partial~"
    private static let markLength = 16

    /// A name that nobody has used yet.
    init(for finalName: String) {
        self.finalName = finalName
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        mark = String(repeating: "0", count: Self.markLength - digits.count) + digits
    }

    /// `nil` when it is another file.
    init?(parsing text: String) {
        let ending = text.utf8.suffix(Self.separator.utf8.count + Self.markLength)
        guard text.utf8.first == UInt8(ascii: "."), text.utf8.count > ending.count + 1 else { return nil }
        let finalName = String(text.utf8.dropFirst().dropLast(ending.count))
        let (separator, mark) = (
            String(ending.prefix(Self.separator.utf8.count)), String(ending.suffix(Self.markLength))
        )
        guard let finalName, separator == Self.separator, let mark, ObjectKey.isValid(component: finalName),
            mark.utf8.allSatisfy({
                ("0"..."9").contains(Unicode.Scalar($0)) || ("a"..."f").contains(Unicode.Scalar($0))
            })
        else { return nil }
        self.finalName = finalName
        self.mark = mark
    }

    var text: String { ".\(finalName)\(Self.separator)\(mark)" }
}

/// A temporary file that is being written. Its descriptor is closed once, whoever comes first.
final class TemporaryFile: Sendable {
    let key: ObjectKey
    let name: TemporaryName
    /// What tells it apart from any other file, under whichever name.
    let identity: FileStatus.Identity
    private let descriptor: Mutex<Int32?>

    init(key: ObjectKey, name: TemporaryName, identity: FileStatus.Identity, descriptor: Int32) {
        self.key = key
        self.name = name
        self.identity = identity
        self.descriptor = Mutex(descriptor)
    }

    /// The folders that hold it.
    var folders: [String] { key.components.dropLast() }

    /// The descriptor while it is open.
    var openDescriptor: Int32? { descriptor.withLock { $0 } }

    /// Hands the descriptor to whoever closes it.
    func takeDescriptor() -> Int32? {
        descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
    }
}
