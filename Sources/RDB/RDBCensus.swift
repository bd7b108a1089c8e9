// SPDX-License-Identifier: Apache-2.0

/// What takes note of every key.
package struct RDBCensus: Sendable {
    package init() {}

    mutating func add(_ key: RDBKey) {}
}
