#include "CLuaBridge.h"
#include "CMath.h"

// Lua's own take the C library's, whose bits depend on the processor; what a script works out with these may end up in a
// model.

static int math_exp(lua_State *L) {
    lua_pushnumber(L, tt_exp(luaL_checknumber(L, 1)));
    return 1;
}

static int math_log(lua_State *L) {
    double x = luaL_checknumber(L, 1);
    lua_pushnumber(L, lua_isnoneornil(L, 2) ? tt_log(x) : tt_log_base(x, luaL_checknumber(L, 2)));
    return 1;
}

void tt_setup_math(lua_State *L) {
    static const luaL_Reg functions[] = {{"exp", math_exp}, {"log", math_log}, {0, 0}};
    lua_getglobal(L, LUA_MATHLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
