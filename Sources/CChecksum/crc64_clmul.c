// SPDX-License-Identifier: Apache-2.0
//
// The CRC-64 that Redis puts at the end of an RDB (polynomial of Jones, reflected, starting at zero, not inverted;
// redis src/crc64.c) by carry-less multiplication: the folding of Gopal and others, "Fast CRC Computation for Generic
// Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), for bits in reflected order.
//
// Let P be the polynomial with its leading x^64. The CRC of a message M is M * x^64 mod P. Reflected means: bit i of a
// word of 64 bits stands for x^(63-i), and the word that comes first in memory stands for the higher powers. A lane of
// two words is Low * x^64 + High. The carry-less product of two words has 127 bits, and as the missing one is the
// highest, which stands for x^0, the product of the words a and b is the lane A * B * x.
//
// Folding by d bits: a lane that stands d bits in front of another may be added to it as (Low * x^64 + High) * x^d,
// reduced as far as a lane is long:
//
//     Low * (x^(d+63) mod P) * x  +  High * (x^(d-1) mod P) * x
//
// which are two carry-less products, with the words that stand for x^(d+63) mod P and x^(d-1) mod P.
//
// Reducing: of the last lane the CRC is (Low * x^64 + High) * x^64 mod P. Low * x^128 becomes the product of Low and
// x^127 mod P, the second multiplier of the fold by 128; High * x^64 is High in the place of the lower word. Let their
// sum be T. Now let bit i stand for y^i instead. P is then p = 1 + ... + y^64, and the multiple of p that clears the
// lower word of T is q * p with q = T * p^-1 mod y^64. The CRC is the higher word of T + q * p.

#include "CChecksum.h"

#include <string.h>

// The tests compute all of these anew from the polynomial alone.
const uint64_t checksum_crc64_folds[5][2] = {
    {0x9a8908341a6d6d52, 0x9471a5389095fe44},  // by 2048: x^2111, x^2047
    {0xcc26fa7c57f8054c, 0x768361524d29ed0b},  // by 1024: x^1087, x^1023
    {0xaf86efb16d9ab4fb, 0xf49784a634f014e4},  // by 512: x^575, x^511
    {0x6ba4d760ab38201e, 0xef3d1d18ed889ed2},  // by 256: x^319, x^255
    {0xd9d7be7d505da32c, 0x381d0015c96f4444},  // by 128: x^191, x^127
};
const uint64_t checksum_crc64_polynomial = 0x2b5926535897936b;
const uint64_t checksum_crc64_inverse = 0x3e6cfa329aef9f77;

enum { BY_2048, BY_1024, BY_512, BY_256, BY_128 };

#if defined(__x86_64__)

#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul")))
#define CLMUL_WIDE __attribute__((target("pclmul,avx512f,vpclmulqdq")))

typedef __m128i lane;

unsigned int checksum_crc64_clmul_width(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("pclmul")) return 0;
    // What it says of AVX-512 includes that the kernel saves those registers.
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") ? 512 : 128;
}

CLMUL static inline lane words(uint64_t low, uint64_t high) { return _mm_set_epi64x((long long)high, (long long)low); }
CLMUL static inline lane product_of_low(lane a, lane b) { return _mm_clmulepi64_si128(a, b, 0x00); }
CLMUL static inline lane product_of_high(lane a, lane b) { return _mm_clmulepi64_si128(a, b, 0x11); }

#elif defined(__aarch64__) && defined(__AARCH64EL__) && defined(__linux__)

#include <arm_neon.h>
#include <sys/auxv.h>

#define CLMUL __attribute__((target("aes")))

typedef uint64x2_t lane;

// The bit is HWCAP_PMULL of asm/hwcap.h.
unsigned int checksum_crc64_clmul_width(void) { return getauxval(AT_HWCAP) & (1UL << 4) ? 128 : 0; }

CLMUL static inline lane words(uint64_t low, uint64_t high) { return (lane){low, high}; }
CLMUL static inline lane product_of_low(lane a, lane b) {
    return vreinterpretq_u64_p128(vmull_p64((poly64_t)a[0], (poly64_t)b[0]));
}
CLMUL static inline lane product_of_high(lane a, lane b) {
    return vreinterpretq_u64_p128(vmull_high_p64(vreinterpretq_p64_u64(a), vreinterpretq_p64_u64(b)));
}

#endif

#if defined(CLMUL)

CLMUL static inline lane load(const unsigned char *from) {
    lane result;
    memcpy(&result, from, sizeof result);
    return result;
}

CLMUL static inline lane multipliers(int distance) {
    return words(checksum_crc64_folds[distance][0], checksum_crc64_folds[distance][1]);
}

