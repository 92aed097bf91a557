#define _GNU_SOURCE 1
#include "Hooks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Where wall time goes. Native calls are timed exactly, by a dispatch function that stands before the real one while a
// profile is taken. Lua code is sampled: a thread ticks about once a millisecond; a tick that finds Lua code running
// sends a signal, whose handler sets a hook, as Ctrl-C does, and the hook looks at the stack at the next instruction,
// or when the C function of Lua's own that runs returns: one that takes long is told apart from its line, a short one
// is part of it. A native call is not disturbed by signals.
//
// Time is never counted twice: `settle` gives what went by since the last event to the native call on top, or to Lua.
// What Lua got since the last sample goes to the stack of the next one, so that the sum over all stacks is the time
// that really passed, however late a sample comes.

enum {
    period = 1000000,      // nanoseconds between ticks, on average
    long_wait = 50000,     // between tick and hook: then a C function was running
    long_call = 100000,    // a native call from here on is placed on its stack by itself, shorter ones by ticks
    deepest = 200,         // levels of a stack that are told apart, the innermost ones
    label_size = 400,
};

struct native_call {
    int64_t self;
    bool ticked;
};

struct tt_profile {
    tt_context *context;
    tt_dispatch dispatch;        // the real one
    struct native_call *owner;   // whose time runs; NULL while Lua's does
    int64_t mark;                // when the time of the owner was last settled
    int64_t lua;                 // Lua's time since the last sample
    int64_t short_calls;         // time of short native calls since one was placed
    unsigned ticks_seen;
    lua_State *volatile hooked;  // where the sampling hook is set, with the hook it replaced
    lua_Hook old_hook;
    int old_mask, old_count;
    int64_t hooked_at;
    pthread_t main, ticker;
    unsigned native_ticks;       // ticks that found native code running
    bool stop;
    int64_t *slots;              // open addressing: hash of (parent, label) to node + 1
    size_t slot_count;
    int *label_slots;            // the same for labels, by text
    size_t label_slot_count;
    tt_profile_result result;
    size_t node_capacity, label_capacity, function_capacity;
};

static tt_profile *volatile active;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void settle(tt_profile *profile, int64_t time) {
    int64_t spent = time - profile->mark;
    profile->mark = time;
    unsigned ticks = __atomic_load_n(&profile->native_ticks, __ATOMIC_RELAXED);
    if (profile->owner) {
        profile->owner->self += spent;
        if (ticks != profile->ticks_seen) profile->owner->ticked = true;
    } else {
        profile->lua += spent;
        profile->result.lua += spent;
    }
    profile->ticks_seen = ticks;
}

// ---- what was seen: a tree of stacks

static void *enlarged(void *block, size_t *capacity, size_t size) {
    size_t count = *capacity ? 2 * *capacity : 256;
    block = realloc(block, count * size);
    if (!block) {
        fputs("tt: not enough memory for a profile\n", stderr);
        abort();
    }
    memset((char *)block + *capacity * size, 0, (count - *capacity) * size);
    *capacity = count;
    return block;
}

static uint64_t mix(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= 0x9E3779B97F4A7C15;
    return hash ^ hash >> 29;
}

