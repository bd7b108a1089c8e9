// SPDX-License-Identifier: Apache-2.0

import Kubernetes
import Testing

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("128Mi", 134_217_728), ("1G", 1_000_000_000), ("1.5Gi", 1_610_612_736), ("500M", 500_000_000),
            ("1e9", 1_000_000_000), ("1E3", 1000), ("134217728", 134_217_728), ("128974848000m", 128_974_848),
            ("0", 0), ("1m", 1), ("1500m", 2), ("1Ki", 1024), ("+5k", 5000), (".5Ki", 512), ("5.", 5), ("1n", 1),
            ("12E", .max), ("99999999999999999999", .max), ("9223372036854775807", .max), ("1e-3", 1),
            ("3Ti", 3_298_534_883_328),
        ] as [(String, Int64)]
    )
    func anAmountIsReadAsKubernetesReadsIt(_ text: String, _ bytes: Int64) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: [
        "", "Mi", "-1", "1.2.3", "1 Mi", "1mi", "1KB", "0x10", "1e", "1e99", "nan", "inf", "१२", "1Mi ", ".",
        String(repeating: "1", count: 41),
    ])
    func whatIsNoAmountIsNone(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
    }
}
