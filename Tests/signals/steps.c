// A signal at every single instruction: of code that changes hooks, and of Lua code that catches errors. The processor
// traps after each instruction; the trap's handler forks, raises the signal in the child, which runs on without traps
// and is judged by what it does, and goes on to the next instruction.
#define _GNU_SOURCE 1
#include <CLuaBridge.h>
#include <CSystem.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { trap_flag = 0x100, second = 128 + SIGINT };

// ---- stepping

static long count, ended, bad;  // instructions; children that the second Ctrl-C ended, and that went wrong
static bool is_child, may_end;
static int chosen_signal;

#ifdef __x86_64__
#define FLAGS(change)                                                                                          \
    __asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; " change ", (%%rsp); popfq; leaq 128(%%rsp), %%rsp" ::: \
                         "memory", "cc")

static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    // Clearing a table is an instruction an element: behind the first few thousand some are enough, and so are some failures.
    if (++count > 3000 && count % 97) return;
    if (bad == 5) _exit(1);
    pid_t child = fork();
    if (child == 0) {
        is_child = true;
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
        raise(chosen_signal);
        return;
    }
    int result;
    waitpid(child, &result, 0);
    result = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
    if (may_end && result == second) ended++;
    else if (result != 0) fprintf(stderr, "instruction %ld: status %d\n", count, result), bad++;
}

static void with_signals(void (*work)(lua_State *), lua_State *L) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    FLAGS("orq $0x100");
    work(L);
    FLAGS("andq $-257");
}
#endif

// ---- what is stepped through

static tt_context *context;
static lua_State *main_state;
static int status;  // of the Lua code that was stepped through

static int no_native(lua_State *L, int function, void *host) {
    (void)L, (void)function, (void)host;
    return 0;
}

static void reset(lua_State *L) {
    (void)L;
    tt_interrupts_reset();
}

// The function on top of the stack, which the handlers of tt are not around.
static void run(lua_State *L) { status = lua_pcall(L, 0, 0, 0); }

typedef struct {
    const char *name;
    const char *before;  // Lua code that is run before
    int signal_before;   // raised before: hooks are set
    bool profiled;
    void (*work)(lua_State *);
    const char *code;  // what `run` runs
    int signal;
} scene;

#define HOOK "debug.sethook(hook, 'l', 5) "
static const scene scenes[] = {
    {"a run begins", "", SIGINT, false, reset, "", SIGINT},
    {"a run begins, under a hook of the script", HOOK, SIGINT, false, reset, "", SIGINT},
    {"a run begins, profiled", HOOK, SIGINT, true, reset, "", SIGPROF},
    {"an interruption, profiled", HOOK, SIGINT, true, run, "spin()", SIGPROF},
    {"a sample", HOOK, SIGPROF, true, run, "spin()", SIGINT},
    {"a sample of code without a hook", "", SIGPROF, true, run, "spin()", SIGINT},
    {"a hook that is set", "", 0, false, run, HOOK, SIGINT},
    {"a hook that is taken away", HOOK, 0, false, run, "debug.sethook()", SIGINT},
    {"a hook that is set, profiled", "", SIGPROF, true, run, HOOK, SIGINT},
    {"a hook that is set, sampled", "", 0, true, run, HOOK, SIGPROF},
    {"coroutines", HOOK, 0, false, run, "nested()", SIGINT},
    {"coroutines, profiled", HOOK, SIGPROF, true, run, "nested()", SIGINT},
    {"coroutines, sampled", HOOK, 0, true, run, "nested()", SIGPROF},
    {"caught errors", HOOK, 0, false, run, "for _ = 1, 2 do pcall(spin) pcall(error) end", SIGINT},
    {"handled errors", "", 0, false, run, "xpcall(spin, spin) xpcall(error, function() spin() end)", SIGINT},
    {"a reader", "", 0, false, run, "local n = 0 load(function() n = n + 1 return n < 3 and '--' or nil end)", SIGINT},
    {"closed variables", HOOK, 0, false, run, "closing()", SIGINT},
    {"finalizers", "", 0, false, run, "setmetatable({}, {__gc = function() pcall(nested) end}) collectgarbage()", SIGINT},
};

static const char prelude[] =
    "function hook() end\n"
    "function spin() for i = 1, 3 do end end\n"
    "made = setmetatable({}, {__mode = 'k'})\n"
    "function nested()\n"
    "    local inner = coroutine.create(function() spin() coroutine.yield() spin() error('no') end)\n"
    "    made[inner] = true\n"
    "    coroutine.resume(inner) coroutine.resume(inner) pcall(coroutine.wrap(spin))\n"
    "end\n"
    "function closing()\n"
    "    pcall(function()\n"
    "        local first <close> = setmetatable({}, {__close = function() spin() error('no') end})\n"
    "        spin()\n"
    "    end)\n"
    "end\n";

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    _exit(1);
}

