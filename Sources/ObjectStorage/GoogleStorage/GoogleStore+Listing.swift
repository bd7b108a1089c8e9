// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

extension GoogleStore {
    private static let pageSize = 1000

    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        let operation = StoreOperation("list \(location)/\(folder)", action: "storage.objects.list", "GET")
        var objects: [StoredObject] = []
        var seen: Set<String> = []
        var token: String?
        repeat {
            var page = operation
            page.query = [
                ("prefix", fullPrefix(folder)), ("maxResults", "\(Self.pageSize)"),
                ("fields", GooglePage.fields),
            ]
            if let token { page.query.append(("pageToken", token)) }
            let (found, next) = try await exchange.perform(page) { response throws(StoreMalformed) in
                let page = try GooglePage(response)
                return (try self.objects(in: page, under: folder), page.nextPageToken)
            }
            objects += found
            token = next.flatMap { $0.isEmpty ? nil : $0 }
            // A store that gives the same page again and again would never end.
            if let token, !seen.insert(token).inserted {
                throw Failure(
                    .protocolViolation,
                    "\(operation.attempt): the store gives the same page again and again"
                )
            }
        } while token != nil
        hasSeenBucket.value = true
        return objects.sorted { $0.key < $1.key }
    }

    /// Entries that are none of ours are passed over.
    private func objects(in page: GooglePage, under folder: KeyFolder) throws(StoreMalformed) -> [StoredObject] {
        var found: [StoredObject] = []
        for entry in page.items ?? [] {
            guard let key = key(named: entry.name), folder.contains(key) else { continue }
            found.append(try entry.stored(as: key))
        }
        return found
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        throw Failure(
            .unsupported,
            "list the uploads under \(location)/\(folder): Google Cloud Storage cannot",
            hint: "It drops an upload that nobody finished after a week, and charges nothing for it."
        )
    }

    package func remove(_ leftover: Leftover) async throws {
        throw Failure(.unsupported, "abort an upload of \(shown(leftover.key)): Google Cloud Storage lists none")
    }
}
