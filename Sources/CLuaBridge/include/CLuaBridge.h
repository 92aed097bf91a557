// The only code that lets a Lua error go up the stack. Swift never calls a Lua function that can raise: it uses raw
// access, or one of the protected functions below, and answers with a code that C turns into lua_error or lua_yield
// once every Swift frame is gone.
#pragma once
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a Swift function answers: a count of results, TT_RAISE with the error value on top, or TT_YIELD(n).
#define TT_RAISE (-1)
#define TT_YIELD(n) (-2 - (n))

typedef int (*tt_dispatch)(lua_State *L, int function, void *host);

typedef struct tt_profile tt_profile;

// Who resumed the coroutine that runs, and who resumed that.
typedef struct tt_resume {
    lua_State *from;
    struct tt_resume *outer;
} tt_resume;

// One per Lua state; every coroutine finds it in its extra space.
typedef struct tt_context {
    tt_dispatch dispatch;
    void *host;
    lua_State *main;
    lua_State *volatile running;  // the coroutine an interrupt has to stop
    int swift_depth;              // Swift frames above the innermost protected call
    bool loads_pending;           // a class was pushed whose module is not loaded yet
    int load_pending_function;    // registry reference of the function that loads it
    size_t used, limit;           // Lua's own memory in bytes; limit 0 = none
    size_t native_bytes;          // native memory held by userdata, as their classes tell
    size_t native_threshold;      // a collection runs when native_bytes passes this
    lua_State *volatile armed;    // where the interrupt hook is set, with the hook it replaced
    lua_Hook old_hook;
    int old_mask, old_count;
    volatile bool changing;  // hooks are being changed; signal handlers leave them alone
    unsigned interruptions;  // how many were raised
    bool is_muted;           // the next warning about a finalizer tells of an interruption that comes back after it
    tt_resume *resumes;   // innermost first
    tt_profile *profile;  // NULL unless one is being taken
} tt_context;

static inline tt_context *tt_context_of(lua_State *L) { return *(tt_context **)lua_getextraspace(L); }

// ---- states (State.c)

// A state with the standard libraries, or NULL when memory does not suffice.
tt_context *tt_open(tt_dispatch dispatch, void *host, size_t limit);
void tt_close(tt_context *context);

// ---- calls (Call.c)

// Pushes a closure that calls Swift function number `function`; `name` is what tracebacks call it. Swift side only.
void tt_push_function(lua_State *L, int function, const char *name);
// The same for __index: a key found in the table on top of the stack (which is popped) is answered without Swift.
void tt_push_index(lua_State *L, int function, const char *name);
// The same for __gc.
void tt_push_finalizer(lua_State *L, int function, const char *name);
// The name of the native function at `index`; NULL for any other value.
const char *tt_native_name(lua_State *L, int index);
// lua_pcall with a handler that keeps the error value and attaches a traceback.
int tt_pcall(lua_State *L, int arguments, int results);
// `function` with the `arguments` values on top of the stack, under tt_pcall.
int tt_protected(lua_State *L, lua_CFunction function, int arguments, int results);
// C functions for tt_protected. tostring: value -> string. push_bytes: light userdata, integer -> string.
int tt_tostring(lua_State *L);
int tt_push_bytes(lua_State *L);
int tt_require(lua_State *L);

// ---- userdata (Call.c)

// A Swift object in Lua: a retained reference and its class. `object` is NULL once released or closed.
typedef struct tt_box {
    uint64_t magic;
    void *object;
    const void *type;
    size_t bytes;
} tt_box;

// Pushes an empty box with no metatable.
tt_box *tt_push_box(lua_State *L);
// The box at `index`, or NULL when another kind of value stands there.
tt_box *tt_box_at(lua_State *L, int index);
// C function for __eq: two boxes of one object.
int tt_box_equal(lua_State *L);
// Accounts for native memory behind the userdata on top of the stack, and collects garbage when much has come together.
void tt_box_account(lua_State *L, tt_box *box, size_t bytes);
void tt_box_forget(lua_State *L, tt_box *box);

// ---- errors (Errors.c)

// Pushes an error object {code, message, where, traceback}; `level` as for luaL_where.
void tt_push_error(lua_State *L, const char *code, size_t code_length, const char *message, size_t message_length,
                   int level);
