#include "CKernels.h"
#include "vectors.h"
#include "transpose.h"

// An element of a product is one chain of fused multiply-adds in ascending order of the inner dimension. Vectors run
// over columns, so the chain depends neither on their width nor on tiles, neighbouring rows, threads or skipped zeros.

// ReLU and dropout leave a layer's output sparse. In a sparse product each nonzero of the left operand adds a multiple
// of a row of the right operand to a row of the result (axpy); a tile of the right operand stays in the L1 cache, a row
// of the result's tile in registers.
enum { TILE_DEPTH = 64 };  // rows of a tile: the bits of a mask word

// Vectors in a row of a tile: as accumulators they fill the registers.
#define VECTORS_AVX512 8
#define VECTORS_AVX2 4
#define VECTORS_PORTABLE 2

// Register tile of a dense product: several rows share each load of the right operand.
enum { DENSE_ROWS = 6 };
#define DENSE_VECTORS(set) ((set) == TT_AVX512 ? 4 : 1)

TT_INLINE int tile_vectors(void) {
    return tt_kernel_set == TT_AVX512 ? VECTORS_AVX512 : tt_kernel_set == TT_AVX2 ? VECTORS_AVX2 : VECTORS_PORTABLE;
}

long tt_mask_words(long k) { return (k + TILE_DEPTH - 1) / TILE_DEPTH; }

long tt_tile_width(void) { return tile_vectors() * LANES; }

typedef _Bool bool16 __attribute__((ext_vector_type(16)));

// One bit for each nonzero element.
#define NONZERO16(v)                                                                                                   \
    ({                                                                                                                 \
        bool16 set_ = __builtin_convertvector((v) != 0.0f, bool16);                                                    \
        uint16_t bits_;                                                                                                \
        memcpy(&bits_, &set_, sizeof bits_);                                                                           \
        (uint64_t) bits_;                                                                                              \
    })

TT_INLINE uint64_t nonzero_word(const float *from, long count) {
    uint64_t word = 0;
    if (count == TILE_DEPTH) {
        for (int i = 0; i < TILE_DEPTH; i += LANES) word |= NONZERO16(LOAD(from + i)) << i;
        return word;
    }
    long i = 0;
    for (; i + LANES <= count; i += LANES) word |= NONZERO16(LOAD(from + i)) << i;
    for (; i < count; i++) word |= (uint64_t)(from[i] != 0) << i;
    return word;
}

TT_INLINE long nonzero_mask(uint64_t *mask, const float *a, long n, long k) {
    long count = 0;
    for (long row = 0; row < n; row++, a += k)
        for (long k0 = 0; k0 < k; k0 += TILE_DEPTH) {
            uint64_t word = nonzero_word(a + k0, k - k0 < TILE_DEPTH ? k - k0 : TILE_DEPTH);
            *mask++ = word;
            count += __builtin_popcountll(word);
        }
    return count;
}

TT_KERNEL(long, tt_nonzero_mask, (uint64_t *mask, const float *a, long n, long k), (mask, a, n, k)) {
    return nonzero_mask(mask, a, n, k);
}

TT_KERNEL(void, tt_transpose, (float *out, const float *x, long n, long m), (out, x, n, m)) {
    transpose(set, out, n, x, m, n, m, n);
}

// The mask is made while sixteen rows are in the L1 cache.
TT_KERNEL(void, tt_transpose_rows,
          (float *out, uint64_t *mask, const float *x, long n, long m, long from, long to),
          (out, mask, x, n, m, from, to)) {
    long words = tt_mask_words(n);
    for (long j = from; j < to; j += LANES) {
        long rows = to - j < LANES ? to - j : LANES;
        transpose(set, out + j * n, n, x + j, m, n, rows, n);
        if (mask) nonzero_mask(mask + j * words, out + j * n, rows, n);
    }
}

// A tile inside b: `rows` rows of `width` elements, `stride` apart.
typedef struct {
    const float *at;
    long rows, width, stride;
} source;

// The tile of b for mask word `word` and the columns from `column` on; empty past the end.
TT_INLINE source tile_source(const float *b, bool transposed, long word, long column, long width, long k, long n) {
    long k0 = word * TILE_DEPTH, depth = k - k0 < TILE_DEPTH ? k - k0 : TILE_DEPTH;
    if (depth <= 0) return (source){0};
    if (transposed) return (source){b + column * k + k0, width, depth, k};
    return (source){b + k0 * n + column, depth, width, n};
}