CLMUL static inline lane fold(lane from, lane by, lane onto) {
    return product_of_low(from, by) ^ product_of_high(from, by) ^ onto;
}

CLMUL static inline uint64_t reduce(lane last) {
    lane t = product_of_low(last, words(checksum_crc64_folds[BY_128][1], 0)) ^ words((uint64_t)last[1], 0);
    lane q = product_of_low(t, words(checksum_crc64_inverse, 0));
    lane multiple = product_of_low(q, words(checksum_crc64_polynomial, 0));
    // The last term is the bit of p that a word has no room for, that of y^64.
    return (uint64_t)t[1] ^ (uint64_t)multiple[1] ^ (uint64_t)q[0];
}

#if defined(CLMUL_WIDE)

CLMUL_WIDE static inline __m512i fold_wide(__m512i from, __m512i by, __m512i onto) {
    return _mm512_clmulepi64_epi128(from, by, 0x00) ^ _mm512_clmulepi64_epi128(from, by, 0x11) ^ onto;
}

// Four lanes at once, four such side by side: brings all whole 256 bytes, of which there is at least one, into `lanes`.
CLMUL_WIDE static void fold_wide_blocks(uint64_t crc, const unsigned char **next, size_t *count, lane lanes[8]) {
    __m512i by_2048 = _mm512_broadcast_i32x4(multipliers(BY_2048)), wide[4];
    for (int i = 0; i < 4; i++) wide[i] = _mm512_loadu_si512(*next + 64 * i);
    wide[0] ^= _mm512_zextsi128_si512(words(crc, 0));
    for (*next += 256, *count -= 256; *count >= 256; *next += 256, *count -= 256)
        for (int i = 0; i < 4; i++) wide[i] = fold_wide(wide[i], by_2048, _mm512_loadu_si512(*next + 64 * i));
    __m512i by_1024 = _mm512_broadcast_i32x4(multipliers(BY_1024));
    for (int i = 0; i < 2; i++) _mm512_storeu_si512(lanes + 4 * i, fold_wide(wide[i], by_1024, wide[i + 2]));
}

#endif

// Eight lanes side by side, because a fold waits for the one before it: brings all whole 128 bytes, of which there is
// at least one, into one lane.
CLMUL static lane fold_blocks(uint64_t crc, const unsigned char **next, size_t *count, unsigned int width) {
    lane lanes[8], by_1024 = multipliers(BY_1024);
#if defined(CLMUL_WIDE)
    int is_wide = width >= 512 && *count >= 256;
    if (is_wide) fold_wide_blocks(crc, next, count, lanes);
#else
    int is_wide = 0;
    (void)width;
#endif
    if (!is_wide) {
        for (int i = 0; i < 8; i++) lanes[i] = load(*next + 16 * i);
        lanes[0] ^= words(crc, 0);
        *next += 128;
        *count -= 128;
    }
    for (; *count >= 128; *next += 128, *count -= 128)
        for (int i = 0; i < 8; i++) lanes[i] = fold(lanes[i], by_1024, load(*next + 16 * i));
    for (int i = 0; i < 4; i++) lanes[i] = fold(lanes[i], multipliers(BY_512), lanes[i + 4]);
    for (int i = 0; i < 2; i++) lanes[i] = fold(lanes[i], multipliers(BY_256), lanes[i + 2]);
    return fold(lanes[0], multipliers(BY_128), lanes[1]);
}

CLMUL uint64_t checksum_crc64_clmul(uint64_t crc, const void *bytes, size_t count, unsigned int width) {
    const unsigned char *next = bytes;
    lane last, by_128 = multipliers(BY_128);
    if (count >= 128) {
        last = fold_blocks(crc, &next, &count, width);
    } else {
        // The CRC of what came before is added to the first word: what follows multiplies both alike.
        last = load(next) ^ words(crc, 0);
        next += 16;
        count -= 16;
    }
    for (; count >= 16; next += 16, count -= 16) last = fold(last, by_128, load(next));
    if (count == 0) return reduce(last);
    // The last lane and the rest, moved to the end of two lanes: zeros in front of a message leave its CRC as it is.
    unsigned char ends[32] = {0};
    memcpy(ends + 16 - count, &last, sizeof last);
    memcpy(ends + 32 - count, next, count);
    return reduce(fold(load(ends), by_128, load(ends + 16)));
}

#else

unsigned int checksum_crc64_clmul_width(void) { return 0; }

uint64_t checksum_crc64_clmul(uint64_t crc, const void *bytes, size_t count, unsigned int width) {
    (void)bytes, (void)count, (void)width;
    return crc;
}

#endif
