// SPDX-License-Identifier: Apache-2.0

import Failures

/// The instance metadata service of EC2, version 2 alone: version 1 gives credentials to whoever can have a request
/// sent there.
package struct InstanceMetadata: Sendable, Hashable {
    /// Without a slash at its end; `nil`: switched off.
    package let endpoint: String?
    /// How long to wait for it, and how often to ask, as the AWS tools have it.
    let timeoutSeconds: Int
    let attempts: Int
    /// Whether a profile names it; else it is asked because nothing is configured at all.
    let isConfigured: Bool

    private static let endpointName = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    private static let modeName = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
    private static let timeoutRange = 1...60
    private static let attemptsRange = 1...10
    private static let attemptsUsual = 3

    /// - Throws: `.configuration` when what is set cannot be used.
    init(environment: [String: String], profile: AWSProfile, isConfigured: Bool) throws {
        self.isConfigured = isConfigured
        timeoutSeconds = try Self.number(environment, "AWS_METADATA_SERVICE_TIMEOUT", Self.timeoutRange) ?? 1
        attempts =
            try Self.number(environment, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", Self.attemptsRange) ?? Self.attemptsUsual
        if environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() == "true" {
            endpoint = nil
            return
        }
        if let url = environment[Self.endpointName] ?? profile["ec2_metadata_service_endpoint"] {
            let isURL = url.hasPrefix("http://") || url.hasPrefix("https://")
            guard isURL, url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !url.contains("?"), !url.contains("#"),
                !url.contains("@")
            else {
                throw Failure(.configuration, "use \(Self.endpointName): it is no URL of http or https")
            }
            endpoint = url.hasSuffix("/") ? String(url.dropLast()) : url
            return
        }
        switch (environment[Self.modeName] ?? profile["ec2_metadata_service_endpoint_mode"] ?? "ipv4").lowercased() {
        case "ipv4": endpoint = "http://169.254.169.254"
        case "ipv6": endpoint = "http://[fd00:ec2::254]"
        default: throw Failure(.configuration, "use \(Self.modeName): it is neither IPv4 nor IPv6")
        }
    }

    private static func number(
        _ environment: [String: String],
        _ name: String,
        _ range: ClosedRange<Int>
    ) throws -> Int? {
        guard let text = environment[name] else { return nil }
        // The AWS tools take fractions of a second, which are rounded up here.
        guard let value = Double(text), value.isFinite, value > 0, value <= Double(range.upperBound) else {
            throw Failure(.configuration, "use \(name): it is not a number up to \(range.upperBound)")
        }
        return max(range.lowerBound, Int(value.rounded(.up)))
    }
}
