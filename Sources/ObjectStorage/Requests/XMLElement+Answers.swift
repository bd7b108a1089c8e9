// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

extension XMLElement {
    /// The document of an answer: complete, and with a root of one of these names.
    /// - Parameter protocolName: whose answer it should be, for the message.
    init(of response: HTTPResponse, by protocolName: String, root: [String]) throws(StoreMalformed) {
        let document: XMLElement
        do {
            document = try XMLElement(parsing: response.body)
        } catch {
            throw StoreMalformed(
                reason: "the store answered \(response.head.status) and a body of \(response.body.count) bytes that "
                    + "broke off or is none of \(protocolName) (\(error))"
            )
        }
        guard root.contains(document.name) else {
            let what = document.name == "Error" ? "an error (\(Self.code(of: document)))" : "something else"
            throw StoreMalformed(reason: "the store answered \(response.head.status), and then \(what)")
        }
        self = document
    }

    private static func code(of error: XMLElement) -> String {
        String(
            (error["Code"] ?? "without a code").filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") }
                .prefix(60)
        )
    }
}
