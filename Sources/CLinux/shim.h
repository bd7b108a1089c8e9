// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

// renameat2(2): the C library declares it only under _GNU_SOURCE, which Swift's import of it does not set.
static inline int linux_renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name,
                                  unsigned int flags) {
    return (int)syscall(SYS_renameat2, old_folder, old_name, new_folder, new_name, flags);
}

// mallopt(3): Swift's import of the C library leaves <malloc.h> out. Other C libraries have no such habit to change.
static inline void linux_give_back_blocks_of(int bytes) {
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, bytes);
    // Where a heap may end in free memory; 128 KiB once anything is set, which is less than a chunk. Twice, as glibc
    // itself has it when it chooses both.
    (void)mallopt(M_TRIM_THRESHOLD, 2 * bytes);
#endif
}
