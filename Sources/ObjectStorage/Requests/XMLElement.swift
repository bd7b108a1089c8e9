// SPDX-License-Identifier: Apache-2.0

/// An element of an answer of S3, with what is in it. Attributes and the prefixes of name spaces are dropped.
package struct XMLElement: Sendable, Hashable {
    package let name: String
    /// The characters directly inside, joined.
    package let text: String
    package let children: [XMLElement]

    /// The text of the first child of that name.
    package subscript(name: String) -> String? {
        children.first { $0.name == name }?.text
    }

    /// The children of that name.
    package func all(_ name: String) -> [XMLElement] {
        children.filter { $0.name == name }
    }

    /// Parses a whole document. What comes before and after the root element may be white space: S3 sends some while it
    /// completes an upload.
    /// - Throws: `XMLError` when it is not well-formed, or larger, deeper or fuller than the answers of a store are.
    package init(parsing bytes: [UInt8]) throws(XMLError) {
        guard bytes.count <= XMLLimits.bytesMax else {
            throw XMLError("it is larger than \(XMLLimits.bytesMax) bytes", 0)
        }
        var reader = XMLReader(bytes)
        try reader.skipMisc()
        self = try reader.element(depth: 1)
        try reader.skipMisc()
        guard reader.isAtEnd else { throw reader.error("something follows the root element") }
    }

    fileprivate init(name: String, text: String, children: [XMLElement]) {
        self.name = name
        self.text = text
        self.children = children
    }
}

/// Why bytes are not an answer of S3.
package struct XMLError: Error, Sendable, Hashable, CustomStringConvertible {
    package let reason: String
    package let offsetBytes: Int

    init(_ reason: String, _ offsetBytes: Int) {
        self.reason = reason
        self.offsetBytes = offsetBytes
    }

    package var description: String { "the XML is not understood at byte \(offsetBytes): \(reason)" }
}

/// No answer of S3 comes near these; WebDAV lists a folder in one.
package enum XMLLimits {
    package static let bytesMax = 16 << 20
    package static let depthMax = 16
    package static let elementsMax = 400_000
}

/// Reads the XML that stores send: elements, text, the five entities and character numbers. A document type is refused,
/// and with it every entity that could expand or reach out (F60).
private struct XMLReader {
    private let bytes: [UInt8]
    private var position = 0
    private var elements = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    var isAtEnd: Bool { position == bytes.count }

    func error(_ reason: String) -> XMLError { XMLError(reason, position) }

    // MARK: Elements

    mutating func element(depth: Int) throws(XMLError) -> XMLElement {
        guard depth <= XMLLimits.depthMax else { throw error("it is nested more than \(XMLLimits.depthMax) deep") }
        elements += 1
        guard elements <= XMLLimits.elementsMax else { throw error("more than \(XMLLimits.elementsMax) elements") }
        try expect("<")
        let name = try qualifiedName()
        if try attributesEndEmpty() { return XMLElement(name: local(name), text: "", children: []) }
        var text: [UInt8] = []
        var children: [XMLElement] = []
        while true {
            guard let byte = peek() else { throw error("it ends inside \(name)") }
            if byte != UInt8(ascii: "<") {
                text += try characters()
            } else if take("<![CDATA[") {
                text += try upTo("]]>")
            } else if take("</") {
                guard try qualifiedName() == name else { throw error("\(name) is not closed") }
                skipSpace()
                try expect(">")
                break
            } else if try !skipCommentOrInstruction() {
                children.append(try element(depth: depth + 1))
            }
        }
        guard let text = String(validating: text, as: UTF8.self) else {
            throw error("the text of \(name) is not UTF-8")
        }
        return XMLElement(name: local(name), text: text, children: children)
    }

    /// Passes over the attributes of a start tag; tells whether the tag is that of an empty element.
    private mutating func attributesEndEmpty() throws(XMLError) -> Bool {
        while true {
            let hadSpace = skipSpace()
            if take("/>") { return true }
            if take(">") { return false }
            guard hadSpace else { throw error("a start tag is broken") }
            _ = try qualifiedName()
            skipSpace()
            try expect("=")
            skipSpace()
            guard let quote = peek(), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
                throw error("the value of an attribute is not quoted")
            }
            position += 1
            let value = try upTo(quote == UInt8(ascii: "\"") ? "\"" : "'")
            guard !value.contains(UInt8(ascii: "<")) else { throw error("there is a < in an attribute") }
        }
    }

    private mutating func qualifiedName() throws(XMLError) -> String {
        let start = position
        while let byte = peek(), isNameByte(byte) { position += 1 }
        guard position > start else { throw error("a name is missing") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private func local(_ name: String) -> String {
        name.split(separator: ":").last.map(String.init) ?? name
    }

    private func isNameByte(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || byte == UInt8(ascii: ":")
    }

    // MARK: Text

    /// Characters up to the next tag, entities replaced.
    private mutating func characters() throws(XMLError) -> [UInt8] {
        var text: [UInt8] = []
        while let byte = peek(), byte != UInt8(ascii: "<") {
            if byte == UInt8(ascii: "&") {
                text += try entity()
            } else {
                text.append(byte)
                position += 1
            }
        }
        return text
    }

    private mutating func entity() throws(XMLError) -> [UInt8] {
        let start = position
        position += 1
        let name = String(decoding: try upTo(";", bytesMax: 10), as: UTF8.self)
        switch name {
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "amp": return [UInt8(ascii: "&")]
        case "quot": return [UInt8(ascii: "\"")]
        case "apos": return [UInt8(ascii: "'")]
        default:
            let isHexadecimal = name.hasPrefix("#x")
            let digits = name.dropFirst(isHexadecimal ? 2 : 1)
            guard name.hasPrefix("#"), digits.allSatisfy(\.isHexDigit),
                let number = UInt32(digits, radix: isHexadecimal ? 16 : 10), number != 0,
                let character = Unicode.Scalar(number)
            else { throw XMLError("an entity that is not known", start) }
            return Array(String(character).utf8)
        }
    }

    // MARK: What is passed over

    /// White space, comments and instructions around the root element.
    mutating func skipMisc() throws(XMLError) {
        repeat { skipSpace() } while try skipCommentOrInstruction()
    }

    private mutating func skipCommentOrInstruction() throws(XMLError) -> Bool {
        if take("<!--") {
            _ = try upTo("-->")
        } else if take("<?") {
            _ = try upTo("?>")
        } else if take("<!") {
            throw error("it has a document type")
        } else {
            return false
        }
        return true
    }

    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = position
        while let byte = peek(), [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
        return position > start
    }

    // MARK: Bytes

    private func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard bytes.count - position >= length else { return false }
        let isThere = text.withUTF8Buffer { expected in bytes[position..<position + length].elementsEqual(expected) }
        if isThere { position += length }
        return isThere
    }

    private mutating func expect(_ text: StaticString) throws(XMLError) {
        guard take(text) else { throw error("\(text) is missing") }
    }

    /// The bytes before a mark; the mark is passed over.
    private mutating func upTo(_ mark: StaticString, bytesMax: Int = .max) throws(XMLError) -> [UInt8] {
        let start = position
        while position < bytes.count, position - start <= bytesMax {
            let end = position
            if take(mark) { return Array(bytes[start..<end]) }
            position += 1
        }
        throw XMLError("\(mark) is missing", start)
    }
}
