// SPDX-License-Identifier: Apache-2.0

import Commands
import Failures
import Testing

/// How a run that removes things ends.
struct PruneEndingTests {
    private static func ending(_ codes: [Failure.Code], hasRemoved: Bool = false) -> PruneEnding {
        PruneEnding(failures: codes.map { Failure($0, "why") }, hasRemoved: hasRemoved)
    }

    @Test func whatWasAllRemovedIsDone() throws {
        #expect(try Self.ending([], hasRemoved: true).code() == .done)
        #expect(try Self.ending([]).code() == .done)
    }

    @Test func someOfItIsPartial() throws {
        #expect(try Self.ending([.permissionDenied], hasRemoved: true).code() == .partial)
        #expect(try (Self.ending([.locked]) + Self.ending([], hasRemoved: true)).code() == .partial)
    }

    /// Where nothing was removed, why; a run that is under way says least.
    @Test(
        arguments: [
            ([.permissionDenied, .permissionDenied], .permissionDenied),
            ([.locked, .permissionDenied], .permissionDenied),
            ([.locked, .locked], .locked), ([.guardRefused, .locked], .guardRefused),
        ] as [([Failure.Code], Failure.Code)]
    )
    func noneOfItSaysWhy(codes: [Failure.Code], expected: Failure.Code) {
        let failure = #expect(throws: Failure.self) { try Self.ending(codes).code() }
        #expect(failure?.code == expected)
    }

    @Test func whatCouldNotBeFoundOutIsSaidLast() throws {
        let remark = Failure(.unsupported, "list uploads")
        let ending = PruneEnding(failures: [], hasRemoved: true, remark: remark)
        let failure = #expect(throws: Failure.self) { try (Self.ending([]) + ending).code() }
        #expect(failure?.code == .unsupported)
    }
}
