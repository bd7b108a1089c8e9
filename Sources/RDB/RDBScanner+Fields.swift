// SPDX-License-Identifier: Apache-2.0

/// Fields that are not strings. Each function returns whether the field was whole, and moves the cursor only then.
extension RDBScanner {
    mutating func readOther(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        switch field {
        case .number: try readNumber(&cursor) != nil
        case .groupName, .consumerName, .templateName: try readText(field, &cursor)
        case .lastIDPart, .groupIDPart: try readIDPart(field, &cursor)
        case .deliveryTime, .deliveries: try readDelivery(field, &cursor)
        case .score: try readScore(&cursor)
        case .scoreText: try readScoreText(&cursor)
        case .nodeKind: try readNodeKind(&cursor)
        case .fieldExpiry: try readFieldExpiry(&cursor)
        case .minimumExpiry: try readMinimumExpiry(&cursor)
        case .streamNodeID: try readNodeID(&cursor)
        case .streamLength: try readStreamLength(&cursor)
        case .entryID, .ownedEntryID, .returnedEntryID: try readEntryID(field, &cursor)
        case .pendingEnd: try endGroup()
        case .fieldTime: try readFieldTime(&cursor)
        case .time: readBytes(8, &cursor)
        case .byte: readBytes(1, &cursor)
        case .expirySeconds: readExpiry(cursor.littleEndian(as: Int32.self).map { Int64($0) * 1000 }, 4, &cursor)
        case .expiryMilliseconds: readExpiry(cursor.littleEndian(as: Int64.self), 8, &cursor)
        case .database: try readDatabase(&cursor)
        case .auxName, .auxValue: try readExcerpt(&cursor, limit: limits.auxBytesMax)
        case .auxNameEnd: try endAuxName()
        case .auxValueEnd: try endAuxValue()
        case .functionLibrary: try readFunctionLibrary(&cursor)
        case .moduleType: try readModuleType(&cursor)
        case .moduleMoment: try readModuleMoment(&cursor)
        case .moduleData: try readModuleData(&cursor)
        case .metadataClass: readBytes(4, &cursor)
        case .arrayLength, .templateID, .templateLength, .template: try readArrayOrTemplate(field, &cursor)
        case .arrayCursor: try readArrayCursor(&cursor)
        case .arrayElement: try readArrayElement(&cursor)
        default: preconditionFailure("the walk reads \(field) itself")
        }
    }

    func readBytes(_ count: Int, _ cursor: inout RDBCursor) -> Bool {
        guard cursor.remaining >= count else { return false }
        cursor.advance(count)
        return true
    }

    private func readNumber(_ cursor: inout RDBCursor) throws(RDBViolation) -> UInt64? {
        guard let number = try cursor.number() else { return nil }
        cursor.advance(number.size)
        return number.value
    }

    /// How often the fields that follow are repeated.
    mutating func readTimes(
        _ cursor: inout RDBCursor,
        _ fields: UnsafePointer<RDBField>
    ) throws(RDBViolation) -> Bool {
        let field = fields[record.field]
        if field == .timesOfArray || field == .timesOfTemplate {
            record.repeatFields(record.elements, fields)
            return true
        }
        guard let number = try count(cursor) else { return false }
        switch field {
        case .timesPending: record.stream.beginGroup(number.value)
        case .timesPendingOfConsumer: try record.stream.beginConsumer(number.value)
        default: if record.isOutermost { record.times = number.value }
        }
        cursor.advance(number.size)
        record.repeatFields(number.value, fields)
        return true
    }

    /// A number of elements.
    func count(_ cursor: RDBCursor) throws(RDBViolation) -> RDBLength? {
        guard let number = try cursor.number() else { return nil }
        guard number.value <= RDBLimits.elementsMax else {
            throw RDBViolation(.lengthRange, "\(number.value) elements")
        }
        return number
    }

    // MARK: Values

    private mutating func readScore(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let bits = cursor.littleEndian(as: UInt64.self) else { return false }
        let score = Double(bitPattern: bits)
        if score.isNaN { throw RDBViolation(.score, "the score is not a number") }
        inspection.sink.content?.score(score)
        cursor.advance(8)
        return true
    }

