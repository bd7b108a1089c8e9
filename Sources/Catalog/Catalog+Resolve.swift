// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// Which set a person means: `latest`, an id, or `<name>/<id>`.
package enum BackupReference: Sendable, Hashable, CustomStringConvertible {
    case latest
    case id(BackupID)
    case named(String, BackupID)

    /// - Throws: `.usage`.
    package init(_ text: String) throws {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if text == "latest" {
            self = .latest
        } else if parts.count == 1, let id = BackupID(text) {
            self = .id(id)
        } else if parts.count == 2, ObjectKey.isValid(component: parts[0]), let id = BackupID(parts[1]) {
            self = .named(parts[0], id)
        } else {
            throw Failure(
                .usage,
                "read \(String(reflecting: text)) as a backup: it is none",
                hint: "Give `latest`, an id such as 20261122T153000Z-7f3a, or NAME/ID as `redoubt list` shows them."
            )
        }
    }

    package var description: String {
        switch self {
        case .latest: "latest"
        case .id(let id): id.text
        case .named(let name, let id): "\(name)/\(id)"
        }
    }
}

extension Catalog {
    /// The set that the reference means.
    ///
    /// - Parameters:
    ///   - reference: `latest` is the newest set of the subject, never an older one in place of one that is damaged.
    ///   - name: the subject; may be `nil` where the store holds only one.
    /// - Returns: `nil` only for `latest`, when a complete listing shows that there is no set at all.
    /// - Throws: `.noSuchBackup` for an id; `.corruptManifest`; `.usage` when the name must be given; `.configuration`
    ///   when there is none because the location is the folder of a subject.
    package func resolve(_ reference: BackupReference, name: String?) async throws -> Manifest? {
        switch reference {
        case .named(let named, let id):
            return try await manifest(name: named, id: id)
        case .id(let id):
            if let name { return try await manifest(name: name, id: id) }
            let keys = try await keys(of: nil)
            let entries = try await entries(among: keys.filter { $0.components.dropFirst().first == id.text })
            if entries.isEmpty { try requireStore(among: keys) }
            return try onlySubject(among: entries, seeking: reference)
        case .latest:
            let all = try await entries(of: name)
            let names = Set(all.map(\.name))
            guard names.count <= 1 else { throw ambiguous(names) }
            guard let newest = all.last else {
                try await requireStore()
                return nil
            }
            return try complete(newest)
        }
    }

    /// As `resolve`, where no set at all is an error too.
    /// - Throws: `.noSuchBackup` also for `latest`.
    package func require(_ reference: BackupReference, name: String?) async throws -> Manifest {
        guard let manifest = try await resolve(reference, name: name) else {
            throw Failure(
                .noSuchBackup,
                "find the latest backup\(name.map { " of \($0)" } ?? "") in \(store.location): the store holds none",
                hint: "`redoubt list --from \(store.location)` shows every backup of the store."
            )
        }
        return manifest
    }

    /// The subject that is meant: the one that is named, or the only one of the store.
    /// - Throws: `.usage` when there are several, `.noSuchBackup` when there is none.
    package func onlySubject(named name: String?) async throws -> String {
        if let name { return name }
        let keys = try await keys(of: nil)
        let names = Set(keys.filter(Self.isManifest).map { $0.components[0] })
        guard names.count <= 1 else { throw ambiguous(names) }
        guard let only = names.first else {
            try requireStore(among: keys)
            throw Failure(.noSuchBackup, "find the backups of \(store.location): the store holds none")
        }
        return only
    }

    private func onlySubject(among found: [Entry], seeking reference: BackupReference) throws -> Manifest {
        guard let entry = found.first else {
            throw Failure(
                .noSuchBackup,
                "find backup \(reference) in \(store.location): there is no such backup",
                hint: "`redoubt list --from \(store.location)` shows the backups that are there."
            )
        }
        guard found.count == 1 else { throw ambiguous(Set(found.map(\.name))) }
        return try complete(entry)
    }

    private func complete(_ entry: Entry) throws -> Manifest {
        switch entry {
        case .complete(let manifest): return manifest
        case .damaged(_, _, let failure):
            let others = "Name an older backup yourself: `redoubt list --from \(store.location)` shows them."
            throw Failure(
                failure.code,
                failure.message,
                cause: failure.cause,
                hint: [failure.hint, others].compactMap { $0 }.joined(separator: " ")
            )
        }
    }

    private func ambiguous(_ names: Set<String>) -> Failure {
        Failure(
            .usage,
            "choose a backup in \(store.location): it holds backups of \(names.count) subjects",
            hint: "Add --name with one of: \(names.sorted().prefix(20).joined(separator: ", "))."
        )
    }
}
