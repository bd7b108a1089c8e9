// SPDX-License-Identifier: Apache-2.0

import CCurl

/// The library by which libcurl speaks SSH.
package enum SSHLibrary {
    /// `libssh2 1.10.0`
    package static let name: String = {
        guard let text = curl_version_info(CURLVERSION_FOURTH).pointee.libssh_version else { return "libcurl" }
        return String(cString: text).replacing("/", with: " ")
    }()

    /// Whether it signs with an RSA key by SHA-2 (RFC 8332), which libssh2 does since 1.11. By SHA-1, OpenSSH takes no
    /// signature since 8.8, of users and of hosts.
    package static let knowsRSAWithSHA2: Bool = {
        let numbers = name.split(separator: " ").last?.split(separator: ".").compactMap { Int($0) } ?? []
        guard name.hasPrefix("libssh2 "), numbers.count >= 2 else { return true }
        return (numbers[0], numbers[1]) >= (1, 11)
    }()
}
