// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOCore
import NIOPosix
import NIOSSL
import RedisProtocol

extension RedisTLS {
    /// How long the peer may take to answer the end of TLS: nothing depends on it, so a stopped server must not hold us
    /// up.
    private static let shutdownMilliseconds: Int64 = 300

    /// Reads the files and makes the context of a connection.
    /// - Throws: `.configuration` naming the file that cannot be used.
    func context() async throws -> NIOSSLContext {
        // Reading files blocks.
        try await NIOThreadPool.singleton.runIfActive { try blockingContext() }
    }

    private func blockingContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = skipsVerification ? .none : .fullVerification
        configuration.trustRoots = try trustRoots()
        configuration.shutdownTimeout = .milliseconds(Self.shutdownMilliseconds)
        if let clientCertificate {
            configuration.certificateChain = try Self.certificates(file: clientCertificate.certificateFile)
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try Self.privateKey(file: clientCertificate.keyFile))
        }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw Failure(
                .configuration,
                "cannot set up TLS: the client certificate and its key do not go together",
                cause: error
            )
        }
    }

    fileprivate func trustRoots() throws -> NIOSSLTrustRoots {
        switch authorities {
        case .system:
            return .default
        case .file(let path):
            return .certificates(try Self.certificates(file: path))
        case .pem(let bytes):
            do {
                return .certificates(try NIOSSLCertificate.fromPEMBytes(bytes))
            } catch {
                throw Failure(.configuration, "the authorities given for TLS are no certificates in PEM", cause: error)
            }
        }
    }

    fileprivate static func certificates(file: String) throws -> [NIOSSLCertificate] {
        do {
            return try NIOSSLCertificate.fromPEMFile(file)
        } catch {
            throw Failure(.configuration, "cannot read certificates in PEM from \(file)", cause: error)
        }
    }

    fileprivate static func privateKey(file: String) throws -> NIOSSLPrivateKey {
        do {
            return try NIOSSLPrivateKey(file: file, format: .pem)
        } catch {
            throw Failure(
                .configuration,
                "cannot read a key in PEM from \(file)",
                cause: error,
                hint: "The key must have no passphrase."
            )
        }
    }

    /// The name to ask for and to verify; `nil` for an address, which is verified as the address of the peer (RFC 6066
    /// §3 allows no address in SNI).
    func verifiedName(for url: RedisURL) -> String? {
        let name = serverName ?? url.host ?? ""
        return name.isEmpty || (try? SocketAddress(ipAddress: name, port: 0)) != nil ? nil : name
    }
}

/// How TLS is spoken with a replica that connects to us: with the certificate of a server, and verifying that of the
/// replica.
package struct SeedTLS: Sendable, Hashable {
    /// What is shown to the replica, whose `tls-ca-cert-file` must vouch for it.
    package var certificate: RedisTLS.ClientCertificate
    /// Whose signature on the certificate of the replica is trusted; the replica shows its `tls-cert-file`.
    package var authorities: RedisTLS.Authorities
    /// Accepts a replica without a certificate, or with any.
    package var skipsVerification: Bool

    package init(
        certificate: RedisTLS.ClientCertificate,
        authorities: RedisTLS.Authorities = .system,
        skipsVerification: Bool = false
    ) {
        self.certificate = certificate
        self.authorities = authorities
        self.skipsVerification = skipsVerification
    }

    /// - Throws: `.configuration` naming the file that cannot be used.
    func context() async throws -> NIOSSLContext {
        // Reading files blocks.
        try await NIOThreadPool.singleton.runIfActive { try blockingContext() }
    }

    private func blockingContext() throws -> NIOSSLContext {
        let chain = try RedisTLS.certificates(file: certificate.certificateFile)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try RedisTLS.privateKey(file: certificate.keyFile))
        )
        configuration.minimumTLSVersion = .tlsv12
        // A replica is known by its address; its certificate is for a name that cannot be told from here.
        configuration.certificateVerification = skipsVerification ? .none : .noHostnameVerification
        configuration.trustRoots = try RedisTLS(authorities: authorities).trustRoots()
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw Failure(
                .configuration,
                "set up TLS for the server that is restored: the certificate and its key do not go together",
                cause: error
            )
        }
    }
}
