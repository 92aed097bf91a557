#include "CKernels.h"
#include "vectors.h"
#include <math.h>
#include <stdlib.h>

// Two rounds of a 32-bit integer hash ("lowbias32", Chris Wellons), the key mixed in before each; scalars or vectors.
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

// The counter has 64 bits: its upper half goes into the key, so that the pattern of a huge tensor does not repeat.
TT_INLINE uint32_t key_low(tt_dropout dropout, uint64_t element) {
    return (uint32_t)dropout.key + (uint32_t)(element >> 32) * 0x9e3779b9u;
}
TT_INLINE uint32_t key_high(tt_dropout dropout) { return (uint32_t)(dropout.key >> 32); }

TT_INLINE bool keeps(tt_dropout dropout, uint64_t element) {
    uint32_t x = (uint32_t)element;
    HASH(x, key_low(dropout, element), key_high(dropout));
    return x >= dropout.threshold;
}

// v = keep ? v * scale : 0 for sixteen elements from `element` on.
#define DROPOUT16(v, dropout, element)                                                                                 \
    do {                                                                                                               \
        uint64_t e_ = (element);                                                                                       \
        u16 x_;                                                                                                        \
        memcpy(&x_, lane_numbers, sizeof x_);                                                                          \
        if ((uint32_t)e_ > UINT32_MAX - LANES) {                                                                       \
            f16 w_ = (v);                                                                                              \
            for (int l_ = 0; l_ < LANES; l_++)                                                                         \
                w_[l_] = keeps(dropout, e_ + (uint64_t)l_) ? w_[l_] * (dropout).scale : 0;                             \
            (v) = w_;                                                                                                  \
        } else {                                                                                                       \
            x_ += (uint32_t)e_;                                                                                        \
            HASH(x_, key_low(dropout, e_), key_high(dropout));                                                         \
            u16 keep_ = (u16)(x_ >= (dropout).threshold);                                                              \
            (v) = (f16)((u16)((v) * (dropout).scale) & keep_);                                                         \
        }                                                                                                              \
    } while (0)

// NaN propagates, so that it shows in the loss.
#define RELU16(v) ((f16)((u16)(v) & ~(u16)((v) <= 0.0f)))
#define RELU(v) ((v) <= 0 ? 0 : (v))

TT_KERNEL(void, tt_apply_dropout, (float *out, const float *x, long n, tt_dropout dropout), (out, x, n, dropout)) {
    long i = 0;
    for (; i + LANES <= n; i += LANES) {
        f16 v = LOAD(x + i);
        DROPOUT16(v, dropout, (uint64_t)i);
        STORE(out + i, v);
    }
    for (; i < n; i++) out[i] = keeps(dropout, (uint64_t)i) ? x[i] * dropout.scale : 0;
}

// to = dropout(relu(x + bias)) for d elements, the first at index `element` of the tensor.
TT_INLINE void bias_relu_dropout(float *to, const float *x, const float *bias, uint64_t element, long d, bool relu,
                                 tt_dropout dropout) {
    long j = 0;
    for (; j + LANES <= d; j += LANES) {
        f16 v = LOAD(x + j);
        if (bias) v += LOAD(bias + j);
        if (relu) {
            v = RELU16(v);
            if (dropout.threshold) DROPOUT16(v, dropout, element + (uint64_t)j);
        }
        STORE(to + j, v);
    }
    for (; j < d; j++) {
        float v = x[j] + (bias ? bias[j] : 0);
        if (relu) {
            v = RELU(v);
            if (dropout.threshold) v = keeps(dropout, element + (uint64_t)j) ? v * dropout.scale : 0;
        }
        to[j] = v;
    }
}

TT_KERNEL(void, tt_bias_relu_dropout,
          (float *x, const float *bias, long first, long last, long d, long from, long to, bool relu,
           tt_dropout dropout),
          (x, bias, first, last, d, from, to, relu, dropout)) {
    for (long i = first; i < last; i++) {
        long at = i * d + from;
        bias_relu_dropout(x + at, x + at, bias ? bias + from : 0, (uint64_t)at, to - from, relu, dropout);
    }
}

