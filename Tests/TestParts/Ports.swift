// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A TCP port of the loopback that nobody listens on, held for us as long as this object lives.
///
/// It lies below the ephemeral range, so no outgoing connection takes it. A process-wide table keeps parallel tests
/// apart, and the lock on an abstract Unix socket of the same number keeps parallel test processes apart.
package final class Port: Sendable {
    /// The number.
    package let number: Int
    private let lock: Int32

    private static let taken = Mutex<Set<Int>>([])
    /// The ports of cluster buses, 10000 above, are free of both kinds too.
    private static let range = 12_000..<22_000

    /// - Throws: when 500 ports in a row are taken.
    package init() throws {
        for _ in 0..<500 {
            let candidate = Int.random(in: Self.range)
            guard Self.taken.withLock({ $0.insert(candidate).inserted }) else { continue }
            if let lock = Self.lock(candidate) {
                if Self.isFree(candidate) {
                    (number, self.lock) = (candidate, lock)
                    return
                }
                close(lock)
            }
            _ = Self.taken.withLock { $0.remove(candidate) }
        }
        throw SystemError("find a free port in \(Self.range)", EADDRINUSE)
    }

    deinit {
        close(lock)
        _ = Self.taken.withLock { $0.remove(number) }
    }

    private static func lock(_ port: Int) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array("\0redoubt-tests-port-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = MemoryLayout<sa_family_t>.size + name.count
        guard bind(descriptor, to: &address, length: length) else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// Whether nobody listens on any address of this machine, and no old connection lingers.
    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        return bind(descriptor, to: &address, length: MemoryLayout<sockaddr_in>.size)
    }

    private static func bind<Address>(_ descriptor: Int32, to address: inout Address, length: Int) -> Bool {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(length)) == 0
            }
        }
    }
}

/// Gives a port of the loopback where nobody listens: a connection to it is refused.
@discardableResult
package func withFreePort<Value>(_ body: (Int) async throws -> Value) async throws -> Value {
    let port = try Port()
    defer { withExtendedLifetime(port) {} }
    return try await body(port.number)
}
