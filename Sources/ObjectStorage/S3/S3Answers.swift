// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// The documents that S3 answers with. Each is complete, or reading it throws.
enum S3Answers {
    /// The document of an answer, if its root is of that name.
    static func document(_ response: HTTPResponse, root: String...) throws(StoreMalformed) -> XMLElement {
        try XMLElement(of: response, by: "S3", root: root)
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
}
