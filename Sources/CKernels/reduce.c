#include "CKernels.h"
#include "vectors.h"
#include <math.h>

// Blocks of 4096 are summed in sixteen float lanes, the blocks in double: accurate enough, in a fixed order.
TT_KERNEL(float, tt_sum, (const float *x, long n), (x, n)) {
    double total = 0;
    long i = 0;
    while (n - i >= LANES) {
        long end = n - i < 4096 ? i + (n - i) / LANES * LANES : i + 4096;
        f16 lanes = {0};
        for (; i < end; i += LANES) lanes += LOAD(x + i);
        float block;
        SUM_LANES(lanes, block);
        total += block;
    }
    for (; i < n; i++) total += x[i];
    return (float)total;
}

// In double: a gradient of 1e20 is finite, so its norm must be too.
TT_KERNEL(double, tt_sum_squares, (const float *x, long n), (x, n)) {
    double lanes[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            double v = x[i + l];
            lanes[l] += v * v;
        }
    for (; i < n; i++) {
        double v = x[i];
        lanes[i % LANES] += v * v;
    }
    double total = 0;
    for (int l = 0; l < LANES; l++) total += lanes[l];
    return total;
}

TT_LOCAL_KERNEL(void, add_rows, (float *restrict out, const float *restrict x, long n, long inner),
                (out, x, n, inner)) {
    long j = 0;
    for (; j + 4 * LANES <= inner; j += 4 * LANES) {
        f16 a = {0}, b = {0}, c = {0}, d = {0};
        for (long k = 0; k < n; k++) {
            const float *row = x + k * inner + j;
            a += LOAD(row);
            b += LOAD(row + LANES);
            c += LOAD(row + 2 * LANES);
            d += LOAD(row + 3 * LANES);
        }
        STORE(out + j, a);
        STORE(out + j + LANES, b);
        STORE(out + j + 2 * LANES, c);
        STORE(out + j + 3 * LANES, d);
    }
    for (; j < inner; j++) {
        float sum = 0;
        for (long k = 0; k < n; k++) sum += x[k * inner + j];
        out[j] = sum;
    }
}

void tt_sum_middle(float *out, const float *x, long outer, long n, long inner) {
    for (long o = 0; o < outer; o++) {
        if (inner == 1) out[o] = tt_sum(x + o * n, n);
        else add_rows(out + o * inner, x + o * n * inner, n, inner);
    }
}

void tt_max_middle(float *out, int32_t *indices, const float *x, long outer, long n, long inner) {
    for (long o = 0; o < outer; o++)
        for (long i = 0; i < inner; i++) {
            const float *first = x + o * n * inner + i;
            float best = first[0];
            long index = 0;
            for (long k = 1; k < n; k++) {
                float v = first[k * inner];
                if (v > best || (isnan(v) && !isnan(best))) { best = v; index = k; }
            }
            out[o * inner + i] = best;
            indices[o * inner + i] = (int32_t)index;
        }
}

TT_KERNEL(bool, tt_all_finite, (const float *x, long n), (x, n)) {
    uint32_t bad = 0;
    for (long i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, 4);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}
