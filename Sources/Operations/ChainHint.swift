// SPDX-License-Identifier: Apache-2.0

extension VerifyChain.Outcome {
    /// What to do next about all that is bad; each verdict has its own way out.
    package var hint: String? {
        guard !bad.isEmpty else { return nil }
        let verdicts = Set(bad.map(\.verdict))
        var ways: [String] = []
        if verdicts.contains(.removed) {
            ways.append(
                "A store that missed a run lacks its set: `redoubt copy` brings it from the store that has it."
            )
        }
        if verdicts.contains(.unsigned) {
            ways.append(
                "Is what is unsigned yours? Then `redoubt sign` signs it (--removals: records of removals too), or "
                    + "--signed-since says where the history that counts begins."
            )
        }
        if verdicts.contains(.forged) {
            ways.append(
                "If the key that signed is yours too, give it as another --public-key; if not, somebody else wrote it."
            )
        }
        if !verdicts.isSubset(of: [.removed, .unsigned, .forged]) {
            ways.append("Look for a copy of these sets elsewhere.")
        }
        return (ways + ["docs/chain.md says what each verdict means."]).joined(separator: " ")
    }
}
