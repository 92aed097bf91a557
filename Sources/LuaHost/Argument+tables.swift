import Base
import CLuaBridge

extension Argument {
    private var L: OpaquePointer { call.L }

    private func requireTable() throws {
        guard kind == .table else { throw expected("table") }
    }

    private func inner(_ key: Place.Key) -> Argument {
        Argument(
            call: call, index: lua_gettop(L), number: number, place: Place(parent: place, key: key), isLenient: false)
    }

    /// Length of a table's array part, as `#` gives it without metamethods.
    public func length() throws -> Int {
        try requireTable()
        return Int(clamping: lua_rawlen(L, index))
    }

    /// The value under a string key, past metamethods; nil when absent.
    public func field(_ name: String) throws -> Argument {
        if isLenient, isNil { return self }
        try requireTable()
        try call.reserve(1)
        pushString(L, name)
        lua_rawget(L, index)
        return inner(.field(name))
    }

    /// The value under an integer key, counted from 1 as in Lua; nil when absent.
    public func element(_ i: Int) throws -> Argument {
        try requireTable()
        try call.reserve(1)
        lua_rawgeti(L, index, lua_Integer(i))
        return inner(.element(i))
    }

    /// The values at 1…n, all of which take a place on Lua's stack: for short lists. A million rows are read with
    /// `forEach`, numbers and strings with `ints`, `doubles`, `strings`.
    public func elements() throws -> [Argument] {
        let count = try length()
        try call.reserve(count)
        return (0..<count).map { i in
            lua_rawgeti(L, index, lua_Integer(i + 1))
            return inner(.element(i + 1))
        }
    }

    /// Calls `body` with 1, 2, … n and the value there. The value, and all that is read from it, is dropped afterwards.
    public func forEach(_ body: (Int, Argument) throws -> Void) throws {
        let count = try length()
        try call.reserve(1)
        for i in 0..<count {
            try call.scope {
                lua_rawgeti(L, index, lua_Integer(i + 1))
                try body(i + 1, inner(.element(i + 1)))
            }
        }
    }

    /// All keys and values, in an order that does not change from run to run: the metatable's `__order` if there is
    /// one, then integers ascending, then strings by bytes. Other kinds of keys are refused.
    public func pairs() throws -> [(key: Argument, value: Argument)] {
        let keys = try sortedKeys()
        try call.reserve(2 * keys.count)
        return keys.map { key in
            push(key)
            let keyArgument = inner(key.place)
            push(key)
            lua_rawget(L, index)
            return (keyArgument, inner(key.place))
        }
    }

    /// The string keys and their values, in the order of `pairs`; an integer key is refused.
    public func fields() throws -> [(name: String, value: Argument)] {
        let keys = try sortedKeys()
        try call.reserve(keys.count)
        return try keys.map { key in
            guard case .text(let name) = key else { throw error("keys must be strings") }
            push(key)
            lua_rawget(L, index)
            return (name.text, inner(key.place))
        }
    }

    private func push(_ key: LuaKey) {
        switch key {
        case .int(let i): lua_pushinteger(L, i)
        case .text(let name): pushString(L, name.text)
        }
    }

    /// A table whose only keys are `allowed`, or nil, of which every field reads as nil. An unknown key is an error
    /// that suggests the nearest allowed one.
    public func options(_ allowed: [String]) throws -> Argument {
        if isNil { return Argument(call: call, index: 0, number: number, place: place, isLenient: true) }
        try requireTable()
        for key in try sortedKeys() {
            guard case .text(let key) = key else { throw error("options are given by name, as in {name = value}") }
            let name = key.text
            if allowed.contains(name) { continue }
            if let near = Suggestion.nearest(to: name, in: allowed) {
                throw error("unknown option '\(name)' (did you mean '\(near)'?)")
            }
            throw error("unknown option '\(name)' (there are: \(allowed.joined(separator: ", ")))")
        }
        return self
    }

