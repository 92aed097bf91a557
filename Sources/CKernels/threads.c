#define _GNU_SOURCE 1
#include "CKernels.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

// Workers start once and wait; a job is a counter that everybody draws from. `tickets` says how many workers may still
// join the job, `running` how many have. The caller takes part, then withdraws the tickets nobody took.
enum { MAX_WORKERS = 255 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    int workers;
    atomic_int tickets, running;
    atomic_long next;
    long count;
    tt_task task;
    void *context;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int inside;

static void drain(void) {
    long index;
    while ((index = atomic_fetch_add(&pool.next, 1)) < pool.count) pool.task(pool.context, index);
}

// Looks at `value` for some 30 microseconds: shorter than a wake-up, and most jobs of a training step come that close
// together.
static bool spin_until(atomic_int *value, bool positive) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        for (int i = 0; i < 64; i++) {
            if ((atomic_load_explicit(value, memory_order_acquire) > 0) == positive) return true;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec > 30000) return false;
    }
}

static void *work(void *unused) {
    (void)unused;
    inside = 1;
    for (;;) {
        spin_until(&pool.tickets, true);
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.tickets) == 0) pthread_cond_wait(&pool.wake, &pool.lock);
        atomic_fetch_sub(&pool.tickets, 1);
        atomic_fetch_add(&pool.running, 1);
        pthread_mutex_unlock(&pool.lock);
        drain();
        pthread_mutex_lock(&pool.lock);
        if (atomic_fetch_sub(&pool.running, 1) == 1) pthread_cond_signal(&pool.done);
        pthread_mutex_unlock(&pool.lock);
    }
    return 0;
}

// Signals stay with the thread that runs the script.
static void start_workers(int wanted) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers < wanted && pool.workers < MAX_WORKERS) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 8 << 20);
        int failure = pthread_create(&thread, &attributes, work, 0);
        pthread_attr_destroy(&attributes);
        if (failure) break;  // fewer workers do the same work
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
}

void tt_parallel(long count, int threads, tt_task task, void *context) {
    if (count <= 1 || threads <= 1 || inside || pthread_mutex_trylock(&owner) != 0) {
        for (long index = 0; index < count; index++) task(context, index);
        return;
    }
    int helpers = (int)(count < threads ? count : threads) - 1;
    start_workers(helpers);
    pthread_mutex_lock(&pool.lock);
    pool.task = task;
    pool.context = context;
    pool.count = count;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.tickets, helpers < pool.workers ? helpers : pool.workers);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);

    inside = 1;
    drain();
    inside = 0;

    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.tickets, 0);
    pthread_mutex_unlock(&pool.lock);
    spin_until(&pool.running, false);
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.running) > 0) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&owner);
}

int tt_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static _Thread_local int no_grad;
int tt_no_grad_depth(void) { return no_grad; }
void tt_no_grad_add(int change) { no_grad += change; }

static atomic_ullong order;
uint64_t tt_next_order(void) { return atomic_fetch_add_explicit(&order, 1, memory_order_relaxed) + 1; }
