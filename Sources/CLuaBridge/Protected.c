#include "CLuaBridge.h"

// Lua's own pcall, xpcall and load (lbaselib.c), which do not keep an interruption for themselves: an error that Ctrl-C
// raised goes on to the program's end or the prompt, through `__close` variables, whatever code catches errors between.

// The context of a continuation: how many interruptions there were, and how many values lie below the results.
static lua_KContext mark_of(lua_State *L, int below) {
    return (lua_KContext)((intptr_t)tt_context_of(L)->interruptions << 2 | below);
}

static int finish(lua_State *L, int status, lua_KContext mark) {
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)(mark & 3);
    if (tt_find_interruption(L, (unsigned)(mark >> 2))) return lua_error(L);
    lua_pushboolean(L, false);
    lua_insert(L, -2);
    return 2;
}

static int protected_call(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    lua_KContext mark = mark_of(L, 0);
    return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, mark, finish), mark);
}

// A handler that is not asked about interruptions: it could run on for ever, called again with each one that stops it.
// Written in Lua, whose tail call leaves no trace on the stack that the handler looks at.
static const char guard[] =
    "local is_interruption = ...\n"
    "return function(handler)\n"
    "    return function(problem)\n"
    "        if is_interruption(problem) then return problem end\n"
    "        return handler(problem)\n"
    "    end\n"
    "end\n";

static int is_interruption(lua_State *L) {
    lua_pushboolean(L, tt_is_interruption(L, 1));
    return 1;
}

static int protected_call_with_handler(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    // A C function, such as debug.traceback, would see the guard below it, and does not run for long.
    if (!lua_iscfunction(L, 2)) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushvalue(L, 2);
        lua_call(L, 1, 1);
        lua_replace(L, 2);
    }
    lua_pushboolean(L, true);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    lua_KContext mark = mark_of(L, 2);
    return finish(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, mark, finish), mark);
}

// ---- load

enum { piece_slot = 5 };  // keeps the piece that is being read

static const char *read_piece(lua_State *L, void *data, size_t *size) {
    (void)data;
    luaL_checkstack(L, 2, "too many nested functions");
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        *size = 0;
        return NULL;
    }
    if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
    lua_replace(L, piece_slot);
    return lua_tolstring(L, piece_slot, size);
}

static int load(lua_State *L) {
    unsigned interruptions = tt_context_of(L)->interruptions;
    size_t length;
    const char *text = lua_tolstring(L, 1, &length), *mode = luaL_optstring(L, 3, "bt");
    int environment = lua_isnone(L, 4) ? 0 : 4, status;
    if (text) {
        status = luaL_loadbufferx(L, text, length, luaL_optstring(L, 2, text), mode);
    } else {
        const char *name = luaL_optstring(L, 2, "=(load)");
        luaL_checktype(L, 1, LUA_TFUNCTION);
        lua_settop(L, piece_slot);
        status = lua_load(L, read_piece, NULL, name, mode);
    }
    if (status != LUA_OK) {
        if (tt_find_interruption(L, interruptions)) return lua_error(L);
        luaL_pushfail(L);
        lua_insert(L, -2);
        return 2;
    }
    if (environment) {
        lua_pushvalue(L, environment);
        if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    }
    return 1;
}

void tt_setup_protected(lua_State *L) {
    lua_pushglobaltable(L);
    lua_pushcfunction(L, protected_call);
    lua_setfield(L, -2, "pcall");
    lua_pushcfunction(L, load);
    lua_setfield(L, -2, "load");
    if (luaL_loadbufferx(L, guard, sizeof guard - 1, "=[tt]", "t") != LUA_OK) lua_error(L);
    lua_pushcfunction(L, is_interruption);
    lua_call(L, 1, 1);
    lua_pushcclosure(L, protected_call_with_handler, 1);
    lua_setfield(L, -2, "xpcall");
    lua_pop(L, 1);
}
