import Base
import CLuaBridge

/// A bad argument, in Lua's own words: `bad argument #2 to 'query' (string expected, got nil)`.
public struct ArgumentError: TTError {
    public var code: String { "argument" }
    public let message: String
}

/// An error that Lua code raised, on its way through Swift. Thrown again out of a native function it is the same Lua
/// value as before.
public struct LuaError: TTError {
    /// The error object's code; `memory` when Lua ran out of it; `lua` for plain strings and other values.
    public let code: String
    /// The error object's message, or the error value as text.
    public let message: String
    /// `tostring` of the error value: the message, usually with its place before it.
    public let text: String
    /// The stack where it was raised, innermost first, one call a line.
    public let traceback: String?
    let value: LuaReference

    /// Takes the error value from the top of the stack after a protected call returned `status`.
    init(_ L: OpaquePointer, status: Int32, state: LuaState) {
        lua_checkstack(L, 10)
        tt_push_traceback_of(L, -1)
        traceback = string(L, -1)
        tt_pop(L, 1)
        lua_pushvalue(L, -1)
        value = LuaReference(popping: L, handle: state.handle)

        var code: String?
        var message: String?
        let isObject = tt_is_error(L, -1)
        if lua_type(L, -1) == LUA_TTABLE {
            func field(_ name: String) -> String? {
                lua_pushstring(L, name)
                lua_rawget(L, -2)
                defer { tt_pop(L, 1) }
                return string(L, -1)
            }
            code = field("code")
            message = field("message")
        }
        if lua_type(L, -1) != LUA_TSTRING {
            lua_pushvalue(L, -1)
            if tt_protected(L, tt_tostring, 1, 1) == LUA_OK { lua_rotate(L, -2, 1) }
            tt_pop(L, 1)
        }
        var text = string(L, -1) ?? "(an error value that cannot be printed)"
        tt_pop(L, 1)
        // A plain table with a message is as good as an error object.
        if !isObject, let message { text = message }
        self.text = text
        self.message = message ?? text
        self.code = code ?? (status == LUA_ERRMEM ? "memory" : "lua")
    }

    /// Pushes the error value; false when its Lua state is gone.
    func push(_ L: OpaquePointer) -> Bool {
        guard value.push(L) else { return false }
        if let traceback {
            pushString(L, traceback)
            tt_keep_traceback(L)
        }
        return true
    }
}

/// The string at `index`, with malformed UTF-8 repaired: for messages only. Nil for any other kind of value.
func string(_ L: OpaquePointer, _ index: Int32) -> String? {
    guard lua_type(L, index) == LUA_TSTRING else { return nil }
    var length = 0
    let start = lua_tolstring(L, index, &length)
    return String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
}

func pushString(_ L: OpaquePointer, _ text: String) {
    var text = text
    text.withUTF8 { bytes in
        _ = lua_pushlstring(L, UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
}

extension LuaState {
    /// Pushes the error object for a Swift error; the trampoline raises it. Everything else on the stack goes.
    func pushError(_ error: any Error, on L: OpaquePointer) {
        lua_settop(L, 0)
        if let error = error as? LuaError, error.push(L) { return }
        if error is Interrupted { return tt_push_interruption(L, 1) }
        pushErrorObject(error, on: L)
    }

    private func pushErrorObject(_ error: any Error, on L: OpaquePointer) {
        let known = error as? any TTError
        pushErrorObject(
            code: known?.code ?? "native", message: known?.message ?? "\(error)", level: 1, on: L)
        let details = known?.details ?? []
        if !details.isEmpty {
            pushString(L, "details")
            pushValue(.object(details.map { Value.Member($0.0, $0.1) }), on: L)
            lua_rawset(L, -3)
        }
        if let cause = known?.cause, lua_checkstack(L, 10) != 0 {
            pushString(L, "cause")
            if let cause = cause as? LuaError { _ = cause.push(L) } else { pushErrorObject(cause, on: L) }
            lua_rawset(L, -3)
        }
    }

    /// - Parameter level: whose line is `where`: 1 the caller of the running function, 2 the caller's caller.
    func pushErrorObject(code: String, message: String, level: Int32, on L: OpaquePointer) {
        var code = code
        var message = message
        code.withUTF8 { code in
            message.withUTF8 { message in
                func chars(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafePointer<CChar>? {
                    UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
                }
                tt_push_error(L, chars(code), code.count, chars(message), message.count, level)
            }
        }
    }
}
