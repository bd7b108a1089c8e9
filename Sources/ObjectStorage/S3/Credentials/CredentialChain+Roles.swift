// SPDX-License-Identifier: Apache-2.0

import Failures

extension CredentialChain {
    private static let rolesMax = 10
    /// What AWS takes: a quarter of an hour to half a day.
    private static let durationRange = 900...43_200

    /// The role of a profile, with whatever takes it on.
    /// - Parameter seen: the profiles on the way here; a chain that comes back would never end.
    func role(of profile: AWSProfile, seen: [String]) throws -> CredentialOrigin? {
        guard let arn = profile["role_arn"], profile["web_identity_token_file"] == nil else { return nil }
        if profile["mfa_serial"] != nil {
            throw Failure(
                .unsupported,
                "\(Self.attempt(profile)): it has mfa_serial, and nobody is there to type the code",
                hint: "Use a role that wants no second factor, or the keys that `aws configure export-credentials "
                    + "--profile \(profile.name) --format env` prints after you have typed it."
            )
        }
        var role = AWSRole(arn: arn, profile: profile.name)
        role.externalID = profile["external_id"]
        role.sessionName = profile["role_session_name"]
        role.durationSeconds = try Self.duration(profile)
        switch (profile["source_profile"], profile["credential_source"]) {
        case (nil, nil):
            throw Failure(
                .configuration,
                "\(Self.attempt(profile)): it has neither source_profile nor credential_source",
                hint: "They say whose credentials take the role on."
            )
        case (.some, .some):
            throw Failure(
                .configuration,
                "\(Self.attempt(profile)): it has both source_profile and credential_source",
                hint: "Leave one of them out."
            )
        case (let name?, nil): return .role(role, base: try source(named: name, for: profile, seen: seen))
        case (nil, let kind?): return .role(role, base: try source(kind, for: profile))
        }
    }

    private func source(named name: String, for profile: AWSProfile, seen: [String]) throws -> CredentialOrigin {
        guard let source = try profiles.profile(name) else {
            throw Failure(.configuration, "\(Self.attempt(profile)): there is no profile \(name), its source_profile")
        }
        let hasKeys = source["aws_access_key_id"] != nil || source["aws_secret_access_key"] != nil
        // A profile may name itself when it has keys too.
        let comesBack = seen.contains(name) && !(name == profile.name && hasKeys)
        guard !comesBack, seen.count <= Self.rolesMax else {
            throw Failure(
                .configuration,
                "\(Self.attempt(profile)): its source_profile \(name) leads back to a profile that was there before",
                hint: "The profiles on the way: \((seen + [name]).joined(separator: ", "))."
            )
        }
        if !hasKeys, let role = try role(of: source, seen: seen + [name]) { return role }
        guard let found = try ofProfile(source, withEnvironment: false) else {
            throw Failure(
                .configuration,
                "\(Self.attempt(profile)): its source_profile \(name) has no credentials",
                hint: "Give \(name) aws_access_key_id and aws_secret_access_key, a role, or a credential_process."
            )
        }
        return found
    }

    private func source(_ kind: String, for profile: AWSProfile) throws -> CredentialOrigin {
        switch kind {
        case "Environment":
            if let keys = try environmentKeys() { return keys }
            throw absent(kind, "AWS_ACCESS_KEY_ID is not set", profile)
        case "EcsContainer":
            if let endpoint = try ContainerEndpoint(environment: environment) { return .container(endpoint) }
            throw absent(kind, "no AWS_CONTAINER_CREDENTIALS_… is set", profile)
        case "Ec2InstanceMetadata":
            return .instance(
                try InstanceMetadata(environment: environment, profile: self.profile, isConfigured: true)
            )
        default:
            throw Failure(
                .configuration,
                "\(Self.attempt(profile)): there is no credential_source \(String(reflecting: kind))",
                hint: "It is Environment, EcsContainer or Ec2InstanceMetadata."
            )
        }
    }

    private func absent(_ kind: String, _ what: String, _ profile: AWSProfile) -> Failure {
        Failure(.configuration, "\(Self.attempt(profile)): its credential_source is \(kind), and \(what)")
    }

    private static func duration(_ profile: AWSProfile) throws -> Int? {
        guard let text = profile["duration_seconds"] else { return nil }
        guard let seconds = Int(text), durationRange.contains(seconds) else {
            throw Failure(
                .configuration,
                "\(attempt(profile)): its duration_seconds is no number from \(durationRange.lowerBound) to "
                    + "\(durationRange.upperBound)"
            )
        }
        return seconds
    }

    private static func attempt(_ profile: AWSProfile) -> String { "use the role of the AWS profile \(profile.name)" }
}
