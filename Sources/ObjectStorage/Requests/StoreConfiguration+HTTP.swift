// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging

extension StoreConfiguration {
    /// Where all is well, name, connection and handshake take less; a shorter deadline of the store holds for them too.
    private static let connectSecondsMax = 10

    /// How long requests to a store may take.
    package var deadlines: HTTPDeadlines {
        HTTPDeadlines(
            connectSeconds: min(Self.connectSecondsMax, noProgressSeconds),
            noProgressSeconds: noProgressSeconds
        )
    }

    /// How a store is reached over HTTP, whichever its kind.
    /// - Parameters:
    ///   - host: as it is shown.
    ///   - caFile: what the settings of its kind say about authorities; what the command says wins.
    package func http(to host: String, caFile: String? = nil) -> HTTPClientConfiguration {
        var http = HTTPClientConfiguration()
        http.caFile = caBundle ?? caFile
        http.insecureSkipVerify = insecureSkipVerify
        http.pinnedPublicKey = pinnedKey
        http.clientCertificateFile = clientCertificateFile
        http.clientKeyFile = clientKeyFile
        if let proxy { http.proxy = .at(proxy) }
        http.bandwidth = traffic.bandwidth
        if insecureSkipVerify { logger.warning("any certificate is believed of \(host)") }
        return http
    }

    /// Whether a text names keys to pin.
    package static func isPin(_ text: String) -> Bool { KeyPin.isValid(text) }
}
