// SPDX-License-Identifier: Apache-2.0

/// The polynomial of Jones with its bits reversed (redis src/crc64.c names it 0xad93d23594c935a9).
private let polynomial: UInt64 = 0x95ac_9329_ac4b_c9b5

/// The length of one lane: two lanes are checksummed side by side, because the steps of one depend on each other and
/// leave half of the processor idle. In bytes, a multiple of eight.
private let laneBytes = 4096

/// Eight tables of 256: table `k` at `k * 256 + b` is the CRC of byte `b` followed by `k` zero bytes, so the eight
/// bytes of a word are looked up independently and combined by exclusive or. After them eight more: what the byte `k`
/// of a CRC, being `b`, becomes when one lane of zero bytes follows.
private let tables: [UInt64] = {
    var tables = [UInt64](repeating: 0, count: 16 * 256)
    for byte in 0..<256 {
        var crc = UInt64(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ polynomial : crc >> 1 }
        tables[byte] = crc
    }
    for index in 256..<(8 * 256) {
        let crc = tables[index - 256]
        tables[index] = (crc >> 8) ^ tables[Int(crc & 0xff)]
    }
    // The map is linear: it is enough to follow each single bit through the lane.
    for bit in 0..<64 {
        var crc: UInt64 = 1 << bit
        for _ in 0..<laneBytes { crc = (crc >> 8) ^ tables[Int(crc & 0xff)] }
        let table = (8 + bit / 8) * 256
        for byte in 0..<256 where byte >> (bit % 8) & 1 == 1 { tables[table + byte] ^= crc }
    }
    return tables
}()

extension CRC64 {
    /// The CRC `value` after `count` more bytes, eight at a time, on any processor.
    static func byTables(_ value: UInt64, _ start: UnsafeRawPointer, count: Int) -> UInt64 {
        tables.withUnsafeBufferPointer { tables in
            guard let base = tables.baseAddress else { return value }
            return checksum(of: start, count: count, from: value, tables: base)
        }
    }
}

private func checksum(
    of start: UnsafeRawPointer,
    count: Int,
    from value: UInt64,
    tables: UnsafePointer<UInt64>
) -> UInt64 {
    var crc = value
    var next = start
    let end = start + count
    while end - next >= 2 * laneBytes {
        var ahead: UInt64 = 0
        let middle = next + laneBytes
        while next < middle {
            crc = step(crc ^ word(next), tables)
            ahead = step(ahead ^ word(next + laneBytes), tables)
            next += 8
        }
        crc = shift(crc, tables + 8 * 256) ^ ahead
        next += laneBytes
    }
    while end - next >= 8 {
        crc = step(crc ^ word(next), tables)
        next += 8
    }
    while next < end {
        crc = (crc >> 8) ^ tables[Int((crc ^ UInt64(next.load(as: UInt8.self))) & 0xff)]
        next += 1
    }
    return crc
}

@inline(__always)
private func word(_ address: UnsafeRawPointer) -> UInt64 {
    UInt64(littleEndian: address.loadUnaligned(as: UInt64.self))
}

/// The CRC of the eight bytes of a word, lowest first.
@inline(__always)
private func step(_ word: UInt64, _ tables: UnsafePointer<UInt64>) -> UInt64 {
    let low =
        tables[7 * 256 + Int(word & 0xff)] ^ tables[6 * 256 + Int((word >> 8) & 0xff)]
        ^ tables[5 * 256 + Int((word >> 16) & 0xff)] ^ tables[4 * 256 + Int((word >> 24) & 0xff)]
    let high =
        tables[3 * 256 + Int((word >> 32) & 0xff)] ^ tables[2 * 256 + Int((word >> 40) & 0xff)]
        ^ tables[256 + Int((word >> 48) & 0xff)] ^ tables[Int(word >> 56)]
    return low ^ high
}

/// The CRC after one lane of zero bytes.
private func shift(_ crc: UInt64, _ tables: UnsafePointer<UInt64>) -> UInt64 {
    var result: UInt64 = 0
    for index in 0..<8 { result ^= tables[index * 256 + Int((crc >> UInt64(8 * index)) & 0xff)] }
    return result
}
