// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Paths of PEM files, made by openssl once a process. Keys are EC P-256, without a password.
package struct TLSMaterial: Sendable {
    let folder: URL

    /// The certificate of the authority that signed the others.
    package var authority: String { path("ca.crt") }
    /// For `127.0.0.1`, `::1` and `localhost`.
    package var serverCertificate: String { path("server.crt") }
    package var serverKey: String { path("server.key") }
    package var clientCertificate: String { path("client.crt") }
    package var clientKey: String { path("client.key") }
    /// The key of the server as curl pins one.
    package func serverKeyPin() async throws -> String {
        let openssl = try Parts.openssl()
        let script = "\(openssl) pkey -in \"$1\" -pubout -outform der | \(openssl) dgst -sha256 -binary | base64"
        let digest = try await run("/bin/sh", ["-euc", script, "sh", serverKey])
        return "sha256//" + String(decoding: digest, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Another authority, which signed none of the others.
    package var otherAuthority: String { path("other.crt") }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// A certificate that a client must refuse.
    package enum Flaw: String, Sendable, CaseIterable {
        /// Its time is over.
        case expired
        /// It is for `wrong.example` alone.
        case wrongHost
        /// Another authority signed it.
        case wrongAuthority
    }

    /// The same authority, with a server certificate that a client must refuse.
    package func flawed(_ flaw: Flaw) -> TLSMaterial {
        TLSMaterial(folder: folder.appendingPathComponent(flaw.rawValue))
    }

    /// The material of this process.
    package static func shared() async throws -> TLSMaterial {
        try await cache.value()
    }

    private static let cache = Once { try await make() }

    private static func make() async throws -> TLSMaterial {
        let folder = try temporaryFolder()
        try await run("/bin/sh", ["-eu", "-c", script], environment: environment(), folder: folder)
        return TLSMaterial(folder: folder)
    }

    private static func environment() throws -> [String: String] {
        ChildProcess.plainEnvironment.merging(["OPENSSL": try Parts.openssl()]) { $1 }
    }

    private static let script = """
        authority() { # file, name
            $OPENSSL req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$2" \\
                -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \\
                -keyout "$1.key" -out "$1.crt"
        }
        signed() { # file, authority, alternative names, extended usage, options of x509
            $OPENSSL req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \\
                -keyout "$1.key" -out "$1.csr"
            printf 'subjectAltName=%s\\nextendedKeyUsage=%s\\n' "$3" "$4" > "$1.ext"
            $OPENSSL x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial \\
                -extfile "$1.ext" $5 -out "$1.crt"
        }
        flawed() { # folder, server certificate
            mkdir "$1"
            cp ca.crt other.crt client.crt client.key "$1"
            cp "$2.crt" "$1/server.crt"
            cp "$2.key" "$1/server.key"
        }
        local=IP:127.0.0.1,IP:::1,DNS:localhost
        authority ca 'redoubt tests'
        authority other 'somebody else'
        signed server ca $local serverAuth '-days 20'
        signed client ca DNS:client clientAuth '-days 20'
        signed stale ca $local serverAuth '-days -1'
        signed elsewhere ca DNS:wrong.example serverAuth '-days 20'
        signed stranger other $local serverAuth '-days 20'
        flawed expired stale
        flawed wrongHost elsewhere
        flawed wrongAuthority stranger
        """
}

/// A value that the first caller makes and all share; a failure is shared too.
final class Once<Value: Sendable>: Sendable {
    private let make: @Sendable () async throws -> Value
    private let isTaken = Flag()
    private let made = Completion<Result<Value, any Error>>()

    init(_ make: @escaping @Sendable () async throws -> Value) {
        self.make = make
    }

    func value() async throws -> Value {
        if isTaken.raise() {
            // A task of its own: the cancellation of the test that happens to come first is not for the others.
            Task.detached { [make, made] in
                do { made.complete(.success(try await make())) } catch { made.complete(.failure(error)) }
            }
        }
        guard let result = await made.wait() else { throw CancellationError() }
        return try result.get()
    }
}
