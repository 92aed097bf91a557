#include "CKernels.h"
#include "vectors.h"
#include <float.h>
#include <math.h>

// True when (a, at) comes after (b, bt) in the answer: smaller, or equal and further right.
TT_INLINE bool comes_after(float a, int32_t at, float b, int32_t bt) { return a < b || (a == b && at > bt); }

static void sift(float *values, int32_t *at, long root, long count) {
    for (;;) {
        long child = 2 * root + 1;
        if (child >= count) return;
        if (child + 1 < count && comes_after(values[child + 1], at[child + 1], values[child], at[child])) child++;
        if (!comes_after(values[child], at[child], values[root], at[root])) return;
        float value = values[root];
        int32_t index = at[root];
        values[root] = values[child];
        at[root] = at[child];
        values[child] = value;
        at[child] = index;
        root = child;
    }
}

// Turns a heap with the worst on top into a list with the best in front.
static void empty_heap(float *values, int32_t *at, long k) {
    for (long last = k - 1; last > 0; last--) {
        float value = values[0];
        int32_t index = at[0];
        values[0] = values[last];
        at[0] = at[last];
        values[last] = value;
        at[last] = index;
        sift(values, at, 0, last);
    }
}

// A heap of the k best so far with the worst on top, emptied from the back. NaN counts as the smallest.
void tt_top_k(float *values, int32_t *at, const float *x, long d, long k) {
    if (k <= 0) return;
    for (long i = 0; i < k; i++) {
        values[i] = isnan(x[i]) ? -INFINITY : x[i];
        at[i] = (int32_t)i;
    }
    for (long root = k / 2 - 1; root >= 0; root--) sift(values, at, root, k);
    for (long i = k; i < d; i++)
        if (x[i] > values[0]) {
            values[0] = x[i];
            at[0] = (int32_t)i;
            sift(values, at, 0, k);
        }
    empty_heap(values, at, k);
    for (long i = 0; i < k; i++) values[i] = x[at[i]];
}

// ---- the k greatest of rows that come in pieces

static void replace_worst(float *values, int32_t *at, float value, int32_t index, long k) {
    values[0] = value;
    at[0] = index;
    sift(values, at, 0, k);
}

void tt_select_begin(float *values, int32_t *at, long count) {
    for (long i = 0; i < count; i++) {
        values[i] = -FLT_MAX;
        at[i] = INT32_MAX;
    }
}

enum { STRIDE = 4 * LANES };

TT_KERNEL(long, tt_select_offer,
          (float *values, int32_t *at, const float *x, long n, long width, long k, int32_t first),
          (values, at, x, n, width, k, first)) {
    for (long row = 0; row < n; row++) {
        const float *from = x + row * width;
        float *best = values + row * k;
        int32_t *place = at + row * k;
        i16 odd = {0};
        long j = 0;
        for (; j + STRIDE <= width; j += STRIDE) {
            f16 a = LOAD(from + j), b = LOAD(from + j + LANES), c = LOAD(from + j + 2 * LANES);
            f16 d = LOAD(from + j + 3 * LANES), bar = (f16){0} + best[0];
            // x - x is 0 for finite numbers alone.
            f16 rest = (a - a) + (b - b) + (c - c) + (d - d);
            odd |= rest != rest;
            i16 better = (a > bar) | (b > bar) | (c > bar) | (d > bar);
            if (!__builtin_reduce_or(better)) continue;
            for (long i = j; i < j + STRIDE; i++)
                if (from[i] > best[0]) replace_worst(best, place, from[i], first + (int32_t)i, k);
        }
        bool is_odd = __builtin_reduce_or(odd);
        for (; j < width; j++) {
            is_odd |= !(fabsf(from[j]) <= FLT_MAX);
            if (from[j] > best[0]) replace_worst(best, place, from[j], first + (int32_t)j, k);
        }
        if (is_odd) return row;
    }
    return -1;
}

void tt_select_end(float *values, int32_t *at, long n, long k) {
    for (long row = 0; row < n; row++) {
        float *best = values + row * k;
        int32_t *place = at + row * k;
        empty_heap(best, place, k);
        for (long i = k - 1; i >= 0 && place[i] == INT32_MAX; i--) {
            best[i] = -INFINITY;
            place[i] = -1;
        }
    }
}
