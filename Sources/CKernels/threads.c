#define _GNU_SOURCE 1
#include "CKernels.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

// A thread pool with work helping. A job is a shared counter of task indices; its tickets limit how many workers join
// it. The caller runs tasks of its own job, then withdraws the unused tickets. Jobs may nest: every waiting thread, an
// idle worker or a caller whose workers are not done, takes a ticket of the newest job that has one.
enum { MAX_WORKERS = 255 };

typedef struct job {
    tt_task task;
    void *context;
    long count;
    int threads;
    atomic_long next;
    int tickets;         // helpers that may still join
    atomic_int helpers;  // threads now working on it
    struct job *below;   // opened before this one
} job;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;  // a job was opened, or the last helper left one
    int workers, busy;       // busy: threads that run tasks rather than wait
    job *open;
    atomic_int tickets;  // of all open jobs
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside;

// Whether all helpers of a thread's own job, if it opened one, have left.
static bool is_over(job *own) { return own && atomic_load_explicit(&own->helpers, memory_order_acquire) == 0; }

static void drain(job *from, job *own) {
    long index;
    while (!is_over(own) && (index = atomic_fetch_add(&from->next, 1)) < from->count) from->task(from->context, index);
}

// Joins the newest job that takes helpers. The lock is held on entry and on return.
static bool help(job *own) {
    job *from = pool.open;
    while (from && (from->tickets == 0 || pool.busy >= from->threads)) from = from->below;
    if (!from) return false;
    from->tickets--;
    atomic_fetch_sub(&pool.tickets, 1);
    atomic_fetch_add(&from->helpers, 1);
    pool.busy++;
    pthread_mutex_unlock(&pool.lock);
    drain(from, own);
    pthread_mutex_lock(&pool.lock);
    pool.busy--;
    if (atomic_fetch_sub(&from->helpers, 1) == 1) pthread_cond_broadcast(&pool.changed);
    return true;
}

// Spins for 100 microseconds, about the time of a wake-up on a virtual machine: in a training step the next job mostly
// comes sooner.
static void spin(job *own) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 64; i++) {
            if (is_over(own) || atomic_load_explicit(&pool.tickets, memory_order_relaxed) > 0) return;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 100000);
}

// Works on other jobs until the helpers of `own` have left; forever without `own`. The lock is held on entry and on
// return.
static void wait_helping(job *own) {
    while (!is_over(own)) {
        if (help(own)) continue;
        pthread_mutex_unlock(&pool.lock);
        spin(own);
        pthread_mutex_lock(&pool.lock);
        if (!is_over(own) && !help(own)) pthread_cond_wait(&pool.changed, &pool.lock);
    }
}

static void *work(void *unused) {
    (void)unused;
    inside = true;
    pthread_mutex_lock(&pool.lock);
    wait_helping(0);
    return 0;
}

// Workers block signals: the thread that runs the script handles them.
static void start_workers(int target) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers < target && pool.workers < MAX_WORKERS) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, 8 << 20);
        int failure = pthread_create(&thread, &attributes, work, 0);
        pthread_attr_destroy(&attributes);
        if (failure) break;  // fewer workers do
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
}

static void open_job(job *own) {
    pthread_mutex_lock(&pool.lock);
    if (pool.workers < own->tickets) start_workers(own->tickets);
    own->below = pool.open;
    pool.open = own;
    atomic_fetch_add(&pool.tickets, own->tickets);
    if (!inside) pool.busy++;
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.lock);
}

// Takes the job off the list and waits until nobody works on it.
static void close_job(job *own, bool nested) {
    pthread_mutex_lock(&pool.lock);
    job **place = &pool.open;
    while (*place != own) place = &(*place)->below;
    *place = own->below;
    atomic_fetch_sub(&pool.tickets, own->tickets);
    pool.busy--;
    wait_helping(own);
    if (nested) pool.busy++;
    pthread_mutex_unlock(&pool.lock);
}

void tt_parallel(long count, int threads, tt_task task, void *context) {
    if (count <= 1 || threads <= 1) {
        for (long index = 0; index < count; index++) task(context, index);
        return;
    }
    bool nested = inside;
    job own = {.task = task, .context = context, .count = count, .threads = threads};
    own.tickets = (int)(count < threads ? count : threads) - 1;
    open_job(&own);
    inside = true;
    drain(&own, 0);
    close_job(&own, nested);
    inside = nested;
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

static atomic_ullong sequence_number;
uint64_t tt_next_sequence_number(void) {
    return atomic_fetch_add_explicit(&sequence_number, 1, memory_order_relaxed) + 1;
}
