// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging

/// What a store needs to know beside its location. An option of the URL wins over a flag of the command, which may be
/// meant for two stores, and both win over the environment and the files of the AWS tools.
package struct StoreConfiguration: Sendable {
    /// `AWS_…` and `HOME` are read from here; nothing is read from the environment of the process.
    package var environment: [String: String]
    /// `--endpoint-url`
    package var endpointURL: String?
    package var region: String?
    /// A profile that is named here is used even when the environment holds a key, as the AWS tools do it.
    package var profile: String?
    /// A PEM file of the certificate authorities to trust instead of the system's.
    package var caBundle: String?
    /// Whether the bucket stands in the path instead of in the host name; decided by the endpoint when it is not said.
    package var pathStyle: Bool?
    /// Believes any certificate.
    package var insecureSkipVerify = false
    /// The public keys one of which the server must show, as curl writes them: `sha256//…;sha256//…`.
    package var pinnedKey: String?
    /// PEM files of the certificate that proves who we are, where the server asks, and of its key.
    package var clientCertificateFile: String?
    package var clientKeyFile: String?
    /// Whom requests go through instead of whom the environment names; may hold a password.
    package var proxy: String?
    /// The size of all parts but the last one, in bytes; chosen from the estimated size when it is not said. AWS
    /// refuses less than 5 MiB.
    package var partSizeBytes: Int?
    /// How many parts are uploaded at a time, of all objects together. With one more for each object that is being
    /// uploaded, they bound the memory.
    package var partsInFlight = 4
    /// How often a request is sent, counting the first time; `AWS_MAX_ATTEMPTS` when it is not said.
    package var attemptsMax: Int?
    /// After so many seconds in which nothing moves, a request is given up and sent again.
    package var noProgressSeconds = 60
    /// Whether a single object is to be written; it is fetched otherwise, as soon as the store is opened.
    package var writesSingleObject = false
    /// What all stores of a run share: how fast bytes may move, and how often requests may be sent again.
    package var traffic = StoreTraffic()
    package var logger: Logger
    package var clock: RequestClock

    package init(
        environment: [String: String] = [:],
        logger: Logger = Logger(label: "redoubt.store"),
        clock: RequestClock = .system
    ) {
        self.environment = environment
        self.logger = logger
        self.clock = clock
    }
}
