// exp, log, tanh and sigmoid of sixteen floats, with the same bits in every set of kernels and on every processor: only
// correctly rounded operations, and no FMA. Errors are at most 2 ULP, which Tests/TensorsTests measures. Vectors are
// passed by address, as in vectors.h.
#pragma once
#include "vectors.h"
#include <math.h>

#define SELECT(condition, yes, no) ((f16)(((u16)(condition) & (u16)(yes)) | (~(u16)(condition) & (u16)(no))))

// 2^n for -126 <= n <= 127.
#define POWER_OF_TWO(n) ((f16)(((n) + 127) << 23))

// e^x = 2^n e^r, |r| <= ln 2 / 2. The polynomial is that of Cephes (Moshier, expf.c).
TT_INLINE void exp16(f16 *y, const f16 *x) {
    f16 v = *x;
    // Beyond these the result is infinite or zero; NaN propagates.
    v = SELECT(v > 89.0f, SPLAT(89.0f), v);
    v = SELECT(v < -105.0f, SPLAT(-105.0f), v);
    // Adding 1.5 * 2^23 rounds to an integer, held in the lowest bits.
    f16 shifted = v * 1.44269504088896341f + 12582912.0f, whole = shifted - 12582912.0f;
    i16 n = (i16)shifted - 0x4b400000;
    // ln 2 in two parts, the first so short that its product is exact (Cody and Waite).
    f16 r = (v - whole * 0.693359375f) + whole * 2.12194440e-4f;
    f16 p = SPLAT(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;
    // In two steps: 2^n alone may overflow.
    i16 half = n >> 1;
    *y = (p * POWER_OF_TWO(half)) * POWER_OF_TWO(n - half);
}

// log of x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2): with s = f / (2 + f), log(1 + f) = 2 atanh(s). The polynomial
// is that of FreeBSD (e_logf.c).
TT_INLINE void log16(f16 *y, const f16 *x) {
    f16 v = *x;
    i16 small = v < 1.17549435e-38f;
    f16 scaled = SELECT(small, v * 33554432.0f, v);
    i16 bits = (i16)scaled - 0x3f3504f3;
    i16 k = (bits >> 23) + (small & -25);
    f16 f = (f16)((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
    f16 s = f / (f + 2.0f), z = s * s, w = z * z;
    f16 even = w * (w * 0.24279078841f + 0.40000972152f), odd = z * (w * 0.28498786688f + 0.66666662693f);
    f16 square = f * f * 0.5f, times = __builtin_convertvector(k, f16);
    f16 r = times * 6.9313812256e-01f - ((square - (s * (square + (odd + even)) + times * 9.0580006145e-06f)) - f);
    r = SELECT(v == 0.0f, SPLAT(-INFINITY), r);
    r = SELECT(v == INFINITY, SPLAT(INFINITY), r);
    *y = SELECT(v >= 0.0f, r, SPLAT(NAN));
}

// log(1 + x) for 0 <= x <= 1, corrected for the rounding error of 1 + x.
TT_INLINE void log1p16(f16 *y, const f16 *x) {
    f16 u = *x + 1.0f, l;
    log16(&l, &u);
    *y = l + (*x - (u - 1.0f)) / u;
}

TT_INLINE void exp_of_minus_abs16(f16 *y, const f16 *x) {
    f16 v = (f16)((u16)*x | 0x80000000u);
    exp16(y, &v);
}

// Stable on both sides: exp never sees a large positive argument.
TT_INLINE void sigmoid16(f16 *y, const f16 *x) {
    f16 e;
    exp_of_minus_abs16(&e, x);
    *y = SELECT(*x >= 0.0f, SPLAT(1.0f), e) / (e + 1.0f);
}

// (1 - e) / (1 + e) with e = exp(-2 |x|); near zero, where that cancels, the polynomial of Cephes (tanhf.c).
TT_INLINE void tanh16(f16 *y, const f16 *x) {
    f16 v = *x, twice = v * 2.0f, e, z = v * v;
    exp_of_minus_abs16(&e, &twice);
    f16 far = (1.0f - e) / (e + 1.0f);
    far = (f16)((u16)far | ((u16)v & 0x80000000u));
    f16 p = SPLAT(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    f16 near = p * z * v + v;
    *y = SELECT((f16)((u16)v & 0x7fffffffu) < 0.625f, near, far);
}

// Runs `statement` for each sixteen elements of x and g, in x16 and g16, and stores y16. The tail runs in a padded
// vector, so that an element's bits do not depend on its index.
#define EACH16(y, x, g, n, statement)                                                                                  \
    for (long i_ = 0; i_ < (n); i_ += LANES) {                                                                         \
        f16 x16, g16, y16;                                                                                             \
        if (i_ + LANES <= (n)) {                                                                                       \
            x16 = LOAD((x) + i_), g16 = LOAD((g) + i_);                                                                \
            statement;                                                                                                 \
            STORE((y) + i_, y16);                                                                                      \
        } else {                                                                                                       \
            size_t bytes_ = (size_t)((n) - i_) * sizeof(float);                                                        \
            x16 = SPLAT(0), g16 = SPLAT(0);                                                                            \
            memcpy(&x16, (x) + i_, bytes_), memcpy(&g16, (g) + i_, bytes_);                                            \
            statement;                                                                                                 \
            memcpy((y) + i_, &y16, bytes_);                                                                            \
        }                                                                                                              \
    }
