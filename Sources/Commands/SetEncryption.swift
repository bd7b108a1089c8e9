// SPDX-License-Identifier: Apache-2.0

import Catalog

/// Whether the snapshots of a set are encrypted, and for whom, by the word of its manifest.
struct SetEncryption {
    private let objects: [Manifest.Stored]

    init(_ objects: [Manifest.Stored]) {
        self.objects = objects
    }

    init(_ manifest: Manifest) {
        self.init(manifest.storedMembers.compactMap(\.stored))
    }

    private var encrypted: [Manifest.Stored] { objects.filter { $0.encryption != nil } }

    /// Whether nobody reads any of it without a key.
    var isWhole: Bool { !objects.isEmpty && encrypted.count == objects.count }

    /// Whether its objects are not all for the same.
    var isMixed: Bool { Set(objects.map { [$0.encryption ?? ""] + ($0.recipients ?? []) }).count > 1 }

    /// Everybody whom one of the objects is for, by fingerprint, each once.
    var recipients: [String] {
        var seen: Set<String> = []
        return objects.flatMap { $0.recipients ?? [] }.filter { seen.insert($0).inserted }
    }

    /// `no`; `age, for x25519:6a804773982840fa`; `2 of 3 members, …`
    var text: String {
        guard let format = encrypted.first?.encryption else { return "no" }
        let whom = recipients.isEmpty ? "?" : recipients.joined(separator: ", ")
        return (isWhole ? "" : "\(encrypted.count) of \(objects.count) members, ") + "\(format), for \(whom)"
    }
}
