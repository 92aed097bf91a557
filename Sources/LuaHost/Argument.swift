import Base
import CLuaBridge

/// What kind of value Lua holds; integers and floats are told apart.
public enum LuaKind: String {
    case `nil`, bool, int, float, string, table, function, userdata, lightuserdata, thread
}

/// An argument, a result of `Call.invoke`, or a value inside a table of either. It knows its place for error messages
/// and is valid as long as the call (or the `scope`) it was read in.
///
/// Readers are strict: a number is no string and a string no number. A wrong kind throws an error in Lua's own words:
/// `bad argument #2 to 'open' (field 'timeout_s': number expected, got string)`.
public struct Argument {
    let call: Call
    let index: Int32
    let number: Int32
    let place: Place?
    let isLenient: Bool

    private var L: OpaquePointer { call.L }
    private var type: Int32 { index == 0 ? LUA_TNIL : lua_type(L, index) }

    /// True for Lua's nil and for an argument that was not given.
    public var isNil: Bool { type == LUA_TNIL }

    /// Nil for Lua's nil: `try call[2].optional?.int() ?? 10`.
    public var optional: Argument? { isNil ? nil : self }

    public var kind: LuaKind {
        switch type {
        case LUA_TBOOLEAN: .bool
        case LUA_TNUMBER: lua_isinteger(L, index) != 0 ? .int : .float
        case LUA_TSTRING: .string
        case LUA_TTABLE: .table
        case LUA_TFUNCTION: .function
        case LUA_TUSERDATA: .userdata
        case LUA_TLIGHTUSERDATA: .lightuserdata
        case LUA_TTHREAD: .thread
        default: .nil
        }
    }

    /// True for `tt.json.null`.
    public var isNull: Bool { type == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == nil }

    // MARK: Scalars

    /// A string; one that is not valid UTF-8 is refused, read it with `bytes()`.
    public func string() throws -> String {
        try withBytes { bytes in
            guard let text = String(validating: bytes.bindMemory(to: UInt8.self), as: UTF8.self) else {
                throw error("valid UTF-8 expected")
            }
            return text
        }
    }

    public func bytes() throws -> [UInt8] { try withBytes { Array($0) } }

    /// A string's bytes without copying; valid inside `body` only.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        guard type == LUA_TSTRING else { throw expected("string") }
        var length = 0
        let start = lua_tolstring(L, index, &length)
        return try body(UnsafeRawBufferPointer(start: start, count: length))
    }

    /// An integer, or a float without fraction.
    public func int64() throws -> Int64 {
        guard type == LUA_TNUMBER else { throw expected("integer") }
        var isInteger: Int32 = 0
        let number = lua_tointegerx(L, index, &isInteger)
        guard isInteger != 0 else { throw error("number has no integer representation") }
        return number
    }

    public func int() throws -> Int { Int(try int64()) }

    /// Any number as a double.
    public func double() throws -> Double {
        guard type == LUA_TNUMBER else { throw expected("number") }
        return lua_tonumberx(L, index, nil)
    }

    /// `true` or `false`; other values are not taken for either.
    public func bool() throws -> Bool {
        guard type == LUA_TBOOLEAN else { throw expected("boolean") }
        return lua_toboolean(L, index) != 0
    }

    /// A reference to a function, released with its last holder.
    public func function() throws -> LuaFunction {
        guard type == LUA_TFUNCTION else { throw expected("function") }
        try call.reserve(1)
        lua_pushvalue(L, index)
        return LuaFunction(popping: L, handle: call.state.handle)
    }

    /// A reference to the value, whatever it is; `Call.value(of:)` reads it in a later call.
    public func reference() throws -> LuaReference {
        try call.reserve(1)
        push(to: call)
        return LuaReference(popping: L, handle: call.state.handle)
    }

    /// What Lua's `tostring` makes of the value, metamethods included.
    public func text() throws -> [UInt8] {
        try call.reserve(3)
        push(to: call)
        let status = tt_protected(L, tt_tostring, 1, 1)
        if status != LUA_OK { throw LuaError(L, status: status, state: call.state) }
        defer { tt_pop(L, 1) }
        var length = 0
        let start = lua_tolstring(L, -1, &length)
        return Array(UnsafeRawBufferPointer(start: start, count: length))
    }

    // MARK: Objects

    /// An instance of `T` or of a subclass. Closed objects are refused by name.
    public func object<T: AnyObject>(_: T.Type) throws -> T {
        if let object = tryObject(T.self) { return object }
        let name = call.state.record(for: T.self)?.definition.name ?? "\(T.self)"
        if index != 0, let box = tt_box_at(L, index), box.pointee.object == nil {
            throw error("\(typeName) is closed")
        }
        throw expected(name)
    }

    /// The same, nil for every other value.
    public func tryObject<T: AnyObject>(_: T.Type) -> T? {
        guard index != 0, let box = tt_box_at(L, index), let pointer = box.pointee.object else { return nil }
        if box.pointee.type == address(of: T.self) {
            return Unmanaged<T>.fromOpaque(pointer).takeUnretainedValue()
        }
        return Unmanaged<AnyObject>.fromOpaque(pointer).takeUnretainedValue() as? T
    }

    // MARK: Errors

    /// An argument error about this value that says where it stands.
    public func error(_ message: String) -> ArgumentError {
        guard let place else { return call.argumentError(Int(number), message) }
        if number > 0 { return call.argumentError(Int(number), "\(place.text): \(message)") }
        return ArgumentError(message: "bad result of a function (\(place.text): \(message))")
    }

    func expected(_ what: String) -> ArgumentError { error("\(what) expected, got \(typeName)") }

    /// As Lua's messages name it: `number`, `tt.Frame`, `no value`.
    var typeName: String {
        if index == 0, place == nil { return "no value" }
        if isNull { return "null" }
        if index != 0, let box = tt_box_at(L, index) {
            return call.state.classes[box.pointee.type]?.definition.name ?? "userdata"
        }
        return String(cString: lua_typename(L, type))
    }
}

/// Where a value stands inside its argument, spelled only when an error needs it.
final class Place {
    enum Key {
        case field(String)
        case element(Int)
        case result(Int)
    }

    let parent: Place?
    let key: Key

    init(parent: Place?, key: Key) {
        self.parent = parent
        self.key = key
    }

    /// `field 'a.b[3]'`, `element 3`, `result 1`, `result 1 field 'x'`.
    var text: String {
        var path = ""
        var place: Place? = self
        while let current = place {
            switch current.key {
            case .field(let name): path = path.isEmpty || path.hasPrefix("[") ? name + path : "\(name).\(path)"
            case .element(let i): path = path.isEmpty || path.hasPrefix("[") ? "[\(i)]\(path)" : "[\(i)].\(path)"
            case .result(let i): return path.isEmpty ? "result \(i)" : "result \(i), field '\(path)'"
            }
            place = current.parent
        }
        if parent == nil, case .element(let i) = key { return "element \(i)" }
        return "field '\(path)'"
    }
}
