// SPDX-License-Identifier: Apache-2.0

import Failures

/// What was found out about a bucket before the first request: from the URL, the flags, the environment and the files
/// of the AWS tools.
package struct S3Settings: Sendable {
    package let location: BucketLocation
    package let place: S3Place
    package let provider: S3Provider
    /// Where the credentials come from.
    package let origin: CredentialOrigin
    package let tokenService: TokenService
    /// A PEM file of certificate authorities; `nil`: those of the system.
    package let caFile: String?
    /// How often a request is sent, counting the first time.
    package let attemptsMax: Int
    /// What the store is to compute and keep of each object.
    package let checksum: S3Checksum?
    /// `sse-c-key-file`
    let customerKey: S3CustomerKey?

    package var endpoint: S3Endpoint { place.endpoint }
    package var region: String { place.region }

    private static let attemptsUsual = 8
    private static let attemptsRange = 1...50

    /// Reads the files of the AWS tools. Blocks.
    /// - Throws: `.configuration`, `.authenticationFailed`, `.unsupported`.
    package init(_ location: BucketLocation, _ configuration: StoreConfiguration) throws {
        let environment = configuration.environment.filter { !$0.value.isEmpty }
        let chain = try CredentialChain(environment: environment, profile: location.profile ?? configuration.profile)
        let profile = chain.profile
        place = try Self.place(location, configuration, environment, profile)
        provider = location.options.provider ?? S3Provider(host: place.endpoint.host)
        self.location = location
        origin = try chain.origin()
        tokenService = try TokenService(
            environment: environment,
            profile: profile,
            region: place.endpoint.isNamed ? nil : location.region ?? configuration.region,
            storeCAFile: configuration.caBundle
        )
        caFile = configuration.caBundle ?? environment["AWS_CA_BUNDLE"] ?? profile["ca_bundle"]
        attemptsMax = try configuration.attemptsMax ?? Self.attempts(environment["AWS_MAX_ATTEMPTS"])
        checksum = try Self.checksum(
            location.options.checksum,
            environment["AWS_REQUEST_CHECKSUM_CALCULATION"] ?? profile["request_checksum_calculation"],
            provider
        )
        customerKey = try Self.customerKey(location, place.endpoint)
    }

    private static func place(
        _ location: BucketLocation,
        _ configuration: StoreConfiguration,
        _ environment: [String: String],
        _ profile: AWSProfile
    ) throws -> S3Place {
        let named =
            location.endpointURL ?? configuration.endpointURL ?? AWSEndpoints.url(of: "s3", environment, profile)
        let given =
            location.region ?? configuration.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
            ?? profile["region"]
        if let given, !S3Place.isRegion(given) {
            throw Failure(.configuration, "use the S3 region \(String(reflecting: given)): that is no name of a region")
        }
        let pathStyle = location.pathStyle ?? configuration.pathStyle ?? Self.pathStyle(profile["s3.addressing_style"])
        if let named {
            let plain = try S3Endpoint(url: named, bucket: location.bucket, pathStyle: true)
            let facts = (location.options.provider ?? S3Provider(host: plain.host)).facts
            let usual = facts.isPathStyle || S3Endpoint.isAddress(plain.host)
            return S3Place(
                region: given ?? facts.regionUsual,
                endpoint: try S3Endpoint(url: named, bucket: location.bucket, pathStyle: pathStyle ?? usual),
                isRegionGiven: given != nil
            )
        }
        let region = given ?? S3Provider.aws.facts.regionUsual
        return S3Place(
            region: region,
            endpoint: S3Endpoint(
                region: region,
                bucket: location.bucket,
                pathStyle: pathStyle,
                fips: AWSEndpoints.isOn("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", environment, profile),
                dualStack: AWSEndpoints.isOn(
                    "AWS_USE_DUALSTACK_ENDPOINT",
                    "use_dualstack_endpoint",
                    environment,
                    profile
                )
            ),
            isRegionGiven: given != nil
        )
    }

    /// - Parameter calculation: what the AWS tools are told. Their usual is ours too: nothing beside `Content-MD5` and
    ///   the hash that is signed, which every provider knows.
    private static func checksum(
        _ option: S3Options.Checksum?,
        _ calculation: String?,
        _ provider: S3Provider
    ) throws -> S3Checksum? {
        switch option {
        case .on(let checksum): return checksum
        case .off: return nil
        case nil: break
        }
        switch calculation?.lowercased() {
        case "when_supported": return provider.facts.knowsChecksums ? .crc64nvme : nil
        case nil, "when_required": return nil
        default:
            throw Failure(
                .configuration,
                "use AWS_REQUEST_CHECKSUM_CALCULATION: it is neither when_supported nor when_required"
            )
        }
    }

    private static func customerKey(_ location: BucketLocation, _ endpoint: S3Endpoint) throws -> S3CustomerKey? {
        guard let file = location.options.customerKeyFile else { return nil }
        guard endpoint.isPrivate || location.options.isCustomerKeySentInClear else {
            throw Failure(
                .configuration,
                "open \(location): the key of sse-c-key-file would go over the network in clear",
                hint: "Use an endpoint with https://, or say sse-c-over-http=true in the URL of the store."
            )
        }
        return try S3CustomerKey(file: file)
    }

    /// Where the credentials come from by now. Blocks.
    func readOriginAnew(_ configuration: StoreConfiguration) throws -> CredentialOrigin {
        let profile = location.profile ?? configuration.profile
        return try CredentialChain(environment: configuration.environment, profile: profile).origin()
    }

    private static func pathStyle(_ addressing: String?) -> Bool? {
        switch addressing {
        case "path": true
        case "virtual": false
        default: nil
        }
    }

    private static func attempts(_ text: String?) throws -> Int {
        guard let text else { return attemptsUsual }
        guard let number = Int(text), attemptsRange.contains(number) else {
            throw Failure(
                .configuration,
                "use AWS_MAX_ATTEMPTS: it is not a number from \(attemptsRange.lowerBound) to "
                    + "\(attemptsRange.upperBound)"
            )
        }
        return number
    }
}
