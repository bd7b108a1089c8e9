// SPDX-License-Identifier: Apache-2.0

/// A store that is a part of a bucket: the objects whose names begin with its prefix.
protocol PrefixedStore: HTTPObjectStore {
    /// Without a slash at either end; empty for the whole bucket.
    var prefix: String { get }
}

extension PrefixedStore {
    /// A key as the bucket knows it.
    func fullKey(_ key: ObjectKey) -> String { fullPrefix(.root) + key.description }

    /// What the names of all objects in a folder begin with.
    func fullPrefix(_ folder: KeyFolder) -> String { (prefix.isEmpty ? "" : prefix + "/") + folder.description }

    /// The key that the bucket knows by a name; `nil` when it is none of this store.
    func key(named name: String) -> ObjectKey? {
        let prefix = fullPrefix(.root)
        return name.hasPrefix(prefix) ? ObjectKey(parsing: String(name.dropFirst(prefix.count))) : nil
    }
}
