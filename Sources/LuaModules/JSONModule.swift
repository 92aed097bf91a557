import Base
import JSON
import LuaHost

/// `tt.json`; `lua/tt/json.lua` adds the marks for lists and ordered maps.
enum JSONModule {
    static var module: LuaModule {
        LuaModule(
            "tt.json",
            functions: [
                // json.encode(value, {indent}) -> text
                "encode": { call in
                    var text = try JSON.encode(call[1].value(), indent: indent(call[2]))
                    return try text.withUTF8 { try call.pushLarge(UnsafeRawBufferPointer($0)) }
                },
                // json.decode(text) -> value
                "decode": { call in
                    push(try call[1].withBytes { try JSON.decode($0) }, call)
                },
                // json.read(path) -> value
                "read": { call in push(try JSON.read(call[1].string()), call) },
                // json.write(path, value, {indent})
                "write": { call in
                    try JSON.write(call[2].value(), to: call[1].string(), indent: indent(call[3]))
                    return 0
                },
            ],
            constants: ["null": .null])
    }

    /// A lone null is nil; inside of tables it is `json.null`.
    static func push(_ value: Value, _ call: Call) -> Int32 {
        if case .null = value { return call.push(nil) }
        return call.push(value)
    }

    private static func indent(_ options: Argument) throws -> Int? {
        try options.options(["indent"]).field("indent").optional?.int(in: 0...16)
    }
}
