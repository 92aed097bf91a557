// Sixteen lanes at a time, whatever the processor: the compiler splits them as it must, the order of sums stays.
#pragma once
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define TT_INLINE static inline __attribute__((always_inline))

// Sets of kernels, by the instructions they are compiled for; a processor runs those below its own. The one in use:
enum tt_kernel_sets { TT_PORTABLE, TT_AVX2, TT_AVX512 };
extern int tt_kernel_set;

// TT_KERNEL(result, name, (parameters), (arguments)) { body }: a function whose body is compiled once for each set.
#define TT_KERNEL(...) TT_VERSIONS(, __VA_ARGS__)
#define TT_LOCAL_KERNEL(...) TT_VERSIONS(static, __VA_ARGS__)
#if defined(__x86_64__)
#define TT_FOR_AVX512 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define TT_FOR_AVX2 __attribute__((target("arch=x86-64-v3")))
#define TT_VERSIONS(linkage, result, name, parameters, arguments)                                                      \
    TT_INLINE result name##_body parameters;                                                                           \
    TT_FOR_AVX512 static result name##_avx512 parameters { return name##_body arguments; }                             \
    TT_FOR_AVX2 static result name##_avx2 parameters { return name##_body arguments; }                                 \
    static result name##_portable parameters { return name##_body arguments; }                                         \
    linkage result name parameters {                                                                                   \
        switch (tt_kernel_set) {                                                                                       \
        case TT_AVX512: return name##_avx512 arguments;                                                                \
        case TT_AVX2: return name##_avx2 arguments;                                                                    \
        default: return name##_portable arguments;                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    TT_INLINE result name##_body parameters
#else
#define TT_VERSIONS(linkage, result, name, parameters, arguments) linkage result name parameters
#endif

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
