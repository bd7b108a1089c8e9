// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A script of Tests/oracles in a Python process beside the tests: one JSON request a connection, one JSON reply. It
/// prints its port first.
final class ScriptOracle: Sendable {
    private struct Process {
        let child: ChildProcess
        let port: Int
    }

    private let process: Once<Process>

    init(_ name: String) {
        process = Once {
            let child = try ChildProcess(Parts.python(), [try Parts.oracle(name)])
            let port = try await eventually("\(name) to start") {
                if child.exit != nil { throw UnretryableError("\(name) ended:\n\(child.output.tail())") }
                return Int(child.output.text.split(separator: "\n").first ?? "")
            }
            return Process(child: child, port: port)
        }
    }

    /// - Throws: `S3OracleError` with what the service behind the script answered.
    func ask(_ request: TestJSON) async throws -> TestJSON {
        let connection = try await ByteChannel.connect(port: try await process.value().port)
        return try await ending({ await connection.close() }) {
            try await connection.write(Array(try JSONEncoder().encode(request)))
            try await connection.closeWriting()
            let answer = try await connection.readToEnd(withinSeconds: 120)
            let reply = try JSONDecoder().decode(TestJSON.self, from: Data(answer))
            guard let error = reply["error"] else { return reply["result"] ?? .null }
            throw S3OracleError(
                code: error["code"]?.text ?? "",
                status: error["status"]?.int ?? 0,
                description: error["message"]?.text ?? ""
            )
        }
    }
}
