// SPDX-License-Identifier: Apache-2.0

/// Spans of time as messages say them.
package enum SpokenTime {
    /// `45 s`, `12 min`, `26 h`, `9 days`.
    package static func age(_ seconds: Int64) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<(3 * 86_400): "\(seconds / 3600) h"
        default: "\(seconds / 86_400) days"
        }
    }

    /// A short one, to a tenth: `0.5 s`.
    package static func wait(_ duration: Duration) -> String {
        let tenths = Int64((duration / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
