// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

// renameat2(2): the C library declares it only under _GNU_SOURCE, which Swift's import of it does not set.
static inline int linux_renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name,
                                  unsigned int flags) {
    return (int)syscall(SYS_renameat2, old_folder, old_name, new_folder, new_name, flags);
}
