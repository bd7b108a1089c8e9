// SPDX-License-Identifier: Apache-2.0

/// What a scanner keeps in memory at most, whatever the input says.
package struct RDBLimits: Sendable, Hashable {
    /// The longest name or value of an AUX field that is captured, in bytes after decompression.
    package var auxBytesMax: Int
    /// How many AUX fields are captured; later ones are read and dropped.
    package var auxFieldsMax: Int
    /// How many databases may hold keys. A server has 16 unless `databases` says otherwise.
    package var databasesMax: Int
    /// How many modules may have written data.
    package var modulesMax: Int

    /// How many templates of hashes may be described.
    package var templatesMax: Int

    package init(
        auxBytesMax: Int = 1024,
        auxFieldsMax: Int = 64,
        databasesMax: Int = 65_536,
        modulesMax: Int = 256,
        templatesMax: Int = 65_536
    ) {
        self.auxBytesMax = auxBytesMax
        self.auxFieldsMax = auxFieldsMax
        self.databasesMax = databasesMax
        self.modulesMax = modulesMax
        self.templatesMax = templatesMax
    }
}

extension RDBLimits {
    /// No server holds a longer string: a tebibyte. (512 MiB by default; modules may go beyond.)
    static let stringBytesMax: UInt64 = 1 << 40
    /// No server holds more elements in one value, nor more keys: each takes memory of its own.
    static let elementsMax: UInt64 = 1 << 48
    /// `databases` is an `int` of at most 2^31 - 1 (redis src/config.c), so this is the last database.
    static let databaseMax: UInt64 = (1 << 31) - 2
    /// The expiry of a hash field has 48 bits, and the next number means "none" (redis src/ebuckets.h).
    static let fieldExpiryNone: UInt64 = 1 << 48
}
