// SPDX-License-Identifier: Apache-2.0

import Operations

/// Rows under a heading, in aligned columns, for people.
package struct TextTable {
    package enum Alignment: Sendable {
        case left
        case right
    }

    private let alignments: [Alignment]
    private var rows: [[String]]

    /// - Parameter columns: the headings with the alignment of their columns.
    package init(_ columns: [(heading: String, alignment: Alignment)]) {
        alignments = columns.map(\.alignment)
        rows = [columns.map(\.heading)]
    }

    package mutating func append(_ row: [String]) {
        precondition(row.count == alignments.count, "a row has as many cells as the table has columns")
        rows.append(row)
    }

    package var text: String {
        let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return alignments[column] == .left ? row[column] + padding : padding + row[column]
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop(while: { $0 == " " }).reversed())
        }.joined(separator: "\n")
    }
}

/// Numbers as people read them.
package typealias Quantity = ReadableAmount
