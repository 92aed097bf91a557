#include "CKernels.h"
#include "vectors.h"
#include <stdlib.h>

// Two rounds of a 32-bit integer hash ("lowbias32", Chris Wellons), the key mixed in before each. Sixteen at a time.
#define HASH(x, low, high)                                                                                             \
    do {                                                                                                               \
        x += (low);                                                                                                    \
        x ^= x >> 16;                                                                                                  \
        x *= 0x7feb352du;                                                                                              \
        x ^= x >> 15;                                                                                                  \
        x *= 0x846ca68bu;                                                                                              \
        x ^= x >> 16;                                                                                                  \
        x ^= (high);                                                                                                   \
        x *= 0xd168aaadu;                                                                                              \
        x ^= x >> 15;                                                                                                  \
        x *= 0xaf723597u;                                                                                              \
        x ^= x >> 15;                                                                                                  \
    } while (0)

static const uint32_t lane_numbers[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The counter is 64 bits: its upper half goes into the key, so that a huge tensor does not repeat itself.
TT_INLINE uint32_t key_low(tt_dropout drop, uint64_t element) {
    return (uint32_t)drop.key + (uint32_t)(element >> 32) * 0x9e3779b9u;
}
TT_INLINE uint32_t key_high(tt_dropout drop) { return (uint32_t)(drop.key >> 32); }

TT_INLINE bool keeps(tt_dropout drop, uint64_t element) {
    uint32_t x = (uint32_t)element;
    HASH(x, key_low(drop, element), key_high(drop));
    return x >= drop.threshold;
}

// v = keep ? v * scale : 0 for sixteen elements from `element` on.
#define DROP16(v, drop, element)                                                                                       \
    do {                                                                                                               \
        uint64_t e_ = (element);                                                                                       \
        u16 x_;                                                                                                        \
        memcpy(&x_, lane_numbers, sizeof x_);                                                                          \
        if ((uint32_t)e_ > UINT32_MAX - LANES) {                                                                       \
            f16 w_ = (v);                                                                                              \
            for (int l_ = 0; l_ < LANES; l_++) w_[l_] = keeps(drop, e_ + (uint64_t)l_) ? w_[l_] * (drop).scale : 0;    \
            (v) = w_;                                                                                                  \
        } else {                                                                                                       \
            x_ += (uint32_t)e_;                                                                                        \
            HASH(x_, key_low(drop, e_), key_high(drop));                                                               \
            u16 keep_ = (u16)(x_ >= (drop).threshold);                                                                 \
            (v) = (f16)((u16)((v) * (drop).scale) & keep_);                                                            \
        }                                                                                                              \
    } while (0)

// NaN stays NaN, so that it reaches the loss and is seen.
#define RELU16(v) ((f16)((u16)(v) & ~(u16)((v) <= 0.0f)))
#define RELU(v) ((v) <= 0 ? 0 : (v))

TT_KERNEL void tt_drop(float *out, const float *x, long n, tt_dropout drop) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) {
        f16 v = LOAD(x + i);
        DROP16(v, drop, (uint64_t)i);
        STORE(out + i, v);
    }
    for (; i < n; i++) out[i] = keeps(drop, (uint64_t)i) ? x[i] * drop.scale : 0;
}

TT_KERNEL void tt_bias_relu_dropout(float *x, const float *bias, long n, long d, bool relu, tt_dropout drop) {
    for (long i = 0; i < n; i++) {
        float *row = x + i * d;
        long j = 0;
        for (; j + LANES <= d; j += LANES) {
            f16 v = LOAD(row + j);
            if (bias) v += LOAD(bias + j);
            if (relu) {
                v = RELU16(v);
                if (drop.threshold) DROP16(v, drop, (uint64_t)(i * d + j));
            }
            STORE(row + j, v);
        }
        for (; j < d; j++) {
            float v = row[j] + (bias ? bias[j] : 0);
            if (relu) {
                v = RELU(v);
                if (drop.threshold) v = keeps(drop, (uint64_t)(i * d + j)) ? v * drop.scale : 0;
            }
            row[j] = v;
        }
    }
}

TT_KERNEL void tt_relu_dropout_backward(float *restrict dx, float *restrict db, const float *restrict g,
                                        const float *restrict y, long n, long d, float scale) {
    if (db) memset(db, 0, (size_t)d * sizeof(float));
    for (long i = 0; i < n; i++) {
        const float *gi = g + i * d, *yi = y + i * d;
        float *to = dx + i * d;
        if (db) {
            for (long j = 0; j < d; j++) {
                float v = yi[j] > 0 ? gi[j] * scale : 0;
                to[j] = v;
                db[j] += v;
            }
        } else {
            for (long j = 0; j < d; j++) to[j] = yi[j] > 0 ? gi[j] * scale : 0;
        }
    }
}

