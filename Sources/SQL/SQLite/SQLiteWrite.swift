import Base
import CSQLite
import Frames

/// A table as SQLite describes it.
struct SQLiteTable {
    struct Column {
        let name: String
        let declaration: String
        let type: SQLiteType
        let isNullable: Bool
        let isKey: Bool
        let defaultValue: String?
    }

    let name: String
    let quoted: String
    let columns: [Column]
    let primaryKey: [String]

    func column(_ wanted: String) throws -> Column {
        if let column = columns.first(where: { $0.name == wanted }) { return column }
        throw TableError.noColumn(wanted, in: name, among: columns.map(\.name))
    }
}

extension SQLiteConnection {
    func tables() throws -> [String] {
        try rows(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        ).compactMap { $0[0] }
    }

    func table(_ name: String) throws -> SQLiteTable {
        let parts = try Identifier.parts(of: name)
        let quoted = try Identifier.quote(parts)
        let rows = try rows(
            "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?, ?)",
            [.string(parts.last!), parts.count > 1 ? .string(parts[parts.count - 2]) : .null])
        guard !rows.isEmpty else { throw TableError.noTable(name, among: try tables()) }
        let columns = rows.map { row in
            SQLiteTable.Column(
                name: row[0] ?? "", declaration: row[1] ?? "", type: SQLiteType(declaration: row[1] ?? ""),
                isNullable: row[2] == "0" && row[4] == "0", isKey: row[4] != "0", defaultValue: row[3])
        }
        let key = zip(rows, columns).filter { $0.1.isKey }.sorted { (Int($0.0[4]!) ?? 0) < (Int($1.0[4]!) ?? 0) }
        return SQLiteTable(name: name, quoted: quoted, columns: columns, primaryKey: key.map(\.1.name))
    }

    func columns(of name: String) throws -> [TableColumn] {
        try table(name).columns.map {
            TableColumn(
                name: $0.name, type: $0.declaration, dtype: $0.type.dtype, isNullable: $0.isNullable, isKey: $0.isKey,
                defaultValue: $0.defaultValue)
        }
    }

    /// Writes a frame row by row with one compiled statement, within the transaction that is open.
    func insert(_ frame: Frame, into name: String, mode: WriteMode) throws -> Int {
        let table = try table(name)
        if frame.names.isEmpty { throw SQLError("sql.usage", "the frame has no columns to write") }
        let encoders = try zip(frame.names, frame.columns).map { try SQLiteEncoder($1, into: table.column($0)) }
        let quoted = try frame.names.map { try Identifier.quote($0) }
        let marks = Array(repeating: "?", count: quoted.count).joined(separator: ", ")
        var sql = "INSERT INTO \(table.quoted) (\(quoted.joined(separator: ", "))) VALUES (\(marks))"
        switch mode {
        case .append: break
        case .replace: _ = try execute("DELETE FROM \(table.quoted)", [])
        case .upsert(let given):
            let key = try TableError.checkKey(
                given.isEmpty ? table.primaryKey : given, given: given, table: name, frame: frame)
            let updates = zip(frame.names, quoted).filter { !key.contains($0.0) }.map { "\($1) = excluded.\($1)" }
            let conflict = try key.map { try Identifier.quote($0) }.joined(separator: ", ")
            sql +=
                " ON CONFLICT (\(conflict)) "
                + (updates.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(updates.joined(separator: ", "))")
        }
        guard let pointer else { throw SQLError.closed }
        let nulls = Array(repeating: Parameter.null, count: quoted.count)
        let statement = try SQLiteStatement(self, Statement(sql, nulls, dialect: .sqlite))
        return try watching {
            var written = 0
            for row in 0..<frame.rowCount {
                if row & 0x3FF == 0 { try Interrupt.check() }
                for (index, encoder) in encoders.enumerated() { try encoder.bind(row, statement, Int32(index + 1)) }
                do {
                    while try statement.step() {}
                } catch let error as SQLError {
                    throw error.inRow(row + 1)
                }
                written += Int(sqlite3_changes64(pointer))
                sqlite3_reset(statement.pointer)
            }
            return written
        }
    }
}

extension SQLError {
    fileprivate func inRow(_ row: Int) -> SQLError {
        SQLError(code, "row \(row): \(message)", details: details + [("row", .int(Int64(row)))], cause: cause)
    }
}

/// Binds the values of one column to an INSERT, in the form the target's declared type calls for.
private struct SQLiteEncoder {
    private let column: Column
    private let target: SQLiteTable.Column

