// SPDX-License-Identifier: Apache-2.0

import Failures

/// What was found out about a bucket before the first request: from the URL, the environment and the files of the
/// Google tools.
package struct GoogleSettings: Sendable {
    let location: GoogleBucketLocation
    let endpoint: GoogleEndpoint
    /// `nil` for an emulator, which is asked without.
    let credential: GoogleCredential?
    /// A PEM file of certificate authorities; `nil`: those of the system.
    let caFile: String?
    /// How often a request is sent, counting the first time.
    let attemptsMax: Int

    private static let attemptsUsual = 8

    /// Reads the files of the Google tools. Blocks.
    /// - Throws: `.configuration`, `.unsupported`.
    package init(_ location: GoogleBucketLocation, _ configuration: StoreConfiguration) throws {
        let environment = configuration.environment.filter { !$0.value.isEmpty }
        self.location = location
        let emulator = location.endpointURL == nil ? environment["STORAGE_EMULATOR_HOST"].map(Self.emulatorURL) : nil
        let url = location.endpointURL ?? emulator ?? GoogleEndpoint.usual
        endpoint = try GoogleEndpoint(url: url, bucket: location.bucket, userProject: location.userProject)
        caFile = configuration.caBundle
        attemptsMax = configuration.attemptsMax ?? Self.attemptsUsual
        guard emulator == nil else {
            credential = nil
            return
        }
        let address = try HTTPAddress(url, of: "a Google Cloud Storage endpoint")
        guard address.isPrivate else {
            throw Failure(
                .configuration,
                "use the endpoint \(address.origin): an access token would go there in clear text",
                hint: "Use https. An emulator, which needs no token, is named by STORAGE_EMULATOR_HOST."
            )
        }
        credential = try GoogleCredential.found(in: environment)
    }

    /// The variable holds a host with its port, or a URL.
    private static func emulatorURL(_ text: String) -> String {
        let url = text.contains("://") ? text : "http://\(text)"
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }
}
