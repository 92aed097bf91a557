#include "CLuaBridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void die(const char *message) {
    fflush(stdout);
    fprintf(stderr, "tt: %s\n", message);
    abort();
}

// Lua's allocator. A refusal makes Lua raise an error, which must not pass through Swift frames: while Swift is on the
// stack the limit waits for the trampoline, and memory that is really gone ends the process.
static void *allocate(void *data, void *old, size_t old_size, size_t size) {
    tt_context *context = data;
    if (!old) old_size = 0;  // then it is a type, not a size
    if (size == 0) {
        free(old);
        context->used -= old_size;
        return NULL;
    }
    if (size > old_size && context->limit && context->used + (size - old_size) > context->limit &&
        context->swift_depth == 0)
        return NULL;
    void *block = realloc(old, size);
    if (!block) {
        if (size <= old_size) return old;
        if (context->swift_depth) die("not enough memory inside a native function");
        return NULL;
    }
    context->used += size - old_size;
    return block;
}

static int panic(lua_State *L) {
    const char *message = lua_tostring(L, -1);
    die(message ? message : "an error outside of any protected call");
}

// Lua's warnings, among them errors in __gc: on, unless the script says warn("@off").
static void warn_off(void *data, const char *message, int to_continue);
static void warn_on(void *data, const char *message, int to_continue);

static void warn_rest(void *data, const char *message, int to_continue) {
    fputs(message, stderr);
    if (!to_continue) {
        fputc('\n', stderr);
        lua_setwarnf(data, warn_on, data);
    }
}

static bool warn_control(lua_State *L, const char *message, int to_continue) {
    if (to_continue || message[0] != '@') return false;
    if (strcmp(message, "@off") == 0) lua_setwarnf(L, warn_off, L);
    if (strcmp(message, "@on") == 0) lua_setwarnf(L, warn_on, L);
    return true;
}

static void warn_off(void *data, const char *message, int to_continue) { warn_control(data, message, to_continue); }

static void warn_nothing(void *data, const char *message, int to_continue) {
    (void)message;
    if (!to_continue) lua_setwarnf(data, warn_on, data);
}

static void warn_on(void *data, const char *message, int to_continue) {
    if (warn_control(data, message, to_continue)) return;
    tt_context *context = tt_context_of(data);
    if (context->is_muted && to_continue && strcmp(message, "error in ") == 0) {
        context->is_muted = false;
        lua_setwarnf(data, warn_nothing, data);
        return;
    }
    fflush(stdout);
    fputs("tt: warning: ", stderr);
    lua_setwarnf(data, warn_rest, data);
    warn_rest(data, message, to_continue);
}

static int setup(lua_State *L) {
    luaL_openlibs(L);
    tt_setup_coroutines(L);
    tt_setup_math(L);
    tt_setup_protected(L);
    tt_setup_interrupts(L);
    tt_setup_errors(L);
    return 0;
}

tt_context *tt_open(tt_dispatch dispatch, void *host, size_t limit) {
    tt_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->dispatch = dispatch;
    context->host = host;
    context->limit = limit;
    context->native_threshold = (size_t)64 << 20;
    context->load_pending_function = LUA_NOREF;
    lua_State *L = lua_newstate(allocate, context);
    if (!L) {
        free(context);
        return NULL;
    }
    *(tt_context **)lua_getextraspace(L) = context;
    context->main = L;
    context->running = L;
    lua_atpanic(L, panic);
    lua_setwarnf(L, warn_on, L);
    lua_pushcfunction(L, setup);
    int status = lua_pcall(L, 0, 0, 0);
    context->swift_depth = 1;
    if (status != LUA_OK) {
        tt_close(context);
        return NULL;
    }
    return context;
}

void tt_close(tt_context *context) {
    tt_profile_forget(context);
    // Finalizers run under Lua's own protection; for want of memory none of them may be left out.
    context->swift_depth = 0;
    context->limit = 0;
    lua_close(context->main);
    tt_interrupts_forget(context);
    free(context);
}
