import Base
import Files
import Frames
import LuaHost

/// `tt.hash`.
enum HashModule {
    static var module: LuaModule {
        LuaModule(
            "tt.hash",
            functions: [
                // hash.sha256(bytes) -> hex
                "sha256": { call in call.push(try call[1].withBytes { SHA256.hex($0) }) },
                // hash.sha256_file(path) -> hex
                "sha256_file": { call in call.push(try SHA256.hex(file: call[1].string())) },
                // hash.sha256_column(column) -> column
                "sha256_column": { call in call.push(object: try call[1].object(Column.self).sha256()) },
            ])
    }
}
