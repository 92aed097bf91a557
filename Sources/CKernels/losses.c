#include "CKernels.h"
#include "vectors.h"
#include <math.h>

float tt_bce(const float *x, const float *y, long n) {
    double total = 0;
    for (long i = 0; i < n; i++) {
        float v = x[i];
        total += (v > 0 ? v : 0) - v * y[i] + log1pf(expf(-fabsf(v)));
        if (isnan(v)) return NAN;
    }
    return (float)(total / (double)n);
}

void tt_bce_backward(float *dx, const float *x, const float *y, long n, float scale) {
    for (long i = 0; i < n; i++) {
        float e = expf(-fabsf(x[i]));
        float s = x[i] >= 0 ? 1 / (1 + e) : e / (1 + e);
        dx[i] = (s - y[i]) * scale;
    }
}
