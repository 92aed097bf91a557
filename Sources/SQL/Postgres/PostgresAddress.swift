import Base
import CPostgres

/// A PostgreSQL DSN taken apart by libpq, so that the password can be kept out of every message.
struct PostgresAddress {
    /// libpq's keywords and their values, in libpq's order; only those the DSN sets.
    let options: [(keyword: String, value: String)]
    /// Values no message may show.
    private(set) var secrets: [String]

    /// - Parameter dsn: a `postgresql://` or `postgres://` URL, a keyword string, or nothing (the `PG*` environment).
    /// - Throws: `sql.dsn` in words that do not repeat the DSN.
    init(_ dsn: String) throws {
        guard !dsn.utf8.contains(0) else { throw Self.unreadable("it contains a NUL byte") }
        try Self.refuseAmbiguousPassword(dsn)
        var message: UnsafeMutablePointer<CChar>?
        guard let list = tt_PQconninfoParse(dsn, &message) else {
            let text = message.map { String(cString: $0) } ?? "out of memory"
            tt_PQfreemem(message)
            throw Self.unreadable(Self.explain(text))
        }
        defer { tt_PQconninfoFree(list) }
        var options: [(String, String)] = []
        var secrets: [String] = []
        var at = list
        while let keyword = at.pointee.keyword {
            if let value = at.pointee.val {
                options.append((String(cString: keyword), String(cString: value)))
                if Self.isSecret(at.pointee) { secrets.append(String(cString: value)) }
            }
            at += 1
        }
        self.options = options
        self.secrets = secrets
    }

    /// Adds what the environment, a service file or `.pgpass` contributed to a started connection.
    mutating func learnSecrets(of connection: OpaquePointer) {
        if let password = tt_PQpass(connection), password.pointee != 0 { secrets.append(String(cString: password)) }
        guard let list = tt_PQconninfo(connection) else { return }
        defer { tt_PQconninfoFree(list) }
        var at = list
        while at.pointee.keyword != nil {
            if Self.isSecret(at.pointee), let value = at.pointee.val { secrets.append(String(cString: value)) }
            at += 1
        }
    }

    /// libpq marks what should be hidden in a dialog with `*`.
    private static func isSecret(_ option: PQconninfoOption) -> Bool {
        guard let display = option.dispchar, let value = option.val, value.pointee != 0 else { return false }
        return display.pointee == CChar(bitPattern: UInt8(ascii: "*"))
    }

    /// `message` with every secret replaced.
    func scrub(_ message: String) -> String { Secrets.hide(secrets, in: message) }

    private static func unreadable(_ reason: String) -> SQLError {
        SQLError("sql.dsn", "the PostgreSQL DSN cannot be read: \(reason)")
    }

    /// libpq's complaint without what it quotes from the DSN, which may be a piece of the password.
    private static func explain(_ message: String) -> String {
        let trimmed = String(message.split(whereSeparator: \.isNewline).joined(separator: " "))
        guard let shown = trimmed.replacingQuoted(between: ["\""]) else { return trimmed }
        if trimmed.hasPrefix("invalid connection option") || trimmed.hasPrefix("invalid URI query parameter") {
            let quoted = String(trimmed.unicodeScalars.split(separator: "\"", omittingEmptySubsequences: false)[1])
            if let near = Suggestion.nearest(to: quoted, in: keywords()), near != quoted {
                return "it has an option that libpq does not know; did you mean '\(near)'?"
            }
            return "it has an option that libpq does not know"
        }
        return shown
    }

    private static func keywords() -> [String] {
        guard let list = tt_PQconndefaults() else { return [] }
        defer { tt_PQconninfoFree(list) }
        var names: [String] = []
        var at = list
        while let keyword = at.pointee.keyword {
            names.append(String(cString: keyword))
            at += 1
        }
        return names
    }

    /// A password with a bare `@`, `/`, `?`, `#` or `:` makes libpq take a piece of it for the host, the port or the
    /// database, and name that piece in its messages. Such a URL is refused before libpq can.
    private static func refuseAmbiguousPassword(_ dsn: String) throws {
        guard let scheme = ["postgresql://", "postgres://"].first(where: dsn.hasPrefix) else { return }
        // By code points, as libpq reads it: `@` with a combining accent is another `Character`.
        let rest = dsn.unicodeScalars.dropFirst(scheme.count)
        let beforeQuery = rest.prefix { $0 != "?" }
        let authority = beforeQuery.prefix { $0 != "/" }
        let signs = beforeQuery.count { $0 == "@" }
        var suspicious = signs > 1 || signs == 1 && !authority.contains("@")
        if !suspicious {
            let hosts = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? "".unicodeScalars[...]
            for host in hosts.split(separator: ",") where host.first != "[" {
                // An empty port is libpq's to judge; one that is no number may be the start of a password.
                let parts = host.split(separator: ":", omittingEmptySubsequences: false)
                let isPort = parts.count < 2 || parts[1].allSatisfy { ("0"..."9").contains($0) }
                if parts.count > 2 || !isPort { suspicious = true }
            }
        }
        if suspicious {
            throw unreadable(
                "its parts are ambiguous. In a URL the characters @ / : ? # % of a user name or password are written "
                    + "%40 %2F %3A %3F %23 %25")
        }
    }
}
