// SPDX-License-Identifier: Apache-2.0

/// What keys take in the memory of a server, as far as a snapshot tells: an estimate, to compare with `used_memory`.
///
///     a key      = entry + name + value + its share of the table of its database (and of that of the expiries)
///     a value    = object + one allocation of its packed data
///                | object + table of its elements + for each of them an entry and its texts
///
/// Every allocation is rounded up to a size class of jemalloc as Redis builds it. The texts of a value are taken to be
/// equally long. What a snapshot does not tell is left out: room that texts have in reserve, fragmentation, clients,
/// buffers of replication, function engines, groups of streams. Builds with another allocator, such as that of glibc,
/// use up to a third more for small keys.
package struct RDBMemory: Sendable, Hashable {
    /// How a server lays out its keys.
    package enum Layout: String, Sendable, Hashable {
        /// A chained table of entries with a pointer each to a name and an object (redis src/dict.h, src/object.h,
        /// src/sds.h of 4.0 to 8.0; Valkey up to 8.0).
        case entries
        /// Buckets of seven objects, which hold their name, their expiry and short values (valkey src/hashtable.c,
        /// src/object.c, src/entry.c, from 8.1 on).
        case buckets
    }

    package private(set) var layout = Layout.entries
    /// Whether a list of one node is the packed data of that node alone: from Redis 7.2 and Valkey 7.2 on.
    private var hasPackedLists = false

    package init() {}

    /// - Parameter summary: what is known so far of the snapshot, the version of the server included.
    mutating func setServer(_ summary: RDBSummary) {
        hasPackedLists = summary.version >= 11
        guard let version = summary.aux["valkey-ver"] else { return }
        let parts = version.split(separator: ".").compactMap { Int($0) }
        if parts.count >= 2 { layout = (parts[0], parts[1]) >= (8, 1) ? .buckets : .entries }
    }

    /// What a key takes, in bytes, without the tables of its database.
    func bytes(of key: borrowing RDBKey) -> Int64 {
        let texts = max(0, key.payloadBytes - key.nameBytes)
        switch layout {
        case .entries:
            let name = Self.textBytes(key.nameBytes)
            let expiry: Int64 = key.expiry == nil ? 0 : 24
            return 24 + name + expiry + value(key, texts)
        case .buckets:
            // The object holds a pointer to the value, or a short string itself.
            let head = 16 + (key.expiry == nil ? 0 : 8) + 1 + Self.textSize(key.nameBytes)
            if key.encoding == 0 {
                let embedded = head - 8 + 3 + texts + 1
                if embedded <= 128 { return Self.allocated(embedded) }
                return Self.allocated(head) + Self.textBytes(texts)
            }
            return Self.allocated(head) - 16 + value(key, texts)
        }
    }

    /// What the tables of a database take, in bytes.
    func tableBytes(keys: UInt64, expires: UInt64) -> Int64 { table(keys) &+ table(expires) }

    // MARK: Values

    /// A value with its object of 16 bytes.
    private func value(_ key: borrowing RDBKey, _ texts: Int64) -> Int64 {
        let object: Int64 = 16
        let elements = Int64(clamping: key.elements)
        switch key.encoding {
        case 0:
            // Up to 44 bytes, object and text are one (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`).
            return texts <= 44 ? Self.allocated(object + 3 + texts + 1) : object + Self.textBytes(texts)
        case 1, 10, 14, 18:
            // A list has nodes of 32 bytes; those of old encodings are loaded as one node of at most 8 KiB each.
            if hasPackedLists, key.encoding == 18, key.parts == 1 { return object + Self.allocated(texts) }
            let nodes = max(1, key.encoding == 14 || key.encoding == 18 ? Int64(clamping: key.parts) : texts / 8192)
            return object + 40 + nodes &* (32 + Self.allocated(texts / nodes))
        case 2: return object + set(elements, texts)
        case 3, 5: return object + sortedSet(elements, texts)
        case 4, 22, 24, 32: return object + hash(elements, texts)
        case 15, 19, 21, 26, 27:
            // A radix tree over the ids of the nodes, which compresses them to little more than one entry each.
            let nodes = max(1, Int64(clamping: key.parts))
            return object + 144 + nodes &* (64 + Self.allocated(texts / nodes))
        case 28: return object + elements &* 16 + texts
        default: return object + Self.allocated(texts)
        }
    }

    private func set(_ elements: Int64, _ texts: Int64) -> Int64 {
        let each = layout == .entries ? 24 + meanText(texts, elements) : meanText(texts, elements)
        return Self.tableHead + table(UInt64(elements)) &+ elements &* each
    }

    private func hash(_ elements: Int64, _ texts: Int64) -> Int64 {
        let half = meanSize(texts, 2 * elements)
        let each: Int64
        switch layout {
        case .entries: each = 24 + 2 * meanText(texts, 2 * elements)
        case .buckets:
            // Field and value are one allocation up to 128 bytes, with the length of the value before them.
            let together = Self.textSize(half) + Self.textSize(half) + 2
            each = together <= 128 ? Self.allocated(together) : 8 + 2 * meanText(texts, 2 * elements)
        }
        return Self.tableHead + table(UInt64(elements)) &+ elements &* each
    }

    /// A sorted set is a table and a skip list. A node of it has 24 bytes and 16 for each level, one and a third on
    /// average, and its head 32 levels (redis src/t_zset.c).
    private func sortedSet(_ elements: Int64, _ texts: Int64) -> Int64 {
        let each: Int64
        switch layout {
        case .entries: each = 24 + 46 + meanText(texts, elements)
        // The node holds the text behind its levels.
        case .buckets: each = Self.allocated(16 + 21 + 1 + Self.textSize(meanSize(texts, elements)))
        }
        return 16 + 32 + 640 + Self.tableHead + table(UInt64(elements)) &+ elements &* each
    }

    // MARK: Allocations

    /// The head of a table: counters, and pointers to its old and its new self.
    private static let tableHead: Int64 = 56

    /// The table of so many entries, without them.
    private func table(_ entries: UInt64) -> Int64 {
        guard entries > 0 else { return 0 }
        switch layout {
        case .entries: return Int64(clamping: Self.powerOfTwo(max(4, entries))) &* 8
        case .buckets:
            let buckets = Self.powerOfTwo((entries + 6) / 7)
            // Where eight entries meet, another bucket is chained: so often when they are spread at random (P(X > 7) of
            // a Poisson distribution, by a power that is near it between half full and full).
            let fill = Double(entries) / Double(7 * buckets)
            return Int64(Double(buckets) * 64 * (1 + 0.4 * fill * fill * fill * fill))
        }
    }

    private static func powerOfTwo(_ number: UInt64) -> UInt64 {
        number <= 1 ? 1 : number > 1 << 62 ? 1 << 62 : 1 << UInt64(64 - (number - 1).leadingZeroBitCount)
    }

    private func meanSize(_ bytes: Int64, _ texts: Int64) -> Int64 { texts > 0 ? (bytes + texts / 2) / texts : 0 }

    private func meanText(_ bytes: Int64, _ texts: Int64) -> Int64 { Self.textBytes(meanSize(bytes, texts)) }

    /// A text with its header and the zero at its end (redis src/sds.h).
    private static func textSize(_ length: Int64) -> Int64 {
        length + 1 + (length < 32 ? 1 : length < 256 ? 3 : length < 65_536 ? 5 : length < 1 << 32 ? 9 : 17)
    }

    private static func textBytes(_ length: Int64) -> Int64 { allocated(textSize(length)) }

    /// The size class of an allocation: steps of 8 bytes up to 64, then four to each doubling (jemalloc with
    /// `--with-lg-quantum=3`).
    static func allocated(_ bytes: Int64) -> Int64 {
        if bytes <= 64 { return (max(1, bytes) + 7) & ~7 }
        let step: Int64 = 1 << Int64(64 - (bytes - 1).leadingZeroBitCount - 3)
        return (bytes + step - 1) & ~(step - 1)
    }
}
