import Base
import Files
import Glibc
import LuaHost

/// Code to run, found.
///
/// A name with a `/` is that file. One without is looked for in the current folder, in lua/, then among the files carried
/// in tt: its lua/, then its examples/.
struct Script {
    private enum Place {
        case file(String)
        case carried(String)
        case code(String)
        case standardInput
    }

    private let place: Place

    init(_ source: Arguments.Source) throws {
        switch source {
        case .code(let code): place = .code(code)
        case .standardInput: place = .standardInput
        case .file(let name): place = try Script.find(name)
        }
    }

    private static func find(_ name: String) throws -> Place {
        if name.contains("/") {
            if isFile(name) { return .file(name) }
            throw UsageError("there is no script '\(name)'", hint: nearby(name))
        }
        for path in [name, "lua/\(name)"] where isFile(path) { return .file(path) }
        for path in ["lua/\(name)", "examples/\(name)"] where Carried.content(path) != nil { return .carried(path) }
        throw UsageError("there is no script '\(name)' here, in lua/, or in tt", hint: nearby(name))
    }

    private static func nearby(_ name: String) -> String {
        let scripts = Carried.names.compactMap { path -> String? in
            let parts = path.split(separator: "/")
            return parts.count == 2 && path.hasSuffix(".lua") ? String(parts[1]) : nil
        }
        if let near = Suggestion.nearest(to: Path.name(name), in: scripts) { return "Did you mean '\(near)'?" }
        return "tt carries: \(scripts.joined(separator: ", "))."
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR
    }

    /// The folder modules are looked for first; nil when the code is in no file.
    var folder: String? {
        if case .file(let path) = place { return Path.parent(path) }
        return nil
    }

    func load(into state: LuaState) throws -> LuaFunction {
        switch place {
        case .file(let path): try state.load(file: path)
        case .carried(let path): try state.load(Carried.content(path)!, name: "@tt:\(path)")
        case .code(let code): try state.load(code, name: "=(command line)")
        case .standardInput: try state.load(file: nil)
        }
    }
}
