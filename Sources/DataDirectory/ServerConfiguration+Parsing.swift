// SPDX-License-Identifier: Apache-2.0

import Failures

extension ServerConfiguration {
    /// A configuration text and what to call it in an error.
    package struct Source: Sendable, Hashable {
        package var name: String
        package var text: String

        package init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }

    /// How deep files may include each other. A server has no limit, and ends in a file that includes itself.
    package static let includeDepthMax = 16
    /// How many files may be read in all.
    package static let includedFilesMax = 1000

    /// Reads a configuration.
    ///
    /// - Parameters:
    ///   - source: the text.
    ///   - include: gives the texts that an `include` names, in order. The argument may hold wildcards.
    /// - Throws: `.configuration`, with the line and the directive and without its arguments; whatever `include`
    ///   throws.
    package static func parse(
        _ source: Source,
        include: (_ path: String) throws -> [Source] = { _ in [] }
    ) throws -> ServerConfiguration {
        try withoutActuallyEscaping(include) { include in
            var reading = Reading(include: include)
            try reading.read(source, depth: 0)
            return reading.configuration
        }
    }

    private struct Reading {
        let include: (String) throws -> [Source]
        var configuration = ServerConfiguration()
        var files = 0

        mutating func read(_ source: Source, depth: Int) throws {
            files += 1
            guard depth <= includeDepthMax, files <= includedFilesMax else {
                throw Failure(
                    .configuration,
                    "include \(source.name): more than \(includeDepthMax) levels or \(includedFilesMax) files",
                    hint: "Look for a file that includes itself."
                )
            }
            var number = 0
            for text in source.text.lines {
                number += 1
                try read(line: text, place: "\(source.name) line \(number)", depth: depth)
            }
        }

        private mutating func read(line text: Substring, place: String, depth: Int) throws {
            guard let line = try split(text, place: place) else { return }
            do throws(DirectiveError) {
                if line.name != "include" { return try configuration.apply(line) }
                guard line.arguments.count == 1 else { throw DirectiveError(expectation: "takes one argument") }
            } catch {
                throw Failure(.configuration, "\(place): \(line.name) \(error.expectation)")
            }
            let sources: [Source]
            do {
                sources = try include(line.arguments[0])
            } catch let failure as Failure {
                throw failure.during("\(place): include")
            }
            for source in sources { try read(source, depth: depth + 1) }
        }

        private func split(_ text: Substring, place: String) throws -> ConfigurationLine? {
            do throws(ConfigurationLine.Flaw) {
                return try ConfigurationLine(text)
            } catch {
                throw Failure(.configuration, "\(place): unbalanced quotes")
            }
        }
    }
}