bool tt_is_error(lua_State *L, int index);
// Whether the function of `info` (from lua_getinfo with "S") is a native one of ours or a C function of Lua's own; its
// name goes to `text`, which is empty for others.
typedef enum { TT_KNOWN_NO, TT_KNOWN_NATIVE, TT_KNOWN_C } tt_known;
tt_known tt_known_function(lua_State *L, lua_Debug *info, char *text, size_t size);
// Pushes the traceback of `from` onto L, starting at `level`.
void tt_push_traceback(lua_State *L, lua_State *from, int level);
// Pushes the traceback kept for the error value at `index`, or nil. Forgets it when it was kept beside the value.
void tt_push_traceback_of(lua_State *L, int index);
// The message handler of tt_pcall.
int tt_message_handler(lua_State *L);
// Keeps the text on top of the stack, which it pops, as the traceback of the error value below it.
void tt_keep_traceback(lua_State *L);
// The error value on top of L leaves coroutine `from`, whose stack is about to go. Pushes the coroutine's traceback,
// going on with that of L.
void tt_push_coroutine_traceback(lua_State *L, lua_State *from);
void tt_setup_errors(lua_State *L);

// Puts math.exp and math.log in place whose bits do not depend on the processor.
void tt_setup_math(lua_State *L);

// ---- protected calls that an interruption passes (Protected.c): pcall, xpcall and load
void tt_setup_protected(lua_State *L);

// ---- coroutines (Coroutines.c): resume, wrap and close that tell the context which coroutine runs
void tt_setup_coroutines(lua_State *L);

// ---- interrupts (Interrupts.c)

// Makes Ctrl-C or SIGTERM stop `context`, and a second one end the process with status 130 or 143. NULL takes the
// handlers away.
void tt_interrupts_install(tt_context *context);
// The signal that came last in this run, 0 if none.
int tt_interrupts_signal(void);
// `context` is about to go; Ctrl-C no longer looks at it.
void tt_interrupts_forget(tt_context *context);
// A new run begins: the next Ctrl-C is a first one again.
void tt_interrupts_reset(void);
// Sets the interrupt hook on the coroutine that runs, when Ctrl-C is pending.
void tt_interrupts_follow(tt_context *context);
// Pushes the error object of an interruption that is to be raised now, and clears flag and hook; `level` as for luaL_where.
void tt_push_interruption(lua_State *L, int level);
// Pushes the one pushed last.
void tt_push_last_interruption(lua_State *L);
// Whether the value at `index` is an error object with the code `interrupted`.
bool tt_is_interruption(lua_State *L, int index);
// Whether the error on top of the stack is an interruption, or has hidden one that was raised since the context's
// `interruptions` were `before`: a `__close` that failed, a message handler that made a text of it. The interruption is
// then on top in its place.
bool tt_find_interruption(lua_State *L, unsigned before);
// Puts a debug.sethook in place that no signal can disturb.
void tt_setup_interrupts(lua_State *L);
// A writer whose standard output is gone ends quietly, as other commands do; any other broken pipe is an error code.
void tt_broken_pipes_install(void);

// ---- profiles (Profile.c)

typedef enum { TT_LABEL_LUA, TT_LABEL_NATIVE, TT_LABEL_C, TT_LABEL_CUT } tt_label_kind;

typedef struct {
    char *text;    // `f lua/x.lua:33`, `[native] tt.json.encode`
    char *source;  // a file with '@' before it, or what else the chunk is called; the name of a native function
    int line;
    tt_label_kind kind;
} tt_profile_label;

typedef struct {
    int parent;  // -1 at the bottom of the stack
    int label;
    int64_t self;
} tt_profile_node;

// By the number of the native function.
typedef struct {
    int64_t count, total, self;
    int active;
} tt_profile_function;

// Times in nanoseconds.
typedef struct {
    tt_profile_node *nodes;  // parents before their children
    tt_profile_label *labels;
    tt_profile_function *functions;
    int node_count, label_count, function_count;
    int64_t start, end, lua, native, overhead;
    int64_t unplaced;  // of `lua` and `native`, what came after the last sample
    int64_t samples;
} tt_profile_result;

// Starts a profile of what `context` runs on this thread; NULL when one is being taken already in this process.
tt_profile *tt_profile_start(tt_context *context);
// Ends it. `exiting`: the process is about to end, and the Lua state may be closed.
const tt_profile_result *tt_profile_stop(tt_profile *profile, bool exiting);
void tt_profile_free(tt_profile *profile);
// `context` is about to go.
void tt_profile_forget(tt_context *context);
// Another coroutine runs.
void tt_profile_follow(tt_context *context);
// Lua code runs inside a native call; what `enter` answers is for `leave`.
void *tt_profile_enter_lua(tt_context *context);
void tt_profile_leave_lua(tt_context *context, void *owner);

// ---- macros and variadics that Swift cannot import
static inline int tt_registry(void) { return LUA_REGISTRYINDEX; }
static inline int tt_multiple(void) { return LUA_MULTRET; }
static inline void tt_pop(lua_State *L, int n) { lua_settop(L, -n - 1); }
