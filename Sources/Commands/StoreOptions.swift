// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Logging
import ObjectStorage

/// How a store is reached, whatever its location.
struct StoreOptions: ParsableArguments, Sendable {
    @Option(help: "URL of the S3 endpoint, where it is not AWS. Also AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL.")
    var endpointURL: String?

    @Option(help: "Region of the bucket. Also AWS_REGION, AWS_DEFAULT_REGION, and the profile.")
    var region: String?

    @Option(help: "Profile in the shared AWS files. Also AWS_PROFILE.")
    var profile: String?

    @Option(help: "File with the certificates that the store's own must descend from. Also AWS_CA_BUNDLE.")
    var caBundle: String?

    @Flag(help: "Put the bucket into the path of the URL. Chosen by itself for IP addresses and other endpoints.")
    var s3PathStyle = false

    @Option(
        help: ArgumentHelp(
            "Size of a part, 5Mi to 5Gi; a number alone is MiB. Chosen by itself from the size of the snapshot.",
            valueName: "size"
        ),
        transform: ByteSize.readingMebibytes
    )
    var partSize: ByteSize?

    @Flag(
        help: "Do not verify the certificate of the store. Whoever is in between can then read and change every backup."
    )
    var storeInsecure = false

    @OptionGroup var way: StoreWayOptions

    func validate() throws {
        if let partSize, !(5 << 20...5 << 30).contains(partSize.bytes) {
            throw ValidationError("--part-size is 5Mi to 5Gi")
        }
    }

    /// Opens the store at a location for the time of `body`.
    /// - Parameters:
    ///   - isTarget: whether backups are written there.
    ///   - sharesMemory: whether other stores are written to at the same time.
    func withStore<Result: Sendable>(
        at url: String,
        asTarget isTarget: Bool = false,
        sharingMemory sharesMemory: Bool = false,
        _ session: Session,
        _ body: @Sendable (any ObjectStore) async throws -> Result
    ) async throws -> Result {
        if storeInsecure { session.logger.warning("the certificate of the store is not verified (--store-insecure)") }
        var configuration = StoreConfiguration(environment: session.environment, logger: session.logger)
        configuration.endpointURL = endpointURL
        configuration.region = region
        configuration.profile = profile
        configuration.caBundle = caBundle
        if s3PathStyle { configuration.pathStyle = true }
        configuration.partSizeBytes = partSize.map { Int($0.bytes) }
        configuration.insecureSkipVerify = storeInsecure
        if sharesMemory { configuration.partsInFlight = max(1, configuration.partsInFlight / 2) }
        way.apply(to: &configuration, session)
        defer { way.tellRetries(session) }
        configuration.writesSingleObject = isTarget
        let location = try StoreLocation(parsing: url)
        if case .object(let object) = location { object.secrets.forEach(Redaction.learn) }
        return try await withObjectStore(location, configuration: configuration, body)
    }
}

/// Where backups are read from.
struct SourceStoreOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Store to read from: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://.",
            valueName: "url"
        )
    )
    var from: String

    @Option(
        help: "Subject of the backups: <namespace>.<statefulset>, or the host. May be left out where there is only one."
    )
    var name: String?

    @OptionGroup var store: StoreOptions
}
