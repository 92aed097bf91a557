#include "CLuaBridge.h"

#include <stdio.h>
#include <string.h>

// Registry keys: the metatable of error objects, the names of Lua's own C functions, and the error value that could
// not carry its traceback (a string) with that traceback.
static const char metatable_key, names_key, value_key, traceback_key;

// ---- tracebacks

tt_known tt_known_function(lua_State *L, lua_Debug *info, char *text, size_t size) {
    text[0] = 0;
    if (*info->what != 'C' || !lua_checkstack(L, 4)) return TT_KNOWN_NO;
    tt_known known = TT_KNOWN_NO;
    int top = lua_gettop(L);
    lua_getinfo(L, "f", info);
    const char *name = tt_native_name(L, -1);
    if (name) {
        known = TT_KNOWN_NATIVE;
    } else if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE) {
        // The C functions of Lua itself are listed by tt_setup_errors.
        lua_pushvalue(L, -2);
        if (lua_rawget(L, -2) == LUA_TSTRING) {
            known = TT_KNOWN_C;
            name = lua_tostring(L, -1);
        }
    }
    if (known) snprintf(text, size, "%s", name);
    lua_settop(L, top);
    return known;
}

// The name of the function `info` stands for, as a traceback says it.
static void describe_function(lua_State *L, lua_Debug *info, char *text, size_t size) {
    char name[140];
    if (tt_known_function(L, info, name, sizeof name)) {
        snprintf(text, size, "function '%s'", name);
        return;
    }
    bool global = strcmp(info->namewhat, "global") == 0;
    if (*info->namewhat) snprintf(text, size, "%s '%s'", global ? "function" : info->namewhat, info->name);
    else if (*info->what == 'm') snprintf(text, size, "main chunk");
    else if (*info->what == 'C') snprintf(text, size, "?");
    else snprintf(text, size, "function <%s:%d>", info->short_src, info->linedefined);
}

static int last_level(lua_State *L) {
    lua_Debug info;
    int low = 1, high = 1;
    while (lua_getstack(L, high, &info)) {
        low = high;
        high *= 2;
    }
    while (low < high) {
        int middle = (low + high) / 2;
        if (lua_getstack(L, middle, &info)) low = middle + 1;
        else high = middle;
    }
    return high - 1;
}

// A deep stack shows its innermost and outermost levels; the text is bounded by them.
enum { inner_levels = 12, outer_levels = 12, line_size = 320 };

void tt_push_traceback(lua_State *L, lua_State *from, int level) {
    char text[(inner_levels + outer_levels + 1) * line_size], function[160];
    size_t length = 0;
    lua_Debug info;
    int last = last_level(from);
    int skip_at = last - level >= inner_levels + outer_levels ? level + inner_levels : -1;
    text[0] = 0;
    while (lua_getstack(from, level, &info)) {
        char *line = text + length;
        const char *indent = length ? "\n\t" : "\t";
        if (level == skip_at) {
            level = last - outer_levels + 1;
            snprintf(line, line_size, "%s... (%d levels)", indent, level - skip_at);
        } else {
            lua_getinfo(from, "Slnt", &info);
            describe_function(from, &info, function, sizeof function);
            const char *tail = info.istailcall ? "\n\t(...tail calls...)" : "";
            if (info.currentline > 0)
                snprintf(line, line_size, "%s%s:%d: in %s%s", indent, info.short_src, info.currentline, function, tail);
            else
                snprintf(line, line_size, "%s[native]: in %s%s", indent, function, tail);
            level++;
        }
        length += strlen(line);
    }
    lua_pushlstring(L, text, length);
}

// ---- error objects

