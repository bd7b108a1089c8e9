// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

extension FolderTree {
    /// What a walk finds.
    enum Found {
        case object(StoredObject)
        case leftover(Leftover)
    }

    /// Everything at and below a folder, in no order. Complete, or it throws.
    ///
    /// What cannot be ours is passed over: symbolic links, devices, names that no key can have (`lost+found`).
    func walk(_ folder: KeyFolder) throws -> [Found] {
        var found: [Found] = []
        _ = try withFolders(folder.components) { descriptors in
            try walk(descriptors[folder.components.count], folder.components, &found)
        }
        return found
    }

    private func walk(_ folder: Int32, _ components: [String], _ found: inout [Found]) throws {
        let names = try attempting("list \(path(components))", calls.names(in: folder))
        for name in names {
            let attempt = "look at \(path(components + [name]))"
            if let temporary = TemporaryName(parsing: name),
                let key = try? ObjectKey(components + [temporary.finalName])
            {
                let status = try attempting(attempt, status(of: name, in: folder))
                guard let status, status.kind == .file else { continue }
                let handle = (components + [name]).joined(separator: "/")
                let leftover = Leftover(
                    key: key,
                    handle: handle,
                    startedAtSeconds: status.modifiedAtSeconds,
                    bytes: status.bytes
                )
                found.append(.leftover(leftover))
            } else if let key = try? ObjectKey(components + [name]) {
                // Gone since its name was read: then another run has removed it.
                let status = try attempting(attempt, status(of: name, in: folder))
                switch status?.kind {
                case .file?: if let status { found.append(.object(status.object(key))) }
                case .folder?: try enter(name, in: folder, components + [name], &found)
                case .other?, nil: continue
                }
            }
        }
    }

    private func enter(_ name: String, in folder: Int32, _ components: [String], _ found: inout [Found]) throws {
        let descriptor: Int32
        do throws(Errno) {
            descriptor = try calls.openFolder(name, in: folder)
        } catch .noSuchFileOrDirectory {
            return
        } catch {
            throw Failure(error, attempting: "list \(path(components))")
        }
        defer { closeQuietly(descriptor) }
        try walk(descriptor, components, &found)
    }
}