TT_KERNEL(void, tt_relu_dropout_backward,
          (float *restrict dx, float *restrict db, const float *restrict g, const float *restrict y, long n, long d,
           float scale),
          (dx, db, g, y, n, d, scale)) {
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

long tt_group_scratch(long n) {
    long slots = 4;
    while (slots < 2 * n) slots *= 2;
    return slots + n;
}

// A hash table of each row's first sample, then a counting sort by row.
long tt_group_samples(int32_t *starts, int32_t *samples, int32_t *scratch, const int32_t *rows, long n) {
    long slots = tt_group_scratch(n) - n, found = 0;
    int32_t *numbers = scratch, *table = scratch + n;
    memset(table, 0xff, (size_t)slots * sizeof *table);
    memset(starts, 0, (size_t)(n + 1) * sizeof *starts);
    for (long i = 0; i < n; i++) {
        long slot = (long)((uint32_t)rows[i] * 0x9e3779b1u >> 7) & (slots - 1);
        while (table[slot] >= 0 && rows[table[slot]] != rows[i]) slot = (slot + 1) & (slots - 1);
        if (table[slot] < 0) {
            table[slot] = (int32_t)i;
            numbers[i] = (int32_t)found++;
        } else {
            numbers[i] = numbers[table[slot]];
        }
        starts[numbers[i] + 1]++;
    }
    for (long u = 0; u < found; u++) starts[u + 1] += starts[u];
    for (long i = 0; i < n; i++) samples[starts[numbers[i]]++] = (int32_t)i;
    memmove(starts + 1, starts, (size_t)found * sizeof *starts);
    starts[0] = 0;
    return found;
}

// Accumulators that fit the registers beside the operands.
#define SPARSE_VECTORS(set) ((set) == TT_AVX512 ? 8 : 4)

// `vectors` vectors of the result stay in registers while the weight rows of one row stream through.
TT_INLINE void sparse_rows(const int set, float *y, tt_row_batch x, const float *weight, const float *bias, long first,
                           long last, long d, long j, const int vectors, bool relu, tt_dropout dropout) {
    for (long u = first; u < last; u++) {
        f16 acc[8];
        for (int l = 0; l < vectors; l++) acc[l] = bias ? LOAD(bias + j + l * LANES) : (f16){0};
        // Weight rows are scattered: prefetch those of a later row.
        if (u + 2 < last)
            for (long e = x.offsets[u + 2]; e < x.offsets[u + 3]; e++)
                for (int l = 0; l < vectors; l++) __builtin_prefetch(weight + (long)x.columns[e] * d + j + l * LANES);
        const float *dense = x.dense + u * x.d0;
        for (long k = 0; k < x.d0; k++) {
            const float *w = weight + k * d + j;
            f16 v = SPLAT(dense[k]);
            for (int l = 0; l < vectors; l++) MULTIPLY_ADD(acc[l], v, LOAD(w + l * LANES));
        }
        for (long e = x.offsets[u]; e < x.offsets[u + 1]; e++) {
            const float *w = weight + (long)x.columns[e] * d + j;
            f16 v = SPLAT(x.values[e]);
            for (int l = 0; l < vectors; l++) MULTIPLY_ADD(acc[l], v, LOAD(w + l * LANES));
        }
        if (relu)
            for (int l = 0; l < vectors; l++) acc[l] = RELU16(acc[l]);
        for (long s = x.starts[u]; s < x.starts[u + 1]; s++) {
            long at = (long)x.samples[s] * d + j;
            for (int l = 0; l < vectors; l++) {
                f16 v = acc[l];
                if (relu && dropout.threshold) DROPOUT16(v, dropout, (uint64_t)(at + l * LANES));
                STORE(y + at + l * LANES, v);
            }
        }
    }
}

TT_KERNEL(void, tt_sparse_linear,
          (float *y, tt_row_batch x, const float *weight, const float *bias, long first, long last, long d, bool relu,
           tt_dropout dropout),
          (y, x, weight, bias, first, last, d, relu, dropout)) {
    const int vectors = SPARSE_VECTORS(set);
    long j = 0;
    for (; j + vectors * LANES <= d; j += vectors * LANES)
        sparse_rows(set, y, x, weight, bias, first, last, d, j, vectors, relu, dropout);
    for (; j + LANES <= d; j += LANES) sparse_rows(set, y, x, weight, bias, first, last, d, j, 1, relu, dropout);
    for (long rest = j, u = first; u < last; u++)
        for (j = rest; j < d; j++) {
            float sum = bias ? bias[j] : 0;
            const float *dense = x.dense + u * x.d0;
            for (long k = 0; k < x.d0; k++) sum = fmaf(dense[k], weight[k * d + j], sum);
            for (long e = x.offsets[u]; e < x.offsets[u + 1]; e++)
                sum = fmaf(x.values[e], weight[(long)x.columns[e] * d + j], sum);
            if (relu) sum = RELU(sum);
            for (long s = x.starts[u]; s < x.starts[u + 1]; s++) {
                long at = (long)x.samples[s] * d + j;
                y[at] = !relu || !dropout.threshold ? sum : keeps(dropout, (uint64_t)at) ? sum * dropout.scale : 0;
            }
        }
}

TT_KERNEL(void, tt_expand_rows,
          (float *out, const int32_t *rows, long m, long width, const float *dense, long d0,
           const tt_sparse_part *parts, long count),
          (out, rows, m, width, dense, d0, parts, count)) {
    for (long u = 0; u < m; u++, out += width) {
        long row = rows[u];
        // Rows are scattered: prefetch the next ones.
        if (u + 4 < m)
            for (long p = 0; p < count; p++) __builtin_prefetch(parts[p].offsets + rows[u + 4]);
        if (u + 2 < m)
            for (long p = 0; p < count; p++) {
                int64_t e = parts[p].offsets[rows[u + 2]], end = parts[p].offsets[rows[u + 2] + 1];
                for (; e < end; e += LANES) {
                    __builtin_prefetch(parts[p].codes + e);
                    __builtin_prefetch(parts[p].values + e);
                }
            }
        memcpy(out, dense + row * d0, (size_t)d0 * sizeof *out);
        memset(out + d0, 0, (size_t)(width - d0) * sizeof *out);
        for (long p = 0; p < count; p++) {
            float *to = out + parts[p].first;
            for (int64_t e = parts[p].offsets[row]; e < parts[p].offsets[row + 1]; e++)
                to[parts[p].codes[e]] += parts[p].values[e];
        }
    }
}

TT_KERNEL(void, tt_scatter_rows,
          (float *restrict y, const float *restrict z, tt_row_batch x, const float *bias, long first, long last, long d,
           long from, long to, bool relu, tt_dropout dropout),
          (y, z, x, bias, first, last, d, from, to, relu, dropout)) {
    for (long u = first; u < last; u++)
        for (long s = x.starts[u]; s < x.starts[u + 1]; s++) {
            long at = (long)x.samples[s] * d + from;
            bias_relu_dropout(y + at, z + u * d + from, bias ? bias + from : 0, (uint64_t)at, to - from, relu, dropout);
        }
}

TT_KERNEL(void, tt_segment_sum, (float *restrict sums, const float *restrict g, tt_row_batch x, long d),
          (sums, g, x, d)) {
    for (long u = 0; u < x.m; u++) {
        float *sum = sums + u * d;
        memcpy(sum, g + (long)x.samples[x.starts[u]] * d, (size_t)d * sizeof *sum);
        for (long s = x.starts[u] + 1; s < x.starts[u + 1]; s++) {
            const float *other = g + (long)x.samples[s] * d;
            for (long j = 0; j < d; j++) sum[j] += other[j];
        }
    }
}

TT_KERNEL(void, tt_scatter_rows_backward,
          (float *restrict sums, float *restrict db, const float *restrict g, const float *restrict y, tt_row_batch x,
           long d, float scale),
          (sums, db, g, y, x, d, scale)) {
    if (db) memset(db, 0, (size_t)d * sizeof *db);
    for (long u = 0; u < x.m; u++) {
        float *sum = sums + u * d;
        for (long s = x.starts[u]; s < x.starts[u + 1]; s++) {
            const float *gi = g + (long)x.samples[s] * d, *yi = y + (long)x.samples[s] * d;
            if (s == x.starts[u]) {
                for (long j = 0; j < d; j++) sum[j] = yi[j] > 0 ? gi[j] * scale : 0;
            } else {
                for (long j = 0; j < d; j++) sum[j] += yi[j] > 0 ? gi[j] * scale : 0;
            }
        }
        if (db)
            for (long j = 0; j < d; j++) db[j] += sum[j];
    }
}

TT_INLINE void sparse_columns(const int set, float *dw, const float *g, tt_csc x, long d, long j, const int vectors) {
    for (long column = x.first; column < x.width; column++) {
        f16 acc[8];
        for (int l = 0; l < vectors; l++) acc[l] = (f16){0};
        for (long e = x.starts[column]; e < x.starts[column + 1]; e++) {
            const float *gi = g + (long)x.rows[e] * d + j;
            f16 v = SPLAT(x.values[e]);
            for (int l = 0; l < vectors; l++) MULTIPLY_ADD(acc[l], v, LOAD(gi + l * LANES));
        }
        for (int l = 0; l < vectors; l++) STORE(dw + column * d + j + l * LANES, acc[l]);
    }
}

TT_KERNEL(void, tt_sparse_linear_backward, (float *dw, const float *g, tt_csc x, long d, long from, long to),
          (dw, g, x, d, from, to)) {
    const int vectors = SPARSE_VECTORS(set);
    long j = from;
    for (; j + vectors * LANES <= to; j += vectors * LANES) sparse_columns(set, dw, g, x, d, j, vectors);
    for (; j + LANES <= to; j += LANES) sparse_columns(set, dw, g, x, d, j, 1);
    for (; j < to; j++)
        for (long column = x.first; column < x.width; column++) {
            float sum = 0;
            for (long e = x.starts[column]; e < x.starts[column + 1]; e++)
                sum = fmaf(x.values[e], g[(long)x.rows[e] * d + j], sum);
            dw[column * d + j] = sum;
        }
}

// A counting sort; while it runs, `starts` holds the index of each column's next entry.
void tt_csr_to_csc(int32_t *starts, int32_t *rows, float *values, tt_row_batch x, long width) {
    memset(starts, 0, (size_t)(width + 1) * sizeof *starts);
    int32_t total = x.offsets[x.m];
    for (int32_t e = 0; e < total; e++) starts[x.columns[e]]++;
    for (long column = 0, sum = 0; column <= width; column++) {
        int32_t count = starts[column];
        starts[column] = (int32_t)sum;
        sum += count;
    }
    for (long u = 0; u < x.m; u++)
        for (int32_t e = x.offsets[u]; e < x.offsets[u + 1]; e++) {
            int32_t to = starts[x.columns[e]]++;
            rows[to] = (int32_t)u;
            values[to] = x.values[e];
        }
    memmove(starts + 1, starts, (size_t)width * sizeof *starts);
    starts[0] = 0;
}
