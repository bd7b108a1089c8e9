// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import SystemPackage

extension Failure {
    /// A system call of the file store that failed.
    /// - Parameter attempt: what was attempted on which path, as `write /backups/a.rdb`.
    init(_ errno: Errno, attempting attempt: String) {
        let (code, hint) = Self.meaning(of: errno.rawValue)
        self.init(code, "\(attempt): \(errno)", hint: hint)
    }

    private static func meaning(of errno: Int32) -> (Code, hint: String?) {
        switch errno {
        case ENOSPC, EDQUOT:
            (.noSpace, "Free some space on the volume or enlarge it. `redoubt prune` removes old backups.")
        case EROFS:
            (.permissionDenied, "The volume is mounted read-only. Mount it writable.")
        case EACCES, EPERM:
            (.permissionDenied, "Run redoubt as the user that owns the folder, or give its user the rights to it.")
        case ELOOP, ENOTDIR:
            (
                .inputOutput,
                "Symbolic links and plain files in the place of folders are not followed inside a store. Remove them."
            )
        case ESTALE, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH:
            (.storeUnavailable, nil)
        default:
            (.inputOutput, nil)
        }
    }
}

/// Makes a system call; its error becomes a failure that says what was attempted: `try attempting("sync a", fsync(a))`.
func attempting<Result>(
    _ attempt: @autoclosure () -> String,
    _ call: @autoclosure () throws(Errno) -> Result
) throws(Failure) -> Result {
    do {
        return try call()
    } catch {
        throw Failure(error, attempting: attempt())
    }
}
