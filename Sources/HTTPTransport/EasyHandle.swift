// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// One transfer of libcurl: the owner of a `CURL *`, its lists and its error text. Stays on one thread.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    private var lists: [UnsafeMutablePointer<curl_slist>] = []
    private let errorText: UnsafeMutablePointer<CChar>

    init() throws {
        guard let pointer = curl_easy_init() else {
            throw Failure(.unclassified, "make a transfer: libcurl gives none")
        }
        self.pointer = pointer
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try check(redoubt_curl_set_pointer(pointer, CURLOPT_ERRORBUFFER, errorText), CURLOPT_ERRORBUFFER)
    }

    deinit {
        curl_easy_cleanup(pointer)
        lists.forEach { curl_slist_free_all($0) }
        errorText.deallocate()
    }

    func set(_ option: CURLoption, _ value: Int) throws {
        try check(redoubt_curl_set_long(pointer, option, value), option)
    }

    func set(_ option: CURLoption, _ value: Bool) throws {
        try set(option, value ? 1 : 0)
    }

    func set(_ option: CURLoption, offset value: Int) throws {
        try check(redoubt_curl_set_offset(pointer, option, curl_off_t(value)), option)
    }

    /// libcurl copies the text; `nil` takes its own default away.
    func set(_ option: CURLoption, _ value: String?) throws {
        try check(redoubt_curl_set_string(pointer, option, value), option)
    }

    /// libcurl copies the bytes.
    func set(_ option: CURLoption, _ bytes: [UInt8]) throws {
        var bytes = bytes
        let code = bytes.withUnsafeMutableBytes { buffer in
            var blob = curl_blob(data: buffer.baseAddress, len: buffer.count, flags: UInt32(CURL_BLOB_COPY))
            return redoubt_curl_set_blob(pointer, option, &blob)
        }
        try check(code, option)
    }

    /// A list of lines in libcurl's own notation: libcurl keeps the list, and this frees it.
    func set(_ option: CURLoption, list lines: [String]) throws {
        var list: UnsafeMutablePointer<curl_slist>?
        for line in lines {
            guard let longer = curl_slist_append(list, line) else {
                curl_slist_free_all(list)
                throw Failure(.unclassified, "make a list for libcurl: it has no memory for it")
            }
            list = longer
        }
        if let list { lists.append(list) }
        try check(redoubt_curl_set_list(pointer, option, list), option)
    }

    /// - Parameter owner: what the callback gets as its last argument; must outlive the transfer.
    func setCallback(
        _ option: CURLoption,
        _ callback: @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int,
        _ ownerOption: CURLoption,
        _ owner: UnsafeMutableRawPointer
    ) throws {
        try check(redoubt_curl_set_transfer(pointer, option, callback), option)
        try check(redoubt_curl_set_pointer(pointer, ownerOption, owner), ownerOption)
    }

    func setSeekCallback(
        _ callback: @convention(c) (UnsafeMutableRawPointer?, curl_off_t, Int32) -> Int32,
        _ owner: UnsafeMutableRawPointer
    ) throws {
        try check(redoubt_curl_set_seek(pointer, callback), CURLOPT_SEEKFUNCTION)
        try check(redoubt_curl_set_pointer(pointer, CURLOPT_SEEKDATA, owner), CURLOPT_SEEKDATA)
    }

    /// libcurl asks this again and again, also while it keeps the thread; anything but 0 breaks the transfer off.
    func setProgressCallback(
        _ callback: @convention(c) (UnsafeMutableRawPointer?, curl_off_t, curl_off_t, curl_off_t, curl_off_t) -> Int32,
        _ owner: UnsafeMutableRawPointer
    ) throws {
        try check(redoubt_curl_set_progress(pointer, callback), CURLOPT_XFERINFOFUNCTION)
        try check(redoubt_curl_set_pointer(pointer, CURLOPT_XFERINFODATA, owner), CURLOPT_XFERINFODATA)
        try set(CURLOPT_NOPROGRESS, false)
    }

    /// A number that libcurl knows about the transfer, or 0.
    func long(_ info: CURLINFO) -> Int {
        var value = 0
        return redoubt_curl_get_long(pointer, info, &value) == CURLE_OK ? value : 0
    }

    /// A size in bytes or a time in microseconds that libcurl knows about the transfer, or 0.
    func offset(_ info: CURLINFO) -> Int {
        var value: curl_off_t = 0
        return redoubt_curl_get_offset(pointer, info, &value) == CURLE_OK ? Int(value) : 0
    }

    /// Pauses these directions (`CURLPAUSE_…`) and lets the others go on; libcurl may call the callbacks right here.
    func pause(only directions: Int32) -> CURLcode {
        curl_easy_pause(pointer, directions)
    }

    /// What libcurl says about a code: its own words for this transfer, else the general ones.
    func text(of code: CURLcode) -> String {
        let own = String(cString: errorText)
        return own.isEmpty ? Self.generalText(of: code) : own
    }

    static func generalText(of code: CURLcode) -> String {
        String(cString: curl_easy_strerror(code))
    }

    private func check(_ code: CURLcode, _ option: CURLoption) throws {
        guard code == CURLE_OK else {
            throw Failure(
                code == CURLE_OUT_OF_MEMORY ? .unclassified : .configuration,
                "set option \(option.rawValue) of libcurl: \(Self.generalText(of: code))"
            )
        }
    }
}
