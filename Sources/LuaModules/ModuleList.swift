import LuaHost

/// Every native module, in the order of the architecture; the single list.
public func allModules() -> [LuaModule] {
    []
}
