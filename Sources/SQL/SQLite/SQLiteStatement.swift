import Base
import CSQLite
import Frames

/// A compiled statement with its values bound.
final class SQLiteStatement {
    let pointer: OpaquePointer
    let statement: Statement
    let connection: SQLiteConnection
    /// What follows the statement in its text, when that is more than white space and comments.
    private(set) var rest: String?

    /// Copies bound bytes, so that they need not outlive the call.
    static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// - Parameter allowsMore: several statements may follow each other; the others are in `rest`.
    /// - Throws: `sql.usage` for a text without a statement.
    init(_ connection: SQLiteConnection, _ statement: Statement, allowsMore: Bool = false) throws {
        guard let database = connection.pointer else { throw SQLError.closed }
        self.connection = connection
        self.statement = statement
        var compiled: OpaquePointer?
        var text = statement.text
        var rest: String?
        let status = text.withUTF8 { utf8 -> Int32 in
            utf8.withMemoryRebound(to: CChar.self) { characters in
                guard let start = characters.baseAddress else { return SQLITE_OK }
                var tail: UnsafePointer<CChar>?
                let status = sqlite3_prepare_v3(database, start, Int32(characters.count), 0, &compiled, &tail)
                if let tail, tail - start < characters.count {
                    let more = UnsafeRawBufferPointer(start: tail, count: characters.count - (tail - start))
                    rest = String(decoding: more, as: UTF8.self)
                }
                return status
            }
        }
        guard status == SQLITE_OK else { throw connection.failure(status, statement) }
        guard let compiled else {
            throw SQLError("sql.usage", "there is no statement in: \(Place.excerpt(statement.source))")
        }
        pointer = compiled
        self.rest = rest.flatMap { Self.isBlank($0, database) ? nil : $0 }
        // From here on a throw runs deinit, which finalizes.
        if self.rest != nil, !allowsMore {
            throw SQLError(
                "sql.usage",
                "several statements at once go through exec, without values: \(Place.excerpt(statement.source))")
        }
        try bind()
        StatementTrace.note(String(cString: sqlite3_sql(pointer)))
    }

    deinit { sqlite3_finalize(pointer) }

    /// True when SQLite finds nothing but white space, comments and semicolons.
    private static func isBlank(_ text: String, _ database: OpaquePointer) -> Bool {
        if text.allSatisfy({ $0.isWhitespace || $0 == ";" }) { return true }
        var compiled: OpaquePointer?
        var tail: UnsafePointer<CChar>?
        return text.withCString { start in
            var at = start
            while at.pointee != 0 {
                let status = sqlite3_prepare_v3(database, at, -1, 0, &compiled, &tail)
                sqlite3_finalize(compiled)
                guard status == SQLITE_OK, compiled == nil, let tail, tail > at else {
                    return status == SQLITE_OK && compiled == nil
                }
                at = tail
            }
            return true
        }
    }

    private func bind() throws {
        let expected = Int(sqlite3_bind_parameter_count(pointer))
        guard expected == statement.parameters.count else {
            throw SQLError(
                "sql.usage",
                "the statement has \(expected) placeholders but \(statement.parameters.count) values are given "
                    + "(write ? or $1; names such as :id are not bound): \(Place.excerpt(statement.source))",
                details: [("statement", .string(statement.source))])
        }
        for (index, parameter) in statement.parameters.enumerated() {
            let at = Int32(index + 1)
            let status: Int32
            switch parameter {
            case .null: status = sqlite3_bind_null(pointer, at)
            case .bool(let value): status = sqlite3_bind_int64(pointer, at, value ? 1 : 0)
            case .int(let value): status = sqlite3_bind_int64(pointer, at, value)
            case .double(let value): status = sqlite3_bind_double(pointer, at, value)
            case .text(let bytes): status = bytes.withUnsafeBytes { bindText($0, at) }
            case .list, .column: status = try parameter.json().withUnsafeBytes { bindText($0, at) }
            }
            guard status == SQLITE_OK else { throw connection.failure(status, statement) }
        }
    }

    func bindText(_ bytes: UnsafeRawBufferPointer, _ at: Int32) -> Int32 {
        // A null pointer would bind NULL in place of an empty text.
        let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        guard let start else { return sqlite3_bind_text(pointer, at, "", 0, Self.transient) }
        return sqlite3_bind_text64(pointer, at, start, UInt64(bytes.count), Self.transient, UInt8(SQLITE_UTF8))
    }

    func bindBlob(_ bytes: UnsafeRawBufferPointer, _ at: Int32) -> Int32 {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return sqlite3_bind_zeroblob(pointer, at, 0) }
        return sqlite3_bind_blob64(pointer, at, start, UInt64(bytes.count), Self.transient)
    }

    /// True when there is a row. Within `SQLiteConnection.watching`.
    func step() throws -> Bool {
        switch sqlite3_step(pointer) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let status: throw connection.failure(status, statement)
        }
    }
}
