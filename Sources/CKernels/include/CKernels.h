// Loops over float32 blocks, one file per family. All blocks are contiguous and row-major; sizes are element counts.
// Every kernel is compiled for several processors and picked when it is called. Sums use a fixed number of lanes joined in
// a fixed order, a multiply-add is rounded once where it is written as one and twice elsewhere, and no function of the C
// library that differs by processor takes part: a result depends on the data alone, not on the processor or on who calls
// from which thread.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// The set of kernels in use, "portable", "avx2" or "avx512": the best this processor has, or what TT_KERNELS asks for.
const char *tt_kernel_set_name(void);

// Elementwise -------------------------------------------------------------------------------------------------------

enum tt_binary_op { TT_ADD, TT_SUBTRACT, TT_MULTIPLY, TT_DIVIDE, TT_EQUAL, TT_LESS, TT_LESS_EQUAL };

// out[i] = a[i * step_a] op b[i * step_b]; steps are 0 or 1. Comparisons give 1 or 0. `out` may be `a` or `b`.
void tt_binary(enum tt_binary_op op, float *out, const float *a, long step_a, const float *b, long step_b, long n);

// d(a / b) / db times g: out[i] = -g[i] * a[i * step_a] / b[i * step_b]^2.
void tt_divide_backward(float *out, const float *g, const float *a, long step_a, const float *b, long step_b, long n);

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
void tt_transpose(float *out, const float *x, long outer, long a, long middle, long b, long inner);

// Reductions --------------------------------------------------------------------------------------------------------

float tt_sum(const float *x, long n);
double tt_sum_squares(const float *x, long n);
// out[o, i] = sum over k of x[o, k, i].
void tt_sum_middle(float *out, const float *x, long outer, long n, long inner);
// The same for the maximum, with the position k of the first one. A NaN wins over every number.
void tt_max_middle(float *out, int32_t *at, const float *x, long outer, long n, long inner);
bool tt_all_finite(const float *x, long n);

// Rows (n rows of width d) ------------------------------------------------------------------------------------------

void tt_gather_rows(float *out, const float *x, const int32_t *rows, long n, long d);
void tt_scatter_add_rows(float *x, const float *g, const int32_t *rows, long n, long d);
void tt_dot_rows(float *out, const float *a, const float *b, long n, long d);
// out[i, :] = g[i] * x[i, :]
void tt_scale_rows(float *out, const float *g, const float *x, long n, long d);
// y = x / max(||x||, floor) per row; norms keeps the denominators.
void tt_normalize_rows(float *y, float *norms, const float *x, long n, long d, float floor);
void tt_normalize_rows_backward(float *dx, const float *g, const float *y, const float *norms, long n, long d,
                                float floor);
void tt_softmax_rows(float *y, const float *x, long n, long d, bool logarithm);
void tt_softmax_rows_backward(float *dx, const float *g, const float *y, long n, long d, bool logarithm);
// The k greatest of each row, descending, ties by position; scratch holds 2 * k elements.
void tt_top_k(float *values, int32_t *at, const float *x, long d, long k);
// The same for n rows that come in pieces, k > 0: begin (n * k elements), offer columns first ..< first + width in
// ascending order, end. Elements of -FLT_MAX are left out; where fewer than k remain the rest is (-INFINITY, -1). The
// answer of offer is the first row with an element that is not finite, -1 when there is none.
void tt_select_begin(float *values, int32_t *at, long count);
long tt_select_offer(float *values, int32_t *at, const float *x, long n, long width, long k, int32_t first);
void tt_select_end(float *values, int32_t *at, long n, long k);

// Products ----------------------------------------------------------------------------------------------------------

// Marks tell where a matrix (m, k) is not zero: m rows of tt_words(k) words.
long tt_words(long k);
// Returns how many elements of a (n, k) are not zero.
long tt_mark_nonzero(uint64_t *marks, const float *a, long n, long k);
// c (m, n) = a (m, k) times b (k, n), k > 0: rows first ..< last of c, columns column ..< column + tt_tile_width() of them;
// b is (n, k) when transposed. With marks of a, what is zero there is skipped, even beside an infinity; NULL multiplies all.
// Each element is one chain of multiply-adds, each rounded once, in ascending order of the inner dimension.
long tt_tile_width(void);
void tt_product(float *c, const float *a, const uint64_t *marks, const float *b, bool transposed, long first, long last,
                long column, long k, long n);
// c (m, n) = a (m, k) times b (k, n), k a multiple of 16, only where marks of n columns say so; 0 elsewhere. Rows first ..<
// last of c, columns column ..< column + tt_wanted_width(), which divides 64; b is (n, k) when transposed. Sums have lanes
// here: an element is not the one of tt_product.
long tt_wanted_width(void);
void tt_wanted_product(float *c, const float *a, const float *b, bool transposed, const uint64_t *marks, long first,
                       long last, long column, long k, long n);
