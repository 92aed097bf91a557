#include "CPostgres.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct tt_cancel_request {
    PGcancel *cancel;
    atomic_bool is_over;
    atomic_int owners;  // the thread and the one who asked
};

void tt_cancel_forget(tt_cancel_request *request) {
    if (atomic_fetch_sub(&request->owners, 1) > 1) return;
    tt_PQfreeCancel(request->cancel);
    free(request);
}

bool tt_cancel_is_over(tt_cancel_request *request) { return atomic_load(&request->is_over); }

static void *send_request(void *argument) {
    tt_cancel_request *request = argument;
    char message[256];
    tt_PQcancel(request->cancel, message, sizeof message);
    atomic_store(&request->is_over, true);
    tt_cancel_forget(request);
    return NULL;
}

tt_cancel_request *tt_cancel_start(PGconn *connection) {
    tt_cancel_request *request = malloc(sizeof *request);
    PGcancel *cancel = request ? tt_PQgetCancel(connection) : NULL;
    if (!cancel) {
        free(request);
        return NULL;
    }
    request->cancel = cancel;
    atomic_init(&request->is_over, false);
    atomic_init(&request->owners, 2);
    // Signals are the main thread's.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, send_request, request);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failure) send_request(request);
    else pthread_detach(thread);
    return request;
}
