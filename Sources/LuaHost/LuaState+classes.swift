import CLuaBridge

/// A registered class: its definition, and once needed its metatable and method table in the registry.
final class ClassRecord {
    let definition: LuaClass
    let module: String
    var metatable = LUA_NOREF
    var methods = LUA_NOREF

    init(_ definition: LuaClass, module: String) {
        self.definition = definition
        self.module = module
    }
}

/// What identifies a Swift class in a userdata.
@inline(__always) func address(of type: AnyClass) -> UnsafeRawPointer { unsafeBitCast(type, to: UnsafeRawPointer.self) }

extension LuaState {
    /// The class Lua sees for instances of `type`: its own or its nearest registered superclass.
    func record(for type: AnyClass) -> ClassRecord? {
        let key = address(of: type)
        if let record = classes[key] { return record }
        var ancestor: AnyClass? = _getSuperclass(type)
        while let current = ancestor {
            if let record = classes[address(of: current)] {
                classes[key] = record
                return record
            }
            ancestor = _getSuperclass(current)
        }
        return nil
    }

    func record(named name: String) -> ClassRecord? {
        classes.values.first { $0.definition.name == name }
    }

    /// Pushes a userdata that keeps `object` alive.
    func push(object: AnyObject, on L: OpaquePointer) {
        let type: AnyClass = Swift.type(of: object)
        guard let record = record(for: type) else {
            fatalError("\(type) is pushed to Lua but no module lists a LuaClass for it")
        }
        let box = tt_push_box(L)!
        if record.metatable == LUA_NOREF { makeMetatable(record, on: L) }
        lua_rawgeti(L, tt_registry(), lua_Integer(record.metatable))
        lua_setmetatable(L, -2)
        box.pointee.type = address(of: record.definition.type)
        box.pointee.object = Unmanaged.passRetained(object).toOpaque()
        if let byteCount = record.definition.byteCount { tt_box_account(L, box, max(0, byteCount(object))) }
    }

    /// Leaves the stack as it was.
    func makeMetatable(_ record: ClassRecord, on L: OpaquePointer) {
        let definition = record.definition
        lua_createtable(L, 0, Int32(definition.methods.count))
        for (name, body) in definition.methods {
            pushString(L, name)
            push(function: "\(definition.name):\(name)", on: L, body)
            lua_rawset(L, -3)
        }
        lua_pushvalue(L, -1)
        record.methods = luaL_ref(L, tt_registry())

        lua_createtable(L, 0, Int32(definition.metamethods.count + 5))
        func set(_ name: String, _ push: () -> Void) {
            pushString(L, name)
            push()
            lua_rawset(L, -3)
        }
        set("__name") { pushString(L, definition.name) }
        set("__eq") { lua_pushcclosure(L, tt_box_equal, 0) }
        for (name, body) in definition.metamethods {
            set(name) { push(function: "\(definition.name):\(name)", on: L, body) }
        }
        set("__gc") {
            let name = "\(definition.name):__gc"
            tt_push_finalizer(L, number(of: name, releaseObject), name)
        }
        set("__close") { push(function: "\(definition.name):__close", on: L, releaseObject) }
        set("__index") {
            lua_pushvalue(L, -3)
            if let index = definition.index {
                let name = "\(definition.name):__index"
                tt_push_index(L, number(of: name, index), name)
            }
        }
        record.metatable = luaL_ref(L, tt_registry())
        tt_pop(L, 1)
        wait(for: record.module)
    }

    /// `__gc` and `__close`: lets the object go. What its `close` throws is an error of `__close`, a warning of `__gc`.
    private func releaseObject(_ call: Call) throws -> Int32 {
        guard let box = tt_box_at(call.L, 1), let pointer = box.pointee.object else { return 0 }
        box.pointee.object = nil
        tt_box_forget(call.L, box)
        let object = Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
        if let close = classes[box.pointee.type]?.definition.close { try close(object) }
        return 0
    }

    /// Objects of a module whose Lua half may add methods: the half is loaded before Lua code sees the object.
    private func wait(for module: String) {
        guard !startedModules.contains(module), sources.content(halfPath(module)) != nil else { return }
        waitingModules.append(module)
        context.pointee.loads_pending = true
    }

    /// Loads what waits, when a native function is about to call back into Lua.
    func loadWaitingModules(on L: OpaquePointer) throws {
        context.pointee.loads_pending = false
        while let module = waitingModules.popLast() {
            guard !startedModules.contains(module) else { continue }
            pushString(L, module)
            let status = tt_protected(L, tt_require, 1, 0)
            if status != LUA_OK { throw LuaError(L, status: status, state: self) }
        }
    }
}
