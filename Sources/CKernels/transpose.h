// Transposition in tiles of 16 by 16, whose rows are whole cache lines.
#pragma once
#include "vectors.h"

// One round of a butterfly transpose: swaps blocks of `step` elements between rows `step` apart.
#define EXCHANGE(vector, r, side, step, LOW, HIGH)                                                                     \
    _Pragma("clang loop unroll(full)") for (int i_ = 0; i_ < (side); i_++) if (!(i_ & (step))) {                       \
        vector a_ = (r)[i_], b_ = (r)[i_ + (step)];                                                                    \
        (r)[i_] = __builtin_shufflevector(a_, b_, LOW);                                                                \
        (r)[i_ + (step)] = __builtin_shufflevector(a_, b_, HIGH);                                                      \
    }
#define LOW16_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH16_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW16_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH16_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW16_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH16_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW16_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH16_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define LOW8_4 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH8_4 4, 5, 6, 7, 12, 13, 14, 15
#define LOW8_2 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH8_2 2, 3, 10, 11, 6, 7, 14, 15
#define LOW8_1 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH8_1 1, 9, 3, 11, 5, 13, 7, 15

typedef float f8u __attribute__((vector_size(32), aligned(4)));

TT_INLINE void transpose_16x16(float *out, long out_stride, const float *x, long stride) {
    f16 r[16];
    for (int l = 0; l < 16; l++) r[l] = LOAD(x + l * stride);
    EXCHANGE(f16, r, 16, 8, LOW16_8, HIGH16_8)
    EXCHANGE(f16, r, 16, 4, LOW16_4, HIGH16_4)
    EXCHANGE(f16, r, 16, 2, LOW16_2, HIGH16_2)
    EXCHANGE(f16, r, 16, 1, LOW16_1, HIGH16_1)
    for (int l = 0; l < 16; l++) STORE(out + l * out_stride, r[l]);
}

TT_INLINE void transpose_8x8(float *out, long out_stride, const float *x, long stride) {
    f8 r[8];
    for (int l = 0; l < 8; l++) r[l] = *(const f8u *)(x + l * stride);
    EXCHANGE(f8, r, 8, 4, LOW8_4, HIGH8_4)
    EXCHANGE(f8, r, 8, 2, LOW8_2, HIGH8_2)
    EXCHANGE(f8, r, 8, 1, LOW8_1, HIGH8_1)
    for (int l = 0; l < 8; l++) *(f8u *)(out + l * out_stride) = r[l];
}

// AVX-512 registers hold a row of a tile; the other sets transpose its quarters.
TT_INLINE void transpose_tile(const int set, float *out, long out_stride, const float *x, long stride) {
    if (set == TT_AVX512) return transpose_16x16(out, out_stride, x, stride);
    for (int j = 0; j < 16; j += 8)
        for (int i = 0; i < 16; i += 8) transpose_8x8(out + j * out_stride + i, out_stride, x + i * stride + j, stride);
}

// out[j * out_stride + i] = x[i * stride + j] for i < n, j < m; rows of out are zero-padded to `padded` elements.
TT_INLINE void transpose(const int set, float *out, long out_stride, const float *x, long stride, long n, long m,
                         long padded) {
    for (long i = 0; i < n; i += LANES)
        for (long j = 0; j < m; j += LANES) {
            if (i + LANES <= n && j + LANES <= m) {
                transpose_tile(set, out + j * out_stride + i, out_stride, x + i * stride + j, stride);
                continue;
            }
            for (long jj = j; jj < j + LANES && jj < m; jj++)
                for (long ii = i; ii < i + LANES && ii < padded; ii++)
                    out[jj * out_stride + ii] = ii < n ? x[ii * stride + jj] : 0;
        }
}
