import Base
import CLuaBridge

extension LuaState {
    /// Pushes the global table `tt`: a few functions, and every module on first use.
    func pushRootTable(on L: OpaquePointer) {
        let functions: [(String, LuaBody)] = [
            // tt.error(code, message, details?, level?)
            ("error", raiseError),
            // tt.modules() -> list of names
            ("modules", { [unowned self] call in call.push(list: moduleNames) }),
            // tt.classes() -> list of names
            (
                "classes",
                { [unowned self] call in
                    call.push(list: Set(classes.values.map(\.definition.name)).sorted(by: precedes))
                }
            ),
            // tt.class(name) -> table of methods
            ("class", pushMethods),
            // tt.carried(path?) -> string | nil, or list of paths
            ("carried", pushCarried),
        ]
        lua_createtable(L, 0, Int32(functions.count + 1))
        for (name, body) in functions {
            pushString(L, name)
            push(function: "tt.\(name)", on: L, body)
            lua_rawset(L, -3)
        }
        pushString(L, "version")
        pushString(L, ttVersion)
        lua_rawset(L, -3)

        lua_createtable(L, 0, 2)
        pushString(L, "__index")
        push(function: "tt.__index", on: L, loadField)
        lua_rawset(L, -3)
        lua_setmetatable(L, -2)
    }

    private func raiseError(_ call: Call) throws -> Int32 {
        let code = try call[1].string()
        let message = try call[2].string()
        let details = try call[3].optional?.value()
        let level = try call[4].optional?.int() ?? 1
        guard level >= 1, level < 1_000_000 else { throw call.argumentError(4, "level must be 1 or more") }
        let L = call.L
        pushErrorObject(code: code, message: message, level: Int32(level), on: L)
        if let details {
            pushString(L, "details")
            pushValue(details, on: L)
            lua_rawset(L, -3)
        }
        return TT_RAISE
    }

    private func pushMethods(_ call: Call) throws -> Int32 {
        let name = try call[1].string()
        guard let record = record(named: name) else {
            throw call.argumentError(1, "no class is named '\(name)'")
        }
        if record.metatable == LUA_NOREF { makeMetatable(record, on: call.L) }
        lua_rawgeti(call.L, tt_registry(), lua_Integer(record.methods))
        return 1
    }

    private func pushCarried(_ call: Call) throws -> Int32 {
        guard let path = call[1].optional else { return call.push(list: sources.names) }
        guard let content = sources.content(try path.string()) else { return call.push(nil) }
        return call.push(content)
    }

    /// `tt.sql` is `require "tt.sql"`. Other names are nil, as in any table.
    private func loadField(_ call: Call) throws -> Int32 {
        guard call[2].kind == .string, let name = try? call[2].string(), isModule("tt.\(name)") else {
            return call.push(nil)
        }
        call.push("tt.\(name)")
        let status = tt_protected(call.L, tt_require, 1, 1)
        if status != LUA_OK { throw LuaError(call.L, status: status, state: self) }
        call.push(name)
        lua_pushvalue(call.L, -2)
        lua_rawset(call.L, 1)
        return 1
    }
}

/// The version of tt, as `tt --version` prints it.
public let ttVersion = "0.1.0"
