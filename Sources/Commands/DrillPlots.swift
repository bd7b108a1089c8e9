// SPDX-License-Identifier: Apache-2.0

import Catalog

/// The drawings of a drill's report, as SVG in the page.
enum DrillPlots {
    private static let width = 760.0

    // MARK: Phases

    private static let phases: [(title: String, colour: String)] = [
        ("fetch, prove, write", "#1d4e6f"), ("start and load", "#5f93b3"), ("read back", "#aac6d6"),
        ("compare", "#dbe6ec"),
    ]
    private static let rowHeight = 26.0
    /// More members would make bars that nobody can tell apart.
    private static let barsMax = 40

    /// A bar for each member, of the steps one after the other.
    static func phases(_ members: [DrillRecord.Member]) -> String {
        let shown = members.prefix(barsMax)
        let longest = shown.map { steps($0).reduce(0, +) }.max() ?? 0
        guard longest > 0 else { return "<p class=\"none\">No step came to its end.</p>" }
        let axis = Axis(upTo: longest)
        let (left, right) = (170.0, 70.0)
        let scale = (width - left - right) / axis.end
        let bottom = 8 + rowHeight * Double(shown.count)
        var marks = axis.ticks.map { tick in
            let x = left + tick * scale
            return Markup.line(x, 4, x, bottom, "grid")
                + Markup.label(Quantity.axisSeconds(tick, axis.step), x, bottom + 16, "tick", anchor: "middle")
        }
        for (index, member) in shown.enumerated() {
            marks.append(bar(member, at: 8 + rowHeight * Double(index), left: left, scale: scale))
        }
        let rest = members.count - shown.count
        let note = rest > 0 ? "<p class=\"note\">and \(rest) more members, in the table below</p>" : ""
        return Markup.drawing(width, bottom + 24, "Time of each step, by member", marks) + legend + note
    }

    private static func bar(_ member: DrillRecord.Member, at top: Double, left: Double, scale: Double) -> String {
        var x = left
        var marks = Markup.label(Markup.shortened(member.member, to: 24), left - 10, top + 14, "name", anchor: "end")
        for (seconds, phase) in zip(steps(member), phases) where seconds > 0 {
            marks += Markup.box(x, top + 2, max(seconds * scale, 0.5), rowHeight - 8, phase.colour)
            x += seconds * scale
        }
        return marks + Markup.label(Quantity.duration(steps(member).reduce(0, +)), x + 8, top + 14, "value")
    }

    private static func steps(_ member: DrillRecord.Member) -> [Double] {
        let seconds = member.seconds
        return [seconds.restore, seconds.load, seconds.readBack, seconds.compare].map { $0 ?? 0 }
    }

    private static var legend: String {
        let items = phases.map { "<li><i style=\"background:\($0.colour)\"></i>\($0.title)</li>" }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    // MARK: History

    /// Time to restore, and size, of each drill over time.
    static func history(_ records: [DrillRecord]) -> String {
        guard records.count > 1 else { return "<p class=\"none\">This is the first one that is on record.</p>" }
        let seconds = records.map(\.secondsToRestore)
        let megabytes = records.map { Double($0.bytes) }
        return "<div class=\"pair\">"
            + course("Time to restore", records, seconds) { Quantity.axisSeconds($0, $1) }
            + course("Size of the snapshots", records, megabytes, isBytes: true) { value, _ in
                Quantity.bytes(Int64(value))
            }
            + "</div><p class=\"note\">\(records.count) drills. Filled: proven. "
            + (records.contains { $0.verdict == .different }
                ? "<span class=\"different\">Red: the content differed.</span> " : "")
            + "Hollow: did not come to its end. The larger mark is this one.</p>"
    }

    private static func course(
        _ title: String,
        _ records: [DrillRecord],
        _ values: [Double?],
        isBytes: Bool = false,
        _ words: (Double, Double) -> String
    ) -> String {
        let (width, height, left, right, top) = (372.0, 190.0, 64.0, 16.0, 10.0)
        let bottom = height - 28
        let axis = Axis(upTo: values.compactMap { $0 }.max() ?? 0, isBytes: isBytes)
        let times = records.map { Double($0.startedAt.secondsSince1970) }
        let (first, last) = (times.min() ?? 0, times.max() ?? 0)
        func x(_ time: Double) -> Double {
            left + (last > first ? (time - first) / (last - first) : 1) * (width - left - right)
        }
        func y(_ value: Double) -> Double { bottom - value / axis.end * (bottom - top) }
        var marks = axis.ticks.map { tick in
            Markup.line(left, y(tick), width - right, y(tick), "grid")
                + Markup.label(words(tick, axis.step), left - 8, y(tick) + 4, "tick", anchor: "end")
        }
        marks.append(Markup.label(Markup.day(records[0].startedAt), left, height - 8, "tick"))
        let end = records[records.count - 1].startedAt
        marks.append(Markup.label(Markup.day(end), width - right, height - 8, "tick", anchor: "end"))
        let points = zip(times, values).compactMap { time, value in value.map { (x(time), y($0)) } }
        marks.append(Markup.path(points, "course"))
        for (index, record) in records.enumerated() {
            let isThis = index == records.count - 1
            let value = values[index]
            marks.append(
                Markup.dot(x(times[index]), y(value ?? 0), isThis ? 5 : 3, record.verdict.rawValue)
            )
        }
        return "<figure><figcaption>\(title)</figcaption>\(Markup.drawing(width, height, title, marks))</figure>"
    }
}

/// A scale from zero to a round number.
struct Axis {
    let step: Double
    let end: Double

    /// - Parameter isBytes: whether the numbers are round in powers of two.
    init(upTo greatest: Double, isBytes: Bool = false) {
        let wanted = greatest.isFinite && greatest > 0 ? greatest : 1
        let unit = isBytes ? Self.power(of: 1024, below: wanted / 4) : 1
        let rough = wanted / unit / 4
        let power = Self.power(of: 10, below: rough)
        let factor = [1.0, 2, 5, 10].first { $0 * power >= rough } ?? 10
        step = factor * power * unit
        end = step * max(1, (wanted / step).rounded(.up))
    }

    var ticks: [Double] { (0...Int((end / step).rounded())).map { Double($0) * step } }

    private static func power(of base: Double, below value: Double) -> Double {
        var power = 1.0
        while power * base <= value { power *= base }
        while power > value, power > 1e-6 { power /= base }
        return power
    }
}

extension Quantity {
    /// As `seconds`, and in milliseconds where that is less than one.
    static func duration(_ seconds: Double) -> String {
        seconds.isFinite && (0..<0.9995).contains(seconds)
            ? "\(Int((seconds * 1000).rounded())) ms" : Quantity.seconds(seconds)
    }

    /// A number of seconds on a scale, as precise as its steps are.
    static func axisSeconds(_ seconds: Double, _ step: Double) -> String {
        if seconds >= 100 || seconds == 0 { return seconds == 0 ? "0" : Quantity.seconds(seconds) }
        if step >= 1 { return "\(Int(seconds.rounded())) s" }
        let thousandths = Int((seconds * 1000).rounded())
        let digits = String(thousandths % 1000 + 1000).dropFirst()
        return "\(thousandths / 1000).\(step >= 0.1 ? digits.prefix(1) : step >= 0.01 ? digits.prefix(2) : digits) s"
    }
}
