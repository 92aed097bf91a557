import Base
import CSQLite
import Frames

extension SQLiteConnection {
    func query(_ source: String, _ parameters: [Parameter], types: TypeRequests) throws -> Frame {
        let statement = try SQLiteStatement(self, Statement(source, parameters, dialect: .sqlite))
        let rows = try SQLiteRows(statement, types)
        return try watching {
            while try statement.step() { try rows.append() }
            return try types.apply(to: rows.finish())
        }
    }

    func execute(_ source: String, _ parameters: [Parameter]) throws -> Int {
        guard let pointer else { throw SQLError.closed }
        return try watching {
            var changed = 0
            var text: String? = source
            while let next = text {
                // Several statements take no values, so each is compiled as it stands.
                let statement = try SQLiteStatement(
                    self, Statement(next, parameters, dialect: .sqlite), allowsMore: parameters.isEmpty)
                let before = sqlite3_total_changes64(pointer)
                while try statement.step() {}
                // What triggers and foreign keys change is not counted, as on PostgreSQL.
                if sqlite3_total_changes64(pointer) != before { changed += Int(sqlite3_changes64(pointer)) }
                text = statement.rest
            }
            return changed
        }
    }

    func stream(_ source: String, _ parameters: [Parameter], rows: Int, types: TypeRequests) throws -> any ChunkSource {
        let statement = try SQLiteStatement(self, Statement(source, parameters, dialect: .sqlite))
        return try SQLiteStream(statement, rows: rows, types: types)
    }

    func read(_ source: String, types: TypeRequests) throws -> Frame {
        if Identifier.isStatement(source) { return try query(source, [], types: types) }
        let table = try table(source)
        return try query("SELECT * FROM \(table.quoted)", [], types: types)
    }
}

/// Gathers the rows a statement steps through.
final class SQLiteRows {
    private let statement: SQLiteStatement
    private let readers: [SQLiteColumnReader]
    private var rowCount = 0

    /// - Parameter types: what the script asked for decides over what the table declares; lists are read as text here.
    init(_ statement: SQLiteStatement, _ types: TypeRequests) throws {
        self.statement = statement
        readers = (0..<sqlite3_column_count(statement.pointer)).map { index in
            let name = String(cString: sqlite3_column_name(statement.pointer, index))
            let declared = sqlite3_column_decltype(statement.pointer, index).map { String(cString: $0) }
            var type = SQLiteType(declaration: declared ?? "")
            if let wanted = types[name] { type = SQLiteType(wanted) ?? .text }
            return SQLiteColumnReader(name, type)
        }
        try ResultNames.check(readers.map(\.name))
    }

    var count: Int { rowCount }

    func append() throws {
        rowCount += 1
        for (index, reader) in readers.enumerated() { try reader.append(statement.pointer, Int32(index), rowCount) }
        if rowCount & 0xFFF == 0 { try Interrupt.check() }
    }

    /// The rows so far as a frame; the next row starts another one.
    func finish() throws -> Frame {
        let frame = try Frame(readers.map { ($0.name, $0.finish()) }, rowCount: rowCount)
        rowCount = 0
        return frame
    }
}

final class SQLiteStream: ChunkSource {
    private var statement: SQLiteStatement?
    private let readers: SQLiteRows
    private let rows: Int
    private let types: TypeRequests
    private let deadline: Deadline?
    private var isFirst = true

    init(_ statement: SQLiteStatement, rows: Int, types: TypeRequests) throws {
        self.statement = statement
        self.rows = rows
        self.types = types
        readers = try SQLiteRows(statement, types)
        deadline = statement.connection.newDeadline()
    }

    func next() throws -> Frame? {
        guard let statement else { return nil }
        do {
            return try statement.connection.watching(deadline) {
                while readers.count < rows {
                    guard try statement.step() else {
                        self.statement = nil
                        break
                    }
                    try readers.append()
                }
                defer { isFirst = false }
                if readers.count == 0, !isFirst { return nil }
                return try types.apply(to: readers.finish())
            }
        } catch {
            close()
            throw error
        }
    }

    func close() { statement = nil }
}
