// SPDX-License-Identifier: Apache-2.0

/// Which objects are meant, by their labels; as it stands in an object (`metav1.LabelSelector`).
struct LabelSelector: Sendable, Hashable, Decodable {
    var matchLabels: [String: String]?
    var matchExpressions: [Requirement]?

    struct Requirement: Sendable, Hashable, Decodable {
        var key: String
        var `operator`: String
        var values: [String]?
    }

    /// The same as a query has it: `app=redis,tier in (cache,store),!legacy`. `nil` when an operator is not known.
    var text: String? {
        var parts = (matchLabels ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        for requirement in matchExpressions ?? [] {
            let values = (requirement.values ?? []).joined(separator: ",")
            switch requirement.operator {
            case "In": parts.append("\(requirement.key) in (\(values))")
            case "NotIn": parts.append("\(requirement.key) notin (\(values))")
            case "Exists": parts.append(requirement.key)
            case "DoesNotExist": parts.append("!\(requirement.key)")
            default: return nil
            }
        }
        return parts.joined(separator: ",")
    }
}
