import Base
import CLuaBridge

extension LuaState {
    /// Pushes a plain value; the caller has made room for 8 slots, deeper levels make their own.
    func pushValue(_ value: Value, on L: OpaquePointer) {
        switch value {
        case .null: lua_pushlightuserdata(L, nil)
        case .bool(let flag): lua_pushboolean(L, flag ? 1 : 0)
        case .int(let number): lua_pushinteger(L, number)
        case .double(let number): lua_pushnumber(L, number)
        case .float(let number): lua_pushnumber(L, Double(number))
        case .string(let text): pushString(L, text)
        case .array(let elements): pushArray(elements, on: L)
        case .object(let members): pushObject(members, on: L)
        }
    }

    private func pushArray(_ elements: [Value], on L: OpaquePointer) {
        precondition(lua_checkstack(L, 8) != 0, "Lua's stack is full")
        lua_createtable(L, Int32(clamping: elements.count), 0)
        var i: lua_Integer = 0
        for element in elements {
            i += 1
            pushValue(element, on: L)
            lua_rawseti(L, -2, i)
        }
        // An empty table would read as an object.
        if elements.isEmpty { setArrayMetatable(on: L) }
    }

    private func pushObject(_ members: [Value.Member], on L: OpaquePointer) {
        precondition(lua_checkstack(L, 8) != 0, "Lua's stack is full")
        lua_createtable(L, 0, Int32(clamping: members.count))
        var isSorted = true
        for (i, member) in members.enumerated() {
            if i > 0, !precedes(members[i - 1].name, member.name) { isSorted = false }
            pushString(L, member.name)
            pushValue(member.value, on: L)
            lua_rawset(L, -3)
        }
        if !isSorted { setOrder(members.map(\.name), on: L) }
    }

    /// Gives the table on top of the stack a metatable with the `__order` of its keys.
    func setOrder(_ names: [String], on L: OpaquePointer) {
        lua_createtable(L, 0, 1)
        pushString(L, "__order")
        lua_createtable(L, Int32(clamping: names.count), 0)
        for (i, name) in names.enumerated() {
            pushString(L, name)
            lua_rawseti(L, -2, lua_Integer(i + 1))
        }
        lua_rawset(L, -3)
        lua_setmetatable(L, -2)
    }

    /// Marks the table on top of the stack as an array, also when it is empty.
    func setArrayMetatable(on L: OpaquePointer) {
        if arrayMetatable == LUA_NOREF {
            lua_createtable(L, 0, 1)
            pushString(L, "__array")
            lua_pushboolean(L, 1)
            lua_rawset(L, -3)
            arrayMetatable = luaL_ref(L, tt_registry())
        }
        lua_rawgeti(L, tt_registry(), lua_Integer(arrayMetatable))
        lua_setmetatable(L, -2)
    }
}

/// Order by bytes, which for UTF-8 is order by code point; Swift's own `<` is not.
func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
