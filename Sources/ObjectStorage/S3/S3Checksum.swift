// SPDX-License-Identifier: Apache-2.0

import Crypto

/// A checksum that the store computes too and keeps beside the object.
///
/// Source: "Checking object integrity for data uploads in Amazon S3", Amazon S3 User Guide. The CRC-64 of an upload is
/// that of the whole object; with the others an upload has the checksum of the checksums of its parts, which every
/// provider that keeps them knows.
package enum S3Checksum: String, Sendable, Hashable, CaseIterable {
    case crc64nvme
    case crc32c
    case sha256

    /// `CRC64NVME`, as the store calls it.
    package var name: String { rawValue.uppercased() }
    /// The header that carries one, of a request and of an answer.
    package var header: String { "x-amz-checksum-\(rawValue)" }
    /// The element of a part in the list that completes an upload.
    var element: String { "Checksum\(name)" }
    /// Whether that of an upload is that of the whole object.
    var isOfWholeObject: Bool { self == .crc64nvme }
    /// The value of `x-amz-checksum-type`.
    var type: String { isOfWholeObject ? "FULL_OBJECT" : "COMPOSITE" }

    static let algorithmHeader = "x-amz-checksum-algorithm"
    static let typeHeader = "x-amz-checksum-type"
    static let modeHeader = "x-amz-checksum-mode"

    /// The checksum of some bytes, the highest byte first.
    package func digest(of bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .crc64nvme: Self.bytes(CyclicChecksum.crc64NVME.value(of: bytes), 8)
        case .crc32c: Self.bytes(CyclicChecksum.crc32C.value(of: bytes), 4)
        case .sha256: Array(SHA256.hash(data: bytes))
        }
    }

    /// The checksum of an object of these parts, as the store shows it.
    package func text(of parts: [(digest: [UInt8], bytes: Int)]) -> String {
        guard isOfWholeObject else {
            return Base64.text(digest(of: parts.flatMap(\.digest))) + "-\(parts.count)"
        }
        let whole = parts.reduce(UInt64(0)) { before, part in
            let value = part.digest.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return CyclicChecksum.crc64NVME.value(joining: before, and: value, ofBytes: Int64(part.bytes))
        }
        return Base64.text(Self.bytes(whole, 8))
    }

    private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
    }
}
