// SPDX-License-Identifier: Apache-2.0

import Failures

/// What was found out about a bucket before the first request: from the URL, the flags, the environment and the files
/// of the AWS tools.
package struct S3Settings: Sendable {
    package let location: BucketLocation
    package let endpoint: S3Endpoint
    package let region: String
    package let credentials: AWSCredentials
    /// A PEM file of certificate authorities; `nil`: those of the system.
    package let caFile: String?
    /// How often a request is sent, counting the first time.
    package let attemptsMax: Int

    private static let attemptsUsual = 8
    private static let attemptsRange = 1...50
    private static let regionUsual = "us-east-1"

    /// Reads the files of the AWS tools. Blocks.
    /// - Throws: `.configuration`, `.authenticationFailed`, `.unsupported`.
    package init(_ location: BucketLocation, _ configuration: StoreConfiguration) throws {
        let environment = configuration.environment.filter { !$0.value.isEmpty }
        let source = try CredentialSource(
            environment: environment,
            profile: location.profile ?? configuration.profile
        )
        let profile = source.profile
        let pathStyle = location.pathStyle ?? configuration.pathStyle ?? Self.pathStyle(profile["s3.addressing_style"])
        let region =
            location.region ?? configuration.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
            ?? profile["region"] ?? Self.regionUsual
        guard (1...64).contains(region.utf8.count), ObjectKey.isValid(component: region), !region.contains(".") else {
            throw Failure(
                .configuration,
                "use the S3 region \(String(reflecting: region)): that is no name of a region"
            )
        }
        if let url = location.endpointURL ?? configuration.endpointURL ?? Self.endpointURL(environment, profile) {
            endpoint = try S3Endpoint(url: url, bucket: location.bucket, pathStyle: pathStyle)
        } else {
            endpoint = S3Endpoint(
                region: region,
                bucket: location.bucket,
                pathStyle: pathStyle,
                fips: Self.isOn(environment["AWS_USE_FIPS_ENDPOINT"] ?? profile["use_fips_endpoint"]),
                dualStack: Self.isOn(environment["AWS_USE_DUALSTACK_ENDPOINT"] ?? profile["use_dualstack_endpoint"])
            )
        }
        self.location = location
        self.region = region
        credentials = try source.credentials()
        caFile = configuration.caBundle ?? environment["AWS_CA_BUNDLE"] ?? profile["ca_bundle"]
        attemptsMax = try configuration.attemptsMax ?? Self.attempts(environment["AWS_MAX_ATTEMPTS"])
    }

    private static func endpointURL(_ environment: [String: String], _ profile: [String: String]) -> String? {
        if isOn(environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] ?? profile["ignore_configured_endpoint_urls"]) {
            return nil
        }
        return environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"] ?? profile["s3.endpoint_url"]
            ?? profile["endpoint_url"]
    }

    private static func pathStyle(_ addressing: String?) -> Bool? {
        switch addressing {
        case "path": true
        case "virtual": false
        default: nil
        }
    }

    private static func isOn(_ value: String?) -> Bool {
        value?.lowercased() == "true"
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
