// SPDX-License-Identifier: Apache-2.0

import Failures

/// What a restore may do with a data directory that holds data already.
package enum RestoreMode: String, Sendable, Hashable, Codable, CaseIterable {
    /// Leave it alone.
    case freshOnly
    /// Move a dataset without keys out of the way, as a server leaves that once started empty; leave any other alone.
    case replaceEmpty
    /// Move the data to `pre-restore-<id>`. Nothing is deleted.
    case replace
}

/// What is to be restored into a data directory, and how.
package struct RestoreRequest: Sendable {
    /// The run; it names `.restore-<id>` and `pre-restore-<id>`.
    package let restoreID: RestoreID
    package let backupID: String
    package let member: String
    /// What the operator calls this restore. With it, the same backup can be restored once more.
    package let requestID: String?
    /// The size of the snapshot, in bytes: what is written may be neither less nor more.
    package let bytes: Int64
    /// Of the snapshot, in lower-case hexadecimal. It is noted in the marker; the caller proves it before the swap.
    package let sha256: String
    /// Whether something else is written than the snapshot, so that its size and digest are known only when it is
    /// whole; `bytes` tells about how much room it takes.
    package let isRewritten: Bool
    package let layout: PersistenceLayout
    package let mode: RestoreMode
    /// Whom the files are given to; else to the owner of the data directory where this process may do that.
    package let owner: FileOwner?

    package init(
        restoreID: RestoreID,
        backupID: String,
        member: String,
        requestID: String? = nil,
        bytes: Int64,
        sha256: String,
        isRewritten: Bool = false,
        layout: PersistenceLayout,
        mode: RestoreMode = .freshOnly,
        owner: FileOwner? = nil
    ) {
        self.restoreID = restoreID
        self.backupID = backupID
        self.member = member
        self.requestID = requestID
        self.bytes = bytes
        self.sha256 = sha256
        self.isRewritten = isRewritten
        self.layout = layout
        self.mode = mode
        self.owner = owner
    }

    /// Whether a finished restore did what this request asks for: by its name, where the request has one, else by what
    /// was restored.
    package func isAnswered(by marker: RestoreMarker) -> Bool {
        if let requestID { return marker.requestID == requestID }
        return marker.backupID == backupID && marker.member == member
    }
}

/// What was written in place of a snapshot, as the caller has proven it.
package struct RewrittenContent: Sendable, Hashable {
    package let bytes: Int64
    /// In lower-case hexadecimal.
    package let sha256: String
    /// What was changed, in a word.
    package let rewriting: String

    package init(bytes: Int64, sha256: String, rewriting: String) {
        self.bytes = bytes
        self.sha256 = sha256
        self.rewriting = rewriting
    }
}

/// The name of a run, safe in a file name: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a full stop (F52).
package struct RestoreID: Sendable, Hashable, CustomStringConvertible {
    package let description: String

    /// - Throws: `.configuration`.
    package init(_ text: String) throws {
        let isSafe =
            (1...64).contains(text.utf8.count) && !text.hasPrefix(".")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        guard isSafe else {
            throw Failure(.configuration, "restore id: not 1 to 64 of A-Z a-z 0-9 . _ -, or it begins with a full stop")
        }
        description = text
    }

    var stagingName: String { ReservedName.stagingPrefix + description }
    var archiveName: String { ReservedName.archivePrefix + description }
}
