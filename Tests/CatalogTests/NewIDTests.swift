// SPDX-License-Identifier: Apache-2.0

import Catalog
import Logging
import Synchronization
import Testing

/// The id of a new set, and what is said where the clock is behind the newest one.
@Suite struct NewIDTests {
    private final class Counted: LogHandler {
        let warnings = Mutex(0)
        var metadata: Logger.Metadata {
            get { [:] }
            set { _ = newValue }
        }
        var logLevel: Logger.Level {
            get { .trace }
            set { _ = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set { _ = newValue }
        }

        func log(event: LogEvent) {
            if event.level == .warning { warnings.withLock { $0 += 1 } }
        }
    }

    /// Two runs of one second need no word.
    @Test(arguments: [(-60, 0), (1, 0), (3600, 1)] as [(Int64, Int)])
    func onlyAClockThatIsReallyBehindIsWarnedOf(secondsAhead: Int64, warnings: Int) {
        let counted = Counted()
        let time = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 + secondsAhead)
        let newest = BackupID(time: time, suffix: 7)
        let id = Catalog.newID(after: [newest], logger: Logger(label: "test") { _ in counted })
        #expect(id > newest && counted.warnings.withLock { $0 } == warnings)
    }
}
