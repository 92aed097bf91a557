import CCarried
import LuaHost

/// The Lua files, configurations and examples inside the program, by their paths in the project.
enum Carried {
    static var names: [String] {
        (0..<tt_carried_count()).map { String(cString: tt_carried_file($0).path) }
    }

    static func content(_ path: String) -> UnsafeRawBufferPointer? {
        let file = tt_carried_find(path)
        guard file.path != nil else { return nil }
        return UnsafeRawBufferPointer(start: file.bytes, count: file.count)
    }

    static var sources: LuaSources { LuaSources(names: names, content: content) }
}
