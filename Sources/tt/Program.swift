import Base
import CLuaBridge
import CSystem
import Glibc
import LuaHost
import LuaModules

/// The `tt` command. Exit status: 0 done, 1 the script failed, 2 wrong usage, 130 interrupted, 143 terminated.
enum Program {
    static let terminated = 128 + SIGTERM

    static func run(_ words: [String]) -> Int32 {
        tt_broken_pipes_install()
        tt_return_large_blocks()
        do {
            return try run(Arguments(words))
        } catch let error as UsageError {
            complain("tt: \(error.message)\n\(error.hint)\n")
            return 2
        } catch {
            complain("tt: \((error as? any TTError)?.message ?? "\(error)")\n")
            return 1
        }
    }

    private static func run(_ arguments: Arguments) throws -> Int32 {
        switch arguments.action {
        case .version:
            say("tt \(ttVersion)\n")
            return 0
        case .help:
            say(Arguments.help)
            return 0
        case .initialise(let folder, let force):
            try Starter.write(to: folder, force: force)
            return 0
        case .run(let source, let thenPrompt):
            return try run(source, arguments, thenPrompt: thenPrompt)
        case .prompt:
            return try run(nil, arguments, thenPrompt: true)
        }
    }

    private static func run(_ source: Arguments.Source?, _ arguments: Arguments, thenPrompt: Bool) throws -> Int32 {
        let script = try source.map(Script.init)
        let state = try LuaState(modules: allModules(), sources: Carried.sources)
        state.installInterrupts()
        state.setScriptFolder(script?.folder, home: environment("HOME"))
        state.setArguments(arguments.words, scriptAt: arguments.script, skipping: arguments.skipped)

        var status: Int32 = 0
        if let script {
            let profile = try arguments.profile.map { try ProfileReport(of: state, to: $0, script: source) }
            do {
                let chunk = try script.load(into: state)
                try state.withCall { call in
                    _ = try call.invoke(chunk, arguments: Array(arguments.words[arguments.rest...]))
                }
            } catch let error as LuaError {
                status = report(error)
            }
            if let profile, !profile.finish(), status == 0 { status = 1 }
        }
        if thenPrompt, status != terminated { status = Prompt(state).run() }
        state.close()
        if tt_flush_stdout() != 0, status == 0 {
            complain("tt: not all of the output could be written\n")
            return 1
        }
        return status
    }

    /// Prints an error nobody caught; the status it ends the program with.
    @discardableResult
    static func report(_ error: LuaError) -> Int32 {
        if error.code == "usage" || error.code.hasPrefix("usage.") || error.code.hasPrefix("config") {
            complain("tt: \(error.message)\n")
            return 2
        }
        let code = ["lua", "memory", "argument", "interrupted"].contains(error.code) ? "" : " [\(error.code)]"
        let traceback = error.traceback.map { "stack traceback:\n\($0)\n" } ?? ""
        complain("tt: \(error.text)\(code)\n\(traceback)")
        guard error.code == "interrupted" else { return 1 }
        return tt_interrupts_signal() == SIGTERM ? terminated : 128 + SIGINT
    }
}

/// Wrong usage of the command line.
struct UsageError: TTError {
    var code: String { "usage" }
    let message: String
    let hint: String

    init(_ message: String, hint: String = "Try 'tt --help'.") {
        self.message = message
        self.hint = hint
    }
}

func say(_ text: String) { text.utf8CString.withUnsafeBufferPointer { tt_write_stdout($0.baseAddress, $0.count - 1) } }

func complain(_ text: String) {
    text.utf8CString.withUnsafeBufferPointer { tt_write_stderr($0.baseAddress, $0.count - 1) }
}

func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
