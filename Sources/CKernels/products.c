#include "CKernels.h"
#include "vectors.h"

// Products are the one place where a * b + c is rounded once where the processor can: it is twice as fast.
#pragma STDC FP_CONTRACT ON

// What ReLU and dropout leave of a layer is mostly zero. Each element of the left side that is not zero adds a multiple
// of a row of the right side to a row of the result; a tile of the right side stays in the first-level cache, a tile of
// the result's row in registers.
enum { WORD = 64 };  // rows of a tile: the bits of a word of marks

// Columns of a tile in sixteens: with what else is wanted at once, they fill the registers.
#define BLOCKS_AVX512 8
#define BLOCKS_AVX2 4
#define BLOCKS_PORTABLE 2

TT_INLINE int tile_blocks(void) {
    return tt_kernel_set == TT_AVX512 ? BLOCKS_AVX512 : tt_kernel_set == TT_AVX2 ? BLOCKS_AVX2 : BLOCKS_PORTABLE;
}

long tt_words(long k) { return (k + WORD - 1) / WORD; }

long tt_packed_count(long k, long n) { return k * ((n + LANES - 1) / LANES * LANES); }

typedef _Bool marks16 __attribute__((ext_vector_type(16)));

TT_KERNEL(long, tt_mark_nonzero, (uint64_t *marks, const float *a, long n, long k), (marks, a, n, k)) {
    long found = 0;
    for (long row = 0; row < n; row++) {
        const float *from = a + row * k;
        for (long k0 = 0; k0 < k; k0 += WORD) {
            uint64_t word = 0;
            long j = k0, end = k - k0 < WORD ? k : k0 + WORD;
            for (; j + LANES <= end; j += LANES) {
                marks16 set = __builtin_convertvector(LOAD(from + j) != 0.0f, marks16);
                uint16_t bits;
                memcpy(&bits, &set, sizeof bits);
                word |= (uint64_t)bits << (j - k0);
            }
            for (; j < end; j++) word |= (uint64_t)(from[j] != 0) << (j - k0);
            *marks++ = word;
            found += __builtin_popcountll(word);
        }
    }
    return found;
}

// Rows of a square of sixteen become its columns: pairs of elements, of pairs, of fours, of eights change places.
#define EXCHANGE(r, step, LOW, HIGH)                                                                                   \
    for (int i_ = 0; i_ < LANES; i_++)                                                                                 \
        if (!(i_ & (step))) {                                                                                          \
            f16 a_ = (r)[i_], b_ = (r)[i_ + (step)];                                                                   \
            (r)[i_] = __builtin_shufflevector(a_, b_, LOW);                                                            \
            (r)[i_ + (step)] = __builtin_shufflevector(a_, b_, HIGH);                                                  \
        }
#define TURN(r)                                                                                                        \
    do {                                                                                                               \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 8, LOW8, HIGH8)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 4, LOW4, HIGH4)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 2, LOW2, HIGH2)                                                 \
        _Pragma("clang loop unroll(full)") EXCHANGE(r, 1, LOW1, HIGH1)                                                 \
    } while (0)
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31

// out[j * out_step + i] = x[i * step + j] for i < n, j < m; out's rows are filled with zeros up to `padded` elements.
TT_INLINE void turn(float *out, long out_step, const float *x, long step, long n, long m, long padded) {
    for (long i = 0; i < n; i += LANES)
        for (long j = 0; j < m; j += LANES) {
            if (i + LANES <= n && j + LANES <= m) {
                f16 r[LANES];
                for (int l = 0; l < LANES; l++) r[l] = LOAD(x + (i + l) * step + j);
                TURN(r);
                for (int l = 0; l < LANES; l++) STORE(out + (j + l) * out_step + i, r[l]);
                continue;
            }
            for (long jj = j; jj < j + LANES && jj < m; jj++)
                for (long ii = i; ii < i + LANES && ii < padded; ii++)
                    out[jj * out_step + ii] = ii < n ? x[ii * step + jj] : 0;
        }
}

TT_KERNEL(void, tt_turn, (float *out, const float *x, long n, long m), (out, x, n, m)) { turn(out, n, x, m, n, m, n); }

