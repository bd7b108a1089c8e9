// SPDX-License-Identifier: Apache-2.0

/// What was probably meant by a word that does not exist.
package enum Spelling {
    /// The nearest of the names, `nil` when none is near.
    package static func nearest(to word: String, among names: some Sequence<String>) -> String? {
        // Of two letters, two replaced are another word.
        let editsMax = word.count < 4 ? 1 : max(2, word.count / 4)
        let nearest = names.map { (name: $0, edits: edits(from: word, to: $0)) }.min { $0.edits < $1.edits }
        return nearest.flatMap { $0.edits <= editsMax ? $0.name : nil }
    }

    /// Insertions, removals, replacements and swaps of neighbours that lead from one to the other (Damerau and
    /// Levenshtein, each place touched once).
    private static func edits(from left: String, to right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var next = [row + 1]
            for column in right.indices {
                let isSame = left[row] == right[column]
                var edits = min(next[column] + 1, last[column + 1] + 1, last[column] + (isSame ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    edits = min(edits, beforeLast[column - 1] + 1)
                }
                next.append(edits)
            }
            (beforeLast, last) = (last, next)
        }
        return last[right.count]
    }
}
