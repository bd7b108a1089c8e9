// SPDX-License-Identifier: Apache-2.0

/// Puts the head of an answer together from the lines that libcurl gives one by one.
///
/// Heads of interim answers (1xx) come and go before the one that counts; lines after the head are trailers.
struct ResponseHeadParser {
    /// Above this a head is refused.
    static let headBytesMax = 256 * 1024

    private var status: Int?
    private var headers: [(name: String, value: String)] = []
    private var bytes = 0
    private var isComplete = false
    /// An interim answer told to go on with the body.
    private(set) var hasContinued: Bool

    enum Step: Equatable {
        case more
        /// The head is complete and not interim.
        case complete
        /// A further answer begins, where one was complete.
        case restarted
        case refused(String)
    }

    init(hasContinued: Bool = false) {
        self.hasContinued = hasContinued
    }

    /// The head, once complete.
    var head: HTTPResponseHead? {
        guard isComplete, let status else { return nil }
        return HTTPResponseHead(status: status, headers: headers)
    }

    /// Takes the next line, with its line end.
    mutating func take(_ line: UnsafeRawBufferPointer) -> Step {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") { return begin(text) }
        if isComplete { return .more }
        bytes += line.count
        guard bytes <= Self.headBytesMax else {
            return .refused("the headers are larger than \(Self.headBytesMax) bytes")
        }
        let content = text.trimming { $0 == "\r" || $0 == "\n" || $0 == "\r\n" }
        if content.isEmpty { return end() }
        if let first = content.first, first == " " || first == "\t" {
            // A folded line (RFC 9112, section 5.2): obsolete, and still legal to receive.
            guard let last = headers.indices.last else { return .refused("the first header is a continued line") }
            headers[last].value += " " + content.trimming { $0 == " " || $0 == "\t" }
            return .more
        }
        guard let colon = content.firstIndex(of: ":") else { return .refused("a header has no colon") }
        let value = content[content.index(after: colon)...].trimming { $0 == " " || $0 == "\t" }
        headers.append((String(content[..<colon]), value))
        return .more
    }

    private mutating func begin(_ line: String) -> Step {
        let restarted = isComplete
        self = ResponseHeadParser(hasContinued: hasContinued)
        bytes = line.utf8.count
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count > 1, let status = Int(words[1].trimming { $0.isWhitespace }) else {
            return .refused("the status line is not one of HTTP")
        }
        self.status = status
        return restarted ? .restarted : .more
    }

    private mutating func end() -> Step {
        guard let status else { return .refused("there is no status line") }
        guard !(100..<200).contains(status) else {
            self = ResponseHeadParser(hasContinued: hasContinued || status == 100)
            return status == 101 ? .refused("it switches protocols, which nobody asked for") : .more
        }
        isComplete = true
        return .complete
    }
}

extension StringProtocol {
    fileprivate func trimming(_ isBlank: (Character) -> Bool) -> String {
        var rest = self[...]
        while let first = rest.first, isBlank(first) { rest = rest.dropFirst() }
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
