#include "CKernels.h"
#include "CMath.h"
#include "functions.h"

void tt_gather_rows(float *out, const float *x, const int32_t *rows, long n, long d) {
    if (d == 1) {
        for (long i = 0; i < n; i++) out[i] = x[rows[i]];
        return;
    }
    for (long i = 0; i < n; i++) memcpy(out + i * d, x + rows[i] * d, (size_t)d * sizeof(float));
}

TT_KERNEL(void, tt_scatter_add_rows, (float *restrict x, const float *restrict g, const int32_t *rows, long n, long d),
          (x, g, rows, n, d)) {
    for (long i = 0; i < n; i++) {
        float *row = x + rows[i] * d;
        for (long j = 0; j < d; j++) row[j] += g[i * d + j];
    }
}

#define DOT(a, b, d, result)                                                                                           \
    do {                                                                                                               \
        f16 lanes = {0};                                                                                               \
        long j_ = 0;                                                                                                   \
        for (; j_ + LANES <= (d); j_ += LANES) lanes += LOAD((a) + j_) * LOAD((b) + j_);                               \
        float total_;                                                                                                  \
        SUM_LANES(lanes, total_);                                                                                      \
        for (; j_ < (d); j_++) total_ += (a)[j_] * (b)[j_];                                                            \
        (result) = total_;                                                                                             \
    } while (0)

TT_KERNEL(void, tt_dot_rows, (float *out, const float *a, const float *b, long n, long d), (out, a, b, n, d)) {
    for (long i = 0; i < n; i++) DOT(a + i * d, b + i * d, d, out[i]);
}

TT_KERNEL(void, tt_scale_rows, (float *restrict out, const float *restrict g, const float *restrict x, long n, long d),
          (out, g, x, n, d)) {
    for (long i = 0; i < n; i++) {
        float factor = g[i];
        for (long j = 0; j < d; j++) out[i * d + j] = factor * x[i * d + j];
    }
}

TT_KERNEL(void, tt_normalize_rows,
          (float *restrict y, float *restrict norms, const float *restrict x, long n, long d, float eps),
          (y, norms, x, n, d, eps)) {
    for (long i = 0; i < n; i++) {
        const float *row = x + i * d;
        float square;
        DOT(row, row, d, square);
        float norm = __builtin_sqrtf(square);
        if (norm < eps) norm = eps;
        norms[i] = norm;
        for (long j = 0; j < d; j++) y[i * d + j] = row[j] / norm;
    }
}

// dx = (g - y (y . g)) / norm; where the norm is clamped to eps it is a constant, dx = g / eps.
TT_KERNEL(void, tt_normalize_rows_backward,
          (float *restrict dx, const float *restrict g, const float *restrict y, const float *restrict norms, long n,
           long d, float eps),
          (dx, g, y, norms, n, d, eps)) {
    for (long i = 0; i < n; i++) {
        const float *gi = g + i * d, *yi = y + i * d;
        float dot;
        DOT(gi, yi, d, dot);
        if (norms[i] <= eps) dot = 0;
        float inverse = 1 / norms[i];
        for (long j = 0; j < d; j++) dx[i * d + j] = (gi[j] - yi[j] * dot) * inverse;
    }
}

TT_KERNEL(void, tt_softmax_rows, (float *y, const float *x, long n, long d, bool logarithm), (y, x, n, d, logarithm)) {
    for (long i = 0; i < n; i++) {
        const float *row = x + i * d;
        float *to = y + i * d, top = row[0];
        for (long j = 1; j < d; j++) top = row[j] > top ? row[j] : top;
        double total = 0;
        for (long j = 0; j < d; j += LANES) {
            float powers[LANES];
            long count = d - j < LANES ? d - j : LANES;
            EACH16(powers, row + j, row + j, count, {
                x16 -= top;
                exp16(&y16, &x16);
            })
            if (!logarithm) memcpy(to + j, powers, (size_t)count * sizeof *to);
            for (long l = 0; l < count; l++) total += powers[l];
        }
        if (logarithm) {
            float shift = top + (float)tt_log(total);
            for (long j = 0; j < d; j++) to[j] = row[j] - shift;
        } else {
            float inverse = (float)(1 / total);
            for (long j = 0; j < d; j++) to[j] *= inverse;
        }
    }
}

TT_KERNEL(void, tt_softmax_rows_backward, (float *dx, const float *g, const float *y, long n, long d, bool logarithm),
          (dx, g, y, n, d, logarithm)) {
    for (long i = 0; i < n; i++) {
        const float *gi = g + i * d, *yi = y + i * d;
        float *to = dx + i * d;
        if (logarithm) {
            float total = 0;
            for (long j = 0; j < d; j++) total += gi[j];
            EACH16(to, yi, gi, d, {
                exp16(&y16, &x16);
                y16 = g16 - y16 * total;
            })
        } else {
            float dot;
            DOT(gi, yi, d, dot);
            for (long j = 0; j < d; j++) to[j] = yi[j] * (gi[j] - dot);
        }
    }
}
