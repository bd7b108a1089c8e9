// SPDX-License-Identifier: Apache-2.0

import CZlib
import CZstd
import Failures

/// Undoes the compression of a chain of units: zstd frames, or gzip members.
protocol Decoder: AnyObject {
    /// What a unit is called.
    static var unit: String { get }
    /// How many bytes tell that a unit of this format begins.
    static var magicBytes: Int { get }
    /// Whether a unit may begin with these, at most `magicBytes`.
    static func begins(with bytes: some Collection<UInt8>) -> Bool

    /// Decodes as far as input and room go, and not beyond the end of the unit.
    /// - Throws: `.corruptCompression`, `.unsupported`.
    func decode(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) throws -> DecoderStep
}

struct DecoderStep {
    var consumed: Int
    var produced: Int
    /// The unit is whole, and its checksum is right. The next bytes begin another one.
    var endsUnit: Bool
}

final class ZstdDecoder: Decoder {
    /// A frame may need a window of 128 MiB, not more: as much as `zstd --long` makes. Ours need less than 8 MiB, which
    /// every decoder allows (RFC 8878, section 3.1.1.1.2).
    private static let windowLogMax: Int32 = 27
    private let context: OpaquePointer

    static let unit = "zstd frame"
    static let magicBytes = 4

    /// A frame of data begins with 28 B5 2F FD, one to be skipped with 50…5F 2A 4D 18 (RFC 8878, 3.1.1 and 3.1.2).
    static func begins(with bytes: some Collection<UInt8>) -> Bool {
        let data: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd]
        let skipped: [UInt8] = [0x50, 0x2a, 0x4d, 0x18]
        guard let first = bytes.first else { return true }
        return data.starts(with: bytes) || (first & 0xf0 == 0x50 && skipped.dropFirst().starts(with: bytes.dropFirst()))
    }

    init() throws {
        guard let context = ZSTD_createDCtx() else {
            throw Failure(.unclassified, "start to decompress: libzstd has no memory")
        }
        self.context = context
        let code = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLogMax)
        precondition(ZSTD_isError(code) == 0, "a window of 2^\(Self.windowLogMax) bytes is allowed")
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    func decode(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) throws -> DecoderStep {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        let code = ZSTD_decompressStream(context, &target, &source)
        guard ZSTD_isError(code) == 0 else { throw failure(of: code) }
        return DecoderStep(consumed: source.pos, produced: target.pos, endsUnit: code == 0)
    }

    private func failure(of code: Int) -> Failure {
        let text = String(cString: ZSTD_getErrorName(code))
        return switch ZSTD_getErrorCode(code) {
        case ZSTD_error_memory_allocation:
            Failure(.unclassified, "decompress a zstd frame: libzstd says \(text)")
        case ZSTD_error_frameParameter_windowTooLarge:
            Failure(
                .unsupported,
                "decompress a zstd frame: it needs a window of more than 2^\(Self.windowLogMax) bytes"
            )
        case ZSTD_error_dictionary_wrong:
            Failure(.unsupported, "decompress a zstd frame: it needs a dictionary")
        default:
            Failure(.corruptCompression, "decompress a zstd frame: libzstd says \(text)")
        }
    }
}

final class GzipDecoder: Decoder {
    /// zlib keeps its address.
    private let stream: UnsafeMutablePointer<z_stream>

    static let unit = "gzip member"
    static let magicBytes = 2

    static func begins(with bytes: some Collection<UInt8>) -> Bool {
        [0x1f, 0x8b].starts(with: bytes)
    }

    init() throws {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let size = Int32(MemoryLayout<z_stream>.size)
        let code = inflateInit2_(stream, GzipMember.windowBits, ZLIB_VERSION, size)
        guard code == Z_OK else { throw Failure(.unclassified, "start to decompress: zlib gives code \(code)") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func decode(_ input: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) throws -> DecoderStep {
        let inputBytes = min(input.count, Int(UInt32.max))
        let roomBytes = min(room.count, Int(UInt32.max))
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = UInt32(inputBytes)
        stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
        stream.pointee.avail_out = UInt32(roomBytes)
        let code = inflate(stream, Z_NO_FLUSH)
        let step = DecoderStep(
            consumed: inputBytes - Int(stream.pointee.avail_in),
            produced: roomBytes - Int(stream.pointee.avail_out),
            endsUnit: code == Z_STREAM_END
        )
        switch code {
        case Z_OK: return step
        // There was nothing to do: no input, or no room.
        case Z_BUF_ERROR: return step
        case Z_STREAM_END:
            let reset = inflateReset(stream)
            precondition(reset == Z_OK, "a stream that ended can begin again")
            return step
        case Z_MEM_ERROR: throw Failure(.unclassified, "decompress a gzip member: zlib has no memory")
        default:
            let text = stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)"
            throw Failure(.corruptCompression, "decompress a gzip member: zlib says \(text)")
        }
    }
}
