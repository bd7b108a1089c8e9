// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures

extension Check {
    /// Looks at a configuration file as the server would, before the server does.
    ///
    /// - Parameter accepted: directives that are right although no listed server knows them.
    package static func run(configuration path: String, accepting accepted: Set<String>) async -> [Finding] {
        let source: ServerConfiguration.Source
        do {
            source = try await ServerConfiguration.text(path: path)
        } catch {
            return [Finding(path, "file", failed: Failure(wrapping: error, attempting: "read \(path)"))]
        }
        let review = ConfigurationReview(source, accepting: accepted)
        let findings = review.findings.map { finding in
            let place = finding.place.dropFirst(path.utf8.count + 1)
            let item = finding.directive.isEmpty ? "\(place)" : "\(place), \(finding.directive)"
            guard finding.isFatal else {
                return Finding(path, item, .warning, finding.problem, hint: "instead: \(finding.fix)")
            }
            return Finding(
                path,
                item,
                failed: Failure(.configuration, finding.problem, hint: "instead: \(finding.fix)")
            )
        }
        if findings.contains(where: { $0.verdict == .bad }) { return findings }
        let text = "\(review.directives), all of which servers know; not every value is checked"
        return findings + [Finding(path, "directives", .good, text)]
    }
}
