import Base
import CLuaBridge

// How `require` finds modules, in this order:
//   1. package.preload, as in every Lua
//   2. `tt.*`: always those of this program
//   3. package.path and package.cpath: beside the script, ./lua/, the user's LuaRocks tree, then Lua's own defaults
//   4. the Lua files carried inside this program, under lua/

extension LuaState {
    func halfPath(_ module: String) -> String { "lua/\(module.split(separator: ".").joined(separator: "/")).lua" }

    /// Installs the global table `tt` and the searchers.
    func installRoot() {
        let L = main
        lua_checkstack(L, 20)
        pushRootTable(on: L)
        lua_pushvalue(L, -1)
        setGlobal("tt", on: L)

        pushPackageField("loaded", on: L)
        pushString(L, "tt")
        lua_pushvalue(L, -3)
        lua_rawset(L, -3)
        tt_pop(L, 2)

        pushPackageField("searchers", on: L)
        let count = lua_Integer(lua_rawlen(L, -1))
        for i in stride(from: count, through: 2, by: -1) {
            lua_rawgeti(L, -1, i)
            lua_rawseti(L, -2, i + 1)
        }
        push(function: "tt.searcher", on: L, searchNative)
        lua_rawseti(L, -2, 2)
        push(function: "tt.searcher", on: L, searchCarried)
        lua_rawseti(L, -2, count + 2)
        tt_pop(L, 1)

        push(function: "tt.loader", on: L) { [unowned self] call in
            try loadWaitingModules(on: call.L)
            return 0
        }
        context.pointee.load_pending_function = luaL_ref(L, tt_registry())
    }

    /// Sets where `require` looks: `folder` of the script (nil for code that is in no file), then the usual places.
    public func setScriptFolder(_ folder: String?, home: String?) {
        var places: [String] = []
        if let folder, !folder.contains(where: { $0 == ";" || $0 == "?" }) { places.append(folder) }
        if folder != "./lua", folder != "lua" { places.append("./lua") }
        var path = places.map { "\($0)/?.lua;\($0)/?/init.lua;" }.joined()
        var libraryPath = places.map { "\($0)/?.so;" }.joined()
        if let home {
            path += "\(home)/.luarocks/share/lua/5.4/?.lua;\(home)/.luarocks/share/lua/5.4/?/init.lua;"
            libraryPath += "\(home)/.luarocks/lib/lua/5.4/?.so;"
        }
        prependToPackageField("path", path)
        prependToPackageField("cpath", libraryPath)
    }

    private func prependToPackageField(_ name: String, _ text: String) {
        let L = main
        pushPackageField(name, on: L)
        let old = string(L, -1) ?? ""
        tt_pop(L, 1)
        pushLoaded("package", on: L)
        pushString(L, name)
        pushString(L, text + old)
        lua_rawset(L, -3)
        tt_pop(L, 1)
    }

    /// Pushes `package.<name>`.
    private func pushPackageField(_ name: String, on L: OpaquePointer) {
        pushLoaded("package", on: L)
        pushString(L, name)
        lua_rawget(L, -2)
        lua_rotate(L, -2, 1)
        tt_pop(L, 1)
    }

    /// Pushes `package.loaded[name]`, past whatever the script did to the global `package`.
    private func pushLoaded(_ name: String, on L: OpaquePointer) {
        pushString(L, "_LOADED")
        lua_rawget(L, tt_registry())
        pushString(L, name)
        lua_rawget(L, -2)
        lua_rotate(L, -2, 1)
        tt_pop(L, 1)
    }

    // MARK: Searchers

    private func searchNative(_ call: Call) throws -> Int32 {
        let name = try call[1].string()
        guard name.hasPrefix("tt.") else { return 0 }
        guard isModule(name) else {
            let near = Suggestion.nearest(to: name, in: moduleNames).map { " (did you mean '\($0)'?)" } ?? ""
            throw BaseError("lua.no_module", "there is no module '\(name)' in tt\(near)")
        }
        push(function: "tt.loader", on: call.L, loadNative)
        return 1 + call.push(":tt:")
    }

    func isModule(_ name: String) -> Bool { modules[name] != nil || sources.content(halfPath(name)) != nil }

    /// All public `tt.*` modules, native or carried, by bytes. What lies in a folder of lua/tt/ belongs to the module
    /// that the folder is named after, and is nobody else's.
    var moduleNames: [String] {
        var names = Set(modules.keys.map { $0.dropFirst("tt.".count) })
        for path in sources.names where path.hasPrefix("lua/tt/") && path.hasSuffix(".lua") {
            names.insert(path.dropFirst("lua/tt/".count).dropLast(".lua".count))
        }
        return names.filter { !$0.contains("/") && !$0.contains(".") }.map { "tt.\($0)" }.sorted(by: precedes)
    }

    private func loadNative(_ call: Call) throws -> Int32 {
        let name = try call[1].string()
        startedModules.insert(name)
        if let module = modules[name] { pushTable(of: module, on: call.L) } else { call.push(nil) }
        guard let source = sources.content(halfPath(name)) else { return 1 }
        let native = Argument(call: call, index: lua_gettop(call.L), number: 0, place: nil, isLenient: false)
        let half = try load(source, name: "@tt:\(halfPath(name))", on: call.L)
        guard let result = try call.invoke(half, name, native).first else {
            return native.isNil ? call.push(true) : call.push(native)
        }
        return call.push(result)
    }

    private func pushTable(of module: LuaModule, on L: OpaquePointer) {
        lua_createtable(L, 0, Int32(module.functions.count + module.constants.count))
        for (name, body) in module.functions {
            pushString(L, name)
            push(function: "\(module.name).\(name)", on: L, body)
            lua_rawset(L, -3)
        }
        for (name, value) in module.constants {
            pushString(L, name)
            pushValue(value, on: L)
            lua_rawset(L, -3)
        }
    }

    private func searchCarried(_ call: Call) throws -> Int32 {
        let name = try call[1].string()
        let stem = "lua/" + name.replacing(".", with: "/")
        for path in ["\(stem).lua", "\(stem)/init.lua"] {
            guard let source = sources.content(path) else { continue }
            let chunk = try load(source, name: "@tt:\(path)", on: call.L)
            return call.push(chunk) + call.push("tt:\(path)")
        }
        return call.push("no file '\(stem).lua' inside tt")
    }
}