// Packs a tile, with rows `padded` apart: at the stride of b, often a power of two, they would conflict in the cache.
TT_INLINE void pack_tile(const int set, float *tile, source from, bool transposed, long padded) {
    if (transposed) {
        transpose(set, tile, padded, from.at, from.stride, from.rows, from.width, padded);
        return;
    }
    for (long row = 0; row < from.rows; row++, tile += padded) {
        const float *x = from.at + row * from.stride;
        long j = 0;
        for (; j + LANES <= from.width; j += LANES) STORE(tile + j, LOAD(x + j));
        for (; j < padded; j++) tile[j] = j < from.width ? x[j] : 0;
    }
}

// `vectors` vectors of one row of c; rows of the tile are `stride` apart.
TT_INLINE void add_sparse(const int set, float *c, const float *a, uint64_t mask, const float *tile, long stride,
                          const int vectors, bool is_first) {
    f16 sums[VECTORS_AVX512];
    for (int l = 0; l < vectors; l++) sums[l] = is_first ? (f16){0} : LOAD(c + l * LANES);
    for (; mask; mask &= mask - 1) {
        long row = __builtin_ctzll(mask);
        f16 v = SPLAT(a[row]);
        const float *b = tile + row * stride;
        for (int l = 0; l < vectors; l++) MULTIPLY_ADD(sums[l], v, LOAD(b + l * LANES));
    }
    for (int l = 0; l < vectors; l++) STORE(c + l * LANES, sums[l]);
}

TT_INLINE void prefetch_row(source *next) {
    if (next->rows <= 0) return;
    for (long j = 0; j < next->width; j += LANES) __builtin_prefetch(next->at + j, 0, 2);
    next->at += next->stride;
    next->rows--;
}

// A full-width tile. The overhead of a row is a fifth of the time, so this loop computes little. It prefetches the next
// tile, which may be in main memory, and the next row of a.
TT_INLINE void add_sparse_rows(const int set, float *c, const float *a, const uint64_t *mask, const float *tile,
                               long rows, long k, long n, long words, const int vectors, bool is_first, source next) {
    for (; rows > 0; rows--, c += n, a += k, mask += words) {
        prefetch_row(&next);
        for (long j = 0; j < TILE_DEPTH; j += LANES) __builtin_prefetch(a + k + j);
        add_sparse(set, c, a, *mask, tile, vectors * LANES, vectors, is_first);
    }
}

// The edge tile: as many vectors as there are, the last of them perhaps partial.
TT_INLINE void add_sparse_edge(const int set, float *c, const float *a, uint64_t mask, const float *tile, long stride,
                               long width, bool is_first) {
    long j = 0;
    for (; j + 4 * LANES <= width; j += 4 * LANES) add_sparse(set, c + j, a, mask, tile + j, stride, 4, is_first);
    for (; j < width; j += LANES) {
        long lanes = width - j < LANES ? width - j : LANES;
        float part[LANES] = {0};
        memcpy(part, c + j, (size_t)lanes * sizeof(float));
        add_sparse(set, part, a, mask, tile + j, stride, 1, is_first);
        memcpy(c + j, part, (size_t)lanes * sizeof(float));
    }
}

