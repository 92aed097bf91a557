import Base
import LuaHost
import YAML

/// `tt.yaml`.
enum YAMLModule {
    static var module: LuaModule {
        LuaModule(
            "tt.yaml",
            functions: [
                // yaml.decode(text, source?) -> value
                "decode": { call in
                    let source = try call[2].optional?.string()
                    return JSONModule.push(try call[1].withBytes { try YAML.decode($0, source: source) }, call)
                },
                // yaml.read(path) -> value
                "read": { call in JSONModule.push(try YAML.read(call[1].string()), call) },
                // yaml.encode(value) -> text
                "encode": { call in call.push(try YAML.encode(call[1].value())) },
                // yaml.lines(text, source?) -> {path = line}
                "lines": { call in
                    let source = try call[2].optional?.string()
                    let lines = try call[1].withBytes { try YAML.lines($0, source: source) }
                    return call.push(Value.object(lines.map { Value.Member($0.path, .int(Int64($0.line))) }))
                },
            ])
    }
}
