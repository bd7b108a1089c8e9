// SPDX-License-Identifier: Apache-2.0

/// Numbers as people read them.
package enum ReadableAmount {
    /// `999 B`, `1.5 KiB`, `12.3 MiB`.
    package static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(oneDecimal(value)) \(units[unit])"
    }

    /// `0.4 s`, `61.0 s`, `5m 12s`, `2h 03m`.
    package static func seconds(_ seconds: Double) -> String {
        guard seconds.isFinite, (0..<1e12).contains(seconds) else { return "?" }
        guard seconds >= 100 else { return "\(oneDecimal(seconds)) s" }
        let whole = Int(seconds.rounded())
        guard whole >= 3600 else { return "\(whole / 60)m \(twoDigits(whole % 60))s" }
        return "\(whole / 3600)h \(twoDigits(whole % 3600 / 60))m"
    }

    /// `1,234,567`.
    package static func count(_ number: UInt64) -> String {
        let digits = String(number)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }

    package static func oneDecimal(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func twoDigits(_ number: Int) -> String {
        number < 10 ? "0\(number)" : "\(number)"
    }
}
