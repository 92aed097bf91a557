#include "CKernels.h"
#include "vectors.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// Moments of weights without gradients decay into subnormal numbers, where arithmetic is many times slower and the
// update is zero anyway: the optimizers flush them to zero.
TT_INLINE unsigned flush_subnormals(void) {
#if defined(__x86_64__)
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}

TT_INLINE void restore_subnormals(unsigned before) {
#if defined(__x86_64__)
    _mm_setcsr(before);
#else
    (void)before;
#endif
}

// All four arrays come from main memory. Sixteen elements are a cache line.
enum { PREFETCH_DISTANCE = 8 * LANES };

// The order of operations is PyTorch's: decay, first moment by interpolation, second moment, quotient.
#define ADAM(g, weight, first, second, root)                                                                           \
    do {                                                                                                               \
        __typeof__(root) gradient = (g)*a.gradient_scale + a.l2 * (weight);                                            \
        (first) = (first) + (gradient - (first)) * a.one_minus_beta1;                                                  \
        (second) = (second)*a.beta2 + gradient * gradient * a.one_minus_beta2;                                         \
        (root) = __builtin_elementwise_sqrt(second) * inverse_root + a.eps;                                            \
        (weight) = (weight)*a.decay - a.step_size * ((first) / (root));                                                \
    } while (0)

TT_LOCAL_KERNEL(void, adam,
                (float *restrict p, const float *restrict g, float *restrict m, float *restrict v, long n, tt_adam a),
                (p, g, m, v, n, a)) {
    float inverse_root = 1 / a.bias_correction2_sqrt;
    long i = 0;
    for (; i + LANES <= n; i += LANES) {
        __builtin_prefetch(p + i + PREFETCH_DISTANCE, 1);
        __builtin_prefetch(g + i + PREFETCH_DISTANCE);
        __builtin_prefetch(m + i + PREFETCH_DISTANCE, 1);
        __builtin_prefetch(v + i + PREFETCH_DISTANCE, 1);
        f16 weight = LOAD(p + i), first = LOAD(m + i), second = LOAD(v + i), root;
        ADAM(LOAD(g + i), weight, first, second, root);
        STORE(m + i, first);
        STORE(v + i, second);
        STORE(p + i, weight);
    }
    for (; i < n; i++) {
        float root;
        ADAM(g[i], p[i], m[i], v[i], root);
    }
}

void tt_adam_step(float *p, const float *g, float *m, float *v, long n, tt_adam a) {
    unsigned before = flush_subnormals();
    adam(p, g, m, v, n, a);
    restore_subnormals(before);
}

TT_LOCAL_KERNEL(void, sgd, (float *restrict p, const float *restrict g, float *restrict buffer, long n, tt_sgd s),
                (p, g, buffer, n, s)) {
    if (!buffer) {
        for (long i = 0; i < n; i++) p[i] -= s.lr * (g[i] * s.gradient_scale + s.l2 * p[i]);
        return;
    }
    float momentum = s.first ? 0 : s.momentum;
    for (long i = 0; i < n; i++) {
        float d = g[i] * s.gradient_scale + s.l2 * p[i];
        float velocity = s.first ? d : momentum * buffer[i] + d;
        buffer[i] = velocity;
        p[i] -= s.lr * (s.nesterov ? d + s.momentum * velocity : velocity);
    }
}

void tt_sgd_step(float *p, const float *g, float *buffer, long n, tt_sgd s) {
    unsigned before = flush_subnormals();
    sgd(p, g, buffer, n, s);
    restore_subnormals(before);
}
