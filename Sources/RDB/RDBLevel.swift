// SPDX-License-Identifier: Apache-2.0

/// How closely a scanner looks.
package enum RDBLevel: String, Sendable, Hashable, CaseIterable {
    /// Every record and field is whole and within its format; strings are skipped.
    case framing
    /// Also inside strings: compressed ones decompress to the length they say, and packed collections (listpacks,
    /// ziplists, intsets, zipmaps, nodes of streams) are whole, consistent and of the shape of their type. That is what
    /// a server checks when it loads them, and what it would stumble over later.
    case deep
    /// Also makes the digest of the content, which takes every byte of every element (`ContentDigest`).
    case content
}
