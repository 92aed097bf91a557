#include "CDigest.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// FIPS 180-4, section 4.2.2.
static const uint32_t K[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static inline uint32_t word(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return __builtin_bswap32(value);
}

static void one(const uint8_t *message, size_t blocks, uint64_t head[2]) {
    uint32_t h[8];
    memcpy(h, START, sizeof h);
    for (; blocks > 0; blocks--, message += 64) {
        uint32_t w[64], s[8];
        for (int t = 0; t < 16; t++) w[t] = word(message + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t x = w[t - 15], y = w[t - 2];
            w[t] = w[t - 16] + (right(x, 7) ^ right(x, 18) ^ x >> 3) + w[t - 7] + (right(y, 17) ^ right(y, 19) ^ y >> 10);
        }
        memcpy(s, h, sizeof s);
        // Variable i of round t stands at (i - t) mod 8, so that none has to move.
#pragma clang loop unroll_count(8)
        for (unsigned t = 0; t < 64; t++) {
            uint32_t e = s[(4 - t) & 7], f = s[(5 - t) & 7], g = s[(6 - t) & 7];
            uint32_t a = s[-t & 7], b = s[(1 - t) & 7], c = s[(2 - t) & 7];
            uint32_t t1 = s[(7 - t) & 7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t];
            s[(3 - t) & 7] += t1;
            s[(7 - t) & 7] = t1 + (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
    head[0] = (uint64_t)h[0] << 32 | h[1];
    head[1] = (uint64_t)h[2] << 32 | h[3];
}

#if defined(__x86_64__)
// A round's instruction waits for the one before; two messages in turn fill the gaps.
__attribute__((target("sha,sse4.1,ssse3")))
static void pair_by_instructions(const uint8_t *const messages[2], size_t blocks, uint64_t *const heads[2]) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
    // The instructions want the state as ABEF and CDGH.
    const __m128i abef = _mm_set_epi32((int)START[0], (int)START[1], (int)START[4], (int)START[5]);
    const __m128i cdgh = _mm_set_epi32((int)START[2], (int)START[3], (int)START[6], (int)START[7]);
    __m128i upper[2] = {abef, abef}, lower[2] = {cdgh, cdgh};
    for (size_t block = 0; block < blocks; block++) {
        __m128i w[2][4], first[2] = {upper[0], upper[1]}, second[2] = {lower[0], lower[1]};
        for (int m = 0; m < 2; m++) {
            for (int i = 0; i < 4; i++) {
                w[m][i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(messages[m] + 64 * block + 16 * i)), swap);
            }
        }
#pragma clang loop unroll(full)
        for (int step = 0; step < 16; step++) {
            const __m128i k = _mm_load_si128((const __m128i *)(K + 4 * step));
#pragma clang loop unroll(full)
            for (int m = 0; m < 2; m++) {
                __m128i *v = w[m], now = v[step & 3];
                __m128i sum = _mm_add_epi32(now, k);
                lower[m] = _mm_sha256rnds2_epu32(lower[m], upper[m], sum);
                upper[m] = _mm_sha256rnds2_epu32(upper[m], lower[m], _mm_shuffle_epi32(sum, 0x0e));
                if (step < 12) {
                    // The words sixteen places on: they take this one's place.
                    __m128i next = _mm_sha256msg1_epu32(now, v[(step + 1) & 3]);
                    next = _mm_add_epi32(next, _mm_alignr_epi8(v[(step + 3) & 3], v[(step + 2) & 3], 4));
                    v[step & 3] = _mm_sha256msg2_epu32(next, v[(step + 3) & 3]);
                }
            }
        }
        for (int m = 0; m < 2; m++) {
            upper[m] = _mm_add_epi32(upper[m], first[m]);
            lower[m] = _mm_add_epi32(lower[m], second[m]);
        }
    }
    for (int m = 0; m < 2; m++) {
        heads[m][0] = (uint64_t)_mm_extract_epi64(upper[m], 1);
        heads[m][1] = (uint64_t)_mm_extract_epi64(lower[m], 1);
    }
}

static int has_instructions(void) {
    static int known = -1;
    if (known < 0) {
        __builtin_cpu_init();
        unsigned a = 7, b = 0, c = 0, d = 0;
        __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        known = (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
    }
    return known;
}
#endif

void tt_sha256_pair(const uint8_t *a, const uint8_t *b, size_t blocks, uint64_t head_a[2], uint64_t head_b[2]) {
#if defined(__x86_64__)
    if (has_instructions()) {
        const uint8_t *const messages[2] = {a, b};
        uint64_t *const heads[2] = {head_a, head_b};
        pair_by_instructions(messages, blocks, heads);
        return;
    }
#endif
    one(a, blocks, head_a);
    one(b, blocks, head_b);
}
