// SPDX-License-Identifier: Apache-2.0

import Failures

/// Where the credentials and the profile of the AWS tools come from: the environment and two files.
///
/// The order is that of the AWS tools. A source that is configured and cannot be used is an error and never passed
/// over: falling through would back up as somebody else (F56).
struct CredentialSource: Sendable {
    private let environment: [String: String]
    /// The values of the profile, those of the credentials file first.
    let profile: [String: String]
    private let profileName: String
    /// Whether the command names a profile; then the keys of the environment are not meant.
    private let isProfileChosen: Bool

    private static let fileBytesMax = 1 << 20

    /// Reads the files. Blocks.
    /// - Throws: `.configuration` when a file or a profile that is named does not exist or is not understood.
    init(environment: [String: String], profile chosen: String?) throws {
        self.environment = environment.filter { !$0.value.isEmpty }
        isProfileChosen = chosen != nil
        let named = chosen ?? self.environment["AWS_PROFILE"] ?? self.environment["AWS_DEFAULT_PROFILE"]
        profileName = named ?? "default"
        let credentialsFile = try Self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials", self.environment)
        let configFile = try Self.file("AWS_CONFIG_FILE", "config", self.environment)
        let secrets = credentialsFile?.sections[profileName]
        profile = try Self.withService(configFile, configFile?.profile(profileName) ?? [:])
            .merging(secrets ?? [:]) { $1 }
        if let named, secrets == nil, configFile?.profile(named) == nil {
            throw Failure(
                .configuration,
                "use the AWS profile \(named): no file of the AWS tools has a profile of that name",
                hint:
                    "It is looked for in ~/.aws/credentials and ~/.aws/config, or where "
                    + "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE say."
            )
        }
    }

    /// - Throws: `.authenticationFailed` when there are none; `.configuration` when there are half; `.unsupported` when
    ///   they should come from where this version cannot get them.
    func credentials() throws -> AWSCredentials {
        if !isProfileChosen, let found = try keys(of: environment, Self.environmentNames, "the environment") {
            return found
        }
        try refuseRoles()
        if let found = try keys(of: profile, Self.fileNames, "the AWS profile \(profileName)") { return found }
        if profile["credential_process"] != nil {
            throw unsupported("credential_process of the profile \(profileName)")
        }
        for name in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        where environment[name] != nil {
            throw unsupported(name)
        }
        throw Failure(
            .authenticationFailed,
            "find credentials for S3: there are none",
            hint:
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws/credentials with "
                + "AWS_PROFILE."
        )
    }

    /// What comes before the keys of a profile, in the order of the AWS tools, and is not supported yet.
    private func refuseRoles() throws {
        if profile["role_arn"] != nil { throw unsupported("role_arn of the profile \(profileName)") }
        if !isProfileChosen, environment["AWS_WEB_IDENTITY_TOKEN_FILE"] != nil {
            throw unsupported("AWS_WEB_IDENTITY_TOKEN_FILE")
        }
        for name in ["web_identity_token_file", "sso_session", "sso_start_url", "login_session"]
        where profile[name] != nil {
            throw unsupported("\(name) of the profile \(profileName)")
        }
    }

    private func unsupported(_ source: String) -> Failure {
        Failure(
            .unsupported,
            "get credentials for S3 from \(source): this version of redoubt cannot",
            hint: "Give it keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)."
        )
    }

    // MARK: Keys

    private typealias KeyNames = (id: String, secret: String, token: String)
    private static let environmentNames: KeyNames = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    private static let fileNames: KeyNames = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

    private func keys(of values: [String: String], _ names: KeyNames, _ place: String) throws -> AWSCredentials? {
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
        let token = values[names.token].flatMap { $0.isEmpty ? nil : $0 }
        // A line end at the end of a secret is a mistake of every second `kubectl create secret`.
        for (name, value) in [(names.id, id), (names.secret, secret), (names.token, token ?? "")]
        where value.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) {
            throw Failure(
                .configuration,
                "find credentials for S3: \(name) in \(place) has a blank or a line end in it",
                hint: "Write the value without the line end: `printf %s` does, `echo` does not."
            )
        }
        return AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token)
    }

    // MARK: Files

    /// - Parameter variable: names the file; then it must be there.
    private static func file(
        _ variable: String,
        _ name: String,
        _ environment: [String: String]
    ) throws -> AWSConfigFile? {
        let named = environment[variable].map {
            $0.hasPrefix("~/") ? (environment["HOME"] ?? "~") + $0.dropFirst() : $0
        }
        guard let path = named ?? environment["HOME"].map({ "\($0)/.aws/\(name)" }) else { return nil }
        guard let bytes = try SmallFile.read(path, bytesMax: fileBytesMax) else {
            if named == nil { return nil }
            throw Failure(.configuration, "read \(path), which \(variable) names: there is no such file")
        }
        do {
            return try AWSConfigFile(parsing: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw Failure(.configuration, "read \(path): line \(error.line) is not understood")
        }
    }

    /// A profile with the settings of the `services` section that it names.
    private static func withService(_ file: AWSConfigFile?, _ profile: [String: String]) throws -> [String: String] {
        guard let name = profile["services"] else { return profile }
        guard let services = file?.sections["services \(name)"] else {
            throw Failure(
                .configuration,
                "use the services \(name) of an AWS profile: there is no section of that name"
            )
        }
        return profile.merging(services) { $1 }
    }
}
