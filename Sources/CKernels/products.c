#include "CKernels.h"
#include "vectors.h"
#include "turn.h"

// An element of a product is one chain of multiply-adds, each rounded once, in ascending order of the inner dimension.
// Vectors run over columns, so the chain is the same whatever their width, the tile, the rows beside it and the thread;
// and the same whether zeros are multiplied or skipped.

// What ReLU and dropout leave of a layer is mostly zero. Each element of the left side that is not zero adds a multiple
// of a row of the right side to a row of the result; a tile of the right side stays in the first-level cache, a tile of
// the result's row in registers. Of a full left side, some rows are multiplied at once.
enum { WORD = 64 };  // rows of a tile: the bits of a word of marks

// Columns of a tile in sixteens: with what else is wanted at once, they fill the registers.
#define BLOCKS_AVX512 8
#define BLOCKS_AVX2 4
#define BLOCKS_PORTABLE 2

// The same for a full left side, which takes several rows at once, so that an element of the right side is loaded once for
// all of them.
enum { FULL_ROWS = 6 };
#define FULL_BLOCKS(set) ((set) == TT_AVX512 ? 4 : 1)

TT_INLINE int tile_blocks(void) {
    return tt_kernel_set == TT_AVX512 ? BLOCKS_AVX512 : tt_kernel_set == TT_AVX2 ? BLOCKS_AVX2 : BLOCKS_PORTABLE;
}

long tt_words(long k) { return (k + WORD - 1) / WORD; }

long tt_tile_width(void) { return tile_blocks() * LANES; }

typedef _Bool marks16 __attribute__((ext_vector_type(16)));

// A bit for each element that is not zero.
#define MARK16(v)                                                                                                      \
    ({                                                                                                                 \
        marks16 set_ = __builtin_convertvector((v) != 0.0f, marks16);                                                  \
        uint16_t bits_;                                                                                                \
        memcpy(&bits_, &set_, sizeof bits_);                                                                           \
        (uint64_t) bits_;                                                                                              \
    })

TT_INLINE uint64_t mark_word(const float *from, long count) {
    uint64_t word = 0;
    if (count == WORD) {
        for (int i = 0; i < WORD; i += LANES) word |= MARK16(LOAD(from + i)) << i;
        return word;
    }
    long i = 0;
    for (; i + LANES <= count; i += LANES) word |= MARK16(LOAD(from + i)) << i;
    for (; i < count; i++) word |= (uint64_t)(from[i] != 0) << i;
    return word;
}

TT_INLINE long mark(uint64_t *marks, const float *a, long n, long k) {
    long found = 0;
    for (long row = 0; row < n; row++, a += k)
        for (long k0 = 0; k0 < k; k0 += WORD) {
            uint64_t word = mark_word(a + k0, k - k0 < WORD ? k - k0 : WORD);
            *marks++ = word;
            found += __builtin_popcountll(word);
        }
    return found;
}

TT_KERNEL(long, tt_mark_nonzero, (uint64_t *marks, const float *a, long n, long k), (marks, a, n, k)) {
    return mark(marks, a, n, k);
}

TT_KERNEL(void, tt_turn, (float *out, const float *x, long n, long m), (out, x, n, m)) { turn(set, out, n, x, m, n, m, n); }

// Sixteen turned rows are marked while they are in the first-level cache.
TT_KERNEL(void, tt_turn_rows,
          (float *out, uint64_t *marks, const float *x, long n, long m, long from, long to),
          (out, marks, x, n, m, from, to)) {
    long words = tt_words(n);
    for (long j = from; j < to; j += LANES) {
        long rows = to - j < LANES ? to - j : LANES;
        turn(set, out + j * n, n, x + j, m, n, rows, n);
        if (marks) mark(marks + j * words, out + j * n, rows, n);
    }
}

// A tile of b where it lies: `rows` pieces of rows of b, each `width` long, `step` apart.
typedef struct {
    const float *at;
    long rows, width, step;
} source;

// Rows word * WORD and following of the columns from `column` on; there may be none.
TT_INLINE source find_tile(const float *b, bool transposed, long word, long column, long width, long k, long n) {
    long k0 = word * WORD, depth = k - k0 < WORD ? k - k0 : WORD;
    if (depth <= 0) return (source){0};
    if (transposed) return (source){b + column * k + k0, width, depth, k};
    return (source){b + k0 * n + column, depth, width, n};
}

