// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

/// How many sets a rule keeps: a number, or `unlimited`.
struct KeepCount: ExpressibleByArgument, Sendable, Hashable {
    let count: Int

    /// More than any store has, and no overflow.
    private static let countMax = 1_000_000

    init?(argument: String) {
        // restic takes both.
        if argument == "unlimited" || argument == "-1" {
            count = RetentionPolicy.unlimited
        } else if let number = Int(argument), (0...Self.countMax).contains(number) {
            count = number
        } else {
            return nil
        }
    }
}

/// Which backups are kept.
struct RetentionOptions: ParsableArguments, Sendable {
    @Option(help: ArgumentHelp("Keep the newest N sets of each subject; a number, or unlimited.", valueName: "N"))
    var keepLast: KeepCount?

    @Option(help: ArgumentHelp("Keep the newest set of each of N hours that have one.", valueName: "N"))
    var keepHourly: KeepCount?

    @Option(help: ArgumentHelp("Keep the newest set of each of N days.", valueName: "N"))
    var keepDaily: KeepCount?

    @Option(help: ArgumentHelp("Keep the newest set of each of N weeks, which begin on Monday.", valueName: "N"))
    var keepWeekly: KeepCount?

    @Option(help: ArgumentHelp("Keep the newest set of each of N months.", valueName: "N"))
    var keepMonthly: KeepCount?

    @Option(help: ArgumentHelp("Keep the newest set of each of N years.", valueName: "N"))
    var keepYearly: KeepCount?

    @Option(
        help: ArgumentHelp(
            "Keep what was taken in that span before the newest set: numbers with h, d, w, mo (months) and y, as 30d "
                + "or 1y6mo.",
            valueName: "span"
        ),
        transform: RetentionSpan.reading
    )
    var keepWithin: RetentionSpan?

    @Option(
        help: ArgumentHelp(
            "Keep the sets that have this tag, or all of several with commas between. Repeatable.",
            valueName: "tag"
        )
    )
    var keepTag: [String] = []

    @Option(
        help: ArgumentHelp(
            "Whose hours, days, weeks, months and years: a name of the time zone database, as Europe/Zurich.",
            valueName: "zone"
        )
    )
    var timeZone = TimeZoneRules.utc.name

    @Flag(help: "Remove sets too that a drill, or a verification, found to hold something else than they should.")
    var removeDisproven = false

    @Flag(help: "Remove sets too of which a member is not there, or not of its size.")
    var removeIncomplete = false

    @Flag(help: "Prune a subject although manifests of it cannot be read, or members are missing; these sets stay.")
    var ignoreDamaged = false

    @Flag(help: "Remove sets too whose manifest cannot be read.")
    var removeDamaged = false

    @OptionGroup var signing: SigningOptions

    func validate() throws {
        if !TimeZoneRules.isName(timeZone) {
            throw ValidationError("--time-zone is a name of the time zone database, as Europe/Zurich")
        }
        for list in keepTag where tags(in: list).isEmpty || !tags(in: list).allSatisfy(Manifest.isTag) {
            throw ValidationError("--keep-tag: \(String(reflecting: list)) is no tag, nor several with commas between")
        }
    }

    private func tags(in list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    var policy: RetentionPolicy {
        var policy = RetentionPolicy()
        policy.last = keepLast?.count ?? 0
        policy.periods = [
            .hourly: keepHourly?.count ?? 0, .daily: keepDaily?.count ?? 0, .weekly: keepWeekly?.count ?? 0,
            .monthly: keepMonthly?.count ?? 0, .yearly: keepYearly?.count ?? 0,
        ]
        policy.within = keepWithin
        policy.tags = keepTag.map { Set(tags(in: $0)) }
        return policy
    }

    /// Whether anything was said about which sets are kept, were it only that none is.
    var isGiven: Bool {
        keepLast != nil || keepHourly != nil || keepDaily != nil || keepWeekly != nil || keepMonthly != nil
            || keepYearly != nil || keepWithin != nil || !keepTag.isEmpty
    }

    func request(graceSeconds: Int64, _ session: Session) throws -> PruneRequest {
        var limits = RetentionPlan.Limits(graceSeconds: graceSeconds)
        limits.removesDisproven = removeDisproven
        limits.removesIncomplete = removeIncomplete
        limits.removesDamaged = removeDamaged
        limits.ignoresDamaged = ignoreDamaged
        let zone = try TimeZoneDatabase(environment: session.environment).rules(named: timeZone)
        var request = PruneRequest(
            policy: policy,
            calendar: RetentionCalendar(zone: zone),
            limits: limits,
            tool: .init(name: "redoubt", version: redoubtVersion),
            runID: session.runID
        )
        request.signingKey = try signing.key(session)
        return request
    }
}
