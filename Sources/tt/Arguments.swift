import Base

/// The command line, taken apart.
struct Arguments {
    enum Source {
        case file(String)
        case code(String)
        case standardInput
    }

    enum Action {
        case run(Source, thenPrompt: Bool)
        case prompt
        case initialise(folder: String, force: Bool)
        case help
        case version
    }

    let action: Action
    let words: [String]
    /// Index in `words` of what `arg[0]` is: the script, `-`, or `-e`.
    var script = 0
    /// How many words after `script` are no arguments of it: the code after `-e`.
    var skipped = 0
    /// The stack file of `--profile`.
    var profile: String?
    /// Index in `words` of the script's first argument.
    var rest: Int { min(words.count, script + 1 + skipped) }

    static let help = """
        usage: tt [-i] FILE [ARGS…]     run a Lua script
               tt [-i] -e CODE [ARGS…]  run CODE
               tt - [ARGS…]             run standard input
               tt                       open a prompt
               tt init DIR [--force]    write the scripts, configuration and examples carried in tt to DIR
               tt --version | --help

        --profile FILE before any of the three tells on standard error, when the script has ended, where its time went:
        by line and by native call. FILE gets the stacks in the folded format of flame graphs.
        -i opens the prompt after the script. ARGS reach the script as 'arg'.
        A FILE without '/' is looked for in the current folder, in lua/, then among the copies carried in tt.
        Exit status: 0 done, 1 the script failed, 2 wrong usage, 130 interrupted,
        143 terminated.

        """

    init(_ words: [String]) throws {
        self.words = words
        var i = 1
        var thenPrompt = false
        while i < words.count {
            switch words[i] {
            case "--help", "-h":
                action = .help
                return
            case "--version", "-v":
                action = .version
                return
            case "-i":
                thenPrompt = true
                i += 1
            case "--profile":
                guard i + 1 < words.count else { throw UsageError("option '--profile' needs FILE after it") }
                profile = try Arguments.profileFile(words[i + 1])
                i += 2
            case let word where word.hasPrefix("--profile="):
                profile = try Arguments.profileFile(String(word.dropFirst("--profile=".count)))
                i += 1
            case "-e":
                guard i + 1 < words.count else { throw UsageError("option '-e' needs CODE after it") }
                script = i
                skipped = 1
                action = .run(.code(words[i + 1]), thenPrompt: thenPrompt)
                return
            case "-":
                if thenPrompt { throw UsageError("'-i' cannot go with '-': both read standard input") }
                script = i
                action = .run(.standardInput, thenPrompt: false)
                return
            case "init" where !thenPrompt && profile == nil:
                action = try Arguments.initialise(Array(words[(i + 1)...]))
                return
            case let word where word.hasPrefix("-"):
                let known = ["--help", "--version", "--profile", "-e", "-i", "-"]
                let near = Suggestion.nearest(to: word, in: known).map { " (did you mean '\($0)'?)" } ?? ""
                throw UsageError("unknown option '\(word)'\(near)")
            default:
                script = i
                action = .run(.file(words[i]), thenPrompt: thenPrompt)
                return
            }
        }
        if profile != nil { throw UsageError("option '--profile FILE' needs a script after it") }
        action = .prompt
    }

    /// A script there is likely to be the one to run, and would be overwritten.
    private static func profileFile(_ path: String) throws -> String {
        if path.isEmpty || path.hasSuffix(".lua") || path.hasPrefix("-") {
            throw UsageError("option '--profile' takes the file to write the stacks to, and '\(path)' is none")
        }
        return path
    }

    private static func initialise(_ words: [String]) throws -> Action {
        var folder: String?
        var force = false
        for word in words {
            if word == "--force" {
                force = true
            } else if word == "--help" || word == "-h" {
                return .help
            } else if word.hasPrefix("-") {
                throw UsageError("unknown option '\(word)' of 'tt init'")
            } else if folder == nil {
                folder = word
            } else {
                throw UsageError("'tt init' takes one folder, and '\(word)' is a second one")
            }
        }
        guard let folder, !folder.isEmpty else { throw UsageError("'tt init' needs the folder to write to") }
        return .initialise(folder: folder, force: force)
    }
}
