// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import FoundationEssentials
import Logging

/// The file that a report is written to. Whether it can be is asked before the drill, which may take hours.
struct DrillReportFile: Sendable {
    /// How many drills are drawn.
    private static let drillsMax = 40

    private let path: String

    init(path: String) throws {
        self.path = path
        let folder = URL(filePath: path).standardizedFileURL.deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw Failure(
                .configuration,
                "write the report \(path): its folder is not there, or cannot be written to",
                hint: "Give a file in another folder with --report."
            )
        }
    }

    /// Writes the report, with the drills from before beside this one.
    func write(_ record: DrillRecord, from catalog: Catalog, _ logger: Logger) async throws {
        let page = DrillPage(record, earlier: await earlier(than: record, catalog, logger))
        do {
            try Data(page.html.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw Failure(.inputOutput, "write the report \(path)", cause: error)
        }
        logger.info("the report is in \(path)")
    }

    private func earlier(than record: DrillRecord, _ catalog: Catalog, _ logger: Logger) async -> [DrillRecord] {
        do {
            return try await catalog.drills(of: record.name, limit: Self.drillsMax).filter { $0.id < record.id }
        } catch {
            logger.warning("the report shows no earlier drills: \(error)")
            return []
        }
    }
}
