import Base

/// The error type of `SQL`. Carries the SQLSTATE, the statement and the position, never values, a DSN or a password.
///
/// Codes: `sql.dsn` (the address cannot be read), `sql.library` (libpq is missing), `sql.connect`, `sql.lost`
/// (connection broke), `sql.closed`, `sql.query` (the database refused the statement), `sql.constraint`, `sql.conflict`
/// (locks, deadlocks, serialization: trying again may help), `sql.timeout`, `sql.cancelled`, `sql.transaction`,
/// `sql.type` (a value does not fit its column), `sql.usage` (a call that cannot be right).
public typealias SQLError = ErrorOf<Database>

extension SQLError {
    /// The text of a detail such as `sqlstate` or `constraint`.
    public func detail(_ name: String) -> String? {
        guard case .string(let text)? = details.first(where: { $0.0 == name })?.1 else { return nil }
        return text
    }

    static var closed: SQLError { SQLError("sql.closed", "the database connection is closed") }

    /// A failure of `statement`: the message ends with the state and the line it happened at.
    ///
    /// - Parameters:
    ///   - state: what stands in parentheses: `SQLSTATE 42P01`, `SQLITE_ERROR`.
    ///   - offset: where in the statement's UTF-8 bytes the database points; nil when it does not say.
    ///   - hint: a sentence added at the end.
    static func failure(
        _ code: String, _ message: String, state: String, statement: String?, offset: Int? = nil, hint: String? = nil,
        details: [(String, Value)]
    ) -> SQLError {
        var text = "\(message) (\(state))"
        var details = details
        if let statement {
            if let offset {
                let place = Place(in: statement, offset: offset)
                text += " at line \(place.line), column \(place.column): \(Place.excerpt(place.text))"
                details.append(("line", .int(Int64(place.line))))
                details.append(("column_number", .int(Int64(place.column))))
            } else {
                text += " in: \(Place.excerpt(statement))"
            }
            details.append(("statement", .string(statement)))
        }
        if let hint {
            text += "; hint: \(hint)"
            details.append(("hint", .string(hint)))
        }
        return SQLError(code, text, details: details)
    }
}

/// A position in a statement, as people count: from 1, columns in characters.
struct Place {
    let line: Int
    let column: Int
    /// The rest of the statement from the start of that line.
    let text: Substring

    init(in statement: String, offset: Int) {
        let utf8 = statement.utf8
        let end = utf8.index(utf8.startIndex, offsetBy: min(max(offset, 0), utf8.count))
        let before = statement.unicodeScalars[..<end]
        let start = before.lastIndex(of: "\n").map { before.index(after: $0) } ?? statement.startIndex
        line = before.count(where: { $0 == "\n" }) + 1
        column = statement.unicodeScalars[start..<end].count + 1
        text = statement[start...]
    }

    /// One line of at most 120 characters, runs of white space squeezed.
    static func excerpt(_ text: some StringProtocol) -> String {
        let words = text.prefix(400).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > 120 || text.count > 400 ? "\(words.prefix(119))…" : words
    }
}
