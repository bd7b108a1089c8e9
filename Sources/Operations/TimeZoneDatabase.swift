// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import FoundationEssentials

/// The time zone database of the machine.
package struct TimeZoneDatabase: Sendable {
    private let folders: [String]

    /// - Parameter environment: `TZDIR` names another folder, as it does for everybody else.
    package init(environment: [String: String]) {
        if let folder = environment["TZDIR"], !folder.isEmpty {
            folders = [folder]
        } else {
            folders = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"]
        }
    }

    /// - Throws: `.configuration` when there is no such time zone here.
    package func rules(named name: String) throws -> TimeZoneRules {
        // Needs no database, so that a machine without one can prune.
        if name == TimeZoneRules.utc.name { return .utc }
        guard TimeZoneRules.isName(name) else { throw missing(name) }
        for folder in folders {
            guard let file = FileManager.default.contents(atPath: "\(folder)/\(name)"), !file.isEmpty else { continue }
            return try TimeZoneRules(name: name, file: [UInt8](file.prefix(TimeZoneRules.sizeBytesMax)))
        }
        throw missing(name)
    }

    private func missing(_ name: String) -> Failure {
        Failure(
            .configuration,
            "find the time zone \(name) in \(folders.joined(separator: ", ")): it is not there",
            hint: "Check the name (`Area/City`); install tzdata, or name its folder with TZDIR. UTC needs neither."
        )
    }
}
