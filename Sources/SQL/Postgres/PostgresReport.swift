import Base
import CPostgres

/// What the server says about a failed statement, reduced to what may be shown: its DETAIL and most of its CONTEXT repeat
/// values of the rows, and so do messages about values that cannot be read.
struct PostgresReport {
    let sqlstate: String
    let message: String
    private let hint: String?
    /// In characters of the text that was sent, from 1.
    private let position: Int?
    private let context: String?
    private let facts: [(String, Value)]

    init(_ result: OpaquePointer) {
        func field(_ code: Int) -> String? {
            tt_PQresultErrorField(result, Int32(code)).map { String(cString: $0) }
        }
        sqlstate = field(TT_PG_SQLSTATE) ?? ""
        let text = field(TT_PG_MESSAGE) ?? tt_PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        message = Self.withoutValues(text, sqlstate)
        hint = field(TT_PG_HINT)
        position = field(TT_PG_POSITION).flatMap { Int($0) }
        context = field(TT_PG_CONTEXT)
        facts = [
            ("schema", field(TT_PG_SCHEMA)), ("table", field(TT_PG_TABLE)), ("column", field(TT_PG_COLUMN)),
            ("constraint", field(TT_PG_CONSTRAINT)),
        ].compactMap { name, value in value.map { (name, .string($0)) } }
    }

    func error(_ statement: Statement?, scrub: (String) -> String) -> SQLError {
        var details: [(String, Value)] = [("sqlstate", .string(sqlstate))] + facts
        var message = scrub(message)
        if let (row, column) = Self.copyPlace(context) {
            message += " in row \(row)" + (column.map { " of column '\($0)'" } ?? "")
            details.append(("row", .int(row)))
            if let column, !details.contains(where: { $0.0 == "column" }) {
                details.append(("column", .string(column)))
            }
        }
        if let function = context?.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("PL/pgSQL function") }
        ) {
            details.append(("context", .string(String(function))))
        }
        var offset: Int?
        if let position, let statement {
            let scalars = statement.text.unicodeScalars
            let index = scalars.index(scalars.startIndex, offsetBy: max(position - 1, 0), limitedBy: scalars.endIndex)
            let sent = statement.text.utf8.distance(from: statement.text.startIndex, to: index ?? scalars.endIndex)
            offset = statement.sourceOffset(sent)
        }
        return SQLError.failure(
            code, message, state: "SQLSTATE \(sqlstate)", statement: statement?.source, offset: offset,
            hint: hint.map(scrub), details: details)
    }

    private var code: String {
        switch sqlstate {
        case "40001", "40P01", "55P03": "sql.conflict"
        // Also what an administrator's pg_cancel_backend gives, which says nothing of a timeout.
        case "57014": message.contains("timeout") ? "sql.timeout" : "sql.cancelled"
        case "57P01", "57P02", "57P03": "sql.lost"
        case "25P02": "sql.transaction"
        default: sqlstate.hasPrefix("23") ? "sql.constraint" : sqlstate.hasPrefix("08") ? "sql.lost" : "sql.query"
        }
    }

    /// Class 22 (data exceptions) quotes the offending value. Quotation marks depend on the server's language, and the
    /// value may hold some itself, so everything from the first to the last goes.
    static func withoutValues(_ message: String, _ sqlstate: String) -> String {
        guard sqlstate.hasPrefix("22") else { return message }
        return message.replacingQuoted(between: ["\"", "„", "“", "”", "«", "»", "「", "」"]) ?? message
    }

    /// `COPY items, line 3, column price: "abc"` gives 3 and `price`. The server speaks other languages too; then nil.
    private static func copyPlace(_ context: String?) -> (row: Int64, column: String?)? {
        guard let line = context?.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("COPY ") }),
            let range = line.firstRange(of: ", line ")
        else { return nil }
        let rest = line[range.upperBound...]
        guard let row = Int64(rest.prefix { $0.isNumber }) else { return nil }
        var column: String?
        if let named = rest.firstRange(of: ", column ") {
            column = String(rest[named.upperBound...].prefix { $0 != ":" })
        }
        return (row, column)
    }
}

extension String {
    /// The text with `"…"` for everything from the first of `marks` to the last, by code points: a mark may have taken a
    /// combining accent of the value for its own. Nil without two of them.
    func replacingQuoted(between marks: Set<Unicode.Scalar>) -> String? {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: marks.contains),
            let last = scalars.lastIndex(where: marks.contains),
            first < last
        else { return nil }
        return String(scalars[..<first]) + "\"…\"" + String(scalars[scalars.index(after: last)...])
    }
}

/// What the server says beside its answers (`RAISE NOTICE`, warnings), kept until a script asks; the newest hundred.
final class NoticeLog {
    private var texts: [String] = []

    func add(_ text: String) {
        if texts.count == 100 { texts.removeFirst() }
        texts.append(String(text.split(whereSeparator: \.isNewline).joined(separator: "\n")))
    }

    func take() -> [String] {
        defer { texts = [] }
        return texts
    }
}
