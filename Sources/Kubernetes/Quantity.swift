// SPDX-License-Identifier: Apache-2.0

/// An amount as Kubernetes writes it: `128Mi`, `1.5Gi`, `500M`, `1e9`, `128974848000m`.
///
/// The grammar is that of apimachinery's `resource.Quantity`: a decimal number, then one suffix: binary (`Ki` to `Ei`),
/// decimal (`n`, `u`, `m`, none, `k` to `E`) or an exponent of ten.
package enum Quantity {
    private static let suffixes: [Substring: Double] = [
        "": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3,
        "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
        "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824, "Ti": 1_099_511_627_776,
        "Pi": 1_125_899_906_842_624, "Ei": 1_152_921_504_606_846_976,
    ]
    /// Numbers of more digits than this are none that anybody writes.
    private static let lengthMax = 40

    /// The amount in whole units, rounded up as Kubernetes does; at most `Int64.max`. `nil` when the text is none, or
    /// is less than zero.
    package static func bytes(_ text: String) -> Int64? {
        guard text.utf8.count <= lengthMax else { return nil }
        let unsigned = text.hasPrefix("+") ? text.dropFirst() : text[...]
        let digits = unsigned.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = unsigned[digits.endIndex...]
        guard isNumber(digits), let number = Double(digits), let factor = suffixes[suffix] ?? exponent(suffix) else {
            return nil
        }
        if !digits.contains("."), factor == factor.rounded(), let whole = Int64(digits),
            let exact = Int64(exactly: factor)
        {
            let (product, isTooMuch) = whole.multipliedReportingOverflow(by: exact)
            return isTooMuch ? .max : product
        }
        return Int64(exactly: (number * factor).rounded(.up)) ?? .max
    }

    /// Digits with at most one point, and at least one digit.
    private static func isNumber(_ digits: Substring) -> Bool {
        digits.contains { $0 != "." } && digits.count { $0 == "." } <= 1
    }

    /// `e9`, `E-3`: an exponent of ten.
    private static func exponent(_ suffix: Substring) -> Double? {
        guard let first = suffix.first, first == "e" || first == "E", suffix.count > 1 else { return nil }
        let digits = suffix.dropFirst()
        guard let power = Int(digits), (-30...30).contains(power) else { return nil }
        return Double("1e\(power)")
    }
}
