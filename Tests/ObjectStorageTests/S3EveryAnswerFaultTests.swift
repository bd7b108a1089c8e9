// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Faults of which there are many: every length of an answer, and both ways a clock can be wrong.
@Suite struct S3EveryAnswerFaultTests {
    private static let bytes: [UInt8] = Array("the bytes of a snapshot".utf8)
    /// Longer than what SeaweedFS answers; a length beyond the end is the whole answer.
    private static let answerBytesMax = 480

    private static func key(_ number: Int) throws -> ObjectKey {
        try #require(ObjectKey(parsing: "set/\(number)/a.rdb"))
    }

    /// The upload is complete, and what is said of it ends after any number of bytes, as if that were all (F24).
    @Test func answerToACompletionIsReadToItsEndOrAskedForAgain() async throws {
        let hit = Mutex<[String: Int]>([:])
        let whole = Mutex(0)
        try await withInterceptedStore({ kind, _, request in
            guard kind == .complete else { return .pass }
            let path = String(request.target.prefix { $0 != "?" })
            let count = hit.withLock { hit in
                hit[path, default: 0] += 1
                return hit[path] ?? 0
            }
            guard count == 1, let number = Int(path.split(separator: "/").dropLast().last ?? "") else { return .pass }
            return .edit { answer in
                let start = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? 0
                whole.withLock { $0 = max($0, answer.count - start) }
                return number < answer.count - start ? S3Text.shortened(answer, toBodyBytes: number) : answer
            }
        }) { tested async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for number in stride(from: worker, to: Self.answerBytesMax, by: 4) {
                            let object = try await tested.store.write(try Self.key(number), Self.bytes)
                            #expect(object.bytes == Int64(Self.bytes.count))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let objects = try await tested.store.list(under: .root)
            #expect(objects.count == Self.answerBytesMax)
            #expect(try await tested.uploads() == 0)
            let length = whole.withLock { $0 }
            try #require((100..<Self.answerBytesMax).contains(length), "\(length)")
            // Cut short, each was asked for once more; what is there is read anew and is whole.
            let asked = tested.interceptor.requests(.complete).count
            #expect(asked == Self.answerBytesMax + length, "\(asked) requests, answers of \(length) bytes")
            for number in stride(from: 0, to: Self.answerBytesMax, by: 37) {
                #expect(try await tested.store.readAll(try Self.key(number)) == Self.bytes)
            }
        }
    }

    /// Twenty minutes are more than S3 takes: the clock of the store is used from the first refusal on (F39).
    @Test(arguments: [1200, -1200] as [Int64])
    func clockThatIsWrongIsSetByTheStore(_ seconds: Int64) async throws {
        let key = try Self.key(1)
        let system = RequestClock.system.secondsSince1970
        try await withInterceptedStore({ _, _, _ in .pass }) {
            $0.clock = RequestClock(
                secondsSince1970: { system() + seconds },
                sleep: { try await Task.sleep(for: min($0, .milliseconds(20))) },
                chance: { 0.5 }
            )
        } _: { tested async throws in
            try await tested.store.write(key, Self.bytes)
            #expect(try await tested.store.readAll(key) == Self.bytes)
            #expect(try await tested.store.list(under: .root).count == 1)
            try await tested.store.remove(key)
            #expect(try await tested.visible() == [])
            func skew(_ request: SeenRequest?) throws -> Int64 {
                let text = try #require(request?.headers["x-amz-date"])
                let now = CivilTime(secondsSince1970: system()).basicDateTime
                // Minutes of the day are enough to tell twenty of them.
                func minutes(_ text: String) -> Int64 {
                    let digits = text.split(separator: "T").last.map(String.init) ?? ""
                    return (Int64(digits.prefix(2)) ?? 0) * 60 + (Int64(digits.dropFirst(2).prefix(2)) ?? 0)
                }
                return abs((minutes(text) - minutes(now) + 720 + 1440) % 1440 - 720)
            }
            #expect(try skew(tested.interceptor.requests(.headBucket).first) >= 19)
            for kind in [Interceptor.Kind.part, .complete, .get, .list, .delete] {
                #expect(try skew(tested.interceptor.requests(kind).last) <= 1, "\(kind)")
            }
        }
    }
}
