// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Operations

/// Where bytes wait for a store that is slower than the server.
struct SpoolOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Folder for a file in which bytes wait for a slow store, so that the server need not. Used only then.",
            valueName: "dir"
        )
    )
    var spool: String?

    @Option(
        help: ArgumentHelp("How large that file may get: 512Mi, 8GiB, 20G. Without it, 4Gi.", valueName: "size"),
        transform: ByteSize.reading
    )
    var spoolMax: ByteSize?

    private static let bytesMaxUsual: Int64 = 4 << 30
    /// Less is not worth a file.
    private static let bytesMaxLeast: Int64 = 1 << 20

    func validate() throws {
        guard let spoolMax else { return }
        if spool == nil { throw ValidationError("--spool-max needs --spool") }
        guard spoolMax.bytes >= Self.bytesMaxLeast else {
            throw ValidationError("--spool-max is at least 1Mi, as 512Mi, 8GiB or 20G")
        }
    }

    /// Makes the spool that was asked for, for the time of `body`.
    func withSpool<Result: Sendable>(
        _ session: Session,
        _ body: @Sendable (Spool?) async throws -> Result
    ) async throws -> Result {
        guard let spool else { return try await body(nil) }
        let bytesMax = spoolMax?.bytes ?? Self.bytesMaxUsual
        return try await Operations.withSpool(
            Spool.Options(folder: spool, bytesMax: bytesMax),
            logger: session.logger,
            body
        )
    }
}
