// SPDX-License-Identifier: Apache-2.0

/// AUX fields: a name and a value, both strings, about the file and the server that wrote it.
extension RDBScanner {
    mutating func endAuxName() throws(RDBViolation) -> Bool {
        counts.auxName = try excerpt.whole(limit: limits.auxBytesMax).map { String(decoding: $0, as: UTF8.self) }
        return true
    }

    mutating func endAuxValue() throws(RDBViolation) -> Bool {
        guard let value = try excerpt.whole(limit: limits.auxBytesMax), let name = counts.auxName,
            summary.aux.count < limits.auxFieldsMax || summary.aux[name] != nil
        else { return true }
        summary.aux[name] = String(decoding: value, as: UTF8.self)
        if name.hasSuffix("-ver") { census?.memory.setServer(summary) }
        if name == "ctime" { counts.createdAt = summary.createdAtSeconds.flatMap(milliseconds) }
        return true
    }

    private func milliseconds(_ seconds: Int64) -> Int64? {
        let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? nil : milliseconds
    }
}
