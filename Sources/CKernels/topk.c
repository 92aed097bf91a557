#include "CKernels.h"
#include "vectors.h"
#include <float.h>
#include <math.h>

// Whether (a, index_a) comes after (b, index_b) in the result: smaller, or equal with a greater index.
TT_INLINE bool comes_after(float a, int32_t index_a, float b, int32_t index_b) {
    return a < b || (a == b && index_a > index_b);
}

static void sift_down(float *values, int32_t *indices, long root, long count) {
    for (;;) {
        long child = 2 * root + 1;
        if (child >= count) return;
        if (child + 1 < count && comes_after(values[child + 1], indices[child + 1], values[child], indices[child]))
            child++;
        if (!comes_after(values[child], indices[child], values[root], indices[root])) return;
        float value = values[root];
        int32_t index = indices[root];
        values[root] = values[child];
        indices[root] = indices[child];
        values[child] = value;
        indices[child] = index;
        root = child;
    }
}

// The second half of a heapsort: from a min-heap to descending order.
static void sort_heap(float *values, int32_t *indices, long k) {
    for (long last = k - 1; last > 0; last--) {
        float value = values[0];
        int32_t index = indices[0];
        values[0] = values[last];
        indices[0] = indices[last];
        values[last] = value;
        indices[last] = index;
        sift_down(values, indices, 0, last);
    }
}

// A min-heap of the k best so far. NaN counts as the smallest.
void tt_top_k(float *values, int32_t *indices, const float *x, long d, long k) {
    if (k <= 0) return;
    for (long i = 0; i < k; i++) {
        values[i] = isnan(x[i]) ? -INFINITY : x[i];
        indices[i] = (int32_t)i;
    }
    for (long root = k / 2 - 1; root >= 0; root--) sift_down(values, indices, root, k);
    for (long i = k; i < d; i++)
        if (x[i] > values[0]) {
            values[0] = x[i];
            indices[0] = (int32_t)i;
            sift_down(values, indices, 0, k);
        }
    sort_heap(values, indices, k);
    for (long i = 0; i < k; i++) values[i] = x[indices[i]];
}

// ---- streaming top-k

static void replace_root(float *values, int32_t *indices, float value, int32_t index, long k) {
    values[0] = value;
    indices[0] = index;
    sift_down(values, indices, 0, k);
}

void tt_top_k_begin(float *values, int32_t *indices, long count) {
    for (long i = 0; i < count; i++) {
        values[i] = -FLT_MAX;
        indices[i] = INT32_MAX;
    }
}

enum { STRIDE = 4 * LANES };

TT_KERNEL(long, tt_top_k_update,
          (float *values, int32_t *indices, const float *x, long n, long width, long k, int32_t first),
          (values, indices, x, n, width, k, first)) {
    for (long row = 0; row < n; row++) {
        const float *from = x + row * width;
        float *best = values + row * k;
        int32_t *best_indices = indices + row * k;
        i16 not_finite = {0};
        long j = 0;
        for (; j + STRIDE <= width; j += STRIDE) {
            f16 a = LOAD(from + j), b = LOAD(from + j + LANES), c = LOAD(from + j + 2 * LANES);
            f16 d = LOAD(from + j + 3 * LANES), threshold = (f16){0} + best[0];
            // x - x is 0 only for finite numbers.
            f16 zero = (a - a) + (b - b) + (c - c) + (d - d);
            not_finite |= zero != zero;
            i16 better = (a > threshold) | (b > threshold) | (c > threshold) | (d > threshold);
            if (!__builtin_reduce_or(better)) continue;
            for (long i = j; i < j + STRIDE; i++)
                if (from[i] > best[0]) replace_root(best, best_indices, from[i], first + (int32_t)i, k);
        }
        bool is_not_finite = __builtin_reduce_or(not_finite);
        for (; j < width; j++) {
            is_not_finite |= !(fabsf(from[j]) <= FLT_MAX);
            if (from[j] > best[0]) replace_root(best, best_indices, from[j], first + (int32_t)j, k);
        }
        if (is_not_finite) return row;
    }
    return -1;
}

void tt_top_k_finish(float *values, int32_t *indices, long n, long k) {
    for (long row = 0; row < n; row++) {
        float *best = values + row * k;
        int32_t *best_indices = indices + row * k;
        sort_heap(best, best_indices, k);
        for (long i = k - 1; i >= 0 && best_indices[i] == INT32_MAX; i--) {
            best[i] = -INFINITY;
            best_indices[i] = -1;
        }
    }
}
