import Base
import CLuaBridge

/// One call of a native function from Lua: its arguments, and the place where its results go.
///
/// Valid until the function returns. What is pushed last is returned: a body pushes its results and answers how many
/// they are; values it read from inside tables or got from `invoke` may lie below them. Never hold an inout access
/// (a mutating method, a `withUnsafe…` on a shared property) while calling `invoke`: Lua may call back into Swift.
public struct Call {
    let L: OpaquePointer
    /// How many arguments were given; trailing nils count.
    public let count: Int
    let function: Int32
    unowned(unsafe) let state: LuaState

    init(L: OpaquePointer, count: Int32, function: Int32, state: LuaState) {
        self.L = L
        self.count = Int(count)
        self.function = function
        self.state = state
    }

    /// Argument `i`, counted from 1 (in a method 1 is the object). One that was not given reads as nil.
    public subscript(_ i: Int) -> Argument {
        Argument(call: self, index: i <= count ? Int32(i) : 0, number: Int32(i), place: nil, isLenient: false)
    }

    // MARK: Errors

    /// `bad argument #2 to 'query' (message)`, counted as Lua counts: in `object:method(…)` the object is not.
    public func argumentError(_ i: Int, _ message: String) -> ArgumentError {
        var info = lua_Debug()
        var name = function >= 0 ? state.names[Int(function)] : "?"
        if let separator = name.lastIndex(where: { $0 == "." || $0 == ":" }) {
            name = String(name[name.index(after: separator)...])
        }
        var number = i
        if function >= 0, lua_getstack(L, 0, &info) != 0, lua_getinfo(L, "n", &info) != 0,
            let kind = info.namewhat, String(cString: kind) == "method"
        {
            number -= 1
            if number == 0 { return ArgumentError(message: "calling '\(name)' on bad self (\(message))") }
        }
        return ArgumentError(message: "bad argument #\(number) to '\(name)' (\(message))")
    }

    /// The value that a reference of an earlier call keeps.
    public func value(of reference: LuaReference) throws -> Argument {
        try reserve(1)
        reference.push(to: self)
        return Argument(call: self, index: lua_gettop(L), number: 0, place: nil, isLenient: false)
    }

    // MARK: Calling Lua

    /// Calls a Lua function and gives its results, which stay readable until this call (or the `scope` around it) ends.
    ///
    /// An error in it is thrown as `LuaError`; thrown on, it reaches Lua as the same value. The function cannot yield.
    public func invoke(_ function: LuaFunction, _ arguments: any LuaPushable...) throws -> [Argument] {
        try invoke(function, arguments: arguments)
    }

    /// What `invoke` has just given, as the results of this call: they stand on top of the stack already.
    public func giveBack(_ results: [Argument]) -> Int32 { Int32(results.count) }

    public func invoke(_ function: LuaFunction, arguments: [any LuaPushable]) throws -> [Argument] {
        try reserve(arguments.count + 5)
        if !state.waitingModules.isEmpty { try state.loadWaitingModules(on: L) }
        let base = lua_gettop(L)
        guard function.push(L) else { throw BaseError("lua.closed", "the function's Lua state is closed") }
        for argument in arguments { argument.push(to: self) }
        // Arguments pushed for the first time may bring a Lua half with methods, which the callee expects.
        if !state.waitingModules.isEmpty { try state.loadWaitingModules(on: L) }
        let status = tt_pcall(L, lua_gettop(L) - base - 1, tt_multiple())
        if status != LUA_OK { throw LuaError(L, status: status, state: state) }
        let top = lua_gettop(L)
        guard top > base else { return [] }
        return (base + 1...top).map { index in
            Argument(
                call: self, index: index, number: 0, place: Place(parent: nil, key: .result(Int(index - base))),
                isLenient: false)
        }
    }

    /// Drops from the Lua stack all that `body` left there: for loops that read nested values or invoke functions.
    /// Arguments obtained inside must not be used outside; results must be pushed after it.
    public func scope<Result>(_ body: () throws -> Result) rethrows -> Result {
        let top = lua_gettop(L)
        defer { lua_settop(L, top) }
        return try body()
    }

    /// The answer of a body that yields `count` pushed values to whoever resumed the coroutine, as its last act.
    public func yield(_ count: Int32) -> Int32 { -2 - count }

    /// Makes room for `count` more values, and leaves enough for the pushes that follow.
    func reserve(_ count: Int) throws {
        if count > 100_000_000 || lua_checkstack(L, Int32(count) + 200) == 0 {
            throw BaseError("lua.stack", "too many values are on Lua's stack at once; read the table in parts")
        }
    }

    func reserveForPush() {
        precondition(lua_checkstack(L, 8) != 0, "Lua's stack is full")
    }
}
