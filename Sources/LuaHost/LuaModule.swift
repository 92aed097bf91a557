import Base

/// What a native function does: reads its arguments from the call, pushes results, answers how many it pushed.
public typealias LuaBody = (Call) throws -> Int32

/// One Lua module's native side: `require "tt.name"` gives a table of these functions and constants.
///
/// A carried file `lua/tt/name.lua` is the module's Lua half: it is run with the module's name and this table, and
/// what it returns is the module.
public struct LuaModule {
    public let name: String
    public let functions: [String: LuaBody]
    public let classes: [LuaClass]
    public let constants: [String: Value]

    /// - Parameters:
    ///   - name: the full name, `tt.sql`.
    ///   - functions: by their Lua names. Above each stands its Lua signature as a comment.
    ///   - classes: of the objects these functions return.
    ///   - constants: plain values; `.null` is the value `tt.json.null`.
    public init(
        _ name: String, functions: [String: LuaBody], classes: [LuaClass] = [], constants: [String: Value] = [:]
    ) {
        self.name = name
        self.functions = functions
        self.classes = classes
        self.constants = constants
    }
}

/// Objects whose memory the collector of Lua has to know about; a `LuaClass` over them needs no `byteCount`.
public protocol LuaSized: AnyObject {
    var byteCount: Int { get }
}

/// How the instances of a Swift class look to Lua.
///
/// A subclass without a `LuaClass` of its own shows the methods of its nearest registered superclass.
public struct LuaClass {
    public let name: String
    let type: AnyClass
    let methods: [String: LuaBody]
    let metamethods: [String: LuaBody]
    let index: LuaBody?
    let byteCount: ((AnyObject) -> Int)?
    let close: ((AnyObject) throws -> Void)?

    /// - Parameters:
    ///   - name: what error messages call it: `tt.Frame`.
    ///   - methods: argument 1 is the object.
    ///   - metamethods: `__len`, `__tostring`, `__add` and so on. `__gc`, `__close`, `__name` and `__eq` (same object)
    ///     are there already; `__eq` may be replaced.
    ///   - index: answers keys that name no method: argument 1 the object, 2 the key.
    ///   - byteCount: native memory behind the object, in bytes, when it is pushed. Needed for everything large: Lua's
    ///     collector does not see it otherwise.
    ///   - close: runs once, when a `local x <close>` goes out of scope or before the object is collected. May have been
    ///     preceded by a `close` method of the class. After it Lua cannot reach the object.
    public init<T: AnyObject>(
        _ type: T.Type, _ name: String, methods: [String: LuaBody], metamethods: [String: LuaBody] = [:],
        index: LuaBody? = nil, byteCount: ((T) -> Int)? = nil, close: ((T) throws -> Void)? = nil
    ) {
        self.name = name
        self.type = type
        self.methods = methods
        self.metamethods = metamethods
        self.index = index
        if let byteCount {
            self.byteCount = { byteCount(unsafeDowncast($0, to: T.self)) }
        } else if type is any LuaSized.Type {
            self.byteCount = { ($0 as? any LuaSized)?.byteCount ?? 0 }
        } else {
            self.byteCount = nil
        }
        self.close = close.map { close in { try close(unsafeDowncast($0, to: T.self)) } }
    }
}