// A tile's rows are brought together, `padded` apart: in b itself they may lie a power of two apart and would push each
// other out of the cache.
TT_INLINE void fill_tile(const int set, float *tile, source from, bool transposed, long padded) {
    if (transposed) {
        turn(set, tile, padded, from.at, from.step, from.rows, from.width, padded);
        return;
    }
    for (long row = 0; row < from.rows; row++, tile += padded) {
        const float *x = from.at + row * from.step;
        long j = 0;
        for (; j + LANES <= from.width; j += LANES) STORE(tile + j, LOAD(x + j));
        for (; j < padded; j++) tile[j] = j < from.width ? x[j] : 0;
    }
}

// `blocks` sixteens of one row of c; rows of the tile are `step` apart.
TT_INLINE void add_marked(const int set, float *c, const float *a, uint64_t marks, const float *tile, long step,
                          const int blocks, bool is_first) {
    f16 sums[BLOCKS_AVX512];
    for (int l = 0; l < blocks; l++) sums[l] = is_first ? (f16){0} : LOAD(c + l * LANES);
    for (; marks; marks &= marks - 1) {
        long row = __builtin_ctzll(marks);
        f16 v = SPLAT(a[row]);
        const float *b = tile + row * step;
        for (int l = 0; l < blocks; l++) MULTIPLY_ADD(sums[l], v, LOAD(b + l * LANES));
    }
    for (int l = 0; l < blocks; l++) STORE(c + l * LANES, sums[l]);
}

TT_INLINE void ask_for_row(source *next) {
    if (next->rows <= 0) return;
    for (long j = 0; j < next->width; j += LANES) __builtin_prefetch(next->at + j, 0, 2);
    next->at += next->step;
    next->rows--;
}

// A whole tile. What a row costs beside its products is a fifth of the time, so little is worked out in this loop. The
// next tile, which may have to come from far away, and the next row of a are asked for on the way.
TT_INLINE void add_marked_rows(const int set, float *c, const float *a, const uint64_t *marks, const float *tile, long rows,
                               long k, long n, long words, const int blocks, bool is_first, source next) {
    for (; rows > 0; rows--, c += n, a += k, marks += words) {
        ask_for_row(&next);
        for (long j = 0; j < WORD; j += LANES) __builtin_prefetch(a + k + j);
        add_marked(set, c, a, *marks, tile, blocks * LANES, blocks, is_first);
    }
}

// The last tile: as many sixteens as there are, the last of them perhaps narrower.
TT_INLINE void add_marked_rest(const int set, float *c, const float *a, uint64_t marks, const float *tile, long step,
                               long width, bool is_first) {
    long j = 0;
    for (; j + 4 * LANES <= width; j += 4 * LANES) add_marked(set, c + j, a, marks, tile + j, step, 4, is_first);
    for (; j < width; j += LANES) {
        long lanes = width - j < LANES ? width - j : LANES;
        float part[LANES] = {0};
        memcpy(part, c + j, (size_t)lanes * sizeof(float));
        add_marked(set, part, a, marks, tile + j, step, 1, is_first);
        memcpy(c + j, part, (size_t)lanes * sizeof(float));
    }
}

