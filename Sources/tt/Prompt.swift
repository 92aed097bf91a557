import Base
import CEdit
import CLuaBridge
import CSystem
import Files
import Glibc
import LuaHost

/// The prompt: reads Lua, runs it, prints what it gives.
///
/// A line that is no complete chunk is continued on the next. On a terminal lines can be edited, earlier ones come back
/// with the arrow keys, Ctrl-C drops what is being typed or stops what runs, and Ctrl-D leaves.
struct Prompt {
    private let state: LuaState
    private let reader: any LineReader

    init(_ state: LuaState) {
        self.state = state
        reader = isatty(STDIN_FILENO) != 0 ? EditedLines() : PlainLines()
    }

    /// The exit status: 0, or 1 when input that is no terminal had an error, or 143 after SIGTERM.
    func run() -> Int32 {
        if reader.isInteractive { say("tt \(ttVersion), Lua 5.4. Ctrl-D leaves.\n") }
        offerHelp()
        var status: Int32 = 0
        var pending: [UInt8] = []
        while tt_interrupts_signal() != SIGTERM {
            tt_flush_stdout()
            tt_interrupts_reset()
            switch reader.read(pending.isEmpty ? "> " : ">> ") {
            case .end:
                if !pending.isEmpty, !run(pending, isLast: true) { status = 1 }
                if reader.isInteractive { say("\n") }
                return reader.isInteractive ? 0 : status
            case .interrupted:
                if reader.isInteractive { say("\n") }
                pending = []
            case .line(let line):
                if pending.isEmpty, line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0A }) { continue }
                pending += line
                do {
                    guard let chunk = try compile(pending, isLast: false) else { continue }
                    try evaluate(chunk)
                } catch {
                    status = 1
                }
                pending = []
            }
        }
        return Program.terminated
    }

    /// `help(x)` is at hand while typing; a global of this name that is there already stays.
    private func offerHelp() {
        let source = "help = help or function(...) return require('tt.help').show(...) end"
        if let chunk = try? compile(Array(source.utf8), isLast: true) { try? evaluate(chunk) }
    }

    /// Runs what is left when the input ends; false when it failed.
    private func run(_ source: [UInt8], isLast: Bool) -> Bool {
        do {
            if let chunk = try compile(source, isLast: isLast) { try evaluate(chunk) }
            return true
        } catch {
            return false
        }
    }

    /// Nil when the source is the beginning of a chunk. Prints and throws other syntax errors.
    private func compile(_ source: [UInt8], isLast: Bool) throws -> LuaFunction? {
        let expression = Array("return ".utf8) + source
        do {
            return try expression.withUnsafeBytes { try state.load($0, name: "=stdin") }
        } catch let error as LuaError {
            if !isLast, error.message.hasSuffix("<eof>") { return nil }
        }
        do {
            return try source.withUnsafeBytes { try state.load($0, name: "=stdin") }
        } catch let error as LuaError {
            if !isLast, error.message.hasSuffix("<eof>") { return nil }
            Program.report(error)
            throw error
        }
    }

    /// Runs a chunk and prints its results. Prints and throws its error.
    private func evaluate(_ chunk: LuaFunction) throws {
        tt_interrupts_reset()
        do {
            try state.withCall { call in
                let results = try call.invoke(chunk)
                if results.isEmpty { return }
                var line: [UInt8] = []
                for (i, result) in results.enumerated() {
                    if i > 0 { line.append(0x09) }
                    line += try result.text()
                }
                line.append(0x0A)
                line.withUnsafeBytes { tt_write_stdout($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
            }
        } catch let error as LuaError {
            Program.report(error)
            throw error
        }
    }
}

/// Where the prompt's lines come from.
private protocol LineReader {
    var isInteractive: Bool { get }
    func read(_ prompt: String) -> ReadLine
}

private enum ReadLine {
    /// With its newline.
    case line([UInt8])
    case interrupted
    case end
}

/// Standard input that is no terminal: no prompt, no history.
private struct PlainLines: LineReader {
    var isInteractive: Bool { false }

    func read(_: String) -> ReadLine {
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        let count = tt_edit_plain_line(&line, &capacity)
        guard count >= 0, let line else { return tt_interrupt_pending() ? .interrupted : .end }
        return .line(Array(UnsafeRawBufferPointer(start: line, count: count)))
    }
}

/// A terminal, with libedit's line editing and a history kept in $XDG_STATE_HOME/tt or ~/.local/state/tt.
private final class EditedLines: LineReader {
    private let history = tt_edit_history(1000)
    private let edit: OpaquePointer?
    private let path: String?

    init() {
        path = EditedLines.historyPath()
        edit = tt_edit_open(history)
        if let path { tt_edit_history_load(history, path) }
    }

    deinit {
        if let edit { el_end(edit) }
        history_end(history)
    }

    var isInteractive: Bool { true }

    func read(_ prompt: String) -> ReadLine {
        guard let edit else { return .end }
        var count: Int32 = 0
        let line = prompt.withCString { tt_edit_read(edit, $0, &count) }
        if tt_interrupt_pending() { return .interrupted }
        guard let line, count > 0 else { return .end }
        let bytes = Array(UnsafeRawBufferPointer(start: line, count: Int(count)))
        if bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A }) {
            tt_edit_history_add(history, line)
            if let path { tt_edit_history_save(history, path) }
        }
        return .line(bytes)
    }

    /// Nil when there is no place to keep it; the prompt then forgets.
    private static func historyPath() -> String? {
        guard let base = environment("XDG_STATE_HOME") ?? environment("HOME").map({ "\($0)/.local/state" }) else {
            return nil
        }
        let folder = Path.join(base, "tt")
        guard (try? Files.makeFolder(folder, mode: 0o700)) != nil else { return nil }
        return Path.join(folder, "history")
    }
}