    /// A score of RDB versions before 8: its length in one byte, and its digits; 253 for not a number, 254 and 255 for
    /// the infinities (redis src/rdb.c, `rdbLoadDoubleValue`).
    private mutating func readScoreText(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard cursor.remaining > 0 else { return false }
        let length = Int(cursor.byte(0))
        if length == 253 { throw RDBViolation(.score, "the score is not a number") }
        if length > 253 {
            inspection.sink.content?.score(length == 254 ? .infinity : -.infinity)
            return readBytes(1, &cursor)
        }
        guard cursor.remaining > length else { return false }
        let text = cursor.bytes(1 + length).dropFirst()
        guard isDecimal(text), let score = Double(String(decoding: text, as: UTF8.self)) else {
            throw RDBViolation(.score, "the score \"\(escaped(text))\" is not a number")
        }
        inspection.sink.content?.score(score)
        cursor.advance(1 + length)
        return true
    }

    private mutating func readNodeKind(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let kind = try cursor.number() else { return false }
        guard kind.value == 1 || kind.value == 2 else {
            throw RDBViolation(.listNode, "a list has no nodes of kind \(kind.value)")
        }
        record.nodeIsPlain = kind.value == 1
        cursor.advance(kind.size)
        return true
    }

    private mutating func readFieldTime(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let time = cursor.littleEndian(as: Int64.self) else { return false }
        guard time >= -1 else { throw RDBViolation(.fieldExpiry, "the field of a hash expires at \(time) ms") }
        inspection.sink.content?.expiry(time < 0 ? nil : UInt64(time))
        cursor.advance(8)
        return true
    }

    private mutating func readMinimumExpiry(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let expiry = cursor.littleEndian(as: UInt64.self) else { return false }
        guard expiry <= RDBLimits.fieldExpiryNone else {
            throw RDBViolation(.fieldExpiry, "the fields of a hash expire from \(expiry) ms on")
        }
        record.minimumExpiry = expiry
        cursor.advance(8)
        return true
    }

    private mutating func readFieldExpiry(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let number = try cursor.number() else { return false }
        guard number.value <= RDBLimits.fieldExpiryNone - record.minimumExpiry else {
            throw RDBViolation(
                .fieldExpiry,
                "the field of a hash expires \(number.value) ms after \(record.minimumExpiry) ms"
            )
        }
        let isRelative = record.minimumExpiry > 0
        let expiry = number.value &+ record.minimumExpiry &- (isRelative ? 1 : 0)
        inspection.sink.content?.expiry(number.value == 0 ? nil : expiry)
        cursor.advance(number.size)
        return true
    }

    // MARK: Opcodes

    private mutating func readExpiry(_ milliseconds: Int64?, _ size: Int, _ cursor: inout RDBCursor) -> Bool {
        guard let milliseconds else { return false }
        // Servers load -1 as no expiry, and other times before 1970 as expired: Redis before 6.2 made them of an
        // overflow (`SET key value PX 9223372036854775807`).
        counts.expiry = milliseconds == -1 ? nil : milliseconds
        cursor.advance(size)
        return true
    }

    private mutating func readDatabase(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let number = try cursor.number() else { return false }
        guard number.value <= RDBLimits.databaseMax else {
            throw RDBViolation(.databaseNumber, "no server has a database \(number.value)")
        }
        flushKeys()
        guard summary.keys.count < limits.databasesMax else {
            throw RDBViolation(.tooMany, "keys stand in \(limits.databasesMax) databases already")
        }
        counts.database = number.value
        cursor.advance(number.size)
        return true
    }

    private mutating func readFunctionLibrary(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        // The beginning of the code names the library.
        if census != nil { keepBeginning(header, cursor, limit: RDBKey.nameBytesMax) }
        try pass(header, .text(.functionLibrary), &cursor)
        summary.functions += 1
        return true
    }
}

/// Whether text is a number as a server prints one: digits, perhaps a sign, a fraction and an exponent.
func isDecimal(_ text: some Collection<UInt8>) -> Bool {
    var rest = text[...]
    func digits() -> Int {
        let count = rest.prefix { (0x30...0x39).contains($0) }.count
        rest = rest.dropFirst(count)
        return count
    }
    func skip(_ characters: String) -> Bool {
        guard let first = rest.first, characters.utf8.contains(first) else { return false }
        rest = rest.dropFirst()
        return true
    }
    _ = skip("+-")
    var mantissa = digits()
    if skip(".") { mantissa += digits() }
    guard mantissa > 0 else { return false }
    if skip("eE") {
        _ = skip("+-")
        guard digits() > 0 else { return false }
    }
    return rest.isEmpty
}
