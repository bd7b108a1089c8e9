// SPDX-License-Identifier: Apache-2.0

extension RDBScanner {
    /// What was found so far. The AUX fields of the server stand before the first key, so the first few KiB tell them.
    package var summarySoFar: RDBSummary { summary }
}
