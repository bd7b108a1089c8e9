// SPDX-License-Identifier: Apache-2.0

/// The frame of the records: what stands before the first and after the last.
extension RDBScanner {
    /// Reads the magic and the version: `REDIS` and four digits, or `VALKEY` and three.
    ///
    /// - Returns: whether they were whole.
    mutating func readHeader(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        let header = cursor.bytes(9)
        guard header.count == 9 else { return false }
        let magic = try magic(of: header)
        let digits = header[magic.rawValue.utf8.count...]
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw RDBViolation(.version, "the version \"\(escaped(header))\" is not a number")
        }
        let version = digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
        guard magic.versions.contains(version) else {
            throw RDBViolation(
                .version,
                "\(magic.rawValue) version \(version); known here are \(magic.versions.lowerBound) to "
                    + "\(magic.versions.upperBound)"
            )
        }
        summary.version = version
        summary.isValkey = magic == .valkey
        grammar = magic == .valkey ? .valkey : .redis
        cursor.advance(9)
        phase = .records
        return true
    }

    /// The magic that a header begins with, or the one that it is cut off from.
    private func magic(of header: some Collection<UInt8>) throws(RDBViolation) -> Magic {
        for magic in Magic.allCases where header.starts(with: magic.rawValue.utf8.prefix(header.count)) { return magic }
        throw RDBViolation(.magic, "an RDB begins with REDIS or VALKEY, this with \"\(escaped(header))\"")
    }

    /// What is wrong with an input that ends after these bytes, of which no header was made.
    func truncatedHeader(_ header: [UInt8]) -> RDBViolation {
        do throws(RDBViolation) {
            _ = try magic(of: header)
            return RDBViolation(.truncated, whereItStopped)
        } catch {
            return error
        }
    }

    /// Reads the checksum, which is zero where the server computes none (`rdbchecksum no`).
    ///
    /// - Returns: whether it was whole.
    mutating func readChecksum(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let checksum = cursor.littleEndian(as: UInt64.self) else { return false }
        guard checksum == 0 || checksum == summary.crc64 else {
            throw RDBViolation(
                .checksum,
                "the checksum is \(String(checksum, radix: 16)), "
                    + "the CRC-64 of the content \(String(summary.crc64, radix: 16))"
            )
        }
        summary.hasChecksum = checksum != 0
        summary.bytes += 8
        cursor.advance(8)
        phase = .done
        return true
    }

    /// What a truncated input lacks.
    var whereItStopped: String {
        switch phase {
        case .header: "the input ends inside the header"
        case .records where record.body > 0: "the input ends inside a string, \(record.body) bytes short"
        case .records where record.isOpen: "the input ends inside a record"
        case .records: "the input ends where a record should follow"
        case .recordsEnded, .checksum: "the input ends inside the checksum"
        case .done: "the input is whole"
        }
    }
}

/// What an RDB begins with.
private enum Magic: String, CaseIterable {
    case redis = "REDIS"
    case valkey = "VALKEY"

    /// The versions whose records are known here.
    var versions: ClosedRange<Int> {
        switch self {
        case .redis: 1...15
        case .valkey: 80...80
        }
    }
}
