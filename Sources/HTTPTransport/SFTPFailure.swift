// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// What libcurl and libssh2 say about a request over SFTP that failed.
enum SFTPFailure {
    static func failure(of code: CURLcode, _ text: String, attempt: String) -> Failure {
        Failure(self.code(of: code, text), "\(attempt): \(shown(code, text))")
    }

    private static func shown(_ code: CURLcode, _ text: String) -> String {
        switch code {
        case CURLE_PEER_FAILED_VERIFICATION:
            text.contains("fingerprint") ? text : "the server shows another host key than the one that is known of it"
        case CURLE_SSH where isSilent(text):
            "the connection broke, or the server failed without saying why"
        default: text
        }
    }

    private static func code(of code: CURLcode, _ text: String) -> Failure.Code {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_GOT_NOTHING,
            CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SEND_FAIL_REWIND, CURLE_PROXY, CURLE_AGAIN:
            .unreachable
        case CURLE_OPERATION_TIMEDOUT, CURLE_ABORTED_BY_CALLBACK: .timeout
        case CURLE_FAILED_INIT: handshakeCode(text)
        case CURLE_LOGIN_DENIED: .authenticationFailed
        case CURLE_PEER_FAILED_VERIFICATION: .tlsFailed
        case CURLE_REMOTE_FILE_NOT_FOUND: .noSuchObject
        case CURLE_REMOTE_ACCESS_DENIED: .permissionDenied
        case CURLE_REMOTE_DISK_FULL: .noSpace
        case CURLE_REMOTE_FILE_EXISTS: .alreadyExists
        case CURLE_BAD_DOWNLOAD_RESUME: .truncated
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .configuration
        case CURLE_SSH, CURLE_QUOTE_ERROR: isSilent(text) ? .unreachable : answeredCode(text)
        default: .unclassified
        }
    }

    /// Whether the server answered nothing, so that it may be the connection.
    private static func isSilent(_ text: String) -> Bool {
        [
            "Error in the SSH layer", "ssh error", "Unknown error in libssh2", "Connection to SFTP server lost",
            "Not connected to SFTP server", "Failed initializing", "Unable to",
        ].contains { text.contains($0) }
    }

    /// By the words that libcurl has for the codes of the protocol.
    private static func answeredCode(_ text: String) -> Failure.Code {
        let words: [(String, Failure.Code)] = [
            ("No such file", .noSuchObject), ("Permission denied", .permissionDenied),
            ("write protected", .permissionDenied),
            ("already exists", .alreadyExists), ("Disk full", .noSpace), ("quota", .noSpace),
            ("not supported", .unsupported), ("Bad message", .protocolViolation),
        ]
        return words.first { text.contains($0.0) }?.1 ?? .inputOutput
    }

    /// libssh2 could not agree with the server on the keys; all else of a handshake is the connection.
    private static func handshakeCode(_ text: String) -> Failure.Code {
        ["session: -5,", "session: -10,", "session: -11,"].contains { text.contains($0) } ? .tlsFailed : .unreachable
    }
}
