import Base
import CLuaBridge

/// A value Swift can hand to Lua.
public protocol LuaPushable {
    /// Pushes exactly one value.
    func push(to call: Call)
}

/// Bytes as a Lua string.
public struct LuaBytes: LuaPushable {
    public let bytes: [UInt8]
    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public func push(to call: Call) { call.push(bytes) }
}

/// An instance of a registered class, where a `LuaPushable` is asked for.
public struct LuaObject: LuaPushable {
    public let object: AnyObject
    public init(_ object: AnyObject) { self.object = object }
    public func push(to call: Call) { call.push(object: object) }
}

/// A table with string keys, where a `LuaPushable` is asked for.
public struct LuaTable: LuaPushable {
    public let fields: [(String, any LuaPushable)]
    public init(_ fields: [(String, any LuaPushable)]) { self.fields = fields }
    public func push(to call: Call) { call.pushTable(fields: fields) }
}

extension Int: LuaPushable {
    public func push(to call: Call) { call.push(Int64(self)) }
}
extension Int32: LuaPushable {
    public func push(to call: Call) { call.push(Int64(self)) }
}
extension Int64: LuaPushable {
    public func push(to call: Call) { call.push(self) }
}
extension Double: LuaPushable {
    public func push(to call: Call) { call.push(self) }
}
extension Float: LuaPushable {
    public func push(to call: Call) { call.push(Double(self)) }
}
extension Bool: LuaPushable {
    public func push(to call: Call) { call.push(self) }
}
extension String: LuaPushable {
    public func push(to call: Call) { call.push(self) }
}
/// `.null` is `tt.json.null`; objects whose keys are not sorted keep their order in their metatable's `__order`.
extension Value: LuaPushable {
    public func push(to call: Call) {
        call.reserveForPush()
        call.state.pushValue(self, on: call.L)
    }
}
extension LuaReference: LuaPushable {
    public func push(to call: Call) {
        call.reserveForPush()
        if !push(call.L) { lua_pushnil(call.L) }
    }
}
/// The same Lua value again.
extension Argument: LuaPushable {
    public func push(to call: Call) {
        call.reserveForPush()
        if index == 0 { lua_pushnil(call.L) } else { lua_pushvalue(call.L, index) }
    }
}
extension Optional: LuaPushable where Wrapped: LuaPushable {
    public func push(to call: Call) {
        if let self { self.push(to: call) } else { call.push(nil) }
    }
}
extension Array: LuaPushable where Element: LuaPushable {
    public func push(to call: Call) { call.push(list: self) }
}

extension Call {
    // Each of these pushes one value and answers 1, so that a body may end in `return call.push(x) + call.push(y)`.

    @discardableResult public func push(_: Never?) -> Int32 {
        reserveForPush()
        lua_pushnil(L)
        return 1
    }

    @discardableResult public func push(_ number: Int) -> Int32 { push(Int64(number)) }

    @discardableResult public func push(_ number: Int64) -> Int32 {
        reserveForPush()
        lua_pushinteger(L, number)
        return 1
    }

    @discardableResult public func push(_ number: Double) -> Int32 {
        reserveForPush()
        lua_pushnumber(L, number)
        return 1
    }

    @discardableResult public func push(_ flag: Bool) -> Int32 {
        reserveForPush()
        lua_pushboolean(L, flag ? 1 : 0)
        return 1
    }

    @discardableResult public func push(_ text: String) -> Int32 {
        var text = text
        return text.withUTF8 { push(UnsafeRawBufferPointer($0)) }
    }

    /// A Lua string of these bytes.
    @discardableResult public func push(_ bytes: [UInt8]) -> Int32 { bytes.withUnsafeBytes { push($0) } }

    @discardableResult public func push(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        reserveForPush()
        lua_pushlstring(L, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        return 1
    }

    /// The same for very large strings: throws where memory does not suffice, instead of ending the process.
    @discardableResult public func pushLarge(_ bytes: UnsafeRawBufferPointer) throws -> Int32 {
        reserveForPush()
        lua_pushlightuserdata(L, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        lua_pushinteger(L, lua_Integer(bytes.count))
        let status = tt_protected(L, tt_push_bytes, 2, 1)
        if status != LUA_OK { throw LuaError(L, status: status, state: state) }
        return 1
    }

    @discardableResult public func push<T: LuaPushable>(_ value: T) -> Int32 {
        value.push(to: self)
        return 1
    }

    /// An instance of a class that a module lists, or nil.
    @discardableResult public func push(object: AnyObject?) -> Int32 {
        reserveForPush()
        if let object { state.push(object: object, on: L) } else { lua_pushnil(L) }
        return 1
    }

    /// A table of these at 1, 2, …
    @discardableResult public func push<S: Sequence>(list: S) -> Int32 where S.Element: LuaPushable {
        reserveForPush()
        lua_createtable(L, Int32(clamping: list.underestimatedCount), 0)
        var i: lua_Integer = 0
        for element in list {
            i += 1
            element.push(to: self)
            lua_rawseti(L, -2, i)
        }
        return 1
    }

    /// Instances of registered classes, each a result of its own; there may be too many for Lua's stack.
    public func pushResults(_ objects: [AnyObject]) throws -> Int32 {
        try reserve(objects.count)
        for object in objects { push(object: object) }
        return Int32(objects.count)
    }

    /// A table of instances of registered classes.
    @discardableResult public func push(objects: some Sequence<AnyObject>) -> Int32 {
        push(list: objects.lazy.map { LuaObject($0) })
    }

    /// A table with these keys. Nil values leave their key out.
    @discardableResult public func pushTable(fields: [(String, any LuaPushable)]) -> Int32 {
        reserveForPush()
        lua_createtable(L, 0, Int32(clamping: fields.count))
        for (name, value) in fields { setField(name, value) }
        return 1
    }

    /// Sets a field of the table pushed last: for tables built piece by piece.
    public func setField(_ name: String, _ value: any LuaPushable) {
        push(name)
        value.push(to: self)
        lua_rawset(L, -3)
    }

    /// Says in which order `Argument.pairs` reads the fields of the table pushed last, as an object's `Value` does.
    /// Sorted names need no saying.
    public func setOrder(_ names: [String]) {
        let isSorted = zip(names, names.dropFirst()).allSatisfy { precedes($0, $1) }
        if isSorted { return }
        reserveForPush()
        state.setOrder(names, on: L)
    }

    /// Marks the table pushed last as an array although it is empty.
    public func setArray() {
        reserveForPush()
        state.setArrayMetatable(on: L)
    }

    /// Appends to the table pushed last at `index`, counted from 1.
    public func setElement(_ index: Int, _ value: any LuaPushable) {
        value.push(to: self)
        lua_rawseti(L, -2, lua_Integer(index))
    }
}
