// SPDX-License-Identifier: Apache-2.0

import Catalog

/// The report of a drill: one page of HTML that needs nothing else, for a screen and for paper.
///
/// The same records give the same bytes. It is well-formed XML too, so that it can be checked; every text that comes
/// from a record goes through `Markup.text`.
package struct DrillPage {
    private let record: DrillRecord
    private let earlier: [DrillRecord]

    /// - Parameter earlier: drills of the same subject from before, oldest first.
    package init(_ record: DrillRecord, earlier: [DrillRecord]) {
        self.record = record
        self.earlier = earlier
    }

    package var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title>Restore drill \(Markup.text("\(record.name) \(record.id)"))</title>
        <style>\(DrillStyle.sheet)</style>
        </head>
        <body>
        <main>
        \(head)
        \(figures)
        \(problems)
        <section><h2>Where the time went</h2>\(DrillPlots.phases(record.members))</section>
        <section><h2>Members</h2>\(members)</section>
        <section><h2>Content</h2>\(contents)</section>
        <section><h2>Drills of this subject</h2>\(DrillPlots.history(earlier + [record]))</section>
        <section class="facts"><h2>Particulars</h2>\(particulars)</section>
        \(foot)
        </main>
        </body>
        </html>

        """
    }

    // MARK: The first things one sees

    private var head: String {
        let (word, sentence) =
            switch record.verdict {
            case .proven:
                ("Proven", "What the server held after the restore is what the backup says, key by key.")
            case .different:
                ("Content differs", "What was restored is not what the backup says. Do not rely on this backup.")
            case .failed:
                ("Not proven", "The drill did not come to its end, so nothing is said about the content.")
            }
        return """
            <header>
            <p class="kind">Restore drill</p>
            <h1>\(Markup.text(record.name))</h1>
            <p class="when">Backup of <b>\(Markup.time(record.backupStartedAt))</b>, \
            restored on <b>\(Markup.time(record.startedAt))</b></p>
            <div class="verdict \(record.verdict.rawValue)"><strong>\(word)</strong><span>\(sentence)</span></div>
            </header>
            """
    }

    private var figures: String {
        let age = record.startedAt.secondsSince1970 - record.backupStartedAt.secondsSince1970
        let seconds = record.secondsToRestore
        let rate = seconds.flatMap { $0 > 0 ? Int64(Double(record.bytes) / $0) : nil }
        let found = record.members.reduce(UInt64(0)) { $0 &+ ($1.found?.keyCount ?? 0) }
        let expired = record.members.reduce(UInt64(0)) { $0 &+ ($1.expired ?? 0) }
        let cells = [
            ("Time to restore", seconds.map(Quantity.duration) ?? "–", "fetch, prove, write, load"),
            ("Data restored", Quantity.bytes(record.bytes), rate.map { "\(Quantity.bytes($0)) a second" } ?? "–"),
            ("Keys compared", Quantity.count(found), "\(Quantity.count(expired)) expired since"),
            ("Age of the backup", Self.age(max(0, age)), "when it was drilled"),
        ]
        let items = cells.map { "<div><dt>\($0.0)</dt><dd>\($0.1)<small>\($0.2)</small></dd></div>" }
        return "<dl class=\"figures\">\(items.joined())</dl>"
    }

    private static func age(_ seconds: Int64) -> String {
        seconds < 2 * 86400 ? Quantity.seconds(Double(seconds)) : "\(seconds / 86400) days"
    }

    private var problems: String {
        let found = record.members.compactMap { member in
            member.error.map { error in
                "<li><b>\(Markup.text(member.member))</b> \(Markup.text(error.message)) "
                    + "<code>\(Markup.text(error.code))</code></li>"
            }
        }
        return found.isEmpty
            ? "" : "<section class=\"problems\"><h2>What went wrong</h2><ul>\(found.joined())</ul></section>"
    }

    // MARK: Tables

    private var members: String {
        let isClustered = record.members.contains { $0.slots != nil }
        let rows = record.members.map { member in
            let cells = [
                "<th scope=\"row\">\(Markup.text(member.member))</th>",
                isClustered ? "<td>\(Markup.text(member.slots ?? "–"))</td>" : "",
                "<td>\(Markup.text(member.source ?? "–"))</td>",
                Markup.number(Quantity.bytes(member.bytes)), Markup.number(Quantity.bytes(member.storedBytes)),
                Markup.number(member.expected.map { Quantity.count($0.keyCount) } ?? "–"),
                Markup.number(member.found.map { Quantity.count($0.keyCount) } ?? "–"),
                Markup.number(member.secondsToRestore.map(Quantity.duration) ?? "–"),
                "<td class=\"\(member.verdict.rawValue)\">\(Self.word(member.verdict))</td>",
            ]
            return "<tr>\(cells.joined())</tr>"
        }
        return """
            <table><thead><tr><th>Member</th>\(isClustered ? "<th>Slots</th>" : "")<th>Taken from</th>\
            <th class="n">Snapshot</th><th class="n">Stored</th><th class="n">Keys expected</th>\
            <th class="n">Keys found</th><th class="n">Restored in</th><th>Verdict</th></tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table>
            """
    }

    private static func word(_ verdict: DrillRecord.Verdict) -> String {
        switch verdict {
        case .proven: "proven"
        case .different: "differs"
        case .failed: "not proven"
        }
    }

    private var contents: String {
        record.members.map { member in
            """
            <div class="content"><h3>\(Markup.text(member.member))</h3>
            <div class="sides"><dl class="digests">
            <div><dt>In the manifest, of the whole snapshot</dt>\(Self.digest(member.manifestDigest))</div>
            <div><dt>Expected, without what expired</dt>\(Self.digest(member.expected?.digest))</div>
            <div><dt>Found in the server</dt>\(Self.digest(member.found?.digest, other: member.expected?.digest))</div>
            </dl>\(Self.counts(member))</div></div>
            """
        }.joined(separator: "\n")
    }

    /// In two halves, so that it fits; marked where it is not the other one.
    private static func digest(_ text: String?, other: String? = nil) -> String {
        guard let text else { return "<dd class=\"none\">none</dd>" }
        let isWrong = other.map { $0 != text } ?? false
        let parts = text.split(separator: ":", maxSplits: 1)
        let digits = parts.last.map(String.init) ?? ""
        let halves = [digits.prefix(32), digits.dropFirst(32)].map { Markup.text(String($0)) }
        return "<dd\(isWrong ? " class=\"different\"" : "")>\(halves.joined(separator: "<br/>"))</dd>"
    }

    private static func counts(_ member: DrillRecord.Member) -> String {
        guard let expected = member.expected, let found = member.found else { return "" }
        func rows(_ left: [String: UInt64], _ right: [String: UInt64], _ title: (String) -> String) -> [String] {
            let names = Set(left.keys).union(right.keys)
            return names.sorted { (Int($0) ?? 0, $0) < (Int($1) ?? 0, $1) }.map { name in
                row(title(name), left[name] ?? 0, right[name] ?? 0)
            }
        }
        let all =
            rows(expected.keys, found.keys) { "database \($0)" } + rows(expected.types, found.types) { $0 }
            + [row("function libraries", expected.functions, found.functions)]
        return "<table class=\"counts\"><thead><tr><th>Keys</th><th class=\"n\">Expected</th>"
            + "<th class=\"n\">Found</th></tr></thead><tbody>\(all.joined())</tbody></table>"
    }

    private static func row(_ title: String, _ expected: UInt64, _ found: UInt64) -> String {
        let mark = expected == found ? "" : " class=\"different\""
        return "<tr\(mark)><th scope=\"row\">\(Markup.text(title))</th>"
            + Markup.number(Quantity.count(expected)) + Markup.number(Quantity.count(found)) + "</tr>"
    }

    private var particulars: String {
        let server = record.server.map { server in
            "\(server.product) \(server.version), appendonly \(server.appendOnly ? "yes" : "no")"
                + (server.endpoint.map { ", which ran already at \($0)" } ?? "")
        }
        let facts = [
            ("Backup set", "\(record.name)/\(record.backup)"), ("Store", record.store),
            ("Drill", record.id.text), ("Began", Markup.plain(record.startedAt)),
            ("Ended", Markup.plain(record.finishedAt)), ("Ran on", record.host),
            ("Server", server ?? "–"), ("Program", "\(record.tool.name) \(record.tool.version)"),
            ("Not drilled", record.omitted.isEmpty ? "no member" : record.omitted.joined(separator: ", ")),
        ]
        let rows = facts.map { "<tr><th scope=\"row\">\($0.0)</th><td>\(Markup.text($0.1))</td></tr>" }
        return "<table class=\"plain\"><tbody>\(rows.joined(separator: "\n"))</tbody></table>"
    }

    private var foot: String {
        let server =
            record.server?.endpoint == nil
            ? "The server was started for this drill alone and could not be reached by anybody else."
            : "The server was empty and was filled for this drill; who else could reach it is not known here."
        return """
            <footer><p>\(server) It was read back through its own replication, and both sides were reduced to \
            what had not expired at that moment. The digest covers keys, types, values, expiries, consumer \
            groups and function libraries. It does not cover what servers guess or change by themselves: idle \
            times and access counts, when consumers were last seen, counters of streams, auxiliary data of \
            modules. Time to restore is what the members took one after the other; preparing a real target, and \
            its replicas, comes on top.</p></footer>
            """
    }
}
