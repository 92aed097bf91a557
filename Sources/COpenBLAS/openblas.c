#include "COpenBLAS.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t loading = PTHREAD_ONCE_INIT;
static char why_not[512];
static __typeof__(cblas_sgemm) *p_sgemm;

static void *open_without_threads(void) {
    // Read while it is loaded; put back, as programs that a script starts inherit the environment.
    static const char variable[] = "OPENBLAS_NUM_THREADS";
    const char *value = getenv(variable);
    char *users = value ? strdup(value) : NULL;
    setenv(variable, "1", 1);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (users) setenv(variable, users, 1);
    else unsetenv(variable);
    free(users);
    return library;
}

static void load(void) {
    void *library = open_without_threads();
    if (!library) {
        const char *reason = dlerror();
        snprintf(why_not, sizeof why_not,
                 "products of tensors need the library libopenblas.so.0 (Debian and Ubuntu: the package "
                 "libopenblas0-pthread): %s",
                 reason ? reason : "not found");
        return;
    }
    p_sgemm = (__typeof__(cblas_sgemm) *)dlsym(library, "cblas_sgemm");
    if (!p_sgemm) snprintf(why_not, sizeof why_not, "the installed libopenblas.so.0 has no cblas_sgemm");
}

const char *tt_blas_load(void) {
    pthread_once(&loading, load);
    return why_not[0] ? why_not : NULL;
}

void tt_sgemm(
    float *c, const float *a, int transpose_a, const float *b, int transpose_b, int m, int n, int k) {
    p_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, m, n, k,
            1, a, transpose_a ? m : k, b, transpose_b ? k : n, 0, c, n);
}
