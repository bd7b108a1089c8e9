// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Gives an empty folder, and removes it when the scope is left (or, at the latest, when the test process ends).
@discardableResult
package func withTemporaryFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// An empty folder that lasts until the test process ends.
func temporaryFolder() throws -> URL {
    try Watchdog.shared.start()
    let folder = URL(fileURLWithPath: Watchdog.shared.root).appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}
