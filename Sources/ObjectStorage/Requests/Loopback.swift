// SPDX-License-Identifier: Apache-2.0

/// This machine, as the host of a URL: what is sent there can be read by nobody on the way.
enum Loopback {
    /// - Parameter authority: a host in lower case, an IPv6 address in brackets, with a port or without.
    static func contains(_ authority: some StringProtocol) -> Bool {
        if authority == "[::1]" || authority.hasPrefix("[::1]:") { return true }
        let host = authority.prefix { $0 != ":" }
        // RFC 6761, section 6.3: also every name below it.
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127"
            && numbers.allSatisfy { number in UInt8(number).map { String($0) == number } ?? false }
    }
}
