#include "CLuaBridge.h"

// ---- the trampoline

// Swift went over the memory limit while errors had to wait; now Lua may raise its own.
static void raise_if_over_limit(lua_State *L, tt_context *context) {
    if (!context->limit || context->used <= context->limit || context->swift_depth) return;
    lua_gc(L, LUA_GCCOLLECT);
    if (context->used <= context->limit) return;
    lua_newuserdatauv(L, 1, 0);  // refused by the allocator: raises
    lua_pop(L, 1);
}

// What Swift pushes without asking: plain data goes 200 levels deep, with three values for each.
enum { ROOM_FOR_SWIFT = 700 };

static int call_swift(lua_State *L) {
    tt_context *context = tt_context_of(L);
    luaL_checkstack(L, ROOM_FOR_SWIFT, "too many arguments, or too many around the call");
    int function = (int)lua_tointeger(L, lua_upvalueindex(1));
    unsigned interruptions = context->interruptions;
    context->swift_depth++;
    int answer = context->dispatch(L, function, context->host);
    context->swift_depth--;
    if (context->interruptions != interruptions) {
        // Whatever the function made of the one raised inside it.
        lua_settop(L, 0);
        tt_push_last_interruption(L);
        return lua_error(L);
    }
    if (answer == TT_RAISE) return lua_error(L);
    if (context->limit) raise_if_over_limit(L, context);
    if (context->loads_pending && context->swift_depth == 0) {
        context->loads_pending = false;
        luaL_checkstack(L, 2, NULL);
        lua_rawgeti(L, LUA_REGISTRYINDEX, context->load_pending_function);
        lua_call(L, 0, 0);
    }
    if (answer < 0) return lua_yield(L, -2 - answer);
    return answer;
}

// __gc: what it raises becomes a warning, for which Lua needs text; and no memory error, which would help nobody.
static int call_swift_finalizer(lua_State *L) {
    tt_context *context = tt_context_of(L);
    context->swift_depth++;
    int answer = context->dispatch(L, (int)lua_tointeger(L, lua_upvalueindex(1)), context->host);
    context->swift_depth--;
    if (answer != TT_RAISE) return 0;
    luaL_tolstring(L, -1, NULL);
    return lua_error(L);
}

static int call_swift_index(lua_State *L) {
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNIL) return 1;
    lua_settop(L, 2);
    return call_swift(L);
}

void tt_push_function(lua_State *L, int function, const char *name) {
    lua_pushinteger(L, function);
    lua_pushstring(L, name);
    lua_pushcclosure(L, call_swift, 2);
}

void tt_push_index(lua_State *L, int function, const char *name) {
    lua_pushinteger(L, function);
    lua_pushstring(L, name);
    lua_rotate(L, -3, 2);
    lua_pushcclosure(L, call_swift_index, 3);
}

void tt_push_finalizer(lua_State *L, int function, const char *name) {
    lua_pushinteger(L, function);
    lua_pushstring(L, name);
    lua_pushcclosure(L, call_swift_finalizer, 2);
}

const char *tt_native_name(lua_State *L, int index) {
    lua_CFunction function = lua_tocfunction(L, index);
    if (function != call_swift && function != call_swift_index && function != call_swift_finalizer) return NULL;
    if (!lua_getupvalue(L, index, 2)) return NULL;
    const char *name = lua_tostring(L, -1);
    lua_pop(L, 1);  // the closure keeps it
    return name;
}

// ---- protected calls

// `is_native`: no Lua code runs in it, and a profile counts its time to the native call around it.
static int protect(lua_State *L, int arguments, int results, bool is_native) {
    tt_context *context = tt_context_of(L);
    int function = lua_gettop(L) - arguments;
    lua_pushcfunction(L, tt_message_handler);
    lua_insert(L, function);
    int depth = context->swift_depth;
    context->swift_depth = 0;
    void *owner = context->profile && !is_native ? tt_profile_enter_lua(context) : NULL;
    unsigned interruptions = context->interruptions;
    int status = lua_pcall(L, arguments, results, function);
    if (status != LUA_OK && context->interruptions != interruptions) {
        tt_find_interruption(L, interruptions);
        status = LUA_ERRRUN;
    }
    if (context->profile && !is_native) tt_profile_leave_lua(context, owner);
    context->swift_depth = depth;
    lua_remove(L, function);
    return status;
}

int tt_pcall(lua_State *L, int arguments, int results) { return protect(L, arguments, results, false); }

int tt_protected(lua_State *L, lua_CFunction function, int arguments, int results) {
    lua_pushcfunction(L, function);
    lua_insert(L, -arguments - 1);
    return protect(L, arguments, results, function == tt_push_bytes);
}

int tt_tostring(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

int tt_push_bytes(lua_State *L) {
    lua_pushlstring(L, lua_touserdata(L, 1), (size_t)lua_tointeger(L, 2));
    return 1;
}

int tt_require(lua_State *L) {
    lua_getglobal(L, "require");
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

// ---- userdata

static const uint64_t magic = 0x7474626F782E3031;

tt_box *tt_push_box(lua_State *L) {
    tt_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (tt_box){.magic = magic};
    return box;
}

tt_box *tt_box_at(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TUSERDATA || lua_rawlen(L, index) != sizeof(tt_box)) return NULL;
    tt_box *box = lua_touserdata(L, index);
    return box->magic == magic ? box : NULL;
}

int tt_box_equal(lua_State *L) {
    tt_box *a = tt_box_at(L, 1), *b = tt_box_at(L, 2);
    lua_pushboolean(L, a && b && a->object && a->object == b->object);
    return 1;
}

// Lua's collector sees 32 bytes where a frame holds a gigabyte. It runs when the native memory has grown by half since it
// was least, but not for less than 32 MB, nor for less than Lua's own heap, so that its cost stays in proportion.
static size_t threshold_of(const tt_context *context) {
    size_t margin = (size_t)32 << 20;
    if (margin < context->native_bytes / 2) margin = context->native_bytes / 2;
    if (margin < context->used) margin = context->used;
    return context->native_bytes + margin;
}

void tt_box_account(lua_State *L, tt_box *box, size_t bytes) {
    tt_context *context = tt_context_of(L);
    box->bytes = bytes;
    context->native_bytes += bytes;
    if (context->native_bytes <= context->native_threshold) return;
    lua_gc(L, LUA_GCCOLLECT);
    context->native_threshold = threshold_of(context);
}

void tt_box_forget(lua_State *L, tt_box *box) {
    tt_context *context = tt_context_of(L);
    context->native_bytes -= box->bytes;
    box->bytes = 0;
    size_t threshold = threshold_of(context);
    if (threshold < context->native_threshold) context->native_threshold = threshold;
}
