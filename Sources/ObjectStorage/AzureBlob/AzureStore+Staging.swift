// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import HTTPTransport

/// An upload: blocks whose ids begin with its identity.
struct AzureUpload: Sendable {
    let key: ObjectKey
    /// When it began, in 8 hexadecimal digits of seconds since 1970, and 24 digits that no other upload has.
    let identity: String

    private static let mark = "redoubt-"
    private static let identityLength = 32

    /// The id of a block. All ids of a blob must be equally long.
    func blockID(_ number: Int) -> String {
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        return Base64.text(Array("\(Self.mark)\(identity)-\(padded)".utf8))
    }

    /// The identity of the upload that a block belongs to; `nil` when it is none of ours.
    static func identity(ofBlock id: String) -> String? {
        guard let bytes = Data(base64Encoded: id), let text = String(validating: bytes, as: UTF8.self),
            text.hasPrefix(mark)
        else { return nil }
        let identity = String(text.dropFirst(mark.count).prefix(identityLength))
        return startedAtSeconds(identity) == nil ? nil : identity
    }

    static func startedAtSeconds(_ identity: String) -> Int64? {
        guard identity.utf8.count == identityLength, Hexadecimal.bytes(identity) != nil else { return nil }
        return Int64(identity.prefix(8), radix: 16)
    }
}

extension AzureStore {
    /// The smallest block that is chosen; together with the blocks in flight it bounds the memory.
    package static let blockSizeBytesMin = 8 << 20
    /// What Azure allows.
    package static let blockSizeBytesMax = 4000 << 20
    /// What Azure allows.
    package static let blocksMax = 50_000
    /// How many blocks are planned for. The rest is room for an estimate that was too low; and what lists these blocks
    /// stays within what is read of an answer.
    private static let blocksPlanned: Int64 = 16_000

    package static func blockSizeBytes(estimatedBytes: Int64?) -> Int {
        guard let estimatedBytes, estimatedBytes > 0 else { return blockSizeBytesMin }
        // A quarter more than estimated, in whole mebibytes.
        let wanted = (estimatedBytes / blocksPlanned + 1) * 5 / 4
        let mebibytes = (wanted + (1 << 20) - 1) >> 20
        return min(max(blockSizeBytesMin, Int(mebibytes) << 20), blockSizeBytesMax)
    }

    /// An identity that no other write has.
    func newIdentity() -> String {
        let seconds = UInt32(clamping: exchange.clock.secondsSince1970())
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: seconds >> (24 - 8 * $0)) }
        return Hexadecimal.text(bytes + (0..<12).map { _ in UInt8.random(in: 0...255) })
    }

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        let upload = AzureUpload(key: key, identity: newIdentity())
        do {
            let size = min(
                configuration.partSizeBytes ?? Self.blockSizeBytes(estimatedBytes: estimatedBytes),
                Self.blockSizeBytesMax
            )
            let (ids, bytes) = try await blocks.send(chunks, sizeBytes: size) { block, number -> String? in
                // A stream without a byte is one empty part, and Azure takes no empty block.
                if block.isEmpty { return nil }
                guard number <= Self.blocksMax else { throw tooManyBlocks(key, sizeBytes: size) }
                return try await send(block, as: number, of: upload)
            }
            try Task.checkCancellation()
            return AzureStagedObject(store: self, upload: upload, blocks: ids.compactMap(\.self), bytes: bytes)
        } catch {
            await abandon(upload)
            throw error
        }
    }

    private func send(_ block: [UInt8], as number: Int, of upload: AzureUpload) async throws -> String {
        let id = upload.blockID(number)
        var operation = StoreOperation(
            "upload block \(number) of \(shown(upload.key))",
            action: Right.write,
            "PUT",
            key: fullKey(upload.key)
        )
        operation.query = [("comp", "block"), ("blockid", id)]
        operation.carry(block, type: "application/octet-stream")
        operation.headers += scopeHeaders
        operation.answers = [201]
        return try await exchange.perform(operation) { response throws(StoreMalformed) in
            guard response.head.status == 201 else {
                throw StoreMalformed(reason: "the store answered \(response.head.status), and not that it took it")
            }
            return id
        }
    }

    private func tooManyBlocks(_ key: ObjectKey, sizeBytes: Int) -> Failure {
        Failure(
            .unsupported,
            "upload \(shown(key)): more bytes come than were estimated, and \(Self.blocksMax) blocks of "
                + "\(sizeBytes) bytes cannot hold them"
        )
    }

    /// Gives an upload up, also in a cancelled task; does its best and no more.
    func abandon(_ upload: AzureUpload) async {
        await cleaningUp("give up the upload of \(shown(upload.key))") {
            try await takeAway(upload.identity, of: upload.key)
        }
    }
}
