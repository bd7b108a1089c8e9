// SPDX-License-Identifier: Apache-2.0

import CCurl

/// What libcurl calls while it moves a transfer, on the thread of the transfer.
protocol CalledTransfer: MovedTransfer {
    /// A line of a head. `false` breaks the transfer off.
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool
    /// `false` pauses: the same bytes come again.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool
    /// How many bytes were put into the room, or `CURL_READFUNC_PAUSE`.
    func giveBody(into room: UnsafeMutableRawBufferPointer) -> Int
    func seekBody(to offset: Int, from origin: Int32) -> Bool
    /// `false` breaks the transfer off.
    func mayGoOn() -> Bool
}

/// The functions that libcurl is given, and what it gives back to them: whose transfer it is. Lives as long as that.
final class TransferCallbacks {
    // As unsafe as the pointer that libcurl has: what it calls while the transfer goes must not look whether it is
    // there.
    private unowned(unsafe) let transfer: any CalledTransfer

    init(of transfer: any CalledTransfer) {
        self.transfer = transfer
    }

    /// - Parameter hearsProgress: whether it is asked again and again whether the transfer may go on.
    func install(hearsProgress: Bool = false) throws {
        let owner = Unmanaged.passUnretained(self).toOpaque()
        let easy = transfer.easy
        try easy.setCallback(CURLOPT_HEADERFUNCTION, Self.takeHeader, CURLOPT_HEADERDATA, owner)
        try easy.setCallback(CURLOPT_WRITEFUNCTION, Self.takeBody, CURLOPT_WRITEDATA, owner)
        try easy.setCallback(CURLOPT_READFUNCTION, Self.giveBody, CURLOPT_READDATA, owner)
        try easy.setSeekCallback(Self.seekBody, owner)
        if hearsProgress { try easy.setProgressCallback(Self.mayGoOn, owner) }
    }

    private static func transfer(_ pointer: UnsafeMutableRawPointer?) -> any CalledTransfer {
        guard let pointer else { preconditionFailure("libcurl gives back the owner that it was given") }
        return Unmanaged<TransferCallbacks>.fromOpaque(pointer).takeUnretainedValue().transfer
    }

    private typealias Transferring =
        @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int

    private static let takeHeader: Transferring = { line, size, count, pointer in
        transfer(pointer).takeHeader(UnsafeRawBufferPointer(start: line, count: size * count)) ? size * count : 0
    }

    private static let takeBody: Transferring = { bytes, size, count, pointer in
        let isTaken = transfer(pointer).takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
        return isTaken ? size * count : Int(CURL_WRITEFUNC_PAUSE)
    }

    private static let giveBody: Transferring = { room, size, count, pointer in
        transfer(pointer).giveBody(into: UnsafeMutableRawBufferPointer(start: room, count: size * count))
    }

    private static let seekBody: @convention(c) (UnsafeMutableRawPointer?, curl_off_t, Int32) -> Int32 = {
        pointer,
        offset,
        origin in
        transfer(pointer).seekBody(to: Int(offset), from: origin) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
    }

    private static let mayGoOn:
        @convention(c) (UnsafeMutableRawPointer?, curl_off_t, curl_off_t, curl_off_t, curl_off_t) -> Int32 = {
            pointer,
            _,
            _,
            _,
            _ in transfer(pointer).mayGoOn() ? 0 : 1
        }
}

extension CalledTransfer {
    func mayGoOn() -> Bool { true }
}
