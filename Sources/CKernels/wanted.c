#include "CKernels.h"
#include "vectors.h"
#include "turn.h"

// The gradient behind a layer counts only where the layer's result is not zero: each such element is the product of a row
// of `a` with a column of `b`: sixteen sixteens of both at once, in four sums of sixteen lanes that are joined in a fixed
// order. The columns, turned, lie in the first-level cache.
enum { TILE = 32, DEPTH = 16 };

long tt_wanted_width(void) { return TILE; }

// Adds to, or sets, the wanted elements of a piece of c: `blocks` sixteens of k; columns of the tile are rows here.
TT_INLINE void add_wanted(const int set, float *c, const float *a, const uint64_t *marks, const float *tile, long rows,
                          long k, long n, long words, uint64_t shift, uint64_t mask, const int blocks, bool is_first) {
    for (; rows > 0; rows--, c += n, a += k, marks += words) {
        f16 row[DEPTH];
#pragma clang loop unroll(full)
        for (int l = 0; l < blocks; l++) row[l] = LOAD(a + l * LANES);
        for (uint64_t wanted = *marks >> shift & mask; wanted; wanted &= wanted - 1) {
            long j = __builtin_ctzll(wanted);
            const float *column = tile + j * blocks * LANES;
            f16 sums[4] = {{0}, {0}, {0}, {0}};
#pragma clang loop unroll(full)
            for (int l = 0; l < blocks; l++) MULTIPLY_ADD(sums[l % 4], row[l], LOAD(column + l * LANES));
            float sum;
            SUM_LANES((sums[0] + sums[1]) + (sums[2] + sums[3]), sum);
            c[j] = is_first ? sum : c[j] + sum;
        }
    }
}

TT_KERNEL(void, tt_wanted_product,
          (float *c, const float *a, const float *b, bool transposed, const uint64_t *marks, long first, long last,
           long column, long k, long n),
          (c, a, b, transposed, marks, first, last, column, k, n)) {
    _Alignas(64) float tile[TILE * DEPTH * LANES];
    long words = tt_words(n), width = n - column < TILE ? n - column : TILE, rows = last - first;
    uint64_t shift = (uint64_t)column % 64, mask = (UINT64_C(1) << width) - 1;
    marks += first * words + column / 64;
    a += first * k;
    c += first * n + column;
    for (long row = 0; row < rows; row++) memset(c + row * n, 0, (size_t)width * sizeof *c);
    for (long k0 = 0, blocks; k0 < k; k0 += blocks * LANES) {
        long left = (k - k0) / LANES;
        blocks = left >= DEPTH ? DEPTH : left >= 4 ? 4 : 1;
        long depth = blocks * LANES;
        if (!transposed) turn(set, tile, depth, b + k0 * n + column, n, depth, width, depth);
        else
            for (long j = 0; j < width; j++)
                memcpy(tile + j * depth, b + (column + j) * k + k0, (size_t)depth * sizeof *tile);
        if (blocks == DEPTH) add_wanted(set, c, a + k0, marks, tile, rows, k, n, words, shift, mask, DEPTH, k0 == 0);
        else if (blocks == 4) add_wanted(set, c, a + k0, marks, tile, rows, k, n, words, shift, mask, 4, k0 == 0);
        else add_wanted(set, c, a + k0, marks, tile, rows, k, n, words, shift, mask, 1, k0 == 0);
    }
}
