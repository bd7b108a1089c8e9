// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOCore
import NIOPosix
import SystemPackage

extension Failure {
    /// An error of an open connection.
    /// - Parameter attempt: what the server was doing: `was asked for INFO`.
    init(_ error: any Error, connectedTo endpoint: RedisEndpoint, during attempt: String) {
        switch error {
        case let failure as Failure:
            self = failure
        case let silence as InboundHandler.NoProgress:
            let seconds = (silence.seconds * 10).rounded() / 10
            self.init(.timeout, "\(endpoint) sent nothing for \(seconds) s while it \(attempt)")
        case let error where Self.isTLS(error):
            self.init(tls: error, endpoint: endpoint)
        default:
            self.init(.unreachable, "the connection to \(endpoint) broke while it \(attempt): \(Self.reason(error))")
        }
    }

    /// The peer ended the connection where it should not.
    init(closedBy endpoint: RedisEndpoint, during attempt: String) {
        self.init(.unreachable, "\(endpoint) closed the connection while it \(attempt)")
    }

    /// A connection that was not established.
    init(_ error: any Error, connectingTo endpoint: RedisEndpoint) {
        switch error {
        case let failure as Failure:
            self = failure
        case ChannelError.connectTimeout:
            let seconds = endpoint.deadlines.connectSeconds
            self.init(.timeout, "cannot connect to \(endpoint): no answer for \(seconds) s")
        case let error as NIOConnectionError where error.connectionErrors.isEmpty:
            self.init(
                .unreachable,
                "cannot connect to \(endpoint): the name does not resolve to an address",
                cause: error.dnsAError ?? error.dnsAAAAError
            )
        case let error as NIOConnectionError:
            let reasons = error.connectionErrors.map { Self.reason($0.error) }
            let timedOut = error.connectionErrors.allSatisfy { Self.isConnectTimeout($0.error) }
            self.init(
                timedOut ? .timeout : .unreachable,
                "cannot connect to \(endpoint): \(Set(reasons).sorted().joined(separator: ", "))"
            )
        case let error where Self.isTLS(error):
            self.init(tls: error, endpoint: endpoint)
        default:
            self.init(.unreachable, "cannot connect to \(endpoint): \(Self.reason(error))")
        }
    }

    private static func isConnectTimeout(_ error: any Error) -> Bool {
        if case ChannelError.connectTimeout = error { return true }
        return false
    }

    /// What the system says of an error: `connection refused`.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: Errno(rawValue: error.errnoCode).description.lowercased()
        case ChannelError.connectTimeout: "no answer in time"
        default: String(describing: error)
        }
    }
}
