import LuaHost

struct Prompt {
    init(_ state: LuaState) {}
    func run() -> Int32 { 0 }
}
