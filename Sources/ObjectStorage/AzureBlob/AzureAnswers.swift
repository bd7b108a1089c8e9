// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// The documents that the Blob service answers with. Each is complete, or reading it throws.
enum AzureAnswers {
    /// The document of an answer, if its root is of that name.
    static func document(_ response: HTTPResponse, root: String) throws(StoreMalformed) -> XMLElement {
        try XMLElement(of: response, by: "Azure", root: [root])
    }

    /// The names of the blocks that are not committed.
    static func uncommittedBlocks(_ response: HTTPResponse) throws(StoreMalformed) -> [String] {
        let document = try document(response, root: "BlockList")
        guard let list = document.all("UncommittedBlocks").first else {
            throw StoreMalformed(reason: "the store does not say which blocks are not committed")
        }
        var names: [String] = []
        for block in list.all("Block") {
            guard let name = block["Name"], !name.isEmpty else {
                throw StoreMalformed(reason: "the store gave a block without a name")
            }
            names.append(name)
        }
        return names
    }
}
