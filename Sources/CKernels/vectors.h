// Sixteen lanes at a time, whatever the processor: the compiler splits them as it must, the order of sums stays.
#pragma once
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define TT_INLINE static inline __attribute__((always_inline))

typedef float f16 __attribute__((vector_size(64)));
typedef float f16u __attribute__((vector_size(64), aligned(4)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef double d8 __attribute__((vector_size(64)));

enum { LANES = 16 };

#define LOAD(p) (*(const f16u *)(p))
#define STORE(p, value) (*(f16u *)(p) = (value))
// A macro, since a vector may not cross a function border between differently compiled kernels.
#define SUM_LANES(v, result)                                                                                           \
    do {                                                                                                               \
        f16 lanes_ = (v);                                                                                              \
        float s_[LANES];                                                                                               \
        memcpy(s_, &lanes_, sizeof s_);                                                                                \
        for (int w_ = LANES / 2; w_ > 0; w_ /= 2)                                                                      \
            for (int l_ = 0; l_ < w_; l_++) s_[l_] += s_[l_ + w_];                                                     \
        (result) = s_[0];                                                                                              \
    } while (0)