// Sixty-four columns of the result stay in registers while the weight rows of one sample stream through.
TT_KERNEL void tt_sparse_linear(float *y, tt_rows x, const float *weight, const float *bias, long d, bool relu,
                                tt_dropout drop) {
    long blocked = d / (4 * LANES) * (4 * LANES);
    for (long j = 0; j < blocked; j += 4 * LANES) {
        for (long i = 0; i < x.n; i++) {
            f16 acc[4];
            for (int l = 0; l < 4; l++) acc[l] = bias ? LOAD(bias + j + l * LANES) : (f16){0};
            const float *dense = x.dense + i * x.d0;
            for (long k = 0; k < x.d0; k++) {
                const float *w = weight + k * d + j;
                float v = dense[k];
                for (int l = 0; l < 4; l++) acc[l] += v * LOAD(w + l * LANES);
            }
            for (long e = x.offsets[i]; e < x.offsets[i + 1]; e++) {
                const float *w = weight + (long)x.columns[e] * d + j;
                float v = x.values[e];
                for (int l = 0; l < 4; l++) acc[l] += v * LOAD(w + l * LANES);
            }
            if (relu)
                for (int l = 0; l < 4; l++) {
                    acc[l] = RELU16(acc[l]);
                    if (drop.threshold) DROP16(acc[l], drop, (uint64_t)(i * d + j + l * LANES));
                }
            for (int l = 0; l < 4; l++) STORE(y + i * d + j + l * LANES, acc[l]);
        }
    }
    for (long i = 0; i < x.n; i++)
        for (long j = blocked; j < d; j++) {
            float sum = bias ? bias[j] : 0;
            for (long k = 0; k < x.d0; k++) sum += x.dense[i * x.d0 + k] * weight[k * d + j];
            for (long e = x.offsets[i]; e < x.offsets[i + 1]; e++)
                sum += x.values[e] * weight[(long)x.columns[e] * d + j];
            if (relu) {
                sum = RELU(sum);
                if (drop.threshold) sum = keeps(drop, (uint64_t)(i * d + j)) ? sum * drop.scale : 0;
            }
            y[i * d + j] = sum;
        }
}

TT_KERNEL void tt_sparse_linear_backward(float *dw, const float *g, const int32_t *columns, const int32_t *rows,
                                         const float *values, long entries, long d, long first, long width) {
    long next = first;  // the first row of dw that has no values yet
    for (long start = 0; start < entries;) {
        long end = start, column = columns[start];
        while (end < entries && columns[end] == column) end++;
        memset(dw + next * d, 0, (size_t)((column - next) * d) * sizeof(float));
        next = column + 1;
        float *to = dw + column * d;
        long j = 0;
        for (; j + 4 * LANES <= d; j += 4 * LANES) {
            f16 acc[4] = {{0}, {0}, {0}, {0}};
            for (long e = start; e < end; e++) {
                const float *gi = g + (long)rows[e] * d + j;
                float v = values[e];
                for (int l = 0; l < 4; l++) acc[l] += v * LOAD(gi + l * LANES);
            }
            for (int l = 0; l < 4; l++) STORE(to + j + l * LANES, acc[l]);
        }
        for (; j < d; j++) {
            float sum = 0;
            for (long e = start; e < end; e++) sum += values[e] * g[(long)rows[e] * d + j];
            to[j] = sum;
        }
        start = end;
    }
    memset(dw + next * d, 0, (size_t)((width - next) * d) * sizeof(float));
}

// Radix sort by 11 bits a pass, as many passes as the width needs; the result always ends in the first arrays.
void tt_sort_entries(int32_t *columns, int32_t *rows, float *values, int32_t *columns_scratch, int32_t *rows_scratch,
                     float *values_scratch, long entries, long width) {
    enum { BITS = 11, SIZE = 1 << BITS };
    int32_t *c = columns, *r = rows, *c2 = columns_scratch, *r2 = rows_scratch;
    float *v = values, *v2 = values_scratch;
    for (int shift = 0; shift == 0 || (width - 1) >> shift > 0; shift += BITS) {
        long starts[SIZE] = {0};
        for (long e = 0; e < entries; e++) starts[(c[e] >> shift) & (SIZE - 1)]++;
        long total = 0;
        for (int k = 0; k < SIZE; k++) {
            long count = starts[k];
            starts[k] = total;
            total += count;
        }
        for (long e = 0; e < entries; e++) {
            long to = starts[(c[e] >> shift) & (SIZE - 1)]++;
            c2[to] = c[e];
            r2[to] = r[e];
            v2[to] = v[e];
        }
        int32_t *swap = c;
        c = c2;
        c2 = swap;
        swap = r;
        r = r2;
        r2 = swap;
        float *swap_values = v;
        v = v2;
        v2 = swap_values;
    }
    if (c != columns) {
        memcpy(columns, c, (size_t)entries * sizeof *c);
        memcpy(rows, r, (size_t)entries * sizeof *r);
        memcpy(values, v, (size_t)entries * sizeof *v);
    }
}