    // MARK: Bulk readers

    /// A list of strings.
    public func strings() throws -> [String] { try list { try $0.string() } }

    /// A list of integers.
    public func ints() throws -> [Int] {
        try list { value in
            if lua_isinteger(L, -1) != 0 { return Int(lua_tointegerx(L, -1, nil)) }
            return try value().int()
        }
    }

    /// A list of numbers.
    public func doubles() throws -> [Double] {
        try list { value in
            if lua_type(L, -1) == LUA_TNUMBER { return lua_tonumberx(L, -1, nil) }
            return try value().double()
        }
    }

    private func list<Element>(_ read: (Argument) throws -> Element) throws -> [Element] {
        try list { value in try read(value()) }
    }

    /// Reads 1…n, one at a time on top of the stack; the closure's argument makes an `Argument` of it.
    private func list<Element>(_ read: (() -> Argument) throws -> Element) throws -> [Element] {
        let count = try length()
        try call.reserve(1)
        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        var result: [Element] = []
        result.reserveCapacity(count)
        for i in 0..<count {
            lua_rawgeti(L, index, lua_Integer(i + 1))
            result.append(try read { inner(.element(i + 1)) })
            lua_settop(L, top)
        }
        return result
    }
}

/// A key of a plain table.
enum LuaKey: Hashable {
    case int(Int64)
    case text(ByteKey)

    var place: Place.Key {
        switch self {
        case .int(let i): .element(Int(i))
        case .text(let name): .field(name.text)
        }
    }

    static func precedes(_ a: LuaKey, _ b: LuaKey) -> Bool {
        switch (a, b) {
        case (.int(let a), .int(let b)): a < b
        case (.int, .text): true
        case (.text, .int): false
        case (.text(let a), .text(let b)): LuaHost.precedes(a.text, b.text)
        }
    }
}

extension Argument {
    /// The keys of a table in `pairs`' order.
    func sortedKeys() throws -> [LuaKey] {
        try requireTable()
        try call.reserve(4)
        var keys: [LuaKey] = []
        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        lua_pushnil(L)
        while lua_next(L, index) != 0 {
            tt_pop(L, 1)
            keys.append(try key(at: -1))
        }
        keys.sort(by: LuaKey.precedes)
        guard let order = try explicitOrder(), !order.isEmpty else { return keys }
        let present = Set(keys)
        var seen: Set<LuaKey> = []
        var ordered = order.filter { present.contains($0) && seen.insert($0).inserted }
        ordered += keys.filter { !seen.contains($0) }
        return ordered
    }

    /// The key on top of the stack. `lua_next` needs it unchanged, so numbers are never read as strings.
    private func key(at index: Int32) throws -> LuaKey {
        switch lua_type(L, index) {
        case LUA_TSTRING:
            var length = 0
            let start = UnsafeRawPointer(lua_tolstring(L, index, &length))
            let bytes = UnsafeBufferPointer(start: start?.assumingMemoryBound(to: UInt8.self), count: length)
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw error("a key is not valid UTF-8")
            }
            return .text(ByteKey(name))
        case LUA_TNUMBER where lua_isinteger(L, index) != 0:
            return .int(lua_tointegerx(L, index, nil))
        default:
            throw error("keys must be strings or integers, not \(String(cString: lua_typename(L, lua_type(L, index))))")
        }
    }

    /// The list in the metatable's `__order`.
    private func explicitOrder() throws -> [LuaKey]? {
        guard lua_getmetatable(L, index) != 0 else { return nil }
        pushString(L, "__order")
        lua_rawget(L, -2)
        guard lua_type(L, -1) == LUA_TTABLE else { return nil }
        let list = lua_gettop(L)
        return try (0..<Int(clamping: lua_rawlen(L, list))).map { i in
            lua_rawgeti(L, list, lua_Integer(i + 1))
            defer { tt_pop(L, 1) }
            return try key(at: -1)
        }
    }
}
