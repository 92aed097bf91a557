/// Names in statements. They are read by code points, as the databases do: a quotation mark with a combining accent is one
/// `Character` unequal to `"`, and still ends a name.
public enum Identifier {
    /// `name` in double quotes, safe to put into a statement; several parts give `"schema"."table"`.
    public static func quote(_ parts: String...) throws -> String { try quote(parts) }

    public static func quote(_ parts: [String]) throws -> String {
        guard !parts.isEmpty else { throw SQLError("sql.usage", "an identifier needs a name") }
        return try parts.map { part in
            guard !part.isEmpty, !part.utf8.contains(0) else {
                throw SQLError("sql.usage", "an identifier cannot be empty or contain a NUL byte")
            }
            var quoted = String.UnicodeScalarView()
            quoted.append("\"")
            for scalar in part.unicodeScalars {
                if scalar == "\"" { quoted.append(scalar) }
                quoted.append(scalar)
            }
            quoted.append("\"")
            return String(quoted)
        }.joined(separator: ".")
    }

    /// The parts of a table's name as scripts write it: `items`, `public.items`, `"odd.name"`.
    static func parts(of name: String) throws -> [String] {
        var parts: [String] = []
        var part = String.UnicodeScalarView()
        var rest = name.unicodeScalars[...]
        while true {
            if rest.first == "\"" {
                rest.removeFirst()
                while let scalar = rest.popFirst() {
                    if scalar != "\"" {
                        part.append(scalar)
                    } else if rest.first == "\"" {
                        part.append(rest.removeFirst())
                    } else {
                        break
                    }
                }
            } else {
                while let scalar = rest.first, scalar != "." {
                    part.append(scalar)
                    rest.removeFirst()
                }
            }
            parts.append(String(part))
            part.removeAll()
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
        for scalar in source.unicodeScalars {
            switch scalar {
            case "\"": quoted.toggle()
            case " ", "\n", "\t", "\r", "(": if !quoted { return true }
            default: break
            }
        }
        return false
    }
}
