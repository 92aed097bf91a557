// Loops over float32 arrays, one file per family. All arrays are contiguous and row-major; sizes are element counts.
// Every kernel is compiled for several instruction sets and dispatched at run time. Results depend on the data alone,
// not on the processor or the thread: sums have a fixed number of lanes joined in a fixed order, only an explicit
// MULTIPLY_ADD is fused, and no kernel calls a C library function whose result differs by processor.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// The kernels in use, "portable", "avx2" or "avx512": the best the processor supports, unless TT_KERNELS names another.
const char *tt_kernel_set_name(void);

// Elementwise -------------------------------------------------------------------------------------------------------

enum tt_binary_op { TT_ADD, TT_SUBTRACT, TT_MULTIPLY, TT_DIVIDE, TT_EQUAL, TT_LESS, TT_LESS_EQUAL };

// out[i] = a[i * stride_a] op b[i * stride_b]; strides are 0 or 1. Comparisons give 1 or 0. `out` may alias `a` or `b`.
void tt_binary(enum tt_binary_op op, float *out, const float *a, long stride_a, const float *b, long stride_b, long n);

// d(a / b) / db times g: out[i] = -g[i] * a[i * stride_a] / b[i * stride_b]^2.
void tt_divide_backward(float *out, const float *g, const float *a, long stride_a, const float *b, long stride_b,
                        long n);

enum tt_unary_op {
    TT_NEGATE, TT_EXP, TT_LOG, TT_SQRT, TT_TANH, TT_SIGMOID, TT_RELU, TT_ABS, TT_POW, TT_CLAMP, TT_AFFINE
};

// y[i] = op(x[i]); POW: x^p, CLAMP: p..q, AFFINE: p * x + q.
void tt_unary(enum tt_unary_op op, float *y, const float *x, long n, float p, float q);
// dx[i] = g[i] * op'(x[i]), given the result y as well.
void tt_unary_backward(enum tt_unary_op op, float *dx, const float *g, const float *x, const float *y, long n, float p,
                       float q);

void tt_accumulate(float *sum, const float *x, long n);           // sum += x
void tt_scale(float *x, float factor, long n);                    // x *= factor
void tt_fill(float *x, float value, long n);
// (outer, a, middle, b, inner) to (outer, b, middle, a, inner)
void tt_swap_axes(float *out, const float *x, long outer, long a, long middle, long b, long inner);

// Reductions --------------------------------------------------------------------------------------------------------

float tt_sum(const float *x, long n);
double tt_sum_squares(const float *x, long n);
// out[o, i] = sum over k of x[o, k, i].
void tt_sum_middle(float *out, const float *x, long outer, long n, long inner);
// The maximum over k and its index, the first one of equals. NaN propagates.
void tt_max_middle(float *out, int32_t *indices, const float *x, long outer, long n, long inner);
bool tt_all_finite(const float *x, long n);

// Rows (n rows of width d) ------------------------------------------------------------------------------------------

void tt_gather_rows(float *out, const float *x, const int32_t *rows, long n, long d);
void tt_scatter_add_rows(float *x, const float *g, const int32_t *rows, long n, long d);
void tt_dot_rows(float *out, const float *a, const float *b, long n, long d);
// out[i, :] = g[i] * x[i, :]
void tt_scale_rows(float *out, const float *g, const float *x, long n, long d);
// y = x / max(||x||, eps) per row; norms gets the denominators.
void tt_normalize_rows(float *y, float *norms, const float *x, long n, long d, float eps);
void tt_normalize_rows_backward(float *dx, const float *g, const float *y, const float *norms, long n, long d,
                                float eps);
