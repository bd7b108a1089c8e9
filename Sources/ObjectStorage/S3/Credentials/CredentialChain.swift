// SPDX-License-Identifier: Apache-2.0

import Failures

/// Decides where the credentials for S3 come from, in the order of the AWS tools (docs/credentials.md). Asks nobody.
///
/// A source that is configured and cannot be used is an error and never passed over: falling through would back up as
/// somebody else (F56).
package struct CredentialChain: Sendable {
    let environment: [String: String]
    let profiles: AWSProfiles
    /// The one that is in use; without values when none is named and there is no default.
    let profile: AWSProfile
    /// Whether the command names a profile; then the keys and the web identity of the environment are not meant.
    let isProfileChosen: Bool

    /// Reads the files. Blocks.
    /// - Throws: `.configuration` when a file or a profile that is named does not exist or is not understood.
    package init(environment: [String: String], profile chosen: String?) throws {
        self.environment = environment.filter { !$0.value.isEmpty }
        isProfileChosen = chosen != nil
        let named = chosen ?? self.environment["AWS_PROFILE"] ?? self.environment["AWS_DEFAULT_PROFILE"]
        profiles = try AWSProfiles(environment: self.environment)
        let found = try profiles.profile(named ?? "default")
        if let named, found == nil {
            throw Failure(
                .configuration,
                "use the AWS profile \(named): no file of the AWS tools has a profile of that name",
                hint:
                    "It is looked for in ~/.aws/credentials and ~/.aws/config, or where "
                    + "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE say."
            )
        }
        profile = found ?? .absent("default")
    }

    /// - Throws: `.configuration` when a source is configured by halves; `.unsupported` when it is one that wants
    ///   somebody to log in.
    package func origin() throws -> CredentialOrigin {
        if !isProfileChosen, let found = try environmentKeys() { return found }
        if let found = try role(of: profile, seen: [profile.name]) { return found }
        if let found = try ofProfile(profile, withEnvironment: !isProfileChosen) { return found }
        if let endpoint = try ContainerEndpoint(environment: environment) { return .container(endpoint) }
        return try .instance(InstanceMetadata(environment: environment, profile: profile, isConfigured: false))
    }

    /// What a profile may have beside a role that others take on.
    func ofProfile(_ profile: AWSProfile, withEnvironment: Bool) throws -> CredentialOrigin? {
        if let identity = try webIdentity(profile, withEnvironment: withEnvironment) { return .webIdentity(identity) }
        try refuseLogin(profile, ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"])
        let (credentialsFile, configFile) = (profile.credentialsFile, profile.configFile)
        let place = "the AWS profile \(profile.name)"
        if let keys = try Self.keys(of: credentialsFile, Self.fileNames, place) {
            return .keys(keys, .credentialsFile(profile: profile.name))
        }
        try refuseLogin(profile, ["login_session"])
        if let process = try process(profile) { return .process(process) }
        return try Self.keys(of: configFile, Self.fileNames, place).map {
            .keys($0, .configFile(profile: profile.name))
        }
    }

    private func webIdentity(_ profile: AWSProfile, withEnvironment: Bool) throws -> WebIdentity? {
        func value(_ variable: String, _ key: String) -> String? {
            (withEnvironment ? environment[variable] : nil) ?? profile[key]
        }
        let ofEnvironment = withEnvironment ? environment["AWS_WEB_IDENTITY_TOKEN_FILE"] : nil
        guard let file = ofEnvironment ?? profile["web_identity_token_file"] else {
            guard withEnvironment, environment["AWS_ROLE_ARN"] != nil else { return nil }
            throw Self.half("the environment has AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
        }
        let place =
            ofEnvironment != nil
            ? "AWS_WEB_IDENTITY_TOKEN_FILE" : "web_identity_token_file of the profile \(profile.name)"
        guard let role = value("AWS_ROLE_ARN", "role_arn"), !role.isEmpty else {
            throw Self.half(
                ofEnvironment != nil ? "the environment has AWS_WEB_IDENTITY_TOKEN_FILE" : "it has \(place)",
                ofEnvironment != nil ? "AWS_ROLE_ARN" : "role_arn"
            )
        }
        return WebIdentity(
            roleARN: role,
            tokenFile: file,
            sessionName: value("AWS_ROLE_SESSION_NAME", "role_session_name"),
            place: place
        )
    }

    private static func half(_ present: String, _ missing: String) -> Failure {
        Failure(
            .configuration,
            "find credentials for S3: \(present), and \(missing) is missing",
            hint: "A web identity needs both, as EKS sets them where the service account has the annotation "
                + "eks.amazonaws.com/role-arn. Set \(missing) too, or neither."
        )
    }

    private func process(_ profile: AWSProfile) throws -> CredentialProcess? {
        guard let line = profile["credential_process"] else { return nil }
        guard let words = ShellWords.split(line), words.first?.isEmpty == false else {
            throw Failure(
                .configuration,
                "use the credential_process of the AWS profile \(profile.name): it is not a command",
                hint: "It is split into words as a shell does, and run without one: close every quote."
            )
        }
        return CredentialProcess(words: words, profile: profile.name)
    }

    private func refuseLogin(_ profile: AWSProfile, _ names: [String]) throws {
        guard let name = names.first(where: { profile[$0] != nil }) else { return }
        throw Failure(
            .unsupported,
            "get credentials for S3 from \(name) of the AWS profile \(profile.name): redoubt cannot log in",
            hint: "Let the AWS tools do it, in a profile of its own: credential_process = aws configure "
                + "export-credentials --profile \(profile.name) --format process. A job uses a role instead: "
                + "docs/credentials.md."
        )
    }
}

// MARK: Keys

extension CredentialChain {
    typealias KeyNames = (id: String, secret: String, tokens: [String])

    private static let environmentNames: KeyNames = (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"]
    )
    static let fileNames: KeyNames = (
        "aws_access_key_id", "aws_secret_access_key", ["aws_session_token", "aws_security_token"]
    )

    func environmentKeys() throws -> CredentialOrigin? {
        try Self.keys(of: environment, Self.environmentNames, "the environment").map { .keys($0, .environment) }
    }

    static func keys(of values: [String: String], _ names: KeyNames, _ place: String) throws -> AWSCredentials? {
        let (id, secret) = (values[names.id], values[names.secret])
        if id == nil && secret == nil { return nil }
        guard let id, let secret, !id.isEmpty, !secret.isEmpty else {
            let missing = id?.isEmpty ?? true ? names.id : names.secret
            throw Failure(
                .configuration,
                "find credentials for S3: \(place) has only half of them, \(missing) is missing",
                hint: "Set \(missing) too."
            )
        }
        let tokenName = names.tokens.first { !(values[$0] ?? "").isEmpty } ?? names.tokens[0]
        let token = values[tokenName].flatMap { $0.isEmpty ? nil : $0 }
        // A line end at the end of a secret is a mistake of every second `kubectl create secret`.
        for (name, value) in [(names.id, id), (names.secret, secret), (tokenName, token ?? "")]
        where !AWSCredentials.isSendable(value) {
            throw Failure(
                .configuration,
                "find credentials for S3: \(name) in \(place) has a blank or a line end in it",
                hint: "Write the value without the line end: `printf %s` does, `echo` does not."
            )
        }
        return AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token)
    }
}

extension AWSCredentials {
    /// Whether a part of them goes into a header as it is: without blanks and line ends.
    static func isSendable(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }
}
