#include "CLuaBridge.h"

#include <CSystem.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

// Ctrl-C, and a polite request to end (SIGTERM). The handler stores a flag that native loops poll, and sets a hook on the running coroutine so that Lua code
// raises the error at its next instruction. Nothing is hooked before: a permanent hook would halve Lua's speed.

static tt_context *volatile target;
static atomic_int presses;
static volatile sig_atomic_t last_signal;
static pthread_t main_thread;
static struct termios terminal;
static bool has_terminal;

static const int every_event = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static void interrupt_hook(lua_State *L, lua_Debug *info);

static void disarm(tt_context *context) {
    lua_State *L = context->armed;
    if (!L) return;
    context->armed = NULL;
    lua_sethook(L, context->old_hook, context->old_mask, context->old_count);
}

// Runs inside the signal handler as well: only stores, as lua_sethook promises for itself.
static void arm(tt_context *context, lua_State *L) {
    if (context->armed != L) {
        disarm(context);
        context->old_hook = lua_gethook(L);
        context->old_mask = lua_gethookmask(L);
        context->old_count = lua_gethookcount(L);
        context->armed = L;
    }
    lua_sethook(L, interrupt_hook, every_event, 1);
}

static void interrupt_hook(lua_State *L, lua_Debug *info) {
    (void)info;
    tt_context *context = tt_context_of(L);
    bool pending = tt_interrupt_pending();
    tt_interrupts_raised(context);
    if (!pending) return;
    luaL_checkstack(L, 8, NULL);
    tt_push_error(L, "interrupted", 11, "interrupted", 11, 0);
    lua_error(L);
}

void tt_interrupts_raised(tt_context *context) {
    tt_interrupt_set(0);
    disarm(context);
}

void tt_interrupts_follow(tt_context *context) {
    if (context->armed && context->armed != context->running) disarm(context);
    if (tt_interrupt_pending() && target == context) arm(context, context->running);
    if (context->profile) tt_profile_follow(context);
}

static void on_interrupt(int signal) {
    int saved_errno = errno;
    if (!pthread_equal(pthread_self(), main_thread)) {
        // Blocking calls of the main thread have to see it too.
        pthread_kill(main_thread, signal);
    } else if (atomic_fetch_add(&presses, 1) > 0) {
        if (has_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
        _exit(128 + signal);
    } else {
        last_signal = signal;
        tt_interrupt_set(1);
        if (target) arm(target, target->running);
    }
    errno = saved_errno;
}

void tt_interrupts_install(tt_context *context) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGPROF);  // a profile sets hooks as well
    target = context;
    main_thread = pthread_self();
    has_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
    action.sa_handler = context ? on_interrupt : SIG_DFL;  // no SA_RESTART: blocking calls come back
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    tt_interrupts_reset();
}

int tt_interrupts_signal(void) { return last_signal; }

void tt_interrupts_forget(tt_context *context) {
    if (target == context) target = NULL;
}

void tt_interrupts_reset(void) {
    atomic_store(&presses, 0);
    last_signal = 0;
    if (target) tt_interrupts_raised(target);
    else tt_interrupt_set(0);
}

static bool is_broken(int descriptor) {
    struct pollfd entry = {.fd = descriptor, .events = POLLOUT};
    return poll(&entry, 1, 0) == 1 && (entry.revents & POLLERR);
}

static void on_broken_pipe(int signal_number) {
    int saved_errno = errno;
    if (is_broken(STDOUT_FILENO) || is_broken(STDERR_FILENO)) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    errno = saved_errno;
}

void tt_broken_pipes_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART | SA_NODEFER;  // the raised signal must arrive inside the handler
    action.sa_handler = on_broken_pipe;
    sigaction(SIGPIPE, &action, NULL);
}
