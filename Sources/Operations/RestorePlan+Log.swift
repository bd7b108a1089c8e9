// SPDX-License-Identifier: Apache-2.0

import Logging

extension RestorePlan {
    /// Says what is worth a word before a restore: each warning, and that all the rest is as it should be.
    package func log(to logger: Logger) {
        let warnings = rows(.warning)
        for row in warnings { logger.warning("plan: \(row.check.rawValue): \(row.detail)") }
        let found = warnings.count == 1 ? "1 warning" : "\(warnings.count) warnings"
        logger.info("plan: go, \(rows.count) checks, \(found)")
    }
}
