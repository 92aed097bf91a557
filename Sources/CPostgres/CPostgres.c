#include "CPostgres.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_once_t loading = PTHREAD_ONCE_INIT;
static char why_not[512];

#define POINTER(result, name, parameters, arguments) static __typeof__(name) *p_##name;
#define POINTER_PROCEDURE(name, parameters, arguments) static __typeof__(name) *p_##name;
TT_PQ_FUNCTIONS(POINTER)
TT_PQ_PROCEDURES(POINTER_PROCEDURE)

static void load(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        snprintf(why_not, sizeof why_not,
                 "PostgreSQL needs the library libpq.so.5 (Debian and Ubuntu: the package libpq5): %s",
                 reason ? reason : "not found");
        return;
    }
#define FIND(name)                                                                                                     \
    if (!(p_##name = (__typeof__(name) *)dlsym(library, #name))) {                                                     \
        snprintf(why_not, sizeof why_not, "the installed libpq.so.5 is too old: it has no " #name);                    \
        return;                                                                                                        \
    }
#define FIND_FUNCTION(result, name, parameters, arguments) FIND(name)
#define FIND_PROCEDURE(name, parameters, arguments) FIND(name)
    TT_PQ_FUNCTIONS(FIND_FUNCTION)
    TT_PQ_PROCEDURES(FIND_PROCEDURE)
}

const char *tt_pq_load(void) {
    pthread_once(&loading, load);
    return why_not[0] ? why_not : NULL;
}

#define DEFINE(result, name, parameters, arguments)                                                                    \
    result tt_##name parameters { return p_##name arguments; }
#define DEFINE_PROCEDURE(name, parameters, arguments)                                                                  \
    void tt_##name parameters { p_##name arguments; }
TT_PQ_FUNCTIONS(DEFINE)
TT_PQ_PROCEDURES(DEFINE_PROCEDURE)
