// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

extension StoreWithWitness {
    /// An SFTP server as a store.
    /// - Parameters:
    ///   - port: of a proxy before it.
    ///   - options: of the URL, beside those that let us in, or instead of them.
    init(
        _ server: SFTPServer,
        _ kind: TestedStore,
        port: Int? = nil,
        options: [String: String] = [:],
        configure: (inout StoreConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = StoreConfiguration(environment: server.environment)
        configuration.clock = .hasty
        configuration.logger.logLevel = .critical
        configure(&configuration)
        self.init(
            kind: kind,
            location: try StoreLocation(parsing: server.url(port: port, options: options)),
            configuration: configuration,
            witness: .folder(server.folder)
        )
    }
}

extension SFTPLocation {
    /// The URL of a folder below, with the same options.
    func urlBelow(_ path: String) -> String {
        var options: [String] = []
        if let keyFile { options.append("key-file=\(PercentEncoding.component(keyFile))") }
        if let knownHostsFile { options.append("known-hosts=\(PercentEncoding.component(knownHostsFile))") }
        return "\(self)\(path)?\(options.joined(separator: "&"))"
    }
}
