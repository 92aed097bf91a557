#include "CLuaBridge.h"

// Lua's own coroutine.resume, wrap and close (lcorolib.c), which also keep the context's `running` right: hooks belong
// to one coroutine, and Ctrl-C has to find the one that runs. An interruption goes on to whoever resumed.

static void enter(tt_context *context, lua_State *coroutine) {
    context->running = coroutine;
    tt_interrupts_follow(context);
}

static lua_State *check_coroutine(lua_State *L) {
    lua_State *coroutine = lua_tothread(L, 1);
    luaL_argexpected(L, coroutine, 1, "coroutine");
    return coroutine;
}

// Resumes with the `arguments` values on top of L; the count of results moved to L, or -1 with the error moved to L.
static int resume(lua_State *L, lua_State *coroutine, int arguments) {
    if (!lua_checkstack(coroutine, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    tt_context *context = tt_context_of(L);
    int results;
    lua_xmove(L, coroutine, arguments);
    tt_resume link = {L, context->resumes};
    context->resumes = &link;
    enter(context, coroutine);
    int status = lua_resume(coroutine, L, arguments, &results);
    context->resumes = link.outer;
    enter(context, L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(coroutine, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(coroutine, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(coroutine, L, results);
    return results;
}

static int reset(lua_State *L, lua_State *coroutine) {
    tt_context *context = tt_context_of(L);
    tt_resume link = {L, context->resumes};
    context->resumes = &link;
    enter(context, coroutine);
    int status = lua_resetthread(coroutine);
    context->resumes = link.outer;
    enter(context, L);
    return status;
}

static int coroutine_resume(lua_State *L) {
    lua_State *coroutine = check_coroutine(L);
    unsigned interruptions = tt_context_of(L)->interruptions;
    int results = resume(L, coroutine, lua_gettop(L) - 1);
    if (results < 0 && tt_find_interruption(L, interruptions)) {
        tt_push_coroutine_traceback(L, coroutine);
        tt_keep_traceback(L);
        reset(L, coroutine);  // runs its pending __close, which nobody else will
        return lua_error(L);
    }
    lua_pushboolean(L, results >= 0);
    int count = results < 0 ? 1 : results;
    lua_insert(L, -count - 1);
    return count + 1;
}

static int wrapped(lua_State *L) {
    lua_State *coroutine = lua_tothread(L, lua_upvalueindex(1));
    unsigned interruptions = tt_context_of(L)->interruptions;
    int results = resume(L, coroutine, lua_gettop(L));
    if (results >= 0) return results;
    int status = lua_status(coroutine);
    bool failed = status != LUA_OK && status != LUA_YIELD;
    if (failed) {
        tt_push_coroutine_traceback(L, coroutine);
        lua_replace(L, -2);
        status = reset(L, coroutine);  // runs its pending __close
        lua_xmove(coroutine, L, 1);
        tt_find_interruption(L, interruptions);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    if (failed) {
        lua_insert(L, -2);
        tt_keep_traceback(L);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *coroutine = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, coroutine, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int coroutine_close(lua_State *L) {
    lua_State *coroutine = check_coroutine(L);
    lua_Debug info;
    const char *state = NULL;
    if (coroutine == L) state = "running";
    else if (lua_status(coroutine) == LUA_OK && lua_getstack(coroutine, 0, &info)) state = "normal";
    if (state) return luaL_error(L, "cannot close a %s coroutine", state);
    unsigned interruptions = tt_context_of(L)->interruptions;
    if (reset(L, coroutine) == LUA_OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushboolean(L, false);
    lua_xmove(coroutine, L, 1);
    // It may have died of an interruption long ago; only a new one goes on.
    if (tt_context_of(L)->interruptions == interruptions) return 2;
    tt_push_last_interruption(L);
    return lua_error(L);
}

void tt_setup_coroutines(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {"close", coroutine_close}, {NULL, NULL}};
    lua_getglobal(L, LUA_COLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
