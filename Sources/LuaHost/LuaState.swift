import Base
import CLuaBridge

/// One Lua state with tt's modules in it. Used on one thread; two states do not know each other.
///
/// Native functions are numbered. Each is a C closure holding its number; C calls `dispatch`, which runs the Swift body
/// and answers a count of results, or that the error object it pushed is to be raised once Swift has returned.
public final class LuaState {
    let context: UnsafeMutablePointer<tt_context>
    let handle: LuaHandle
    let sources: LuaSources
    let modules: [String: LuaModule]
    /// Read at every call and only appended to elsewhere, so that no access lasts while another begins.
    @exclusivity(unchecked) var bodies: ContiguousArray<LuaBody> = []
    var names: [String] = []
    /// By the address of the Swift class; a subclass is added beside its registered superclass when first seen.
    var classes: [UnsafeRawPointer: ClassRecord] = [:]
    /// Modules that are loaded or loading, and those of pushed objects that still have to be.
    var startedModules: Set<String> = []
    var waitingModules: [String] = []
    /// Registry reference of the metatable that marks arrays.
    var arrayMetatable = LUA_NOREF

    var main: OpaquePointer { context.pointee.main }

    /// - Parameters:
    ///   - modules: the native sides of the `tt.*` modules.
    ///   - sources: the Lua files carried inside the program.
    ///   - memoryLimit: bytes that Lua values may take; 0 sets no limit. A full state raises Lua's memory error.
    public init(modules: [LuaModule], sources: LuaSources = LuaSources(), memoryLimit: Int = 0) throws {
        guard let context = tt_open(dispatch, nil, memoryLimit) else {
            throw BaseError("memory", "there is not enough memory for a Lua state")
        }
        self.context = context
        self.sources = sources
        handle = LuaHandle(context.pointee.main)
        self.modules = Dictionary(modules.map { ($0.name, $0) }) { _, last in last }
        context.pointee.host = Unmanaged.passUnretained(self).toOpaque()
        for module in modules {
            for definition in module.classes {
                classes[address(of: definition.type)] = ClassRecord(definition, module: module.name)
            }
        }
        installRoot()
    }

    deinit { close() }

    /// Closes pending `__close` variables, runs all finalizers and frees the state. The state must not be used again.
    public func close() {
        guard handle.main != nil else { return }
        tt_close(context)
        handle.main = nil
        bodies = []
    }

    /// Bytes that Lua's own values take now, and native bytes behind its objects as their classes tell.
    public var memory: (lua: Int, native: Int) {
        (Int(context.pointee.used), Int(context.pointee.native_bytes))
    }

    // MARK: Running code

    /// Compiles Lua source; syntax errors throw.
    /// - Parameter name: as for Lua's `load`: `@script.lua`, `=stdin`, or the source itself.
    public func load(_ source: UnsafeRawBufferPointer, name: String) throws -> LuaFunction {
        try load(source, name: name, on: main)
    }

    func load(_ source: UnsafeRawBufferPointer, name: String, on L: OpaquePointer) throws -> LuaFunction {
        let start = source.baseAddress?.assumingMemoryBound(to: CChar.self)
        let status = luaL_loadbufferx(L, start, source.count, name, "t")
        return try loaded(status, on: L)
    }

    public func load(_ source: String, name: String) throws -> LuaFunction {
        var source = source
        return try source.withUTF8 { try load(UnsafeRawBufferPointer($0), name: name) }
    }

    /// Compiles a file, or standard input for nil. A first line that starts with `#` is skipped.
    public func load(file: String?) throws -> LuaFunction {
        try loaded(luaL_loadfilex(main, file, nil), on: main)
    }

    private func loaded(_ status: Int32, on L: OpaquePointer) throws -> LuaFunction {
        if status != LUA_OK { throw LuaError(L, status: status, state: self) }
        return LuaFunction(popping: L, handle: handle)
    }

    /// Gives `body` a call to push values with and to invoke functions from; everything it pushed is gone afterwards.
    public func withCall<Result>(_ body: (Call) throws -> Result) rethrows -> Result {
        let L = main
        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        return try body(Call(L: L, count: 0, function: -1, state: self))
    }

    /// Sets the global `arg`: the script's name at 0, its arguments from 1, what stood before it at -1 and below.
    /// - Parameter skipped: how many words after the script are no arguments.
    public func setArguments(_ words: [String], scriptAt script: Int, skipping skipped: Int = 0) {
        let L = main
        lua_createtable(L, Int32(words.count), 1)
        for (i, word) in words.enumerated() where i <= script || i > script + skipped {
            pushString(L, word)
            lua_rawseti(L, -2, lua_Integer(i <= script ? i - script : i - script - skipped))
        }
        setGlobal("arg", on: L)
    }

    /// Sets a global variable to the value on top of the stack, past any metatable of the globals.
    func setGlobal(_ name: String, on L: OpaquePointer) {
        lua_rawgeti(L, tt_registry(), lua_Integer(LUA_RIDX_GLOBALS))
        pushString(L, name)
        lua_rotate(L, -3, -1)
        lua_rawset(L, -3)
        tt_pop(L, 1)
    }

    // MARK: Interrupts

    /// Lets Ctrl-C or SIGTERM stop this state's code with an error of code `interrupted`; the second one ends the process.
    public func installInterrupts() { tt_interrupts_install(context) }

    // MARK: Native functions

    /// Pushes a function that runs `body`; `name` stands in tracebacks and messages.
    func push(function name: String, on L: OpaquePointer, _ body: @escaping LuaBody) {
        tt_push_function(L, number(of: name, body), name)
    }

    func number(of name: String, _ body: @escaping LuaBody) -> Int32 {
        bodies.append(body)
        names.append(name)
        return Int32(bodies.count - 1)
    }
}

/// The Lua files carried inside the program.
public struct LuaSources {
    let content: (String) -> UnsafeRawBufferPointer?
    let names: [String]

    /// - Parameters:
    ///   - names: paths relative to the project, `lua/tt/log.lua`.
    ///   - content: of the file with such a path; must stay valid as long as the program runs. Nil for other paths.
    public init(names: [String] = [], content: @escaping (String) -> UnsafeRawBufferPointer? = { _ in nil }) {
        self.names = names
        self.content = content
    }
}

/// The one Swift function that C calls.
private func dispatch(_ L: OpaquePointer?, _ function: Int32, _ host: UnsafeMutableRawPointer?) -> Int32 {
    guard let L, let host else { return 0 }
    // Whoever runs Lua code holds the state.
    return Unmanaged<LuaState>.fromOpaque(host)._withUnsafeGuaranteedRef { state in
        let body = state.bodies[Int(function)]
        do {
            return try body(Call(L: L, count: lua_gettop(L), function: function, state: state))
        } catch {
            state.pushError(error, on: L)
            return TT_RAISE
        }
    }
}
