// Vectors of sixteen lanes on every processor: the compiler splits them, and the order of sums stays.
#pragma once
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define TT_INLINE static inline __attribute__((always_inline))

// Sets of kernels by instruction set, each a superset of the one before; tt_kernel_set is the one in use.
enum tt_kernel_sets { TT_PORTABLE, TT_AVX2, TT_AVX512 };
extern int tt_kernel_set;

// TT_KERNEL(result, name, (parameters), (arguments)) { body }: a function whose body is compiled once for each set, its
// constant `set`.
#define TT_KERNEL(...) TT_VERSIONS(, __VA_ARGS__)
#define TT_LOCAL_KERNEL(...) TT_VERSIONS(static, __VA_ARGS__)
#define TT_LIST(...) __VA_ARGS__
#define TT_BODY(result, name, parameters) TT_INLINE result name##_body(const int set, TT_LIST parameters)
#if defined(__x86_64__)
#define TT_FOR_AVX512 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define TT_FOR_AVX2 __attribute__((target("arch=x86-64-v3")))
#define TT_VERSIONS(linkage, result, name, parameters, arguments)                                                      \
    TT_BODY(result, name, parameters);                                                                                 \
    TT_FOR_AVX512 static result name##_avx512 parameters { return name##_body(TT_AVX512, TT_LIST arguments); }         \
    TT_FOR_AVX2 static result name##_avx2 parameters { return name##_body(TT_AVX2, TT_LIST arguments); }               \
    static result name##_portable parameters { return name##_body(TT_PORTABLE, TT_LIST arguments); }                   \
    linkage result name parameters {                                                                                   \
        switch (tt_kernel_set) {                                                                                       \
        case TT_AVX512: return name##_avx512 arguments;                                                                \
        case TT_AVX2: return name##_avx2 arguments;                                                                    \
        default: return name##_portable arguments;                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    TT_BODY(result, name, parameters)
#else
#define TT_VERSIONS(linkage, result, name, parameters, arguments)                                                      \
    TT_BODY(result, name, parameters);                                                                                 \
    linkage result name parameters { return name##_body(TT_PORTABLE, TT_LIST arguments); }                             \
    TT_BODY(result, name, parameters)
#endif

typedef float f16 __attribute__((vector_size(64)));
typedef float f16u __attribute__((vector_size(64), aligned(4)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32)));
typedef float f4 __attribute__((vector_size(16)));
typedef double d8 __attribute__((vector_size(64)));
typedef uint64_t ul8 __attribute__((vector_size(64)));

enum { LANES = 16 };

#define LOAD(p) (*(const f16u *)(p))
#define STORE(p, value) (*(f16u *)(p) = (value))
#define SPLAT(v) ((f16){(v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v), (v)})

// sum += a * b, rounded once (fused) in every set, so that sums of products have the same bits in all of them. Helpers
// are macros or take vectors by address: vectors cannot be passed by value between functions of different instruction
// sets.
#define MULTIPLY_ADD(sum, a, b)                                                                                        \
    do {                                                                                                               \
        f16 a_ = (a), b_ = (b);                                                                                        \
        multiply_add(set, &(sum), &a_, &b_);                                                                           \
    } while (0)

#if defined(__x86_64__)
// FMA for processors without the instruction. The product of two floats is exact in double; the sum is rounded to odd
// in double, after which rounding to float equals a single rounding (Boldo and Melquiond, "Emulation of FMA and
// correctly rounded sums", 2008).
#define MULTIPLY_ADD_HALF(sum, a, b)                                                                                   \
    ({                                                                                                                 \
        d8 p_ = __builtin_convertvector((a), d8) * __builtin_convertvector((b), d8);                                   \
        d8 c_ = __builtin_convertvector((sum), d8), s_ = p_ + c_, t_ = s_ - p_;                                        \
        d8 error_ = (p_ - (s_ - t_)) + (c_ - t_);                                                                      \
        ul8 bits_ = (ul8)s_, inexact_ = (ul8)((error_ > 0) | (error_ < 0));                                            \
        ul8 one_ = inexact_ & ~bits_ & 1, down_ = one_ & ((bits_ ^ (ul8)error_) >> 63);                                \
        __builtin_convertvector((d8)(bits_ + one_ - (down_ << 1)), f8);                                                \
    })
#define LOW_HALF(v) __builtin_shufflevector((v), (v), 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH_HALF(v) __builtin_shufflevector((v), (v), 8, 9, 10, 11, 12, 13, 14, 15)
#endif

TT_INLINE void multiply_add(const int set, f16 *sum, const f16 *a, const f16 *b) {
#if defined(__x86_64__)
    if (set == TT_PORTABLE) {
        f8 low = MULTIPLY_ADD_HALF(LOW_HALF(*sum), LOW_HALF(*a), LOW_HALF(*b));
        f8 high = MULTIPLY_ADD_HALF(HIGH_HALF(*sum), HIGH_HALF(*a), HIGH_HALF(*b));
        *sum = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        return;
    }
#endif
    *sum = __builtin_elementwise_fma(*a, *b, *sum);
}

// The horizontal sum: halves are added pairwise.
#define SUM_LANES(v, result)                                                                                           \
    do {                                                                                                               \
        f16 v16_ = (v);                                                                                                \
        f8 v8_ = __builtin_shufflevector(v16_, v16_, 0, 1, 2, 3, 4, 5, 6, 7) +                                         \
                 __builtin_shufflevector(v16_, v16_, 8, 9, 10, 11, 12, 13, 14, 15);                                    \
        f4 v4_ = __builtin_shufflevector(v8_, v8_, 0, 1, 2, 3) + __builtin_shufflevector(v8_, v8_, 4, 5, 6, 7);        \
        v4_ += __builtin_shufflevector(v4_, v4_, 2, 3, 0, 1);                                                          \
        (result) = v4_[0] + v4_[1];                                                                                    \
    } while (0)
