// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// The documents that S3 answers with. Each is complete, or reading it throws.
enum S3Answers {
    /// The document of an answer, if its root is of that name.
    static func document(_ response: HTTPResponse, root: String...) throws(StoreMalformed) -> XMLElement {
        let document: XMLElement
        do {
            document = try XMLElement(parsing: response.body)
        } catch {
            throw StoreMalformed(
                reason: "the store answered \(response.head.status) and a body of \(response.body.count) "
                    + "bytes that broke off or is none of S3 (\(error))"
            )
        }
        guard root.contains(document.name) else {
            let what = document.name == "Error" ? "an error (\(code(of: document)))" : "something else"
            throw StoreMalformed(reason: "the store answered \(response.head.status), and then \(what)")
        }
        return document
    }

    /// The upload id of a multipart upload that begins.
    static func uploadID(_ response: HTTPResponse) throws(StoreMalformed) -> String {
        // The second name is what rclone says.
        let document = try document(response, root: "InitiateMultipartUploadResult", "InitiateMultipartUpload")
        guard let id = document["UploadId"], !id.isEmpty else {
            throw StoreMalformed(reason: "the store began an upload and gave it no id")
        }
        return id
    }

    /// The code of an error, which also comes with status 200 (F24).
    static func errorCode(_ response: HTTPResponse) -> String? {
        guard let document = try? XMLElement(parsing: response.body), document.name == "Error" else { return nil }
        return document["Code"]
    }

    private static func code(of error: XMLElement) -> String {
        String(
            (error["Code"] ?? "without a code").filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") }
                .prefix(60)
        )
    }
}
