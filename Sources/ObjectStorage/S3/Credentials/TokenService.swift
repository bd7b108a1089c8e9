// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// Where the security token service (STS) is, which changes a proof of who we are for credentials of a role.
package struct TokenService: Sendable, Hashable {
    package let url: String
    /// What requests are signed for.
    package let region: String
    /// A PEM file of the certificate authorities to trust instead of the system's.
    let caFile: String?

    private static let globalRegion = "us-east-1"
    /// The regions that went to the one old endpoint when nothing was said.
    private static let legacyRegions: Set<String> = [
        "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "aws-global", "ca-central-1",
        "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2",
        "us-west-1", "us-west-2",
    ]

    /// - Parameters:
    ///   - region: that of the store, if it is known to be one of AWS.
    ///   - storeCAFile: whom the store is believed with; also asked of a token service of one's own.
    /// - Throws: `.configuration`.
    init(
        environment: [String: String],
        profile: AWSProfile,
        region storeRegion: String?,
        storeCAFile: String?
    ) throws {
        let known = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? profile["region"] ?? storeRegion
        region = known ?? Self.globalRegion
        guard region.utf8.allSatisfy({ ObjectKey.isAllowed($0) && $0 != UInt8(ascii: ".") }) else {
            throw Failure(
                .configuration,
                "use the AWS region \(String(reflecting: region)): that is no name of a region"
            )
        }
        let caFile = environment["AWS_CA_BUNDLE"] ?? profile["ca_bundle"]
        if let custom = AWSEndpoints.url(of: "sts", environment, profile) {
            let rest = custom.drop { $0 != "/" }.drop { $0 == "/" }
            guard custom.hasPrefix("http://") || custom.hasPrefix("https://"), !rest.isEmpty,
                custom.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !rest.contains(where: { "@?#\\".contains($0) })
            else {
                throw Failure(
                    .configuration,
                    "use the endpoint of the security token service: it is no URL of http or https",
                    hint: "It is what AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the AWS profile say: https://host."
                )
            }
            url = rest.contains("/") ? custom : custom + "/"
            self.caFile = storeCAFile ?? caFile
            return
        }
        self.caFile = caFile
        let isFIPS = AWSEndpoints.isOn("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", environment, profile)
        let isDualStack = AWSEndpoints.isOn(
            "AWS_USE_DUALSTACK_ENDPOINT",
            "use_dualstack_endpoint",
            environment,
            profile
        )
        let isLegacy = try Self.isLegacy(environment, profile) && Self.legacyRegions.contains(region)
        guard known != nil, isFIPS || isDualStack || !isLegacy else {
            url = "https://sts.amazonaws.com/"
            return
        }
        let china = region.hasPrefix("cn-")
        let suffix =
            isDualStack
            ? (china ? "api.amazonwebservices.com.cn" : "api.aws") : (china ? "amazonaws.com.cn" : "amazonaws.com")
        url = "https://sts\(isFIPS ? "-fips" : "").\(region).\(suffix)/"
    }

    /// What the requests to the old endpoint are signed for.
    var signingRegion: String { url == "https://sts.amazonaws.com/" ? Self.globalRegion : region }

    private static func isLegacy(_ environment: [String: String], _ profile: AWSProfile) throws -> Bool {
        switch environment["AWS_STS_REGIONAL_ENDPOINTS"] ?? profile["sts_regional_endpoints"] ?? "regional" {
        case "regional": return false
        case "legacy": return true
        default: throw Failure(.configuration, "use AWS_STS_REGIONAL_ENDPOINTS: it is neither regional nor legacy")
        }
    }

    /// Asks for credentials of a role.
    /// - Parameter credentials: sign the request; none for a web identity, whose token stands in it.
    func request(
        _ parameters: [(name: String, value: String)],
        signedBy credentials: AWSCredentials?,
        atSecondsSince1970 seconds: Int64,
        deadlines: HTTPDeadlines
    ) throws -> HTTPRequest {
        let form = ([("Version", "2011-06-15")] + parameters).map { name, value in
            "\(PercentEncoding.component(name))=\(PercentEncoding.component(value))"
        }.joined(separator: "&")
        let request = HTTPRequest(
            method: "POST",
            url: url,
            headers: [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: Array(form.utf8),
            deadlines: deadlines
        )
        guard let credentials else { return request }
        let signer = RequestSigner(credentials: credentials, region: signingRegion, service: "sts")
        return try signer.signed(
            request,
            payloadSHA256: SHA256Digest.hex(of: request.body),
            at: CivilTime(secondsSince1970: seconds)
        )
    }
}

/// What the environment and a profile say about endpoints of AWS.
enum AWSEndpoints {
    /// The endpoint of a service (`s3`, `sts`) that is none of AWS's own.
    static func url(of service: String, _ environment: [String: String], _ profile: AWSProfile) -> String? {
        let (variable, key) = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
        if isOn(variable, key, environment, profile) { return nil }
        return environment["AWS_ENDPOINT_URL_\(service.uppercased())"] ?? environment["AWS_ENDPOINT_URL"]
            ?? profile["\(service).endpoint_url"] ?? profile["endpoint_url"]
    }

    static func isOn(
        _ variable: String,
        _ key: String,
        _ environment: [String: String],
        _ profile: AWSProfile
    ) -> Bool {
        (environment[variable] ?? profile[key])?.lowercased() == "true"
    }
}