// `rows` rows of `vectors` vectors of c, `c_stride` apart.
TT_INLINE void add_dense(const int set, float *c, long c_stride, const float *a, long k, const float *tile, long stride,
                        long depth, const int rows, const int vectors, bool is_first) {
    f16 sums[DENSE_ROWS * 8];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int l = 0; l < vectors; l++)
            sums[r * vectors + l] = is_first ? (f16){0} : LOAD(c + r * c_stride + l * LANES);
    for (long row = 0; row < depth; row++, tile += stride) {
        f16 b[8];
#pragma clang loop unroll(full)
        for (int l = 0; l < vectors; l++) b[l] = LOAD(tile + l * LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            f16 v = SPLAT(a[r * k + row]);
#pragma clang loop unroll(full)
            for (int l = 0; l < vectors; l++) MULTIPLY_ADD(sums[r * vectors + l], v, b[l]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int l = 0; l < vectors; l++) STORE(c + r * c_stride + l * LANES, sums[r * vectors + l]);
}

// `rows` rows of all columns of a tile.
TT_INLINE void add_dense_rows(const int set, float *c, const float *a, const float *tile, long stride, long depth,
                              long width, long k, long n, const int rows, bool is_first) {
    const int vectors = DENSE_VECTORS(set);
    long j = 0;
    for (; j + vectors * LANES <= width; j += vectors * LANES)
        add_dense(set, c + j, n, a, k, tile + j, stride, depth, rows, vectors, is_first);
    for (; j < width; j += LANES) {
        if (j + LANES <= width) {
            add_dense(set, c + j, n, a, k, tile + j, stride, depth, rows, 1, is_first);
            continue;
        }
        float part[DENSE_ROWS * LANES] = {0};
        size_t bytes = (size_t)(width - j) * sizeof *part;
        for (int r = 0; r < rows; r++) memcpy(part + r * LANES, c + r * n + j, bytes);
        add_dense(set, part, LANES, a, k, tile + j, stride, depth, rows, 1, is_first);
        for (int r = 0; r < rows; r++) memcpy(c + r * n + j, part + r * LANES, bytes);
    }
}

// Dense without a mask.
TT_INLINE void product(const int set, float *c, const float *a, const uint64_t *mask, const float *b, bool transposed,
                       long first, long last, long column, long k, long n, const int vectors) {
    _Alignas(64) float tile[TILE_DEPTH * VECTORS_AVX512 * LANES];
    long words = tt_mask_words(k), width = n - column < vectors * LANES ? n - column : vectors * LANES;
    long padded = (width + LANES - 1) / LANES * LANES;
    c += first * n + column;
    a += first * k;
    if (mask) mask += first * words;
    source next = tile_source(b, transposed, 0, column, width, k, n);
    for (long word = 0; word < words; word++, a += TILE_DEPTH) {
        long depth = k - word * TILE_DEPTH < TILE_DEPTH ? k - word * TILE_DEPTH : TILE_DEPTH, rows = last - first;
        pack_tile(set, tile, next, transposed, padded);
        next = tile_source(b, transposed, word + 1, column, width, k, n);
        if (!mask) {
            source ahead = next;
            long row = 0;
            for (; row + DENSE_ROWS <= rows; row += DENSE_ROWS) {
                for (int r = 0; r < DENSE_ROWS; r++) prefetch_row(&ahead);
                add_dense_rows(set, c + row * n, a + row * k, tile, padded, depth, width, k, n, DENSE_ROWS, word == 0);
            }
            for (; row < rows; row++)
                add_dense_rows(set, c + row * n, a + row * k, tile, padded, depth, width, k, n, 1, word == 0);
            continue;
        }
        if (width < vectors * LANES) {
            for (long row = 0; row < rows; row++)
                add_sparse_edge(set, c + row * n, a + row * k, mask[row * words], tile, padded, width, word == 0);
        } else if (word == 0) {
            add_sparse_rows(set, c, a, mask, tile, rows, k, n, words, vectors, true, next);
        } else {
            add_sparse_rows(set, c, a, mask, tile, rows, k, n, words, vectors, false, next);
        }
        mask++;
    }
}

#define PRODUCT(attributes, name, set, vectors)                                                                        \
    attributes static void name(float *c, const float *a, const uint64_t *mask, const float *b, bool transposed,       \
                                long first, long last, long column, long k, long n) {                                  \
        product(set, c, a, mask, b, transposed, first, last, column, k, n, vectors);                                   \
    }
#if defined(__x86_64__)
PRODUCT(TT_FOR_AVX512, product_avx512, TT_AVX512, VECTORS_AVX512)
PRODUCT(TT_FOR_AVX2, product_avx2, TT_AVX2, VECTORS_AVX2)
#endif
PRODUCT(, product_portable, TT_PORTABLE, VECTORS_PORTABLE)

void tt_product(float *c, const float *a, const uint64_t *mask, const float *b, bool transposed, long first, long last,
                long column, long k, long n) {
    switch (tt_kernel_set) {
#if defined(__x86_64__)
    case TT_AVX512: product_avx512(c, a, mask, b, transposed, first, last, column, k, n); return;
    case TT_AVX2: product_avx2(c, a, mask, b, transposed, first, last, column, k, n); return;
#endif
    default: product_portable(c, a, mask, b, transposed, first, last, column, k, n);
    }
}