// `rows` rows of `blocks` sixteens of c, `c_step` apart.
TT_INLINE void add_full(const int set, float *c, long c_step, const float *a, long k, const float *tile, long step,
                        long depth, const int rows, const int blocks, bool is_first) {
    f16 sums[FULL_ROWS * 8];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int l = 0; l < blocks; l++)
            sums[r * blocks + l] = is_first ? (f16){0} : LOAD(c + r * c_step + l * LANES);
    for (long row = 0; row < depth; row++, tile += step) {
        f16 b[8];
#pragma clang loop unroll(full)
        for (int l = 0; l < blocks; l++) b[l] = LOAD(tile + l * LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            f16 v = SPLAT(a[r * k + row]);
#pragma clang loop unroll(full)
            for (int l = 0; l < blocks; l++) MULTIPLY_ADD(sums[r * blocks + l], v, b[l]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int l = 0; l < blocks; l++) STORE(c + r * c_step + l * LANES, sums[r * blocks + l]);
}

// `rows` rows of all columns of a tile.
TT_INLINE void add_full_rows(const int set, float *c, const float *a, const float *tile, long step, long depth, long width,
                             long k, long n, const int rows, bool is_first) {
    const int blocks = FULL_BLOCKS(set);
    long j = 0;
    for (; j + blocks * LANES <= width; j += blocks * LANES)
        add_full(set, c + j, n, a, k, tile + j, step, depth, rows, blocks, is_first);
    for (; j < width; j += LANES) {
        if (j + LANES <= width) {
            add_full(set, c + j, n, a, k, tile + j, step, depth, rows, 1, is_first);
            continue;
        }
        float part[FULL_ROWS * LANES] = {0};
        size_t bytes = (size_t)(width - j) * sizeof *part;
        for (int r = 0; r < rows; r++) memcpy(part + r * LANES, c + r * n + j, bytes);
        add_full(set, part, LANES, a, k, tile + j, step, depth, rows, 1, is_first);
        for (int r = 0; r < rows; r++) memcpy(c + r * n + j, part + r * LANES, bytes);
    }
}

// Without marks, every element of a counts.
TT_INLINE void product(const int set, float *c, const float *a, const uint64_t *marks, const float *b, bool transposed,
                       long first, long last, long column, long k, long n, const int blocks) {
    _Alignas(64) float tile[WORD * BLOCKS_AVX512 * LANES];
    long words = tt_words(k), width = n - column < blocks * LANES ? n - column : blocks * LANES;
    long padded = (width + LANES - 1) / LANES * LANES;
    c += first * n + column;
    a += first * k;
    if (marks) marks += first * words;
    source next = find_tile(b, transposed, 0, column, width, k, n);
    for (long word = 0; word < words; word++, a += WORD) {
        long depth = k - word * WORD < WORD ? k - word * WORD : WORD, rows = last - first;
        fill_tile(set, tile, next, transposed, padded);
        next = find_tile(b, transposed, word + 1, column, width, k, n);
        if (!marks) {
            source ahead = next;
            long row = 0;
            for (; row + FULL_ROWS <= rows; row += FULL_ROWS) {
                for (int r = 0; r < FULL_ROWS; r++) ask_for_row(&ahead);
                add_full_rows(set, c + row * n, a + row * k, tile, padded, depth, width, k, n, FULL_ROWS, word == 0);
            }
            for (; row < rows; row++)
                add_full_rows(set, c + row * n, a + row * k, tile, padded, depth, width, k, n, 1, word == 0);
            continue;
        }
        if (width < blocks * LANES) {
            for (long row = 0; row < rows; row++)
                add_marked_rest(set, c + row * n, a + row * k, marks[row * words], tile, padded, width, word == 0);
        } else if (word == 0) {
            add_marked_rows(set, c, a, marks, tile, rows, k, n, words, blocks, true, next);
        } else {
            add_marked_rows(set, c, a, marks, tile, rows, k, n, words, blocks, false, next);
        }
        marks++;
    }
}

#define PRODUCT(attributes, name, set, blocks)                                                                         \
    attributes static void name(float *c, const float *a, const uint64_t *marks, const float *b, bool transposed,      \
                                long first, long last, long column, long k, long n) {                                  \
        product(set, c, a, marks, b, transposed, first, last, column, k, n, blocks);                                   \
    }
#if defined(__x86_64__)
PRODUCT(TT_FOR_AVX512, product_avx512, TT_AVX512, BLOCKS_AVX512)
PRODUCT(TT_FOR_AVX2, product_avx2, TT_AVX2, BLOCKS_AVX2)
#endif
PRODUCT(, product_portable, TT_PORTABLE, BLOCKS_PORTABLE)

void tt_product(float *c, const float *a, const uint64_t *marks, const float *b, bool transposed, long first, long last,
                long column, long k, long n) {
    switch (tt_kernel_set) {
#if defined(__x86_64__)
    case TT_AVX512: product_avx512(c, a, marks, b, transposed, first, last, column, k, n); return;
    case TT_AVX2: product_avx2(c, a, marks, b, transposed, first, last, column, k, n); return;
#endif
    default: product_portable(c, a, marks, b, transposed, first, last, column, k, n);
    }
}
