import Base
import Files
import Glibc
import LuaHost

/// `--profile`: takes a profile while the script runs, then writes the stack file and prints two tables.
final class ProfileReport {
    private static let shownRows = 20
    private static let shownText = 70
    /// What os.exit in the script leaves to finish.
    private nonisolated(unsafe) static var current: ProfileReport?

    private let file: AtomicFile
    private let script: Arguments.Source?
    private var profiler: Profiler?

    /// - Parameter path: refused at once when it cannot be written.
    init(of state: LuaState, to path: String, script: Arguments.Source?) throws {
        file = try AtomicFile(path: path)
        self.script = script
        profiler = try Profiler(state)
        ProfileReport.current = self
        atexit { _ = ProfileReport.current?.finish(exiting: true) }
    }

    /// False when the stack file could not be written.
    func finish(exiting: Bool = false) -> Bool {
        guard let profile = profiler?.stop(exiting: exiting) else { return true }
        profiler = nil
        ProfileReport.current = nil
        complain(text(of: profile))
        do {
            try file.write(profile.folded)
            try file.commit()
            complain("stacks: \(file.path)\n")
            return true
        } catch {
            complain("tt: \((error as? any TTError)?.message ?? "\(error)")\n")
            return false
        }
    }

    private func text(of profile: Profile) -> String {
        var text = "\nprofile: \(milliseconds(profile.duration)) ms, of it \(milliseconds(profile.lua)) ms in Lua and "
        text += "\(milliseconds(profile.native)) ms in native calls; \(profile.samples) samples of Lua\n"
        text += "\n     self ms   in native    total ms      %  line\n"
        var sources: [String: [Substring]] = [:]
        for line in profile.lines.prefix(ProfileReport.shownRows) {
            let lines = sources[line.source] ?? read(line.source)
            sources[line.source] = lines
            let name = line.source.hasPrefix("@") ? String(line.source.dropFirst()) : line.source
            text += "\(right(milliseconds(line.own)))\(right(milliseconds(line.native)))"
            text += "\(right(milliseconds(line.total)))\(percent(line.own, of: profile))  \(name):\(line.number)"
            if line.number >= 1, line.number <= lines.count { text += "  \(shortened(lines[line.number - 1]))" }
            text += "\n"
        }
        text += more(profile.lines.count, "lines")
        text += "\n       calls     self ms    total ms      %  native call\n"
        for native in profile.natives.prefix(ProfileReport.shownRows) {
            text += "\(right(native.count.map { "\($0)" } ?? "-"))\(right(milliseconds(native.own)))"
            text += "\(right(milliseconds(native.total)))\(percent(native.own, of: profile))  \(native.name)\n"
        }
        return text + more(profile.natives.count, "native functions") + "\n"
    }

    private func more(_ count: Int, _ what: String) -> String {
        count > ProfileReport.shownRows ? "         … and \(count - ProfileReport.shownRows) more \(what)\n" : ""
    }

    /// The lines of a chunk, none when they are not at hand.
    private func read(_ source: String) -> [Substring] {
        var bytes: [UInt8] = []
        if case .code(let code)? = script, source == "(command line)" {
            bytes = Array(code.utf8)
        } else if source.hasPrefix("@tt:"), let content = Carried.content(String(source.dropFirst(4))) {
            bytes = Array(content)
        } else if source.hasPrefix("@"), let file = try? FileContent(path: String(source.dropFirst())) {
            bytes = Array(file.bytes)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    private func shortened(_ line: Substring) -> String {
        let visible = String(line.map { $0.isASCII && $0 < " " ? " " : $0 })
        let trimmed = visible.drop { $0 == " " }
        let shown = trimmed.prefix(ProfileReport.shownText)
        return shown.count == trimmed.count ? String(trimmed) : "\(shown)…"
    }

    private func percent(_ part: Int64, of profile: Profile) -> String {
        let tenths = profile.duration > 0 ? (1000 * part + profile.duration / 2) / profile.duration : 0
        return right("\(tenths / 10).\(tenths % 10)", 7)
    }

    private func milliseconds(_ time: Int64) -> String {
        let hundredths = (time + 5000) / 10_000
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    private func right(_ text: String, _ width: Int = 12) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