// Tiles of columns one after the other, each with its k rows, the last one filled up to whole sixteens. `b` is read in
// its own order: it may come from far away.
TT_LOCAL_KERNEL(void, pack, (float *packed, const float *b, long k, long n, bool transposed, long tile),
                (packed, b, k, n, transposed, tile)) {
    if (transposed) {
        for (long n0 = 0; n0 < n; n0 += tile) {
            long width = n - n0 < tile ? n - n0 : tile, padded = (width + LANES - 1) / LANES * LANES;
            turn(packed + n0 * k, padded, b + n0 * k, k, width, k, padded);
        }
        return;
    }
    for (long row = 0; row < k; row++)
        for (long n0 = 0; n0 < n; n0 += tile) {
            long width = n - n0 < tile ? n - n0 : tile, padded = (width + LANES - 1) / LANES * LANES, j = 0;
            const float *from = b + row * n + n0;
            float *to = packed + n0 * k + row * padded;
            for (; j + LANES <= width; j += LANES) STORE(to + j, LOAD(from + j));
            for (; j < padded; j++) to[j] = j < width ? from[j] : 0;
        }
}

void tt_pack(float *packed, const float *b, long k, long n, bool transposed) {
    pack(packed, b, k, n, transposed, tile_blocks() * LANES);
}

// `blocks` sixteens of one row of c; rows of the tile are `step` apart.
TT_INLINE void add_marked(float *c, const float *a, uint64_t marks, const float *tile, long step, const int blocks,
                          bool is_first) {
    f16 sums[BLOCKS_AVX512];
    for (int l = 0; l < blocks; l++) sums[l] = is_first ? (f16){0} : LOAD(c + l * LANES);
    for (; marks; marks &= marks - 1) {
        long row = __builtin_ctzll(marks);
        float v = a[row];
        const float *b = tile + row * step;
        for (int l = 0; l < blocks; l++) sums[l] += v * LOAD(b + l * LANES);
    }
    for (int l = 0; l < blocks; l++) STORE(c + l * LANES, sums[l]);
}

// The last tile: as many sixteens as there are, the last of them perhaps narrower.
TT_INLINE void add_marked_rest(float *c, const float *a, uint64_t marks, const float *tile, long step, long width,
                               bool is_first) {
    long j = 0;
    for (; j + 4 * LANES <= width; j += 4 * LANES) add_marked(c + j, a, marks, tile + j, step, 4, is_first);
    for (; j < width; j += LANES) {
        long lanes = width - j < LANES ? width - j : LANES;
        float part[LANES] = {0};
        memcpy(part, c + j, (size_t)lanes * sizeof(float));
        add_marked(part, a, marks, tile + j, step, 1, is_first);
        memcpy(c + j, part, (size_t)lanes * sizeof(float));
    }
}

TT_INLINE void marked_product(float *c, const float *a, const uint64_t *marks, const float *packed, long first,
                              long last, long k, long n, const int blocks) {
    long words = tt_words(k), tile = blocks * LANES;
    for (long n0 = 0; n0 < n; n0 += tile) {
        long width = n - n0 < tile ? n - n0 : tile, padded = (width + LANES - 1) / LANES * LANES;
        for (long word = 0; word < words; word++) {
            const float *b = packed + word * WORD * padded;
            for (long row = first; row < last; row++) {
                float *to = c + row * n + n0;
                const float *from = a + row * k + word * WORD;
                uint64_t set = marks[row * words + word];
                if (width == tile) add_marked(to, from, set, b, tile, blocks, word == 0);
                else add_marked_rest(to, from, set, b, padded, width, word == 0);
            }
        }
        packed += k * padded;
    }
}

#define PRODUCT(attributes, name, blocks)                                                                              \
    attributes static void name(float *c, const float *a, const uint64_t *marks, const float *packed, long first,      \
                                long last, long k, long n) {                                                           \
        marked_product(c, a, marks, packed, first, last, k, n, blocks);                                                \
    }
#if defined(__x86_64__)
PRODUCT(TT_FOR_AVX512, product_avx512, BLOCKS_AVX512)
PRODUCT(TT_FOR_AVX2, product_avx2, BLOCKS_AVX2)
#endif
PRODUCT(, product_portable, BLOCKS_PORTABLE)

void tt_marked_product(float *c, const float *a, const uint64_t *marks, const float *packed, long first, long last,
                       long k, long n) {
    switch (tt_kernel_set) {
#if defined(__x86_64__)
    case TT_AVX512: product_avx512(c, a, marks, packed, first, last, k, n); return;
    case TT_AVX2: product_avx2(c, a, marks, packed, first, last, k, n); return;
#endif
    default: product_portable(c, a, marks, packed, first, last, k, n);
    }
}