static size_t label_place(tt_profile *profile, const char *text) {
    uint64_t hash = 14695981039346656037u;
    for (const char *c = text; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    size_t mask = profile->label_slot_count - 1, place = mix(hash) & mask;
    while (profile->label_slots[place] &&
           strcmp(profile->result.labels[profile->label_slots[place] - 1].text, text) != 0)
        place = (place + 1) & mask;
    return place;
}

static int find_label(tt_profile *profile, const char *text, const char *source, int line, tt_label_kind kind) {
    tt_profile_result *result = &profile->result;
    if (2 * (size_t)result->label_count >= profile->label_slot_count) {
        free(profile->label_slots);
        profile->label_slot_count = profile->label_slot_count ? 2 * profile->label_slot_count : 512;
        profile->label_slots = calloc(profile->label_slot_count, sizeof *profile->label_slots);
        for (int i = 0; i < result->label_count; i++)
            profile->label_slots[label_place(profile, result->labels[i].text)] = i + 1;
    }
    size_t place = label_place(profile, text);
    if (!profile->label_slots[place]) {
        if ((size_t)result->label_count == profile->label_capacity)
            result->labels = enlarged(result->labels, &profile->label_capacity, sizeof *result->labels);
        result->labels[result->label_count++] =
            (tt_profile_label){.text = strdup(text), .source = strdup(source), .line = line, .kind = kind};
        profile->label_slots[place] = result->label_count;
    }
    return profile->label_slots[place] - 1;
}

static size_t node_place(tt_profile *profile, int parent, int label) {
    size_t mask = profile->slot_count - 1, place = mix((uint64_t)(uint32_t)parent << 32 | (uint32_t)label) & mask;
    while (profile->slots[place]) {
        tt_profile_node *node = &profile->result.nodes[profile->slots[place] - 1];
        if (node->parent == parent && node->label == label) break;
        place = (place + 1) & mask;
    }
    return place;
}

static int child(tt_profile *profile, int parent, int label) {
    tt_profile_result *result = &profile->result;
    if (2 * (size_t)result->node_count >= profile->slot_count) {
        free(profile->slots);
        profile->slot_count = profile->slot_count ? 2 * profile->slot_count : 1024;
        profile->slots = calloc(profile->slot_count, sizeof *profile->slots);
        for (int i = 0; i < result->node_count; i++)
            profile->slots[node_place(profile, result->nodes[i].parent, result->nodes[i].label)] = i + 1;
    }
    size_t place = node_place(profile, parent, label);
    if (!profile->slots[place]) {
        if ((size_t)result->node_count == profile->node_capacity)
            result->nodes = enlarged(result->nodes, &profile->node_capacity, sizeof *result->nodes);
        result->nodes[result->node_count++] = (tt_profile_node){.parent = parent, .label = label};
        profile->slots[place] = result->node_count;
    }
    return (int)profile->slots[place] - 1;
}

// `main.lua:12`, `f lua/x.lua:33`, `[native] tt.Database:read`; -1 for a C function without a name.
static int label_of(tt_profile *profile, lua_State *L, lua_Debug *info) {
    char text[label_size], known[160];
    lua_getinfo(L, "Slnt", info);
    const char *name = info->name ? info->name : "";
    const char *source = *info->source == '@' || *info->source == '=' ? info->source + 1 : info->short_src;
    tt_label_kind kind = TT_LABEL_LUA;
    if (*info->what == 'C') {
        kind = tt_known_function(L, info, known, sizeof known) == TT_KNOWN_NATIVE ? TT_LABEL_NATIVE : TT_LABEL_C;
        if (!known[0] && !*name) return -1;
        snprintf(text, sizeof text, "[native] %s", known[0] ? known : name);
        source = text + 9;
    } else if (*info->what == 'm' || !*name) {
        snprintf(text, sizeof text, "%s:%d", source, info->currentline);
    } else {
        snprintf(text, sizeof text, "%s %s:%d", name, source, info->currentline);
    }
    // What separates frames and stacks in a stack file.
    for (char *c = text; *c; c++) {
        if (*c == ';') *c = ',';
        else if ((unsigned char)*c < ' ') *c = ' ';
    }
    char place[label_size];
    snprintf(place, sizeof place, "%s", *info->source == '@' ? info->source : source);
    return find_label(profile, text, place, info->currentline, kind);
}

// The node of the stack as it stands, from `level` on: coroutines go on in the code that resumed them.
static int stack_node(tt_profile *profile, lua_State *L, int level) {
    int labels[deepest], count = 0;
    bool cut = false;
    lua_Debug info;
    const tt_resume *resume = profile->context->resumes;
    for (lua_State *state = L; state && !cut;) {
        for (; lua_getstack(state, level, &info); level++) {
            if (count == deepest) {
                cut = true;
                break;
            }
            labels[count] = label_of(profile, state, &info);
            if (labels[count] >= 0) count++;
        }
        level = 0;
        state = resume ? resume->from : NULL;
        resume = resume ? resume->outer : NULL;
    }
    int node = -1;
    if (cut) node = child(profile, node, find_label(profile, "...", "...", 0, TT_LABEL_CUT));
    while (count > 0) node = child(profile, node, labels[--count]);
    return node;
}

static void place(tt_profile *profile, lua_State *L, int level, int64_t *time) {
    int node = stack_node(profile, L, level);
    if (node < 0) return;
    profile->result.nodes[node].self += *time;
    *time = 0;
    // What looking took is nobody's time.
    int64_t end = now();
    profile->result.overhead += end - profile->mark;
    profile->mark = end;
}

// ---- native calls

static tt_profile_function *function_at(tt_profile *profile, int number) {
    tt_profile_result *result = &profile->result;
    while ((size_t)number >= profile->function_capacity)
        result->functions = enlarged(result->functions, &profile->function_capacity, sizeof *result->functions);
    if (number >= result->function_count) result->function_count = number + 1;
    return &result->functions[number];
}

static int dispatch_timed(lua_State *L, int number, void *host) {
    tt_profile *profile = tt_context_of(L)->profile;
    struct native_call call = {0}, *outer = profile->owner;
    int64_t start = now();
    settle(profile, start);
    profile->owner = &call;
    function_at(profile, number)->active++;
    int answer = profile->dispatch(L, number, host);
    int64_t end = now();
    settle(profile, end);
    profile->owner = outer;
    profile->result.native += call.self;

    tt_profile_function *function = function_at(profile, number);
    function->count++;
    function->self += call.self;
    // A function inside itself is counted once.
    if (--function->active == 0) function->total += end - start;
    if (call.self >= long_call) {
        place(profile, L, 0, &call.self);
    } else {
        profile->short_calls += call.self;
        if (call.ticked) place(profile, L, 0, &profile->short_calls);
    }
    return answer;
}

void *tt_profile_enter_lua(tt_context *context) {
    tt_profile *profile = context->profile;
    settle(profile, now());
    void *owner = profile->owner;
    profile->owner = NULL;
    return owner;
}

void tt_profile_leave_lua(tt_context *context, void *owner) {
    tt_profile *profile = context->profile;
    settle(profile, now());
    profile->owner = owner;
}

// ---- samples of Lua code

static void sample_hook(lua_State *L, lua_Debug *info);

void tt_profile_unhook(tt_profile *profile) {
    lua_State *L = profile->hooked;
    if (!L) return;
    profile->hooked = NULL;
    if (lua_gethook(L) == sample_hook) lua_sethook(L, profile->old_hook, profile->old_mask, profile->old_count);
}

static int mask_of(int event) {
    if (event == LUA_HOOKRET) return LUA_MASKRET;
    if (event == LUA_HOOKLINE) return LUA_MASKLINE;
    return event == LUA_HOOKCOUNT ? 0 : LUA_MASKCALL;
}

static void sample_hook(lua_State *L, lua_Debug *info) {
    tt_profile *profile = active;
    tt_context *context = tt_context_of(L);
    lua_Hook old = NULL;
    int old_mask = 0;
    tt_hooks_begin(context);
    if (profile && profile->hooked == L) {
        old = profile->old_hook;
        old_mask = profile->old_mask;
        tt_profile_unhook(profile);
    } else if (lua_gethook(L) == sample_hook) {
        lua_sethook(L, NULL, 0, 0);  // a coroutine made while the hook was set has a copy of it
    }
    tt_hooks_end(context);
    if (profile && profile->context == context && !profile->owner) {
        int64_t time = now();
        settle(profile, time);
        profile->result.samples++;
        bool in_c = info->event == LUA_HOOKRET && lua_getinfo(L, "S", info) && *info->what == 'C';
        place(profile, L, in_c && time - profile->hooked_at < long_wait ? 1 : 0, &profile->lua);
    }
    // The script's own hook does not miss an event.
    if (old && (old_mask & mask_of(info->event))) old(L, info);
}

// In the signal handler: only stores, as lua_sethook promises for itself.
static void on_tick(int signal) {
    (void)signal;
    tt_profile *profile = active;
    if (!profile || !pthread_equal(pthread_self(), profile->main)) return;
    tt_context *context = profile->context;
    if (context->armed || context->changing) return;
    if (context->swift_depth || profile->owner) {
        __atomic_fetch_add(&profile->native_ticks, 1, __ATOMIC_RELAXED);
        return;
    }
    lua_State *L = context->running;
    if (lua_gethook(L) == sample_hook) return;
    tt_profile_unhook(profile);
    profile->old_hook = lua_gethook(L);
    profile->old_mask = lua_gethookmask(L);
    profile->old_count = lua_gethookcount(L);
    profile->hooked_at = now();
    profile->hooked = L;
    lua_sethook(L, sample_hook, profile->old_mask | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void tt_profile_follow(tt_context *context) {
    tt_profile *profile = context->profile;
    if (!profile->hooked || profile->hooked == context->running) return;
    tt_hooks_begin(context);
    tt_profile_unhook(profile);
    tt_hooks_end(context);
}

static void *tick(void *argument) {
    tt_profile *profile = argument;
    uint64_t random = 1;
    while (!__atomic_load_n(&profile->stop, __ATOMIC_RELAXED)) {
        // Not quite regular, or work that comes every millisecond would always or never be seen.
        random = random * 6364136223846793005 + 1442695040888963407;
        struct timespec pause = {0, period / 2 + (long)((random >> 33) % period)};
        nanosleep(&pause, NULL);
        if (__atomic_load_n(&profile->context->swift_depth, __ATOMIC_RELAXED))
            __atomic_fetch_add(&profile->native_ticks, 1, __ATOMIC_RELAXED);
        else
            pthread_kill(profile->main, SIGPROF);
    }
    return NULL;
}

// ---- start and stop

tt_profile *tt_profile_start(tt_context *context) {
    if (active) return NULL;
    tt_profile *profile = calloc(1, sizeof *profile);
    if (!profile) return NULL;
    profile->context = context;
    profile->dispatch = context->dispatch;
    profile->main = pthread_self();

    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    action.sa_flags = SA_RESTART;
    action.sa_handler = on_tick;
    sigaction(SIGPROF, &action, NULL);  // for good: a late tick finds no profile, and does nothing

    sigset_t all, own, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&profile->ticker, NULL, tick, profile);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        free(profile);
        return NULL;
    }
    sigemptyset(&own);
    sigaddset(&own, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    context->profile = profile;
    context->dispatch = dispatch_timed;
    profile->mark = now();
    profile->result.start = profile->mark;
    active = profile;
    return profile;
}

const tt_profile_result *tt_profile_stop(tt_profile *profile, bool exiting) {
    if (active != profile) return &profile->result;
    // From here on ticks do nothing: os.exit may have closed the state.
    active = NULL;
    settle(profile, now());
    profile->result.end = profile->mark;
    __atomic_store_n(&profile->stop, true, __ATOMIC_RELAXED);
    pthread_join(profile->ticker, NULL);
    if (!exiting) {
        tt_hooks_begin(profile->context);
        tt_profile_unhook(profile);
        tt_hooks_end(profile->context);
    }
    profile->context->dispatch = profile->dispatch;
    profile->context->profile = NULL;
    profile->result.unplaced = profile->lua + profile->short_calls;
    return &profile->result;
}

void tt_profile_forget(tt_context *context) {
    if (context->profile) tt_profile_stop(context->profile, false);
}

void tt_profile_free(tt_profile *profile) {
    tt_profile_result *result = &profile->result;
    for (int i = 0; i < result->label_count; i++) {
        free(result->labels[i].text);
        free(result->labels[i].source);
    }
    free(result->labels);
    free(result->nodes);
    free(result->functions);
    free(profile->slots);
    free(profile->label_slots);
    free(profile);
}
