// Transposing in squares of sixteen.
#pragma once
#include "vectors.h"

// Rows of a square of sixteen become its columns: pairs of elements, of pairs, of fours, of eights change places.
#define EXCHANGE(r, step, LOW, HIGH)                                                                                   \
    for (int i_ = 0; i_ < LANES; i_++)                                                                                 \
        if (!(i_ & (step))) {                                                                                          \
            f16 a_ = (r)[i_], b_ = (r)[i_ + (step)];                                                                   \
            (r)[i_] = __builtin_shufflevector(a_, b_, LOW);                                                            \
            (r)[i_ + (step)] = __builtin_shufflevector(a_, b_, HIGH);                                                  \
        }
#define TURN(r)                                                                                                        \
    do {                                                                                                               \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 8, LOW8, HIGH8)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 4, LOW4, HIGH4)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 2, LOW2, HIGH2)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 1, LOW1, HIGH1)                                                 \
    } while (0)
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31

// out[j * out_step + i] = x[i * step + j] for i < n, j < m; out's rows are filled with zeros up to `padded` elements.
TT_INLINE void turn(float *out, long out_step, const float *x, long step, long n, long m, long padded) {
    for (long i = 0; i < n; i += LANES)
        for (long j = 0; j < m; j += LANES) {
            if (i + LANES <= n && j + LANES <= m) {
                f16 r[LANES];
                for (int l = 0; l < LANES; l++) r[l] = LOAD(x + (i + l) * step + j);
                TURN(r);
                for (int l = 0; l < LANES; l++) STORE(out + (j + l) * out_step + i, r[l]);
                continue;
            }
            for (long jj = j; jj < j + LANES && jj < m; jj++)
                for (long ii = i; ii < i + LANES && ii < padded; ii++)
                    out[jj * out_step + ii] = ii < n ? x[ii * step + jj] : 0;
        }
}