bool tt_is_error(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

// Sets field `name` of the table below the top of the stack to the value on top, which is popped.
static void set_field(lua_State *L, const char *name) {
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
}

// How chunk names of the modules carried in the binary begin.
static const char library[] = "tt:lua/tt/";

void tt_push_error(lua_State *L, const char *code, size_t code_length, const char *message, size_t message_length,
                   int level) {
    lua_Debug info;
    lua_createtable(L, 0, 6);
    lua_pushlstring(L, code, code_length);
    set_field(L, "code");
    lua_pushlstring(L, message, message_length);
    set_field(L, "message");
    // The library's own Lua halves count as native: the line that called them is where to look. One of theirs is
    // named only when nothing else is on the stack.
    bool placed = false;
    for (int i = level; lua_getstack(L, i, &info); i++) {
        lua_getinfo(L, "Sl", &info);
        if (info.currentline <= 0) continue;
        bool in_library = strncmp(info.short_src, library, sizeof library - 1) == 0;
        if (in_library && placed) continue;
        lua_pushfstring(L, "%s:%d", info.short_src, info.currentline);
        set_field(L, "where");
        placed = true;
        if (!in_library) break;
    }
    tt_push_traceback(L, L, level > 0 ? level - 1 : 0);
    set_field(L, "traceback");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_setmetatable(L, -2);
}

// tostring(error): "where: message".
static int error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushliteral(L, "where");
    lua_rawget(L, 1);
    lua_pushliteral(L, "message");
    lua_rawget(L, 1);
    if (lua_type(L, 3) != LUA_TSTRING) {
        luaL_tolstring(L, 3, NULL);
        lua_replace(L, 3);
    }
    if (lua_type(L, 2) != LUA_TSTRING) return 1;
    lua_pushfstring(L, "%s: %s", lua_tostring(L, 2), lua_tostring(L, 3));
    return 1;
}

// "text" .. error and error .. "text".
static int error_concat(lua_State *L) {
    lua_settop(L, 2);
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

// ---- where tracebacks are kept

void tt_keep_traceback(lua_State *L) {
    if (tt_is_error(L, -2)) {
        set_field(L, "traceback");
    } else {
        lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &value_key);
    }
}

// Pushes the traceback known for the error value at `index`, or nil.
static void push_kept(lua_State *L, int index) {
    if (tt_is_error(L, index)) {
        lua_pushvalue(L, index);
        lua_pushliteral(L, "traceback");
        lua_rawget(L, -2);
        lua_remove(L, -2);
        return;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &value_key);
    bool same = lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    if (same) lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
    else lua_pushnil(L);
}

void tt_push_traceback_of(lua_State *L, int index) {
    index = lua_absindex(L, index);
    push_kept(L, index);
    if (tt_is_error(L, index)) return;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &value_key);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

int tt_message_handler(lua_State *L) {
    lua_settop(L, 1);
    push_kept(L, 1);
    if (tt_is_error(L, 1)) {
        if (lua_type(L, 2) == LUA_TSTRING) {
            lua_settop(L, 1);
            return 1;
        }
        lua_settop(L, 1);
        tt_push_traceback(L, L, 1);
    } else {
        // A text kept beside an equal error value may belong to an older error. It is ours, raised further in and
        // passed on, when it ends as the stack looks now.
        tt_push_traceback(L, L, 1);
        size_t kept_length, length;
        const char *kept = lua_tolstring(L, 2, &kept_length), *text = lua_tolstring(L, 3, &length);
        if (kept && kept_length >= length && strcmp(kept + kept_length - length, text) == 0) lua_pushvalue(L, 2);
    }
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    tt_keep_traceback(L);
    lua_settop(L, 1);
    return 1;
}

void tt_push_coroutine_traceback(lua_State *L, lua_State *from) {
    luaL_checkstack(L, 8, NULL);
    push_kept(L, lua_absindex(L, -1));
    if (lua_type(L, -1) != LUA_TSTRING) {
        lua_pop(L, 1);
        tt_push_traceback(L, from, 0);
    }
    lua_pushliteral(L, "\n");
    tt_push_traceback(L, L, 0);
    lua_concat(L, 3);
}

// ---- setup

// Lists the functions of the library table on top of the stack in the table below it: names[f] = "library.name".
static void list_names(lua_State *L, const char *library, const char *separator) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_iscfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -1);
            lua_pushfstring(L, "%s%s%s", library, separator, lua_tostring(L, -3));
            lua_rawset(L, -6);  // names, library, key, function, function, name
        }
        lua_pop(L, 1);
    }
}

void tt_setup_errors(lua_State *L) {
    static const luaL_Reg methods[] = {{"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
    luaL_newlib(L, methods);
    lua_pushliteral(L, "tt.Error");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);

    static const char *const libraries[] = {"coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        if (lua_getglobal(L, libraries[i]) == LUA_TTABLE) list_names(L, libraries[i], ".");
        lua_pop(L, 1);
    }
    lua_pushglobaltable(L);
    list_names(L, "", "");
    lua_pop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}
