// SPDX-License-Identifier: Apache-2.0

import CLinux

/// How the memory of large blocks is had: of parts of uploads, mostly.
enum LargeBlocks {
    private static let bytesMin: Int32 = 1 << 20

    /// Gives each large block back to the system when it is freed.
    ///
    /// glibc raises by itself the size from which it does so, to that of the largest block that was ever freed
    /// (mallopt(3), M_MMAP_THRESHOLD). Parts then share heaps with everything else, and in an upload of an hour the
    /// holes between them add up: 10 GiB in parts of 8 MiB took 50 MiB more than they needed.
    ///
    /// Smaller ones, as the chunks of a stream, stay with the heap: given back at once, each would be mapped anew page
    /// by page, which took more time than to encrypt it.
    static func giveBack() {
        linux_give_back_blocks_of(bytesMin)
    }
}
