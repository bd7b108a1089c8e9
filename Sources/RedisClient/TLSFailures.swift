// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOSSL

extension Failure {
    /// Whether an error comes from TLS.
    static func isTLS(_ error: any Error) -> Bool {
        error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError
            || error is NIOSSLCloseTimedOutError
    }

    /// A certificate that is not trusted.
    /// - Parameter finding: what is wrong with it.
    init(unverified endpoint: RedisEndpoint, finding: String) {
        self.init(
            .tlsFailed,
            "the certificate of \(endpoint) cannot be verified: \(finding)",
            hint: "Give the file of the authority that signed it with --cacert."
        )
    }

    /// An error of TLS as something that somebody can mend.
    init(tls error: any Error, endpoint: RedisEndpoint) {
        let text = String(describing: error)
        if (error as? NIOSSLExtraError) == .failedToValidateHostname || text.contains("unableToValidateCertificate") {
            self.init(
                .tlsFailed,
                "the certificate of \(endpoint) is for another name",
                cause: error,
                hint: "Connect to a name that stands in the certificate, or give that name with --sni."
            )
        } else if text.contains("CERTIFICATE_VERIFY_FAILED") {
            self.init(unverified: endpoint, finding: "its authority is not trusted, or it has expired")
        } else if text.contains("CERTIFICATE_REQUIRED") || text.contains("HANDSHAKE_FAILURE") {
            self.init(
                .tlsFailed,
                "\(endpoint) refused the TLS handshake; it may ask for a client certificate",
                cause: error,
                hint: "Give the client certificate and its key with --cert and --key."
            )
        } else if text.contains("UNKNOWN_CA") || text.contains("BAD_CERTIFICATE") {
            self.init(
                .tlsFailed,
                "\(endpoint) does not accept the client certificate",
                cause: error,
                hint: "Use a client certificate that the authority of the server signed."
            )
        } else if text.contains("WRONG_VERSION_NUMBER") {
            self.init(
                .tlsFailed,
                "\(endpoint) does not speak TLS",
                hint: "Write redis:// instead of rediss://."
            )
        } else {
            self.init(.tlsFailed, "cannot agree on TLS with \(endpoint)", cause: error)
        }
    }
}
