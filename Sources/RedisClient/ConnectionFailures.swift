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
                "cannot connect to \(endpoint): the name does not resolve to an address"
                    + Self.resolution(error.dnsAError ?? error.dnsAAAAError),
                hint: "Compare the name with that of the server; names of Pods and Services of Kubernetes resolve "
                    + "in their own cluster alone."
            )
        case let error as NIOConnectionError:
            let reasons = error.connectionErrors.map { Self.reason($0.error) }
            let timedOut = error.connectionErrors.allSatisfy { Self.isConnectTimeout($0.error) }
            self.init(
                timedOut ? .timeout : .unreachable,
                "cannot connect to \(endpoint): \(Set(reasons).sorted().joined(separator: ", "))",
                hint: Self.hint(error.connectionErrors.map(\.error), endpoint)
            )
        case let error where Self.isTLS(error):
            self.init(tls: error, endpoint: endpoint)
        default:
            self.init(
                .unreachable,
                "cannot connect to \(endpoint): \(Self.reason(error))",
                hint: Self.hint([error], endpoint)
            )
        }
    }

    /// What the resolver says of a name, in its own words alone: ` (Name or service not known)`.
    private static func resolution(_ error: (any Error)?) -> String {
        guard let error else { return "" }
        let unknown = error as? SocketAddressError.UnknownHost
        return " (\(unknown?.errorDescription ?? String(describing: error)))"
    }

    /// What to look at when nobody answered at an address.
    private static func hint(_ errors: [any Error], _ endpoint: RedisEndpoint) -> String? {
        let codes = errors.compactMap { ($0 as? IOError)?.errnoCode }
        guard case .tcp = endpoint.url.address else {
            if codes.contains(Errno.permissionDenied.rawValue) {
                return
                    "The user of this program needs the right to write to the socket: `unixsocketperm` of the server."
            }
            return "Is the server running? Compare the path with `unixsocket` of its configuration."
        }
        guard codes.contains(Errno.connectionRefused.rawValue) else { return nil }
        return "Is the server running? Compare host and port with `bind`, `port` and `tls-port` of its configuration."
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
