#include "CKernels.h"
#include "CMath.h"
#include "functions.h"

#define BINARY(expression)                                                                                             \
    if (stride_a && stride_b) {                                                                                        \
        for (long i = 0; i < n; i++) { float x = a[i], y = b[i]; out[i] = (expression); }                              \
    } else if (stride_a) {                                                                                             \
        float y = b[0];                                                                                                \
        for (long i = 0; i < n; i++) { float x = a[i]; out[i] = (expression); }                                        \
    } else if (stride_b) {                                                                                             \
        float x = a[0];                                                                                                \
        for (long i = 0; i < n; i++) { float y = b[i]; out[i] = (expression); }                                        \
    } else {                                                                                                           \
        float x = a[0], y = b[0], value = (expression);                                                                \
        for (long i = 0; i < n; i++) out[i] = value;                                                                   \
    }                                                                                                                  \
    break

TT_KERNEL(void, tt_binary,
          (enum tt_binary_op op, float *out, const float *a, long stride_a, const float *b, long stride_b, long n),
          (op, out, a, stride_a, b, stride_b, n)) {
    switch (op) {
    case TT_ADD: BINARY(x + y);
    case TT_SUBTRACT: BINARY(x - y);
    case TT_MULTIPLY: BINARY(x * y);
    case TT_DIVIDE: BINARY(x / y);
    case TT_EQUAL: BINARY(x == y ? 1.0f : 0.0f);
    case TT_LESS: BINARY(x < y ? 1.0f : 0.0f);
    case TT_LESS_EQUAL: BINARY(x <= y ? 1.0f : 0.0f);
    }
}

TT_KERNEL(void, tt_divide_backward,
          (float *out, const float *g, const float *a, long stride_a, const float *b, long stride_b, long n),
          (out, g, a, stride_a, b, stride_b, n)) {
    for (long i = 0; i < n; i++) {
        float y = b[i * stride_b];
        out[i] = -g[i] * a[i * stride_a] / (y * y);
    }
}

#define UNARY(expression)                                                                                              \
    for (long i = 0; i < n; i++) { float v = x[i]; y[i] = (expression); }                                              \
    break
#define UNARY16(function) EACH16(y, x, x, n, function(&y16, &x16)) break

TT_KERNEL(void, tt_unary, (enum tt_unary_op op, float *y, const float *x, long n, float p, float q),
          (op, y, x, n, p, q)) {
    switch (op) {
    case TT_NEGATE: UNARY(-v);
    case TT_EXP: UNARY16(exp16);
    case TT_LOG: UNARY16(log16);
    case TT_SQRT: UNARY(__builtin_sqrtf(v));
    case TT_TANH: UNARY16(tanh16);
    case TT_SIGMOID: UNARY16(sigmoid16);
    case TT_RELU: UNARY(v < 0 ? 0 : v);  // keeps NaN
    case TT_ABS: UNARY(fabsf(v));
    case TT_POW:
        if (p == 2) { UNARY(v * v); }
        UNARY((float)tt_pow(v, p));
    case TT_CLAMP: UNARY(v < p ? p : (v > q ? q : v));
    case TT_AFFINE: UNARY(p * v + q);
    }
}

#define UNARY_BACKWARD(expression)                                                                                     \
    for (long i = 0; i < n; i++) { float v = x[i], r = y[i]; (void)v; (void)r; dx[i] = g[i] * (expression); }          \
    break

TT_KERNEL(void, tt_unary_backward,
          (enum tt_unary_op op, float *dx, const float *g, const float *x, const float *y, long n, float p, float q),
          (op, dx, g, x, y, n, p, q)) {
    switch (op) {
    case TT_NEGATE: UNARY_BACKWARD(-1.0f);
    case TT_EXP: UNARY_BACKWARD(r);
    case TT_LOG: UNARY_BACKWARD(1 / v);
    case TT_SQRT: UNARY_BACKWARD(0.5f / r);
    case TT_TANH: UNARY_BACKWARD(1 - r * r);
    case TT_SIGMOID: UNARY_BACKWARD(r * (1 - r));
    case TT_RELU: UNARY_BACKWARD(v > 0 ? 1.0f : 0.0f);
    case TT_ABS: UNARY_BACKWARD(v > 0 ? 1.0f : (v < 0 ? -1.0f : 0.0f));
    case TT_POW:
        if (p == 2) { UNARY_BACKWARD(2 * v); }
        if (p == 0) { UNARY_BACKWARD(0.0f); }  // also at 0, where p * 0^(p - 1) is 0 * infinity
        UNARY_BACKWARD(p * (float)tt_pow(v, p - 1));
    case TT_CLAMP: UNARY_BACKWARD(v >= p && v <= q ? 1.0f : 0.0f);
    case TT_AFFINE: UNARY_BACKWARD(p);
    }
}

TT_KERNEL(void, tt_accumulate, (float *restrict sum, const float *restrict x, long n), (sum, x, n)) {
    for (long i = 0; i < n; i++) sum[i] += x[i];
}

TT_KERNEL(void, tt_scale, (float *x, float factor, long n), (x, factor, n)) {
    for (long i = 0; i < n; i++) x[i] *= factor;
}

TT_KERNEL(void, tt_fill, (float *x, float value, long n), (x, value, n)) {
    for (long i = 0; i < n; i++) x[i] = value;
}

// In tiles, so that both sides stay in the cache.
TT_KERNEL(void, tt_swap_axes,
          (float *restrict out, const float *restrict x, long outer, long a, long middle, long b, long inner),
          (out, x, outer, a, middle, b, inner)) {
    enum { TILE = 32 };
    for (long o = 0; o < outer; o++)
        for (long m = 0; m < middle; m++)
            for (long i0 = 0; i0 < a; i0 += TILE)
                for (long j0 = 0; j0 < b; j0 += TILE) {
                    long i1 = i0 + TILE < a ? i0 + TILE : a, j1 = j0 + TILE < b ? j0 + TILE : b;
                    for (long j = j0; j < j1; j++)
                        for (long i = i0; i < i1; i++) {
                            const float *from = x + (((o * a + i) * middle + m) * b + j) * inner;
                            float *to = out + (((o * b + j) * middle + m) * a + i) * inner;
                            for (long k = 0; k < inner; k++) to[k] = from[k];
                        }
                }
}
