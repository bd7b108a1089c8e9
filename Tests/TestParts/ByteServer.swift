// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Listens on a loopback port of the system's choice, and gives each connection to `serve` in a task of its own.
///
/// A connection is closed when `serve` returns. When `body` returns, the listener and all connections are closed.
/// An error of `serve` that is not the end of a connection is thrown after a `body` that succeeded.
func withByteServer<Value: Sendable>(
    port: Int = 0,
    tls: ServerTLS? = nil,
    serve: @escaping @Sendable (_ connection: ByteChannel, _ index: Int) async throws -> Void,
    _ body: (_ port: Int) async throws -> Value
) async throws -> Value {
    let security = try tls?.context()
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .bind(host: "127.0.0.1", port: port) { channel in
            if let security { try? channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: security)) }
            return ByteChannel.adopt(channel)
        }
    let port = listener.channel.localAddress?.port ?? 0
    let defects = Defects()
    let value = try await listener.executeThenClose { connections in
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { serving in
                    var index = 0
                    for try await connection in connections {
                        index += 1
                        serving.addTask { [index] in
                            await withTaskCancellationHandler {
                                do { try await serve(connection, index) } catch {
                                    if !isEndOfConnection(error) { defects.add(error) }
                                }
                                await connection.close()
                            } onCancel: {
                                connection.closeSoon()
                            }
                        }
                    }
                }
            }
            defer { group.cancelAll() }
            return try await body(port)
        }
    }
    if let defect = defects.first { throw defect }
    return value
}

private func isEndOfConnection(_ error: any Error) -> Bool {
    error is CancellationError || error is ByteChannel.Ended || error is IOError || error is ChannelError
        || error is NIOSSLError || error is BoringSSLError
}

/// What a server shows over TLS, and whether it wants to know who is there.
struct ServerTLS: Sendable {
    let material: TLSMaterial
    /// The path of the authority that must have signed the certificate of whoever connects; `nil` asks for none.
    var clientAuthority: String?

    fileprivate func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(material.serverCertificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: material.serverKey, format: .pem))
        )
        if let clientAuthority {
            configuration.trustRoots = .file(clientAuthority)
            configuration.certificateVerification = .noHostnameVerification
        }
        return try NIOSSLContext(configuration: configuration)
    }
}

private final class Defects: Sendable {
    private let list = Mutex<[any Error]>([])

    var first: (any Error)? { list.withLock { $0.first } }

    func add(_ error: any Error) {
        list.withLock { $0.append(error) }
    }
}
