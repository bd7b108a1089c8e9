// SPDX-License-Identifier: Apache-2.0

/// What is wrong with the arguments of a directive. It says what is expected and never what stands there, because a
/// line of a configuration may hold a password.
struct DirectiveError: Error {
    let expectation: String
}

/// The arguments of a directive, read as what the directive takes.
struct DirectiveArguments {
    private let arguments: [String]

    init(_ line: ConfigurationLine) {
        arguments = line.arguments
    }

    func text() throws(DirectiveError) -> String {
        guard arguments.count == 1 else { throw DirectiveError(expectation: "takes one argument") }
        return arguments[0]
    }

    func flag() throws(DirectiveError) -> Bool {
        switch try text().lowercased() {
        case "yes": return true
        case "no": return false
        default: throw DirectiveError(expectation: "takes yes or no")
        }
    }

    func number(in range: ClosedRange<Int>) throws(DirectiveError) -> Int {
        guard let number = Int(try text()), range.contains(number) else {
            throw DirectiveError(expectation: "takes a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A number with a unit: `k`, `m`, `g` are powers of 1000, `kb`, `mb`, `gb` powers of 1024 (`memtoull` in
    /// redis/src/util.c).
    func memoryBytes() throws(DirectiveError) -> Int64 {
        let text = try text().lowercased()
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), let unit = Self.units[String(text.dropFirst(digits.count))] else {
            throw DirectiveError(expectation: "takes a number of bytes, such as 512mb")
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { throw DirectiveError(expectation: "takes less than 8 EiB") }
        return bytes
    }

    private static let units: [String: Int64] = [
        "": 1, "b": 1,
        "k": 1_000, "kb": 1 << 10,
        "m": 1_000_000, "mb": 1 << 20,
        "g": 1_000_000_000, "gb": 1 << 30,
    ]

    func module() throws(DirectiveError) -> ServerConfiguration.Module {
        guard let path = arguments.first else { throw DirectiveError(expectation: "takes the path of a module") }
        return .init(path: path, arguments: Array(arguments.dropFirst()))
    }

    /// Pairs of seconds and changes, added to those of earlier lines; one empty argument takes all of them back.
    func savePoints(
        after earlier: [ServerConfiguration.SavePoint]?
    ) throws(DirectiveError) -> [ServerConfiguration.SavePoint] {
        if arguments == [""] { return [] }
        let numbers = arguments.map { Int($0) }
        guard !numbers.isEmpty, numbers.count.isMultiple(of: 2) else {
            throw DirectiveError(expectation: "takes pairs of seconds and changes, or \"\"")
        }
        var points = earlier ?? []
        for index in stride(from: 0, to: numbers.count, by: 2) {
            guard let seconds = numbers[index], seconds >= 1, let changes = numbers[index + 1], changes >= 0 else {
                throw DirectiveError(expectation: "takes pairs of seconds and changes, or \"\"")
            }
            points.append(.init(seconds: seconds, changes: changes))
        }
        return points
    }
}
