// SPDX-License-Identifier: Apache-2.0

import Failures

extension Failure {
    /// The same failure with what to type next, where the way to the store failed and nothing says so yet.
    func withWayHint() -> Failure {
        guard hint == nil, let hint = wayHint else { return self }
        return Failure(code, message, cause: cause, hint: hint)
    }

    private var wayHint: String? {
        switch code {
        case .unreachable:
            "Check the host and the port of the store, and whether a proxy (--proxy, HTTPS_PROXY), a firewall or a "
                + "NetworkPolicy stands in between."
        case .timeout:
            "Check what stands between here and the store, or give it more time: --store-timeout 3m."
        case .tlsFailed: tlsHint
        case .configuration where message.contains("certificate"):
            "Check the file of --ca-bundle (or AWS_CA_BUNDLE), --store-cert and --store-key: there, readable, and PEM."
        default: nil
        }
    }

    /// By the words of OpenSSL and of libcurl.
    private var tlsHint: String? {
        let hints = [
            (
                "wrong version number",
                "No TLS is spoken at that port: check whether it is http:// that is meant, and the port."
            ),
            ("self-signed", Self.authorityHint), ("self signed", Self.authorityHint),
            ("local issuer certificate", Self.authorityHint), ("issuer certificate", Self.authorityHint),
            ("has expired", "Its owner must renew it; check the clock of this machine too."),
            ("not yet valid", "Check the clock of this machine."),
            ("subject name", "The certificate is for other names: write one of those in the URL of the store."),
        ]
        return hints.first { message.contains($0.0) }?.1
    }

    private static let authorityHint =
        "Name a file with the certificate of its authority, as PEM: --ca-bundle FILE. Without any verification: "
        + "--store-insecure."
}
