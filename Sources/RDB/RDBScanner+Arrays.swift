// SPDX-License-Identifier: Apache-2.0

/// Values of Redis 8.8 and later: arrays, and hashes whose fields a template names.
extension RDBScanner {
    private enum ElementKind: UInt64 {
        case string, integer, double, shortString
    }

    mutating func readArrayOrTemplate(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let number = field == .templateID || field == .template ? try cursor.number() : try count(cursor)
        else { return false }
        switch field {
        case .templateID:
            record.template = number.value
            inspection.sink.content?.templates.describe(number.value)
        case .templateLength:
            record.elements = number.value
            try registerTemplate()
        case .template:
            guard let fields = counts.templates[number.value] else {
                throw RDBViolation(.template, "a hash of template \(number.value), which no record describes")
            }
            record.elements = fields
            inspection.sink.content?.templates.use(number.value)
        default:
            record.elements = number.value
        }
        cursor.advance(number.size)
        return true
    }

    private mutating func registerTemplate() throws(RDBViolation) {
        guard record.elements > 0, counts.templates[record.template] == nil else {
            throw RDBViolation(.template, "template \(record.template) is described twice, or names no fields")
        }
        guard counts.templates.count < limits.templatesMax else {
            throw RDBViolation(.tooMany, "more than \(limits.templatesMax) templates of hashes")
        }
        counts.templates[record.template] = record.elements
    }

    func readArrayCursor(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let isKnown = try cursor.number() else { return false }
        guard isKnown.value <= 1 else {
            throw RDBViolation(.arrayElement, "\(isKnown.value) where 0 or 1 says whether an index follows")
        }
        var size = isKnown.size
        if isKnown.value == 1 {
            guard let index = try cursor.number(size) else { return false }
            size += index.size
        }
        cursor.advance(size)
        return true
    }

    mutating func readArrayElement(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let index = try cursor.number(), let kind = try cursor.number(index.size) else { return false }
        let size = index.size + kind.size
        switch ElementKind(rawValue: kind.value) {
        case .integer, .double:
            guard let bits = cursor.littleEndian(size, as: UInt64.self) else { return false }
            inspection.sink.content?.element(index.value, bits, isDouble: kind.value == ElementKind.double.rawValue)
            cursor.advance(size + 8)
        case .string, .shortString:
            guard let header = try cursor.stringHeader(size) else { return false }
            inspection.sink.content?.beginElement(index.value)
            try pass(header, .text(.arrayElement), after: size, &cursor)
        case nil:
            throw RDBViolation(.arrayElement, "an array has no elements of kind \(kind.value)")
        }
        return true
    }
}