    init(_ column: Column, into target: SQLiteTable.Column) throws {
        self.column = column
        self.target = target
        let fits =
            switch (target.type, column.dtype) {
            case (.inferred, _), (.text, _): true
            case (.blob, .string), (.uuid, .string), (.timestamp, .string), (.date, .string), (.float64, .string): true
            case (.float64, .int64), (.float64, .float32): true
            case (.date, .timestamp): true
            default: target.type.dtype == column.dtype
            }
        guard fits else {
            throw SQLError(
                "sql.type",
                "column '\(target.name)' is \(column.dtype.name) and cannot be written to \(target.declaration); cast it first",
                details: [("column", .string(target.name)), ("dtype", .string(column.dtype.name))])
        }
    }

    func bind(_ row: Int, _ statement: SQLiteStatement, _ at: Int32) throws {
        let status = try bound(row, statement, at)
        guard status == SQLITE_OK else { throw statement.connection.failure(status, statement.statement) }
    }

    private func bound(_ row: Int, _ statement: SQLiteStatement, _ at: Int32) throws -> Int32 {
        func misfit(_ reason: String) -> SQLError { ResultNames.misfit(target.name, row + 1, reason) }
        func bytes(_ text: UnsafeRawBufferPointer) -> Int32 { statement.bindText(text, at) }
        func date(_ time: Int64) throws -> Int32 {
            guard time % Timestamp.microsecondsPerDay == 0 else {
                throw misfit("has a time of day, which a date cannot hold")
            }
            return ValueText.withTimestamp(time) { text in
                bytes(UnsafeRawBufferPointer(rebasing: text.prefix { $0 != UInt8(ascii: "T") }))
            }
        }
        if column.isNull(row) { return sqlite3_bind_null(statement.pointer, at) }
        switch column.storage {
        case .int64(let values): return sqlite3_bind_int64(statement.pointer, at, values.pointer[row])
        case .float32(let values): return number(Double(values.pointer[row]), statement, at)
        case .float64(let values): return number(values.pointer[row], statement, at)
        case .bool(let values): return sqlite3_bind_int64(statement.pointer, at, Int64(values.pointer[row]))
        case .uuid(let values): return ValueText.withUUID(values[row], bytes)
        case .timestamp(let values):
            let time = values.pointer[row]
            if case .date = target.type { return try date(time) }
            return ValueText.withTimestamp(time, bytes)
        case .list(let offsets, let child):
            var json: [UInt8] = []
            do {
                try JSONText.appendList(child, Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1]), to: &json)
            } catch {
                throw misfit("holds NaN or an infinity, which JSON cannot")
            }
            return json.withUnsafeBytes { statement.bindText($0, at) }
        case .string:
            let value = column.stringBytes(row)
            switch target.type {
            case .blob: return statement.bindBlob(UnsafeRawBufferPointer(value), at)
            case .uuid:
                guard let uuid = UUID(value) else { throw misfit("is not a uuid") }
                return ValueText.withUUID(uuid, bytes)
            case .timestamp, .date:
                guard let time = Timestamp.parse(value) else { throw misfit("is not an ISO 8601 time") }
                if case .date = target.type { return try date(time) }
                return ValueText.withTimestamp(time, bytes)
            case .float64:
                guard Double(String(decoding: value, as: UTF8.self)) != nil else { throw misfit("is not a number") }
                return statement.bindText(UnsafeRawBufferPointer(value), at)
            default: return statement.bindText(UnsafeRawBufferPointer(value), at)
            }
        }
    }

    /// SQLite stores NaN as NULL and has no way to say so; text keeps it, and is read back as the number.
    private func number(_ value: Double, _ statement: SQLiteStatement, _ at: Int32) -> Int32 {
        guard value.isNaN else { return sqlite3_bind_double(statement.pointer, at, value) }
        return Array("NaN".utf8).withUnsafeBytes { statement.bindText($0, at) }
    }
}
