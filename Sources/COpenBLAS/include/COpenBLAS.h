// OpenBLAS, loaded when the first product is computed: scripts without one neither pay for it nor need it. Loading it
// starts a thread for each processor, which turn on the spot for a tenth of a second; here it is told to start none.
#pragma once

// Loads libopenblas.so.0. Returns NULL, or why it cannot be used (a static text). Cheap after the first call.
const char *tt_blas_load(void);

// c (m, n) = a · b in row-major order, on the calling thread: a is (m, k), or (k, m) when transposed, b (k, n) or (n, k).
// Not to be called before tt_blas_load has succeeded.
void tt_sgemm(
    float *c, const float *a, int transpose_a, const float *b, int transpose_b, int m, int n, int k);
