import CLuaBridge

/// The Lua state as far as references need it: nil once it is closed. References outlive states in error values.
final class LuaHandle {
    var main: OpaquePointer?
    init(_ main: OpaquePointer?) { self.main = main }
}

/// Keeps one Lua value alive from Swift. Used on the state's thread only, like the state itself.
public class LuaReference: @unchecked Sendable {
    private let handle: LuaHandle
    private let reference: Int32

    /// Takes the value on top of the stack.
    init(popping L: OpaquePointer, handle: LuaHandle) {
        self.handle = handle
        reference = luaL_ref(L, tt_registry())
    }

    deinit {
        if let L = handle.main { luaL_unref(L, tt_registry(), reference) }
    }

    /// Pushes the value; false when the state is closed.
    func push(_ L: OpaquePointer) -> Bool {
        guard handle.main != nil else { return false }
        lua_rawgeti(L, tt_registry(), lua_Integer(reference))
        return true
    }
}

/// A Lua function held by Swift, called through `Call.invoke`. It is released when the last reference goes.
///
/// An object that stores one and is itself stored in a Lua table that the function can reach is never collected: keep
/// functions for the length of a call, or let the object's `close` drop them.
public final class LuaFunction: LuaReference, @unchecked Sendable {}
