// SPDX-License-Identifier: Apache-2.0

import Crypto

/// Takes the elements of every value, in the order in which they stand in an RDB, and makes the digest of the content.
///
/// Of a value only the elements count, in this form, where a text is its length in 8 bytes and its bytes, and integers
/// have 8 bytes, lowest first:
///
/// - string, list, data of a module: all of it, as it follows in the hash of the key;
/// - set: the sum of the SHA-256 of each member;
/// - hash: of each field, value and expiry in milliseconds since 1970 (all bits set for none);
/// - sorted set: of each member and the bits of its score (zero has no sign);
/// - array: of each index and element;
/// - stream: of each entry, of its last id, and of what its groups wait for (`ContentWalk+Streams`).
struct ContentWalk {
    /// Where the bytes of a text go.
    enum Target {
        case nowhere, key, item, values, names, template
    }

    /// The sum over all keys and libraries.
    var total = DigestSum()
    /// The keys that are in it.
    var tally = ContentTally()
    /// Keys and fields that expire before this time, in milliseconds since 1970, are left out; nil for none.
    let aliveAt: Int64?

    private var kind = RDBValueKind.string
    private var database: UInt64 = 0
    private var isExpired = false
    private var key = ItemHash()
    /// The sum of the elements that have no order.
    var sum = DigestSum()
    var item = ItemHash()
    var target = Target.nowhere
    var stream = StreamContent()

    private var expiresAfterValue = false
    private var isFieldNext = true
    private var fieldExpiry: UInt64?
    private var fields = (seen: 0, alive: 0)
    var templates = HashTemplates()

    init(aliveAt: Int64?) { self.aliveAt = aliveAt }

    // MARK: Keys

