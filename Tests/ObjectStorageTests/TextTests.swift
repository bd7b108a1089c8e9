// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import ObjectStorage
import TestParts
import Testing

@Suite struct PercentEncodingTests {
    @Test func everythingButTheUnreservedIsEncoded() {
        #expect(PercentEncoding.component("aZ09-._~") == "aZ09-._~")
        #expect(PercentEncoding.component("a b/ä+") == "a%20b%2F%C3%A4%2B")
        #expect(PercentEncoding.path("a b/ä+") == "a%20b/%C3%A4%2B")
    }

    @Test func whatIsEncodedDecodesToItself() {
        for scalar in (0x01...0x2FF).compactMap(Unicode.Scalar.init) {
            let text = "x\(scalar)/y"
            #expect(PercentEncoding.decode(PercentEncoding.component(text)) == text)
            #expect(PercentEncoding.decode(PercentEncoding.path(text)) == text)
        }
        #expect(PercentEncoding.decode("a+b%2bc", plusIsSpace: true) == "a b+c")
        #expect(PercentEncoding.decode("a+b") == "a+b")
    }

    @Test(arguments: ["%", "%4", "%zz", "a%", "%C3", "%FF", "%+1", "% 1"])
    func brokenEscapeIsRefused(_ text: String) {
        #expect(PercentEncoding.decode(text) == nil)
    }
}

@Suite struct CivilTimeTests {
    @Test(
        arguments: [
            (0, "19700101T000000Z"), (951_782_400, "20000229T000000Z"), (1_369_353_600, "20130524T000000Z"),
            (4_107_542_399, "21000228T235959Z"), (4_107_542_400, "21000301T000000Z"), (-1, "19691231T235959Z"),
            (1_795_392_000 + 3723, "20261123T010203Z"),
        ] as [(Int64, String)]
    )
    func secondsAreWrittenAsADate(_ seconds: Int64, _ text: String) {
        #expect(CivilTime(secondsSince1970: seconds).basicDateTime == text)
    }

    @Test func datesAreReadBackAsTheirSeconds() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            let time = CivilTime(secondsSince1970: .random(in: -60_000_000_000...250_000_000_000, using: &random))
            let digits = Array(time.basicDateTime)
            func part(_ range: Range<Int>) -> String { String(digits[range]) }
            let text =
                "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15)).123Z"
            #expect(CivilTime(iso8601: text) == time, "\(text)")
        }
    }

    @Test func headerDatesAreRead() {
        #expect(CivilTime(httpDate: "Fri, 24 May 2013 00:00:00 GMT")?.secondsSince1970 == 1_369_353_600)
        #expect(CivilTime(httpDate: "Mon, 23 Nov 2026 01:02:03 GMT")?.secondsSince1970 == 1_795_395_723)
    }

    @Test(arguments: [
        "", "now", "Fri, 24 May 2013 00:00:00", "Fri, 24 May 2013 00:00:00 CET", "Fri, 31 Jun 2013 00:00:00 GMT",
        "Fri, 24 Foo 2013 00:00:00 GMT", "Fri 24 May 2013 00:00:00 GMT", "Fri, 24 May 2013 25:00:00 GMT",
        "Fri, 24 May 2013 00:00 GMT", "Fri, -4 May 2013 00:00:00 GMT",
    ])
    func otherHeaderDatesAreRefused(_ text: String) {
        #expect(CivilTime(httpDate: text) == nil)
    }

    @Test(arguments: [
        "", "2013-05-24", "2013-05-24T00:00:00", "2013-02-29T00:00:00Z", "2013-05-24T00:00Z",
        "2013-05-24T00:00:00.1.2Z",
        "2013-13-01T00:00:00Z", "+201-05-24T00:00:00Z", "2013-05-24t00:00:00Z", "2013-05-24T24:00:00Z",
    ])
    func otherListingDatesAreRefused(_ text: String) {
        #expect(CivilTime(iso8601: text) == nil)
    }
}

@Suite struct BackoffTests {
    @Test func waitsGrowToTheirLimitAndAreSpread() {
        #expect(
            (0..<8).map { Backoff.wait(retry: $0, chance: 0.5) } == [0.5, 1, 2, 4, 8, 10, 10, 10].map { .seconds($0) }
        )
        #expect(Backoff.wait(retry: 3, chance: 0) == .zero)
        #expect(Backoff.wait(retry: 1_000_000, chance: 0.25) == .seconds(5))
    }

    @Test func whatTheStoreAsksForIsHonouredUpToTheLimit() {
        #expect(Backoff.wait(retry: 0, chance: 0, retryAfterSeconds: 7) == .seconds(7))
        #expect(Backoff.wait(retry: 0, chance: 0, retryAfterSeconds: 9999) == .seconds(60))
        #expect(Backoff.wait(retry: 5, chance: 0.5, retryAfterSeconds: 1) == .seconds(10))
        #expect(Backoff.wait(retry: 0, chance: 0, retryAfterSeconds: -3) == .zero)
    }

    @Test func budgetIsSharedAndGivenBack() {
        let budget = RetryBudget(retries: 2)
        #expect([budget.take(), budget.take(), budget.take()] == [true, true, false])
        budget.giveBack(1)
        #expect([budget.take(), budget.take()] == [true, false])
        budget.giveBack(.max / 2)
        var left = 0
        while budget.take() { left += 1 }
        #expect(left == 2)
    }
}

@Suite struct PartSizeTests {
    @Test func smallOrUnknownObjectsGetTheSmallestParts() {
        for estimate in [nil, 0, -5, 1, 8 << 20, 56 << 30] as [Int64?] {
            #expect(S3Store.partSizeBytes(estimatedBytes: estimate) == S3Store.partSizeBytesMin)
        }
    }

    @Test func objectAQuarterLargerThanEstimatedStillFits() {
        var random = SeededRandom(seed: 11)
        let largest = Int64(5) << 40
        for _ in 0..<10_000 {
            let estimate = Int64.random(in: 1...largest / 5 * 4, using: &random)
            let size = S3Store.partSizeBytes(estimatedBytes: estimate)
            #expect(size >= S3Store.partSizeBytesMin && size <= S3Store.partSizeBytesMax)
            let bytes = estimate + estimate / 4
            #expect((bytes + Int64(size) - 1) / Int64(size) <= S3Store.partsMax)
        }
        #expect(S3Store.partSizeBytes(estimatedBytes: .max) == S3Store.partSizeBytesMax)
    }
}
