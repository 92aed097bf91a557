/// Names in statements.
public enum Identifier {
    /// `name` in double quotes, safe to put into a statement; several parts give `"schema"."table"`.
    public static func quote(_ parts: String...) throws -> String { try quote(parts) }

    public static func quote(_ parts: [String]) throws -> String {
        guard !parts.isEmpty else { throw SQLError("sql.usage", "an identifier needs a name") }
        return try parts.map { part in
            guard !part.isEmpty, !part.utf8.contains(0) else {
                throw SQLError("sql.usage", "an identifier cannot be empty or contain a NUL byte")
            }
            return "\"" + part.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        }.joined(separator: ".")
    }

    /// The parts of a table's name as scripts write it: `items`, `public.items`, `"odd.name"`.
    static func parts(of name: String) throws -> [String] {
        var parts: [String] = []
        var part = ""
        var rest = name[...]
        while true {
            if rest.first == "\"" {
                rest.removeFirst()
                while let character = rest.popFirst() {
                    if character != "\"" {
                        part.append(character)
                    } else if rest.first == "\"" {
                        part.append(rest.removeFirst())
                    } else {
                        break
                    }
                }
            } else {
                while let character = rest.first, character != "." {
                    part.append(character)
                    rest.removeFirst()
                }
            }
            parts.append(part)
            part = ""
            guard let next = rest.popFirst() else { break }
            guard next == ".", parts.count < 3 else {
                throw SQLError("sql.usage", "'\(name)' is not the name of a table")
            }
        }
        guard parts.allSatisfy({ !$0.isEmpty }) else {
            throw SQLError("sql.usage", "'\(name)' is not the name of a table")
        }
        return parts
    }

    /// True when `source` can only be a statement, not a table's name: it has a blank or a bracket outside of quotes.
    static func isStatement(_ source: String) -> Bool {
        var quoted = false
        for character in source.unicodeScalars {
            if character == "\"" { quoted.toggle() }
            if !quoted,
                character == " " || character == "\n" || character == "\t" || character == "(" || character == "\r"
            {
                return true
            }
        }
        return false
    }
}
