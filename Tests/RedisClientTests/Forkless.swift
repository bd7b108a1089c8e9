// SPDX-License-Identifier: Apache-2.0

import TestParts

/// A server whose `fork` fails, as it does when the memory of its node does not suffice.
enum Forkless {
    /// Lets every `fork` of the server fail while `body` runs.
    static func run(_ server: RedisServer, _ body: () async throws -> Void) async throws {
        let calls = "clone,clone3,fork,vfork"
        let arguments = [
            "-f", "-p", "\(server.child.pid)", "-e", "trace=\(calls)", "-e", "inject=\(calls):error=ENOMEM",
        ]
        try await withProcess(try Parts.strace(), arguments) { tracer in
            try await eventually("strace to hold the server") {
                tracer.output.text.contains("attached") || tracer.errors.text.contains("attached") ? true : nil
            }
            try await body()
        }
    }
}