// Rows from ..< to of out (m, n) = x (n, m) transposed, and their marks unless these are NULL.
void tt_turn_rows(float *out, uint64_t *marks, const float *x, long n, long m, long from, long to);
// out (m, n) = x (n, m) transposed.
void tt_turn(float *out, const float *x, long n, long m);

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

// out[i] = keep(first + i) ? x[i] * scale : 0. Also its own backward.
void tt_drop(float *out, const float *x, long n, tt_dropout drop);

// In place: x = dropout(relu(x + bias)) for rows first ..< last and columns from ..< to of x (n, d); bias may be NULL, relu
// off gives x + bias (dropout then not applied).
void tt_bias_relu_dropout(float *x, const float *bias, long first, long last, long d, long from, long to, bool relu,
                          tt_dropout drop);
// dx = y > 0 ? g * scale : 0, and bias gradient db[j] = sum of dx[:, j] unless db is NULL.
void tt_relu_dropout_backward(float *dx, float *db, const float *g, const float *y, long n, long d, float scale);

// A batch of n samples, each one of m rows: those of row u are samples[starts[u]] ..< samples[starts[u + 1]], ascending.
// Rows have a dense part, m of width d0, and sparse parts: entries offsets[u] ..< offsets[u + 1], each a column
// (counted from the start of the whole row) and a value. What a row gives is worked out once for all of its samples.
typedef struct {
    long n, m, d0;
    const float *dense;
    const int32_t *starts, *samples;
    const int32_t *offsets;
    const int32_t *columns;
    const float *values;
} tt_rows;

// Groups samples by row, rows in the order of their first samples; returns how many rows there are. `starts` holds
// n + 1 elements, `samples` n, scratch tt_group_scratch(n).
long tt_group_samples(int32_t *starts, int32_t *samples, int32_t *scratch, const int32_t *rows, long n);
long tt_group_scratch(long n);

// Samples of the rows first ..< last of y (n, d) = dropout(relu(x * weight + bias)), weight (in, d).
void tt_sparse_linear(float *y, tt_rows x, const float *weight, const float *bias, long first, long last, long d,
                      bool relu, tt_dropout drop);

// A sparse part of a whole matrix: its row i has entries offsets[i] ..< offsets[i + 1], each a column, counted from `first`
// on, and a value.
typedef struct {
    long first;
    const int64_t *offsets;
    const int32_t *codes;
    const float *values;
} tt_part;

// The same for rows that are not so sparse, in two steps. out (m, width): those rows of a matrix with a dense part of width
// d0 as a whole. The entries of a tt_rows are not needed then.
void tt_expand_rows(float *out, const int32_t *rows, long m, long width, const float *dense, long d0,
                    const tt_part *parts, long count);
// Samples of the rows first ..< last of y (n, d) = dropout(relu(z + bias)), z (m, d) by row; columns from ..< to.
void tt_spread_rows(float *y, const float *z, tt_rows x, const float *bias, long first, long last, long d, long from,
                    long to, bool relu, tt_dropout drop);

// sums (m, d): of g (n, d) over each row's samples.
void tt_sum_samples(float *sums, const float *g, tt_rows x, long d);
// The same of what tt_relu_dropout_backward gives, with its db.
void tt_spread_backward(float *sums, float *db, const float *g, const float *y, tt_rows x, long d, float scale);

// The entries by column: those of column c are starts[c] ..< starts[c + 1], each with its row, ascending.
typedef struct {
    long first, width;      // columns first ..< width have entries
    const int32_t *starts;  // width + 1
    const int32_t *rows;
    const float *values;
} tt_entries;

// `rows` and `values` hold as many as x has entries.
void tt_group_entries(int32_t *starts, int32_t *rows, float *values, tt_rows x, long width);
// Columns from ..< to of rows x.first ..< x.width of the weight gradient dw (width, d), for g (m, d) by row.
void tt_sparse_linear_backward(float *dw, const float *g, tt_entries entries, long d, long from, long to);

// Optimizers --------------------------------------------------------------------------------------------------------

// One step of Adam (l2 > 0 adds l2 * p to the gradient) or AdamW (keep = 1 - lr * weight_decay). take1 = 1 - beta1 and
// take2 = 1 - beta2 are rounded from double: in float 1 - 0.999 is off by 5e-5.
typedef struct {
    float gradient_scale, keep, l2, take1, beta2, take2, step_size, correction2_root, eps;
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
// Runs task(context, 0 ..< count) on up to `threads` threads, the caller among them; returns when all are done. Called
// from inside a task, threads that have run out of work join.
void tt_parallel(long count, int threads, tt_task task, void *context);

// Processors this process may run on.
int tt_processor_count(void);

// Per thread: how many scopes have switched recording of gradients off.
int tt_no_grad_depth(void);
void tt_no_grad_add(int change);
// 1, 2, 3 … over all threads.
uint64_t tt_next_order(void);
