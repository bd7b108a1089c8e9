// SPDX-License-Identifier: Apache-2.0

/// What modules write, of their values and beside them. Their data needs no module to be walked: each field says its
/// kind (redis src/rdb.h, "Module serialized values sub opcodes").
extension RDBScanner {
    private enum FieldKind: UInt64 {
        case end, signed, unsigned, float, double, string
    }

    mutating func readModuleType(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let number = try cursor.number() else { return false }
        inspection.sink.content?.module(number.value)
        let type = number.value >> 10
        if type != counts.module {
            counts.modules.insert(type)
            counts.module = type
            guard counts.modules.count <= limits.modulesMax else {
                throw RDBViolation(.tooMany, "more than \(limits.modulesMax) modules")
            }
        }
        cursor.advance(number.size)
        return true
    }

    /// When the module wrote: before or after the keys.
    func readModuleMoment(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let kind = try cursor.number(), let moment = try cursor.number(kind.size) else { return false }
        guard kind.value == FieldKind.unsigned.rawValue else {
            throw RDBViolation(.moduleData, "kind \(kind.value) where the moment of the save must stand as kind 2")
        }
        cursor.advance(kind.size + moment.size)
        return true
    }

    mutating func readModuleData(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        while let kind = try cursor.number() {
            var size = kind.size
            switch FieldKind(rawValue: kind.value) {
            case .end:
                cursor.advance(size)
                return true
            case .signed, .unsigned:
                guard let number = try cursor.number(size) else { return false }
                inspection.sink.content?.module(kind.value, number.value)
                size += number.size
            case .float:
                guard let bits = cursor.littleEndian(size, as: UInt32.self) else { return false }
                inspection.sink.content?.module(kind.value, UInt64(bits))
                size += 4
            case .double:
                guard let bits = cursor.littleEndian(size, as: UInt64.self) else { return false }
                inspection.sink.content?.module(kind.value, bits)
                size += 8
            case .string:
                guard let header = try cursor.stringHeader(size) else { return false }
                inspection.sink.content?.module(kind.value)
                try pass(header, .text(.moduleData), after: size, &cursor)
                if record.body > 0 { return false }
                continue
            case nil: throw RDBViolation(.moduleData, "the data of a module has no fields of kind \(kind.value)")
            }
            cursor.advance(size)
        }
        return false
    }
}
