// SPDX-License-Identifier: Apache-2.0

import Failures

/// The key of an object below the root of its store: components joined by `/`.
///
/// A component is 1 to 128 characters of `A-Z a-z 0-9 . _ -` and is neither `.` nor `..`, so that a key can never leave
/// the folder or prefix it was put under, whatever a manifest, a pod name or a listing says (failure mode F52).
package struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let components: [String]

    /// The longest component, in characters.
    package static let componentLengthMax = 128
    /// The most components of a key.
    package static let componentsMax = 8

    /// - Throws: `Failure(.configuration)` when a component is not of that form.
    package init(_ components: [String]) throws {
        guard !components.isEmpty, components.count <= Self.componentsMax else {
            throw Failure(
                .configuration,
                "use a key of \(components.count) components: it must have 1 to \(Self.componentsMax)"
            )
        }
        for component in components where !Self.isValid(component: component) {
            throw Failure(
                .configuration,
                "use \(String(reflecting: component)) in a key: only 1 to \(Self.componentLengthMax) characters of "
                    + "A-Z a-z 0-9 . _ - are allowed, and neither . nor .."
            )
        }
        self.components = components
    }

    /// The key as it is written in the store, or `nil` when it is not one that this tool could have written.
    package init?(parsing text: String) {
        try? self.init(text.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
    }

    package var description: String { components.joined(separator: "/") }

    package static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    /// Whether a text can be a component of a key.
    package static func isValid(component: String) -> Bool {
        guard (1...componentLengthMax).contains(component.utf8.count), component != ".", component != ".." else {
            return false
        }
        return component.utf8.allSatisfy(isAllowed)
    }

    /// `A-Z a-z 0-9 . _ -`
    static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// The start of keys: no components is the whole store, otherwise every key with these components first.
package struct KeyFolder: Sendable, Hashable, CustomStringConvertible {
    package let components: [String]

    /// The whole store.
    package static let root = KeyFolder(validated: [])

    /// - Throws: `Failure(.configuration)` when a component is not of the form of `ObjectKey`.
    package init(_ components: [String]) throws {
        self.components = components.isEmpty ? [] : try ObjectKey(components).components
    }

    private init(validated components: [String]) {
        self.components = components
    }

    /// A key in this folder.
    /// - Throws: `Failure(.configuration)` as `ObjectKey`.
    package func key(_ more: String...) throws -> ObjectKey {
        try ObjectKey(components + more)
    }

    /// Ends with `/` unless it is the whole store.
    package var description: String { components.map { $0 + "/" }.joined() }

    /// Whether the key is in this folder or below it.
    package func contains(_ key: ObjectKey) -> Bool {
        key.components.count > components.count && key.components.starts(with: components)
    }
}
