// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

// What checksum_crc64_clmul needs at least, in bytes.
#define CHECKSUM_CRC64_CLMUL_MIN 16

// The multipliers of folds by 2048, 1024, 512, 256 and 128 bits, in each the one of the lower word first;
// crc64_clmul.c derives them.
extern const uint64_t checksum_crc64_folds[5][2];
// The polynomial read from its other end, without the bit of the 64th power; and its inverse modulo that power.
extern const uint64_t checksum_crc64_polynomial;
extern const uint64_t checksum_crc64_inverse;

// How many bits this processor multiplies at once without carries: 512 (VPCLMULQDQ with AVX-512), 128 (PCLMULQDQ, or
// PMULL of ARMv8), or 0 where it has no such instruction that is known here.
unsigned int checksum_crc64_clmul_width(void);

// The CRC-64 of Redis (redis src/crc64.c) after `count` more bytes at any alignment; `crc` is that of what came before.
// - count: at least CHECKSUM_CRC64_CLMUL_MIN.
// - width: 128 or 512, and not more than checksum_crc64_clmul_width() gives.
uint64_t checksum_crc64_clmul(uint64_t crc, const void *bytes, size_t count, unsigned int width);
