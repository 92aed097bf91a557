#include "CKernels.h"
#include "vectors.h"
#include "transpose.h"

// Behind a ReLU a gradient counts only where the layer's output is not zero, so only those elements are computed
// (SDDMM): each is the dot product of a row of `a` and a column of `b`, taken 16 vectors at a time into four
// accumulators that are joined in a fixed order. The columns are packed, transposed, into a tile in the L1 cache.
enum { TILE_WIDTH = 32, TILE_VECTORS = 16 };

long tt_masked_tile_width(void) { return TILE_WIDTH; }

// Adds `vectors` vectors of k to the masked elements of c, or sets them; the tile is transposed.
TT_INLINE void add_masked(const int set, float *c, const float *a, const uint64_t *mask, const float *tile, long rows,
                          long k, long n, long words, uint64_t shift, uint64_t column_bits, const int vectors,
                          bool is_first) {
    for (; rows > 0; rows--, c += n, a += k, mask += words) {
        f16 row[TILE_VECTORS];
#pragma clang loop unroll(full)
        for (int l = 0; l < vectors; l++) row[l] = LOAD(a + l * LANES);
        for (uint64_t bits = *mask >> shift & column_bits; bits; bits &= bits - 1) {
            long j = __builtin_ctzll(bits);
            const float *column = tile + j * vectors * LANES;
            f16 sums[4] = {{0}, {0}, {0}, {0}};
#pragma clang loop unroll(full)
            for (int l = 0; l < vectors; l++) MULTIPLY_ADD(sums[l % 4], row[l], LOAD(column + l * LANES));
            float sum;
            SUM_LANES((sums[0] + sums[1]) + (sums[2] + sums[3]), sum);
            c[j] = is_first ? sum : c[j] + sum;
        }
    }
}

TT_KERNEL(void, tt_masked_product,
          (float *c, const float *a, const float *b, bool transposed, const uint64_t *mask, long first, long last,
           long column, long k, long n),
          (c, a, b, transposed, mask, first, last, column, k, n)) {
    _Alignas(64) float tile[TILE_WIDTH * TILE_VECTORS * LANES];
    long words = tt_mask_words(n), width = n - column < TILE_WIDTH ? n - column : TILE_WIDTH, rows = last - first;
    uint64_t shift = (uint64_t)column % 64, column_bits = (UINT64_C(1) << width) - 1;
    mask += first * words + column / 64;
    a += first * k;
    c += first * n + column;
    for (long row = 0; row < rows; row++) memset(c + row * n, 0, (size_t)width * sizeof *c);
    for (long k0 = 0, vectors; k0 < k; k0 += vectors * LANES) {
        long left = (k - k0) / LANES;
        vectors = left >= TILE_VECTORS ? TILE_VECTORS : left >= 4 ? 4 : 1;
        long depth = vectors * LANES;
        if (!transposed) transpose(set, tile, depth, b + k0 * n + column, n, depth, width, depth);
        else
            for (long j = 0; j < width; j++)
                memcpy(tile + j * depth, b + (column + j) * k + k0, (size_t)depth * sizeof *tile);
        if (vectors == TILE_VECTORS)
            add_masked(set, c, a + k0, mask, tile, rows, k, n, words, shift, column_bits, TILE_VECTORS, k0 == 0);
        else if (vectors == 4)
            add_masked(set, c, a + k0, mask, tile, rows, k, n, words, shift, column_bits, 4, k0 == 0);
        else
            add_masked(set, c, a + k0, mask, tile, rows, k, n, words, shift, column_bits, 1, k0 == 0);
    }
}