    /// - Parameters:
    ///   - expiresAfterValue: whether each field of the hash is followed by when it expires.
    ///   - expiry: in milliseconds since 1970.
    mutating func beginKey(
        _ kind: RDBValueKind,
        expiresAfterValue: Bool,
        database: UInt64,
        expiry: Int64?
    ) {
        self.kind = kind
        self.database = database
        self.expiresAfterValue = expiresAfterValue
        isExpired = if let expiry, let aliveAt { expiry < aliveAt } else { false }
        key.begin()
        key.add(database)
        kind.name.utf8CString.withUnsafeBytes { key.addText(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
        key.add(expiry.map(UInt64.init(bitPattern:)) ?? .max)
        sum = DigestSum()
        isFieldNext = true
        fieldExpiry = nil
        fields = (0, 0)
        stream.begin()
        templates.beginKey()
    }

    mutating func endKey() {
        if isExpired || (fields.seen > 0 && fields.alive == 0) { return }
        switch kind {
        case .string, .list, .module: break
        case .set, .hash, .zset, .stream, .array: sum.bytes.withUnsafeBytes { key.add($0) }
        }
        total.add(key.finished())
        tally.add(kind, in: database)
    }

    // MARK: Texts

    /// A text that stands in a field of its own begins.
    mutating func beginText(_ field: RDBField, _ length: Int) {
        switch field {
        case .key: begin(.key, length)
        case .functionLibrary:
            item.begin()
            item.add(UInt8(0xf5))
            begin(.item, length)
        case .groupName, .consumerName: beginName(field, length)
        case .moduleData: begin(.key, length)
        case .arrayElement: begin(.item, length)
        case .templateName:
            templates.beginName()
            target = .template
        case .text, .listNode: beginElement(length)
        default: target = .nowhere
        }
    }

    private mutating func beginElement(_ length: Int) {
        switch kind {
        case .string, .list: begin(.key, length)
        case .set: beginText(.member, length)
        case .zset: beginText(.member, length)
        case .hash where templates.isInUse: beginText(.element, length)
        case .hash: beginText(isFieldNext ? .field : .value, length)
        case .stream, .module, .array: target = .nowhere
        }
    }

    /// A text in packed data begins.
    mutating func beginText(_ role: PackedRole, _ length: Int) {
        switch role {
        case .field, .member:
            item.begin()
            begin(.item, length)
        case .value: begin(.item, length)
        case .element where templates.isInUse:
            beginTemplateValue()
            begin(.item, length)
        case .element: begin(.key, length)
        case .sharedName, .entryName, .entryValue: beginEntryText(role, length)
        case .score, .expiry, .control: target = .nowhere
        }
    }

    mutating func begin(_ target: Target, _ length: Int) {
        self.target = target
        switch target {
        case .key: key.add(UInt64(length))
        case .item: item.add(UInt64(length))
        case .values: stream.values.add(UInt64(length))
        case .names: stream.names.add(UInt64(length))
        case .nowhere, .template: break
        }
    }

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        switch target {
        case .nowhere: break
        case .key: key.add(bytes)
        case .item: item.add(bytes)
        case .values: stream.values.add(bytes)
        case .names: stream.names.add(bytes)
        case .template: templates.take(bytes)
        }
    }

    /// The text that stood in a field of its own is complete.
    mutating func endText(_ field: RDBField) {
        switch field {
        case .functionLibrary: total.add(item.finished())
        case .consumerName: endConsumerName()
        case .arrayElement: sum.add(item.finished())
        case .text where kind == .set: sum.add(item.finished())
        case .text where kind == .hash && !templates.isInUse:
            if !isFieldNext, !expiresAfterValue { endField() }
            isFieldNext.toggle()
        case .text where kind == .hash: endField()
        default: break
        }
    }

    /// The text in packed data is complete.
    mutating func endText(_ role: PackedRole) {
        switch role {
        case .member where kind == .set: sum.add(item.finished())
        case .value where !expiresAfterValue: endField()
        case .element where templates.isInUse: endField()
        default: break
        }
    }

    /// An integer in packed data, which stands for its digits unless it is a score, an expiry or a count.
    mutating func integer(_ value: Int64, _ role: PackedRole) {
        switch role {
        case .score: score(Double(value))
        case .expiry:
            fieldExpiry = value == 0 ? nil : UInt64(bitPattern: value)
            endField()
        case .control: if kind == .hash { templates.use(UInt64(bitPattern: value)) }
        default:
            var digits = DecimalDigits(value)
            beginText(role, digits.count)
            digits.withBytes { take($0) }
            endText(role)
        }
    }

    // MARK: Modules and arrays

    /// A number in the data of a module, after its kind; or its type, which says who reads the data.
    mutating func module(_ kind: UInt64, _ value: UInt64? = nil) {
        key.add(kind)
        if let value { key.add(value) }
    }

    /// An element of an array begins, and its text follows.
    mutating func beginElement(_ index: UInt64, isDouble: Bool = false) {
        item.begin()
        item.add(index)
        item.add(UInt8(isDouble ? 1 : 0))
    }

    mutating func element(_ index: UInt64, _ bits: UInt64, isDouble: Bool) {
        beginElement(index, isDouble: isDouble)
        if isDouble { item.add(bits) } else { item.addText(Int64(bitPattern: bits)) }
        sum.add(item.finished())
    }

    // MARK: What belongs to texts

    /// The score of the member before it.
    mutating func score(_ value: Double) {
        item.add(value == 0 ? 0 : value.bitPattern)
        sum.add(item.finished())
    }

    /// When the field that follows expires, or, after its value, when it does: in milliseconds since 1970.
    mutating func expiry(_ milliseconds: UInt64?) {
        fieldExpiry = milliseconds
        if expiresAfterValue { endField() }
    }

    private mutating func endField() {
        defer { fieldExpiry = nil }
        fields.seen += 1
        if let fieldExpiry, let aliveAt, fieldExpiry < UInt64(max(aliveAt, 0)) { return }
        fields.alive += 1
        item.add(fieldExpiry ?? .max)
        sum.add(item.finished())
    }

    private mutating func beginTemplateValue() {
        item.begin()
        templates.next { item.addText($0) }
    }
}