void tt_softmax_rows(float *y, const float *x, long n, long d, bool logarithm);
void tt_softmax_rows_backward(float *dx, const float *g, const float *y, long n, long d, bool logarithm);
// The k greatest of a row of d elements, descending, ties by index.
void tt_top_k(float *values, int32_t *indices, const float *x, long d, long k);
// Streaming top-k of n rows, k > 0: begin with count = n * k, update with tiles of columns first ..< first + width in
// ascending order, finish. Elements of -FLT_MAX are excluded; a row with fewer than k others is padded with
// (-INFINITY, -1). update returns the first row with an element that is not finite, or -1.
void tt_top_k_begin(float *values, int32_t *indices, long count);
long tt_top_k_update(float *values, int32_t *indices, const float *x, long n, long width, long k, int32_t first);
void tt_top_k_finish(float *values, int32_t *indices, long n, long k);

// Products ----------------------------------------------------------------------------------------------------------

// The mask of a matrix (m, k) has a bit for each nonzero element: m rows of tt_mask_words(k) words.
long tt_mask_words(long k);
// Fills the mask of a (n, k); returns the number of nonzero elements.
long tt_nonzero_mask(uint64_t *mask, const float *a, long n, long k);
// c (m, n) = a (m, k) times b (k, n), k > 0: rows first ..< last and tt_tile_width() columns from `column` on; b is (n,
// k) when transposed. With the mask of a, its zeros are skipped, even against an infinity; with NULL the product is
// dense. An element is one chain of fused multiply-adds in ascending order of k.
long tt_tile_width(void);
void tt_product(float *c, const float *a, const uint64_t *mask, const float *b, bool transposed, long first, long last,
                long column, long k, long n);
// c (m, n) = a (m, k) times b (k, n), k a multiple of 16, only where the mask of c has a bit (SDDMM); 0 elsewhere. Rows
// first ..< last and tt_masked_tile_width() columns, which divide 64, from `column` on; b is (n, k) when transposed.
// Sums have lanes here, so an element differs from that of tt_product.
long tt_masked_tile_width(void);
void tt_masked_product(float *c, const float *a, const float *b, bool transposed, const uint64_t *mask, long first,
                       long last, long column, long k, long n);
// out (m, n) = x (n, m) transposed.
void tt_transpose(float *out, const float *x, long n, long m);
// Rows from ..< to of the same, and of its mask unless that is NULL.
void tt_transpose_rows(float *out, uint64_t *mask, const float *x, long n, long m, long from, long to);

// Losses ------------------------------------------------------------------------------------------------------------

// Mean of max(x, 0) - x * y + log(1 + exp(-|x|)).
float tt_bce(const float *x, const float *y, long n);
// dx = (sigmoid(x) - y) * scale
void tt_bce_backward(float *dx, const float *x, const float *y, long n, float scale);

// Layers ------------------------------------------------------------------------------------------------------------

// Dropout as a pure function of (key, element): element i is kept when its hash is at least `threshold`, and then
// multiplied by `scale` = 1 / (1 - p). threshold 0 keeps everything.
typedef struct {
    uint64_t key;
    uint32_t threshold;
    float scale;
} tt_dropout;

// out[i] = keep(i) ? x[i] * scale : 0. Also its own backward.
void tt_apply_dropout(float *out, const float *x, long n, tt_dropout dropout);

// In place: x = dropout(relu(x + bias)) for rows first ..< last and columns from ..< to of x (n, d); bias may be NULL.
// With relu off it is x + bias, without dropout.
void tt_bias_relu_dropout(float *x, const float *bias, long first, long last, long d, long from, long to, bool relu,
                          tt_dropout dropout);
// dx = y > 0 ? g * scale : 0, and bias gradient db[j] = sum of dx[:, j] unless db is NULL.
void tt_relu_dropout_backward(float *dx, float *db, const float *g, const float *y, long n, long d, float scale);

// A batch of n samples drawn from m distinct rows: row u occurs as samples[starts[u]] ..< samples[starts[u + 1]],
// ascending. Rows have a dense part (m, d0) and sparse parts in CSR form: entries offsets[u] ..< offsets[u + 1], each a
// column (counted from the start of the whole row) and a value. The kernels compute each row once for all its samples.
typedef struct {
    long n, m, d0;
    const float *dense;
    const int32_t *starts, *samples;
    const int32_t *offsets;
    const int32_t *columns;
    const float *values;
} tt_row_batch;

