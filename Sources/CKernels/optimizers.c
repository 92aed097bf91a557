#include "CKernels.h"
#include "vectors.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// Moments of weights that see no gradient decay into subnormal numbers, where arithmetic is many times slower and the
// update is zero anyway: the optimizers count them as zero.
TT_INLINE unsigned flush_subnormals(void) {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

TT_INLINE void restore(unsigned before) {
#if defined(__x86_64__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

// The order of operations is PyTorch's: decay, first moment by interpolation, second moment, quotient.
TT_LOCAL_KERNEL(void, adam,
                (float *restrict p, const float *restrict g, float *restrict m, float *restrict v, long n, tt_adam a),
                (p, g, m, v, n, a)) {
    float inverse_root = 1 / a.correction2_root;
    for (long i = 0; i < n; i++) {
        float gradient = g[i] * a.gradient_scale + a.l2 * p[i];
        float weight = p[i] * a.keep;
        float first = m[i] + (gradient - m[i]) * a.take1;
        float second = v[i] * a.beta2 + gradient * gradient * a.take2;
        float root = __builtin_elementwise_sqrt(second) * inverse_root + a.eps;
        m[i] = first;
        v[i] = second;
        p[i] = weight - a.step_size * (first / root);
    }
}

void tt_adam_step(float *p, const float *g, float *m, float *v, long n, tt_adam a) {
    unsigned before = flush_subnormals();
    adam(p, g, m, v, n, a);
    restore(before);
}

TT_LOCAL_KERNEL(void, sgd, (float *restrict p, const float *restrict g, float *restrict buffer, long n, tt_sgd s),
                (p, g, buffer, n, s)) {
    if (!buffer) {
        for (long i = 0; i < n; i++) p[i] -= s.lr * (g[i] * s.gradient_scale + s.l2 * p[i]);
        return;
    }
    float keep = s.first ? 0 : s.momentum;
    for (long i = 0; i < n; i++) {
        float d = g[i] * s.gradient_scale + s.l2 * p[i];
        float moved = s.first ? d : keep * buffer[i] + d;
        buffer[i] = moved;
        p[i] -= s.lr * (s.nesterov ? d + s.momentum * moved : moved);
    }
}

void tt_sgd_step(float *p, const float *g, float *buffer, long n, tt_sgd s) {
    unsigned before = flush_subnormals();
    sgd(p, g, buffer, n, s);
    restore(before);
}
