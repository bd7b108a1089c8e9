// SPDX-License-Identifier: Apache-2.0

import RDB

extension InspectReport {
    /// The keys by what stands in their names before the first delimiter.
    struct Prefixes: Encodable {
        let delimiter: String
        /// Whether the numbers of every prefix are exact: while there are few enough of them to watch each.
        let isExact: Bool
        /// How many prefixes are watched: all that there are if the numbers are exact.
        let watched: Int
        let withoutPrefix: Keys
        let byKeys: [Prefix]
        let byBytes: [Prefix]
        /// No prefix that is not watched has more; left out where the numbers are exact.
        let unwatchedKeysMax: UInt64?
        let unwatchedBytesMax: UInt64?
    }

    struct Prefix: Encodable {
        let prefix: String
        /// Left out where the prefix is not among those watched by their keys.
        let keys: UInt64?
        /// At most so many of them are too many.
        let keysExcess: UInt64?
        let bytes: UInt64?
        let bytesExcess: UInt64?

        init(_ name: [UInt8], _ keys: SpaceSaving.Entry?, _ bytes: SpaceSaving.Entry?) {
            prefix = PrintableASCII.text(name)
            self.keys = keys?.weight
            keysExcess = keys?.excess
            self.bytes = bytes?.weight
            bytesExcess = bytes?.excess
        }
    }
}

extension InspectReport.Prefixes {
    init(_ census: RDBCensus, top: Int) {
        let (keys, bytes) = (census.prefixesByKeys, census.prefixesByBytes)
        delimiter = PrintableASCII.text(census.delimiter)
        isExact = keys.isExact && bytes.isExact
        watched = keys.count
        withoutPrefix = InspectReport.Keys(
            count: census.withoutPrefix.keys,
            withExpiry: census.withoutPrefix.expires,
            bytes: census.withoutPrefix.bytes
        )
        byKeys = keys.entries.prefix(top).map { .init($0.name, $0, bytes.entry(of: $0.name)) }
        byBytes = bytes.entries.prefix(top).map { .init($0.name, keys.entry(of: $0.name), $0) }
        unwatchedKeysMax = keys.isExact ? nil : keys.missingWeightMax
        unwatchedBytesMax = bytes.isExact ? nil : bytes.missingWeightMax
    }
}
