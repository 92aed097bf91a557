#include "Hooks.h"

#include <CSystem.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

// Ctrl-C, and a polite request to end (SIGTERM). The handler stores a flag that native loops poll, and sets a hook on the
// running coroutine so that Lua code raises the error at its next instruction. Nothing is hooked before: a permanent hook
// would halve Lua's speed.

static tt_context *volatile target;
static atomic_int presses;
static volatile sig_atomic_t last_signal;
static pthread_t main_thread;
static struct termios terminal;
static bool has_terminal;

static const int every_event = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static void interrupt_hook(lua_State *L, lua_Debug *info);

// ---- the hook: these two run in the signal handler, or between tt_hooks_begin and tt_hooks_end

static void disarm(tt_context *context) {
    lua_State *L = context->armed;
    if (!L) return;
    context->armed = NULL;
    // A C module may have set its own.
    if (lua_gethook(L) == interrupt_hook) lua_sethook(L, context->old_hook, context->old_mask, context->old_count);
}

// Only stores, as lua_sethook promises for itself.
static void arm(tt_context *context, lua_State *L) {
    if (context->armed != L) {
        disarm(context);
        if (context->profile) tt_profile_unhook(context->profile);
        // A coroutine made while the hook was set has a copy, which is nobody's to come back to.
        if (lua_gethook(L) == interrupt_hook) lua_sethook(L, NULL, 0, 0);
        context->old_hook = lua_gethook(L);
        context->old_mask = lua_gethookmask(L);
        context->old_count = lua_gethookcount(L);
        context->armed = L;
    }
    lua_sethook(L, interrupt_hook, every_event, 1);
}

void tt_hooks_begin(tt_context *context) {
    context->changing = true;
    atomic_signal_fence(memory_order_seq_cst);
}

static void end_changes(tt_context *context) {
    atomic_signal_fence(memory_order_seq_cst);
    context->changing = false;
    atomic_signal_fence(memory_order_seq_cst);
}

void tt_hooks_end(tt_context *context) {
    end_changes(context);
    // A signal from here on arms by itself; doing it once more changes nothing.
    if (!tt_interrupt_pending() || target != context || context->armed == context->running) return;
    tt_hooks_begin(context);
    arm(context, context->running);
    end_changes(context);
}

static void interrupt_hook(lua_State *L, lua_Debug *info) {
    (void)info;
    tt_context *context = tt_context_of(L);
    if (!lua_checkstack(L, 8)) return;  // later, when the stack has room
    tt_hooks_begin(context);
    if (context->armed == L) disarm(context);
    else if (lua_gethook(L) == interrupt_hook) lua_sethook(L, NULL, 0, 0);  // a copy
    end_changes(context);
    if (!tt_interrupt_pending()) return;
    tt_push_interruption(L, 0);
    lua_error(L);
}

void tt_interrupts_follow(tt_context *context) {
    if (context->armed || tt_interrupt_pending()) {
        tt_hooks_begin(context);
        if (context->armed != context->running) disarm(context);
        tt_hooks_end(context);
    }
    if (context->profile) tt_profile_follow(context);
}

// ---- raising it

static const char interruption_key;  // in the registry: the error object raised last

// Finalizers must not lose an interruption: what they raise is only a warning. `lua_gc` answers nothing inside one.
static bool in_finalizer(lua_State *L) { return lua_gc(L, LUA_GCCOUNT) < 0; }

void tt_push_interruption(lua_State *L, int level) {
    tt_context *context = tt_context_of(L);
    bool lasts = in_finalizer(L);
    // The warning would only say that it was interrupted; the flag stays, and the code after the collection is stopped.
    context->is_muted = lasts;
    if (!lasts) {
        tt_hooks_begin(context);
        tt_interrupt_set(0);
        disarm(context);
        tt_hooks_end(context);
        // Counted before there is an object, for which memory may not suffice.
        context->interruptions++;
        lua_pushboolean(L, false);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &interruption_key);
    }
    tt_push_error(L, "interrupted", 11, "interrupted", 11, level);
    if (lasts) return;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &interruption_key);
}

void tt_push_last_interruption(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &interruption_key) == LUA_TTABLE) return;
    lua_pop(L, 1);
    tt_push_error(L, "interrupted", 11, "interrupted", 11, 1);
}

bool tt_is_interruption(lua_State *L, int index) {
    if (!tt_is_error(L, index)) return false;
    lua_pushvalue(L, index);
    lua_pushliteral(L, "code");
    bool same = lua_rawget(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "interrupted") == 0;
    lua_pop(L, 2);
    return same;
}

bool tt_find_interruption(lua_State *L, unsigned before) {
    if (tt_context_of(L)->interruptions == before) return tt_is_interruption(L, -1);
    tt_push_last_interruption(L);
    lua_replace(L, -2);
    return true;
}

// ---- debug.sethook

static lua_CFunction set_hook_of_lua;

static int set_hook(lua_State *L) {
    tt_context *context = tt_context_of(L);
    // The first call refuses wrong arguments and finds the memory. The second cannot fail, and no signal comes between.
    int arguments = lua_gettop(L);
    set_hook_of_lua(L);
    lua_settop(L, arguments);
    tt_hooks_begin(context);
    disarm(context);
    if (context->profile) tt_profile_unhook(context->profile);
    int results = set_hook_of_lua(L);
    tt_hooks_end(context);
    return results;
}

void tt_setup_interrupts(lua_State *L) {
    lua_pushboolean(L, false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &interruption_key);
    lua_getglobal(L, LUA_DBLIBNAME);
    lua_getfield(L, -1, "sethook");
    set_hook_of_lua = lua_tocfunction(L, -1);
    lua_pushcfunction(L, set_hook);
    lua_setfield(L, -3, "sethook");
    lua_pop(L, 2);
}

// ---- signals

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
        tt_context *context = target;
        if (context && !context->changing) arm(context, context->running);
    }
    errno = saved_errno;
}

void tt_interrupts_install(tt_context *context) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    // No handler interrupts another.
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGPROF);
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
    tt_context *context = target;
    if (context) tt_hooks_begin(context);
    // In this order a signal that comes meanwhile either belongs to what is over, or is the first of what begins; SIGTERM
    // is remembered in any case.
    last_signal = 0;
    tt_interrupt_set(0);
    if (context) disarm(context);
    atomic_store(&presses, 0);
    if (context) tt_hooks_end(context);
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
