// SPDX-License-Identifier: Apache-2.0

extension HTTPObjectStore {
    func cleaningUp(_ attempt: String, _ work: @escaping @Sendable () async throws -> Void) async {
        await ObjectStorage.cleaningUp(attempt, exchange.logger, work)
    }
}
