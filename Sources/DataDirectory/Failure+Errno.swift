// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

extension Failure {
    /// What the kernel refused, as the kind of failure that tells an operator what to do.
    ///
    /// - Parameter attempt: what was tried on which path, as in `rename /data/a to /data/b`.
    init(_ errno: Errno, attempting attempt: String) {
        let code: Code =
            switch errno {
            case .noSpace, .diskQuotaExceeded: .noSpace
            case .permissionDenied, .notPermitted, .readOnlyFileSystem: .permissionDenied
            default: .inputOutput
            }
        self.init(code, "\(attempt): \(errno)", hint: Self.hint(for: code))
    }

    private static func hint(for code: Code) -> String? {
        switch code {
        case .noSpace: "Make room on the volume, or enlarge it, and run the same command again."
        case .permissionDenied:
            "Run as the user that the server runs as (runAsUser, fsGroup), and mount the volume writable."
        default: nil
        }
    }
}
