// SPDX-License-Identifier: Apache-2.0

import Failures

/// Reads values of RESP2 and RESP3 from bytes that arrive in pieces of any size.
///
///     decoder.append(bytes)
///     while let value = try decoder.next() { … }
///
/// Attributes are read and dropped; streamed strings and aggregates, which no server sends, are refused.
/// A bare newline between two values is skipped: replication uses it to keep a connection alive.
/// After an error the stream is lost: each further call throws.
package struct RESPDecoder: Sendable {
    private let limits: RESPLimits
    private var buffer: [UInt8] = []
    /// Where the bytes not read yet begin.
    private var position = 0
    /// Up to where the end of the present line was looked for.
    private var lineSearch = 0
    /// The aggregates that are still open, the outermost first.
    private var open: [Aggregate] = []
    /// A string whose header was read and whose bytes are still to come.
    private var pending: PendingString?
    private var replyBytes = 0
    private var valueCount = 0
    private var failure: Failure?

    package init(limits: RESPLimits = RESPLimits()) {
        self.limits = limits
    }

    /// Adds what arrived.
    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if position > 0, position >= buffer.count / 2 {
            buffer.removeSubrange(..<position)
            lineSearch = max(0, lineSearch - position)
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole value, or `nil` until more bytes arrive.
    /// - Throws: `.protocolViolation` when the bytes are not RESP, or go beyond the limits.
    package mutating func next() throws(Failure) -> RESPValue? {
        if let failure { throw failure }
        do throws(Failure) {
            return try readValue()
        } catch {
            failure = error
            throw error
        }
    }

    /// Whether a value has begun and not ended.
    package var isInsideValue: Bool {
        !open.isEmpty || pending != nil || position < buffer.count
    }

    /// Takes out the bytes that follow the last value: what comes after a reply is not always RESP (`PSYNC`).
    package mutating func takeRest() -> [UInt8] {
        let rest = Array(buffer[position...])
        buffer = []
        position = 0
        lineSearch = 0
        return rest
    }
}

/// A string whose length is known.
private struct PendingString: Sendable {
    let type: UInt8
    let length: Int
}

/// An array, set, push, map or attribute, of which some values are still to come.
private struct Aggregate: Sendable {
    let type: UInt8
    var missing: Int
    var elements: [RESPValue] = []

    /// The finished value, or `nil` for an attribute, which is dropped.
    var value: RESPValue? {
        switch type {
        case UInt8(ascii: "~"): .set(elements)
        case UInt8(ascii: ">"): .push(elements)
        case UInt8(ascii: "|"): nil
        case UInt8(ascii: "%"):
            .map(
                stride(from: 0, to: elements.count, by: 2).map {
                    RESPEntry(key: elements[$0], value: elements[$0 + 1])
                }
            )
        default: .array(elements)
        }
    }
}

extension RESPDecoder {
    /// What one line, or one string, gives.
    private enum Step {
        case value(RESPValue)
        case aggregate(Aggregate)
        case header
    }

    private mutating func readValue() throws(Failure) -> RESPValue? {
        while let step = try readStep() {
            switch step {
            case .header:
                continue
            case .aggregate(let aggregate):
                open.append(aggregate)
                if let value = closeAggregates() { return finish(value) }
            case .value(let value):
                guard !open.isEmpty else { return finish(value) }
                add(value)
                if let value = closeAggregates() { return finish(value) }
            }
        }
        return nil
    }

    private mutating func add(_ value: RESPValue) {
        open[open.count - 1].elements.append(value)
        open[open.count - 1].missing -= 1
    }

    /// Closes each aggregate that has all its values; gives the outermost one once it is closed.
    private mutating func closeAggregates() -> RESPValue? {
        while let last = open.last, last.missing == 0 {
            open.removeLast()
            guard let value = last.value else { continue }
            if open.isEmpty { return value }
            add(value)
        }
        return nil
    }

    private mutating func finish(_ value: RESPValue) -> RESPValue {
        replyBytes = 0
        valueCount = 0
        return value
    }

    private mutating func readStep() throws(Failure) -> Step? {
        if let pending { return try readString(pending) }
        guard let line = try readLine() else { return nil }
        valueCount += 1
        guard valueCount <= limits.valueCount else {
            throw violation("a reply holds more than \(limits.valueCount) values")
        }
        return try step(type: line.type, text: line.text)
    }

    private mutating func readString(_ string: PendingString) throws(Failure) -> Step? {
        let end = position + string.length
        guard buffer.count >= end + 2 else { return nil }
        guard buffer[end] == UInt8(ascii: "\r"), buffer[end + 1] == UInt8(ascii: "\n") else {
            throw violation("a string of \(string.length) bytes does not end where its length says")
        }
        let bytes = Array(buffer[position..<end])
        position = end + 2
        lineSearch = position
        pending = nil
        switch string.type {
        case UInt8(ascii: "!"):
            return .value(.error(RESPError(line: String(decoding: bytes, as: UTF8.self))))
        case UInt8(ascii: "="):
            // `txt:` or `mkd:` stands before the text.
            guard bytes.count >= 4, bytes[3] == UInt8(ascii: ":") else {
                throw violation("a verbatim string has no format")
            }
            return .value(.verbatim(format: String(decoding: bytes[..<3], as: UTF8.self), text: Array(bytes[4...])))
        default:
            return .value(.bulk(bytes))
        }
    }

    /// Takes the next line: its type byte and the text after it, without the end of the line.
    private mutating func readLine() throws(Failure) -> (type: UInt8, text: String)? {
        while open.isEmpty, position < buffer.count, buffer[position] == UInt8(ascii: "\n") {
            position += 1
        }
        lineSearch = max(lineSearch, position)
        guard let newline = buffer[lineSearch...].firstIndex(of: UInt8(ascii: "\n")) else {
            lineSearch = buffer.count
            try checkType()
            guard buffer.count - position <= limits.lineBytes else {
                throw violation("a line is longer than \(limits.lineBytes) bytes")
            }
            return nil
        }
        try checkType()
        guard newline - position >= 2, newline - position < limits.lineBytes,
            buffer[newline - 1] == UInt8(ascii: "\r")
        else {
            throw violation("a line of \(newline - position) bytes does not end as a line of RESP does")
        }
        let type = buffer[position]
        let text = String(decoding: buffer[(position + 1)..<(newline - 1)], as: UTF8.self)
        try count(newline + 1 - position)
        position = newline + 1
        lineSearch = position
        return (type, text)
    }

    /// Refuses a peer that speaks something else at its first byte, instead of waiting for the end of a line.
    private func checkType() throws(Failure) {
        guard position < buffer.count else { return }
        let type = buffer[position]
        guard "+-:$*_,#(!=%~>|".utf8.contains(type) else {
            throw violation("a value begins with the byte \(type), which is not a type of RESP")
        }
    }

    private mutating func count(_ bytes: Int) throws(Failure) {
        replyBytes += bytes
        guard replyBytes <= limits.replyBytes else {
            throw violation("a reply is longer than \(limits.replyBytes) bytes")
        }
    }

    private func violation(_ message: String) -> Failure {
        Failure(.protocolViolation, message)
    }
}

extension RESPDecoder {
    private mutating func step(type: UInt8, text: String) throws(Failure) -> Step {
        switch type {
        case UInt8(ascii: "+"): return .value(.simple(text))
        case UInt8(ascii: "-"): return .value(.error(RESPError(line: text)))
        case UInt8(ascii: ":"): return .value(.integer(try number(text)))
        case UInt8(ascii: "("): return .value(try bigNumber(text))
        case UInt8(ascii: ","): return .value(try double(text))
        case UInt8(ascii: "#"): return .value(try boolean(text))
        case UInt8(ascii: "_"): return .value(.null)
        case UInt8(ascii: "$"), UInt8(ascii: "!"), UInt8(ascii: "="): return try beginString(type, text)
        default: return try beginAggregate(type, text)
        }
    }

    private mutating func beginString(_ type: UInt8, _ text: String) throws(Failure) -> Step {
        let length = try number(text)
        if length == -1, type == UInt8(ascii: "$") { return .value(.null) }
        guard length >= 0, length <= limits.replyBytes else {
            throw violation("a string announces \(length) bytes; the most is \(limits.replyBytes)")
        }
        try count(Int(length) + 2)
        pending = PendingString(type: type, length: Int(length))
        return .header
    }

    private func beginAggregate(_ type: UInt8, _ text: String) throws(Failure) -> Step {
        let count = try number(text)
        if count == -1, type == UInt8(ascii: "*") { return .value(.null) }
        guard count >= 0, count <= limits.valueCount else {
            throw violation("an aggregate announces \(count) values; the most is \(limits.valueCount)")
        }
        guard open.count < limits.depth else {
            throw violation("values stand in each other deeper than \(limits.depth)")
        }
        let isMap = type == UInt8(ascii: "%") || type == UInt8(ascii: "|")
        return .aggregate(Aggregate(type: type, missing: isMap ? Int(count) * 2 : Int(count)))
    }

    private func number(_ text: String) throws(Failure) -> Int64 {
        guard let value = Int64(text) else { throw violation("a number of \(text.utf8.count) bytes is none") }
        return value
    }

    private func bigNumber(_ text: String) throws(Failure) -> RESPValue {
        let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw violation("a big number of \(text.utf8.count) bytes is none")
        }
        return .bigNumber(text)
    }

    private func double(_ text: String) throws(Failure) -> RESPValue {
        guard let value = Double(text) else { throw violation("a double of \(text.utf8.count) bytes is none") }
        return .double(value)
    }

    private func boolean(_ text: String) throws(Failure) -> RESPValue {
        switch text {
        case "t": return .boolean(true)
        case "f": return .boolean(false)
        default: throw violation("a boolean is neither true nor false")
        }
    }
}
