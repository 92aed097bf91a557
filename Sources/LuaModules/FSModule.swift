import Base
import Files
import LuaHost

/// `tt.fs`.
enum FSModule {
    static var module: LuaModule {
        LuaModule("tt.fs", functions: content.merging(names) { first, _ in first }, classes: [temporaryFolder, lock])
    }

    private static var content: [String: LuaBody] {
        [
            // fs.read(path) -> bytes
            "read": { call in
                try Files.read(call[1].string()).withUnsafeBytes { try call.pushLarge($0) }
            },
            // fs.write(path, bytes)
            "write": { call in
                let path = try call[1].string()
                try call[2].withBytes { try AtomicFile.write($0, to: path) }
                return 0
            },
            // fs.append(path, bytes)
            "append": { call in
                let path = try call[1].string()
                try call[2].withBytes { try Files.append($0, to: path) }
                return 0
            },
            // fs.truncate(path, size)
            "truncate": { call in
                try Files.truncate(call[1].string(), to: try call[2].size())
                return 0
            },
            // fs.lock(path) -> lock
            "lock": { call in call.push(object: try FileLock(path: call[1].string())) },
            // fs.exists(path) -> bool
            "exists": { call in call.push(Files.exists(try call[1].string())) },
            // fs.stat(path, {follow}) -> table | nil
            "stat": { call in
                let follow = try call[2].options(["follow"]).field("follow").optional?.bool() ?? true
                guard let status = try Files.status(call[1].string(), followLinks: follow) else {
                    return call.push(nil)
                }
                return call.push(
                    Value.object(
                        ("kind", .string(status.kind.rawValue)), ("size", .int(Int64(status.size))),
                        ("modified", .int(status.modified)), ("mode", .int(Int64(status.mode)))))
            },
            // fs.copy(path, target)
            "copy": { call in
                try Files.copy(call[1].string(), to: call[2].string())
                return 0
            },
            // fs.tempdir() -> folder
            "tempdir": { call in call.push(object: try TemporaryFolder()) },
        ]
    }

    private static var names: [String: LuaBody] {
        [
            // fs.mkdir(path)
            "mkdir": { call in
                try Files.makeFolder(call[1].string())
                return 0
            },
            // fs.remove(path, {tree}) -> bool
            "remove": { call in
                let tree = try call[2].options(["tree"]).field("tree").optional?.bool() ?? false
                return call.push(try Files.remove(call[1].string(), tree: tree))
            },
            // fs.rename(path, target)
            "rename": { call in
                try Files.rename(call[1].string(), to: call[2].string())
                return 0
            },
            // fs.list(path) -> names
            "list": { call in call.push(list: try Files.list(call[1].string())) },
            // fs.glob(pattern) -> paths
            "glob": { call in call.push(list: try Files.glob(call[1].string())) },
            // fs.join(...) -> path
            "join": { call in
                var path = ""
                for index in 0..<call.count { path = Path.join(path, try call[index + 1].string()) }
                return call.push(path)
            },
            // fs.basename(path) -> name
            "basename": { call in call.push(Path.name(try call[1].string())) },
            // fs.dirname(path) -> folder
            "dirname": { call in call.push(Path.parent(try call[1].string())) },
            // fs.abspath(path) -> path
            "abspath": { call in call.push(try Files.absolute(call[1].string())) },
        ]
    }

    private static var temporaryFolder: LuaClass {
        LuaClass(
            TemporaryFolder.self, "tt.TemporaryFolder",
            methods: [
                // folder:close()
                "close": { call in
                    try call[1].object(TemporaryFolder.self).close()
                    return 0
                }
            ],
            metamethods: [
                "__tostring": { call in
                    call.push("tt.TemporaryFolder \(try call[1].object(TemporaryFolder.self).path)")
                }
            ],
            index: { call in
                // folder.path
                guard (try? call[2].string()) == "path" else { return call.push(nil) }
                return call.push(try call[1].object(TemporaryFolder.self).path)
            },
            close: { try $0.close() })
    }

    private static var lock: LuaClass {
        LuaClass(
            FileLock.self, "tt.FileLock",
            methods: [
                // lock:close()
                "close": { call in
                    try call[1].object(FileLock.self).close()
                    return 0
                }
            ],
            metamethods: [
                "__tostring": { call in
                    let lock = try call[1].object(FileLock.self)
                    return call.push("tt.FileLock \(lock.path)" + (lock.isOpen ? "" : " (closed)"))
                }
            ],
            index: { call in
                // lock.path
                guard (try? call[2].string()) == "path" else { return call.push(nil) }
                return call.push(try call[1].object(FileLock.self).path)
            },
            close: { $0.close() })
    }
}
