// SPDX-License-Identifier: Apache-2.0

import Failures

/// The profiles of the AWS tools, from their two files.
struct AWSProfiles: Sendable {
    private let credentialsFile: AWSConfigFile?
    private let configFile: AWSConfigFile?

    private static let fileBytesMax = 1 << 20

    /// Reads the files. Blocks.
    /// - Throws: `.configuration` when a file that is named does not exist, or a file is not understood.
    init(environment: [String: String]) throws {
        credentialsFile = try Self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials", environment)
        configFile = try Self.file("AWS_CONFIG_FILE", "config", environment)
    }

    /// - Returns: `nil` when no file has a profile of that name.
    /// - Throws: `.configuration` when it names `services` that are not there.
    func profile(_ name: String) throws -> AWSProfile? {
        let (secrets, settings) = (credentialsFile?.sections[name], configFile?.profile(name))
        if secrets == nil, settings == nil { return nil }
        return AWSProfile(
            name: name,
            values: try withServices(settings ?? [:]).merging(secrets ?? [:]) { $1 },
            credentialsFile: secrets ?? [:],
            configFile: settings ?? [:]
        )
    }

    /// A profile with the settings of the `services` section that it names.
    private func withServices(_ profile: [String: String]) throws -> [String: String] {
        guard let name = profile["services"] else { return profile }
        guard let services = configFile?.sections["services \(name)"] else {
            throw Failure(
                .configuration,
                "use the services \(name) of an AWS profile: there is no section of that name"
            )
        }
        return profile.merging(services) { $1 }
    }

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
}

/// A profile: who asks, and where.
struct AWSProfile: Sendable {
    let name: String
    /// Of both files; those of the credentials file win.
    let values: [String: String]
    let credentialsFile: [String: String]
    let configFile: [String: String]

    /// None that any file has.
    static func absent(_ name: String) -> AWSProfile {
        AWSProfile(name: name, values: [:], credentialsFile: [:], configFile: [:])
    }

    subscript(key: String) -> String? { values[key] }
}
