#include "CKernels.h"
#include "vectors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tt_kernel_set = TT_PORTABLE;

static const char *const names[] = {[TT_PORTABLE] = "portable", [TT_AVX2] = "avx2", [TT_AVX512] = "avx512"};

const char *tt_kernel_set_name(void) { return names[tt_kernel_set]; }

// At start-up rather than at the first kernel: an invalid choice ends the program before it has done anything.
__attribute__((constructor)) static void choose(void) {
    int best = TT_PORTABLE;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3")) best = TT_AVX2;
    if (__builtin_cpu_supports("x86-64-v4")) best = TT_AVX512;
#endif
    tt_kernel_set = best;
    const char *requested = getenv("TT_KERNELS");
    if (!requested || !*requested) return;
    for (int set = TT_PORTABLE; set <= TT_AVX512; set++) {
        if (strcmp(requested, names[set]) != 0) continue;
        if (set > best) {
            fprintf(stderr,
                    "tt: TT_KERNELS is '%s', but this processor has no such instructions; the best it runs is '%s'\n",
                    requested, names[best]);
            exit(2);
        }
        tt_kernel_set = set;
        return;
    }
    fprintf(stderr, "tt: TT_KERNELS is '%s'; it may be 'avx512', 'avx2', 'portable', or unset for the best of them\n",
            requested);
    exit(2);
}
