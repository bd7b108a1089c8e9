// SPDX-License-Identifier: Apache-2.0

import Failures

/// `AZURE_STORAGE_CONNECTION_STRING`: `AccountName=…;AccountKey=…;EndpointSuffix=…`, as the portal shows it.
struct ConnectionString: Sendable {
    private let values: [String: String]

    /// - Throws: `.configuration` when it is none. No part of it is quoted.
    init(parsing text: String) throws {
        var values: [String: String] = [:]
        for part in text.split(separator: ";") {
            // A key ends with = and a SAS is full of them.
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty else { throw Self.malformed("a part of it has no value") }
            let name = halves[0].lowercased()
            guard values.updateValue(String(halves[1]), forKey: name) == nil else {
                throw Self.malformed("a part of it is given twice")
            }
        }
        guard !values.isEmpty else { throw Self.malformed("it is empty") }
        if values["usedevelopmentstorage"] != nil {
            throw Failure(
                .unsupported,
                "use AZURE_STORAGE_CONNECTION_STRING: UseDevelopmentStorage is not understood",
                hint: "Write AccountName, AccountKey and BlobEndpoint of the emulator."
            )
        }
        self.values = values
    }

    var account: String? { value("accountname") }
    var key: String? { value("accountkey") }
    var sas: String? { value("sharedaccesssignature") }
    var endpointURL: String? { value("blobendpoint") }
    var endpointSuffix: String? { value("endpointsuffix") }
    /// `https` or `http`
    var scheme: String? { value("defaultendpointsprotocol")?.lowercased() }

    private func value(_ name: String) -> String? {
        values[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func malformed(_ reason: String) -> Failure {
        Failure(
            .configuration,
            "use AZURE_STORAGE_CONNECTION_STRING: \(reason)",
            hint: "It is AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net, as the portal of Azure shows it."
        )
    }
}
