// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

extension RunningTransfer {
    /// What a code of libcurl means for whoever sent the request. `nil` when all is well.
    func failure(of code: CURLcode) -> Failure? {
        guard code != CURLE_OK else { return nil }
        let shown = transfer.request.shown
        if let refusal { return Failure(.protocolViolation, "\(shown): the answer is not understood: \(refusal)") }
        let text = easy.text(of: code)
        if text.hasPrefix("Unsupported proxy") {
            // What follows is the URL of the proxy, with its credentials.
            return Failure(.configuration, "\(shown): the URL of the proxy is not understood")
        }
        if code == CURLE_SSL_PINNEDPUBKEYNOTMATCH {
            return Failure(
                .tlsFailed,
                "\(shown): the server shows another key than the one that is pinned, \(pinnedPublicKey ?? "")",
                hint: "Somebody may be in between. If the server was given a new key, pin that one instead."
            )
        }
        return Failure(
            Self.code(of: code, text, proxyStatus: easy.long(CURLINFO_HTTP_CONNECTCODE)),
            "\(shown): \(text.contains("@") ? EasyHandle.generalText(of: code) : text)\(amounts)"
        )
    }

    /// The failure of a transfer in which nothing moved for too long.
    var stall: Failure {
        let seconds = transfer.request.deadlines.noProgressSeconds
        return Failure(.timeout, "\(transfer.request.shown): nothing moved for \(seconds) s\(amounts)")
    }

    /// The failure of a transfer whose answer ends in its headers.
    var brokenHead: Failure {
        Failure(.unreachable, "\(transfer.request.shown): the connection ended in the headers of the answer\(amounts)")
    }

    private var amounts: String {
        let (sent, received) = (easy.offset(CURLINFO_SIZE_UPLOAD_T), easy.offset(CURLINFO_SIZE_DOWNLOAD_T))
        let expected = easy.offset(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)
        let body = transfer.request.body.count
        var parts: [String] = []
        if transfer.request.outgoing != nil { parts.append("\(sent) bytes sent") }
        if body > 0 { parts.append("\(sent) of \(body) bytes sent") }
        if received > 0 { parts.append("\(received)\(expected > 0 ? " of \(expected)" : "") bytes received") }
        return parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))"
    }

    private static func code(of code: CURLcode, _ text: String, proxyStatus: Int) -> Failure.Code {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_GOT_NOTHING,
            CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND, CURLE_PROXY, CURLE_AGAIN:
            .unreachable
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR:
            // A proxy that refuses to connect is reported as this; in TLS 1.3 also a server that does not like ours.
            proxyStatus == 407 ? .authenticationFailed : isRefusedIdentity(text) ? .tlsFailed : .unreachable
        case CURLE_OPERATION_TIMEDOUT:
            .timeout
        case CURLE_SSL_CONNECT_ERROR:
            isBrokenConnection(text) ? .unreachable : .tlsFailed
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED,
            CURLE_SSL_CLIENTCERT, CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            .tlsFailed
        case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CRL_BADFILE,
            CURLE_URL_MALFORMAT:
            .configuration
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
            .protocolViolation
        default:
            .unclassified
        }
    }

    /// Whether the server does not accept the certificate that we showed, or that we showed none.
    private static func isRefusedIdentity(_ text: String) -> Bool {
        let alerts = [
            "certificate required", "bad certificate", "certificate expired", "certificate unknown",
            "certificate revoked", "unsupported certificate", "unknown ca", "access denied",
        ]
        return alerts.contains { text.contains("alert \($0)") }
    }

    /// Whether TLS failed because the connection broke, not because of TLS. libcurl has one code for both, but its own
    /// words tell: they begin like this when it was not OpenSSL that complained, and OpenSSL 3 calls the plain end of a
    /// connection unexpected.
    private static func isBrokenConnection(_ text: String) -> Bool {
        ["OpenSSL SSL_connect:", "Recv failure:", "Send failure:"].contains { text.hasPrefix($0) }
            || text.contains("unexpected eof while reading")
    }
}