// Groups samples by row, rows in the order of their first samples; returns the number of distinct rows. `starts` has
// n + 1 elements, `samples` n, scratch tt_group_scratch(n).
long tt_group_samples(int32_t *starts, int32_t *samples, int32_t *scratch, const int32_t *rows, long n);
long tt_group_scratch(long n);

// y (n, d) = dropout(relu(x * weight + bias)), weight (in, d), for the samples of rows first ..< last.
void tt_sparse_linear(float *y, tt_row_batch x, const float *weight, const float *bias, long first, long last, long d,
                      bool relu, tt_dropout dropout);

// A sparse part of a feature matrix in CSR form: row i has entries offsets[i] ..< offsets[i + 1], each a column,
// counted from `first` on, and a value.
typedef struct {
    long first;
    const int64_t *offsets;
    const int32_t *codes;
    const float *values;
} tt_sparse_part;

// The same layer for denser rows takes two steps, and no entries in the tt_row_batch. First, out (m, width): the given
// rows of a feature matrix as dense ones.
void tt_expand_rows(float *out, const int32_t *rows, long m, long width, const float *dense, long d0,
                    const tt_sparse_part *parts, long count);
// Second, y (n, d) = dropout(relu(z + bias)), z (m, d) by row, for the samples of rows first ..< last; columns from ..<
// to.
void tt_scatter_rows(float *y, const float *z, tt_row_batch x, const float *bias, long first, long last, long d,
                     long from, long to, bool relu, tt_dropout dropout);

// sums (m, d): g (n, d) summed over each row's samples.
void tt_segment_sum(float *sums, const float *g, tt_row_batch x, long d);
// The same for the dx of tt_relu_dropout_backward, with its db.
void tt_scatter_rows_backward(float *sums, float *db, const float *g, const float *y, tt_row_batch x, long d,
                              float scale);

// The entries in CSC form: column c has starts[c] ..< starts[c + 1], each with its row, ascending.
typedef struct {
    long first, width;      // columns first ..< width have entries
    const int32_t *starts;  // width + 1
    const int32_t *rows;
    const float *values;
} tt_csc;

// `rows` and `values` have room for all entries of x.
void tt_csr_to_csc(int32_t *starts, int32_t *rows, float *values, tt_row_batch x, long width);
// Columns from ..< to of rows entries.first ..< entries.width of the weight gradient dw (width, d), for g (m, d) by
// row.
void tt_sparse_linear_backward(float *dw, const float *g, tt_csc entries, long d, long from, long to);

// Optimizers --------------------------------------------------------------------------------------------------------

// One step of Adam (l2 > 0 adds l2 * p to the gradient) or AdamW (decay = 1 - lr * weight_decay). one_minus_beta1 and
// one_minus_beta2 are computed in double: in float 1 - 0.999 is off by 5e-5.
typedef struct {
    float gradient_scale, decay, l2, one_minus_beta1, beta2, one_minus_beta2, step_size, bias_correction2_sqrt, eps;
} tt_adam;
void tt_adam_step(float *p, const float *g, float *m, float *v, long n, tt_adam a);

typedef struct {
    float gradient_scale, lr, momentum, l2;
    bool nesterov, first;
} tt_sgd;
// `buffer` may be NULL when momentum is 0.
void tt_sgd_step(float *p, const float *g, float *buffer, long n, tt_sgd s);

// Threads -----------------------------------------------------------------------------------------------------------

typedef void (*tt_task)(void *context, long index);
// Runs task(context, 0 ..< count) on up to `threads` threads, the caller among them; returns when all are done. May be
// nested: idle threads join the inner call.
void tt_parallel(long count, int threads, tt_task task, void *context);

// The number of processors this process may run on.
int tt_processor_count(void);

// Thread-local: the number of open scopes that disable gradients.
int tt_no_grad_depth(void);
void tt_no_grad_add(int change);
// 1, 2, 3 … over all threads.
uint64_t tt_next_sequence_number(void);
