// SPDX-License-Identifier: Apache-2.0

/// What a guarded start comes to: the truth table of docs/guard.md, which is made from this, and which `GuardTests`
/// tries cell by cell.
enum GuardTable {
    /// What stands in the data directory.
    enum Folder: String, CaseIterable, Sendable {
        case empty = "nothing"
        case abandoned = "a restore that died before its swap"
        case halfSwapped = "a restore that died in its swap"
        case restored = "data, and the mark of this restore"
        case otherwiseRestored = "data, and the mark of another restore"
        case current = "data as new as the backup, or newer"
        case stale = "data older than the backup"
        case unrelated = "data of another history"
        case startedEmpty = "data without a key"

        var isEmpty: Bool { self == .empty || self == .abandoned }
    }

    /// What the store says.
    enum Store: String, CaseIterable, Sendable {
        case holds = "holds the set"
        case nothing = "holds nothing"
        case others = "holds other names"
        case damaged = "holds a damaged set"
        case unreachable = "unreachable"
        case cut = "listing cut off"
        case denied = "denied"
        case gone = "no such store"
    }

    /// What the other members of the group say.
    enum Group: String, CaseIterable, Sendable {
        case nobody = "nobody answers"
        case goesOn = "a primary that can go on from the backup"
        case stranger = "a primary with data of another history"
        case emptied = "a primary without keys, emptied after the backup"
        case emptyStranger = "a primary without keys, of another history"
        case orphan = "a replica with data, without a primary"
    }

    enum Outcome: Hashable, Sendable {
        case restored
        /// The server starts with what is there.
        case leftAlone(warning: Warning? = nil)
        /// The listing is complete, and holds no set of that name.
        case startsEmpty(warning: Warning? = nil)
        /// Tried until the deadline; the exit code then.
        case held(Int32)
        /// At once; the exit code.
        case fails(Int32)
    }

    enum Warning: String, Sendable {
        case stale = "STALE"
        case noKeys = "no keys"
        case storeNotAsked = "the store could not be asked"
        case otherNames = "there are backups of"
        case bareStore = "holds nothing of redoubt at all"
    }

    static func outcome(_ folder: Folder, _ store: Store, _ group: Group) -> Outcome {
        guard folder.isEmpty else { return withData(folder, store, group) }
        if group == .orphan { return .held(8) }
        switch store {
        case .holds: return group == .emptyStranger ? .held(8) : .restored
        case .nothing: return .startsEmpty(warning: .bareStore)
        case .others: return .startsEmpty(warning: .otherNames)
        case .damaged: return .fails(4)
        case .unreachable, .cut: return .held(5)
        case .denied: return .fails(7)
        case .gone: return .fails(10)
        }
    }

    private static func withData(_ folder: Folder, _ store: Store, _ group: Group) -> Outcome {
        if group == .emptyStranger, folder != .startedEmpty { return .held(8) }
        // What was emptied after the backup does not have the history of data that is older, or has it: either way.
        if group == .emptied, folder == .unrelated { return .held(8) }
        switch store {
        case .holds, .damaged:
            switch folder {
            case .stale: return .leftAlone(warning: .stale)
            case .startedEmpty: return .leftAlone(warning: .noKeys)
            default: return .leftAlone()
            }
        case .nothing, .others: return .leftAlone()
        case .unreachable, .cut, .denied, .gone: return .leftAlone(warning: .storeNotAsked)
        }
    }
}

// MARK: For people

extension GuardTable {
    /// The folder and the store, where nobody else answers.
    static var storeTable: String {
        markdown(Folder.allCases.map(\.rawValue), Store.allCases.map(\.rawValue), "in the folder") { row, column in
            text(outcome(Folder.allCases[row], Store.allCases[column], .nobody))
        }
    }

    static let foldersOfGroups: [Folder] = [.empty, .current, .stale, .unrelated, .startedEmpty]

    /// The folder and the group, where the store holds the set.
    static var groupTable: String {
        markdown(Group.allCases.map(\.rawValue), foldersOfGroups.map(\.rawValue), "the others") { row, column in
            text(outcome(foldersOfGroups[column], .holds, Group.allCases[row]))
        }
    }

    private static func markdown(
        _ rows: [String],
        _ columns: [String],
        _ corner: String,
        _ cell: (Int, Int) -> String
    ) -> String {
        let head = "| \(corner) | " + columns.joined(separator: " | ") + " |"
        let rule = "|" + String(repeating: "---|", count: columns.count + 1)
        let lines = rows.indices.map { row in
            "| \(rows[row]) | " + columns.indices.map { cell(row, $0) }.joined(separator: " | ") + " |"
        }
        return ([head, rule] + lines).joined(separator: "\n")
    }

    private static func text(_ outcome: Outcome) -> String {
        switch outcome {
        case .restored: "**restored**"
        case .leftAlone(let warning): "starts with it" + (warning == nil ? "" : ", warns")
        case .startsEmpty(let warning): "starts empty" + (warning == nil ? "" : ", warns")
        case .held(let code): "**held**, then \(code)"
        case .fails(let code): "fails, \(code)"
        }
    }
}
