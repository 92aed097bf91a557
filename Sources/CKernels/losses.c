#include "CKernels.h"
#include "functions.h"

// Terms are summed in double, in the order of the elements.
TT_KERNEL(float, tt_bce, (const float *x, const float *y, long n), (x, y, n)) {
    double total = 0;
    for (long i = 0; i < n; i += LANES) {
        float terms[LANES];
        long count = n - i < LANES ? n - i : LANES;
        EACH16(terms, x + i, y + i, count, {
            exp_of_minus_abs16(&y16, &x16);
            log1p16(&y16, &y16);
            y16 += SELECT(x16 > 0.0f, x16, SPLAT(0)) - x16 * g16;
        })
        for (long l = 0; l < count; l++) total += terms[l];
    }
    return (float)(total / (double)n);
}

TT_KERNEL(void, tt_bce_backward, (float *dx, const float *x, const float *y, long n, float scale),
          (dx, x, y, n, scale)) {
    EACH16(dx, x, y, n, {
        sigmoid16(&y16, &x16);
        y16 = (y16 - g16) * scale;
    })
}