static void must_run(lua_State *L, const char *code) {
    if (luaL_dostring(L, code) == LUA_OK) return;
    fail(luaL_tolstring(L, -1, NULL));
}

// Whether the script's hook is as it set it, or not set.
static bool has_own_hook(lua_State *L, bool *set) {
    *set = lua_gethook(L) != NULL;
    return *set ? lua_gethookmask(L) == LUA_MASKLINE + LUA_MASKCOUNT && lua_gethookcount(L) == 5 : lua_gethookmask(L) == 0;
}

static void check(const scene *scene, bool raised) {
    lua_State *L = main_state;
    bool interrupts = scene->signal == SIGINT || scene->signal_before == SIGINT;
    if (status != LUA_OK) {
        if (!tt_is_interruption(L, -1)) fail(luaL_tolstring(L, -1, NULL));
        if (!interrupts) fail("interrupted by nothing");
        if (tt_interrupt_pending()) fail("raised, and still pending");
    } else if (tt_interrupt_pending()) {
        if (luaL_dostring(L, "for i = 1, 1000 do end") == LUA_OK) fail("the interruption is lost: Lua code runs on");
        if (!tt_is_interruption(L, -1)) fail(luaL_tolstring(L, -1, NULL));
    } else if (scene->work == run && interrupts && (raised || scene->signal_before == SIGINT)) {
        fail("the interruption is lost: something caught it");
    }
    tt_interrupts_reset();
    if (context->armed || context->changing) fail("the state of the hooks is not at rest");
    must_run(L, "for i = 1, 100 do end nested()");
    if (context->profile) {
        // Another sample, whose hook goes as well.
        raise(SIGPROF);
        must_run(L, "for i = 1, 100 do end");
    }
    bool set, was_set = scene->before[0] != 0, sets = strstr(scene->code, "sethook") != NULL;
    if (!has_own_hook(L, &set)) fail("the script's hook is not as it set it");
    if (!sets && set != was_set) fail(set ? "a hook has stayed" : "the script's hook is gone");
    if (sets && !raised && set == was_set) fail("the script's hook was not changed");
    if (set) must_run(L, "assert(debug.gethook() == hook)");
    // A coroutine made while a hook of ours was set has a copy, which goes when it runs.
    must_run(
        L,
        "for inner in pairs(made) do\n"
        "    if coroutine.status(inner) == 'suspended' then\n"
        "        coroutine.resume(inner)\n"
        "        local f = debug.gethook(inner) assert(not f or f == hook)\n"
        "    end\n"
        "end");
}

// Runs one scene; ends the process, as most ways to fail do.
static void play(const scene *scene) {
    // The second Ctrl-C of a run ends the program.
    may_end = scene->signal == SIGINT && scene->signal_before == SIGINT;
    chosen_signal = scene->signal;
    context = tt_open(no_native, NULL, 0);
    context->swift_depth = 0;
    main_state = context->main;
    must_run(main_state, prelude);
    must_run(main_state, scene->before);
    tt_interrupts_install(context);
    if (scene->profiled && !tt_profile_start(context)) fail("no profile");
    if (scene->work == run && luaL_loadstring(main_state, scene->code) != LUA_OK) fail("no code");
    if (scene->signal_before) raise(scene->signal_before);
    with_signals(scene->work, main_state);
    check(scene, is_child);
    if (is_child) _exit(0);
    if (count == ended) bad++, fprintf(stderr, "no signal was survived\n");
    printf("%-45s %6ld instructions, %ld bad\n", scene->name, count, bad);
    exit(bad > 0);
}

// The profile's thread would send signals of its own.
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    (void)thread, (void)attributes, (void)start, (void)argument;
    return 0;
}

int main(void) {
#ifndef __x86_64__
    puts("skipped: this processor is not stepped through");
    return 0;
#endif
    int failures = 0;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        pid_t child = fork();
        if (child == 0) play(&scenes[i]);
        int result;
        waitpid(child, &result, 0);
        if (result == 0) continue;
        if (WIFSIGNALED(result)) fprintf(stderr, "ended by signal %d\n", WTERMSIG(result));
        fprintf(stderr, "FAILED: %s\n", scenes[i].name);
        failures++;
    }
    return failures > 0;
}
