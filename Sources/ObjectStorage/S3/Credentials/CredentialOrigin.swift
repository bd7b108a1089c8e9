// SPDX-License-Identifier: Apache-2.0

/// Where credentials for S3 come from, as it was decided; nothing has been asked yet.
package indirect enum CredentialOrigin: Sendable, Hashable {
    /// Keys that somebody wrote down.
    case keys(AWSCredentials, KeyPlace)
    /// A token in a file, which the security token service changes for credentials of a role: IRSA.
    case webIdentity(WebIdentity)
    /// A role that others' credentials may take on.
    case role(AWSRole, base: CredentialOrigin)
    /// A program that prints them.
    case process(CredentialProcess)
    /// An endpoint beside the container: ECS, EKS Pod Identity.
    case container(ContainerEndpoint)
    /// The role of the machine.
    case instance(InstanceMetadata)

    package enum KeyPlace: Sendable, Hashable {
        case environment
        case credentialsFile(profile: String)
        case configFile(profile: String)
    }

    /// For messages, and to tell whether it is still the same.
    var name: String {
        switch self {
        case .keys(_, .environment): "the environment"
        case .keys(_, .credentialsFile(let profile)), .keys(_, .configFile(let profile)): "the AWS profile \(profile)"
        case .webIdentity(let identity): "the web identity of \(identity.place)"
        case .role(let role, let base): "the role \(role.arn) of the AWS profile \(role.profile), through \(base.name)"
        case .process(let process): "the credential_process of the AWS profile \(process.profile)"
        case .container(let endpoint): endpoint.variable
        case .instance: "the instance metadata service"
        }
    }

    /// Whether asking again may give others.
    var isRefreshable: Bool {
        if case .keys(_, .environment) = self { return false }
        return true
    }
}

/// A role with a token that proves who we are.
package struct WebIdentity: Sendable, Hashable {
    package let roleARN: String
    package let tokenFile: String
    package let sessionName: String?
    /// What names the file.
    let place: String

    init(roleARN: String, tokenFile: String, sessionName: String?, place: String) {
        self.roleARN = roleARN
        self.tokenFile = tokenFile
        self.sessionName = sessionName
        self.place = place
    }
}

/// A role as a profile describes it.
package struct AWSRole: Sendable, Hashable {
    package let arn: String
    /// The profile that has it.
    package let profile: String
    package var externalID: String?
    package var sessionName: String?
    package var durationSeconds: Int?

    init(arn: String, profile: String) {
        self.arn = arn
        self.profile = profile
    }
}

/// A program as a profile names it.
package struct CredentialProcess: Sendable, Hashable {
    /// The program and its arguments; never shown, they may hold a secret.
    package let words: [String]
    package let profile: String
}
