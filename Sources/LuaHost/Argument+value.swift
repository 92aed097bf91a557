import Base
import CLuaBridge

/// Counts what is made of nested tables. A table may be in another one twice, that one in the next twice, and so on: a
/// few dozen of them then hold more values than there is memory for.
public struct Growth {
    private var made = 0

    public init() {}

    /// - Throws: `interrupted`; `memory` when there is none for many more.
    public mutating func add() throws {
        made += 1
        guard made & 0xF_FFFF == 0 else { return }
        try Interrupt.check()
        try Memory.check(1 << 20, of: 128, for: "\(made) values in nested tables, and more to come")
    }
}

extension Argument {
    private var L: OpaquePointer { call.L }

    /// The value as plain data, as JSON could hold it.
    ///
    /// A table with the keys 1…n is an array, one with string keys an object; an empty table is an object unless its
    /// metatable has `__array = true`. Object keys go in the order of `pairs`. Nil and `tt.json.null` are `.null`.
    /// Functions, threads, userdata, other keys, circular tables and more than 200 levels are refused by their place.
    public func value() throws -> Value {
        var parents: [UnsafeRawPointer] = []
        var growth = Growth()
        return try value(&parents, &growth)
    }

    private func value(_ parents: inout [UnsafeRawPointer], _ growth: inout Growth) throws -> Value {
        try growth.add()
        switch kind {
        case .nil: return .null
        case .bool: return .bool(try bool())
        case .int: return .int(try int64())
        case .float: return .double(try double())
        case .string: return .string(try string())
        case .lightuserdata where isNull: return .null
        case .table: break
        case .function, .userdata, .lightuserdata, .thread: throw expected("plain value")
        }

        guard let address = lua_topointer(L, index) else { throw expected("table") }
        if parents.contains(address) { throw error("the table contains itself") }
        if parents.count == 200 { throw error("tables are nested more than 200 levels deep") }
        parents.append(address)
        defer { parents.removeLast() }

        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        let count = try length()
        if try isArray() {
            var elements: [Value] = []
            elements.reserveCapacity(count)
            for i in 0..<count {
                elements.append(try element(i + 1).value(&parents, &growth))
                lua_settop(L, top)
            }
            return .array(elements)
        }
        var members: [Value.Member] = []
        for key in try sortedKeys() {
            guard case .text(let name) = key else {
                throw error("keys must be either 1 to n without gaps or strings")
            }
            members.append(Value.Member(name.text, try field(name.text).value(&parents, &growth)))
            lua_settop(L, top)
        }
        return .object(members)
    }

    /// Whether a table is an array: its keys are 1…n with n > 0, or its metatable has `__array = true`.
    public func isArray() throws -> Bool {
        let count = try length()
        try call.reserve(4)
        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        if lua_getmetatable(L, index) != 0 {
            pushString(L, "__array")
            lua_rawget(L, -2)
            if lua_toboolean(L, -1) != 0 { return true }
            lua_settop(L, top)
        }
        if count == 0 { return false }
        var found = 0
        lua_pushnil(L)
        while lua_next(L, index) != 0 {
            tt_pop(L, 1)
            found += 1
            guard lua_isinteger(L, -1) != 0, found <= count else { return false }
            let key = lua_tointegerx(L, -1, nil)
            if key < 1 || key > count { return false }
        }
        return found == count
    }
}
