import Base
import Frames
import JSON

/// What `Database` needs of a database system.
protocol Driver: AnyObject {
    var dialect: Dialect { get }
    var isOpen: Bool { get }
    var isInTransaction: Bool { get }

    func query(_ sql: String, _ parameters: [Parameter], types: TypeRequests) throws -> Frame
    func execute(_ sql: String, _ parameters: [Parameter]) throws -> Int
    func stream(_ sql: String, _ parameters: [Parameter], rows: Int, types: TypeRequests) throws -> any ChunkSource
    func read(_ source: String, types: TypeRequests) throws -> Frame
    func readAhead(_ source: String, types: TypeRequests) throws -> Reading
    /// Within a transaction that is open.
    func insert(_ frame: Frame, into table: String, mode: WriteMode) throws -> Int
    func tables() throws -> [String]
    func columns(of table: String) throws -> [TableColumn]
    func notices() -> [String]
    func close()

    func begin(_ options: TransactionOptions) throws
    func commit() throws
    /// This and `rollback(to:)` work although Ctrl-C is pending.
    func rollback() throws
    func savepoint(_ name: String) throws
    func release(_ name: String) throws
    func rollback(to name: String) throws
}

extension Driver {
    /// A database in this process gains nothing by a thread.
    func readAhead(_ source: String, types: TypeRequests) throws -> Reading {
        Reading(frame: { try self.read(source, types: types) })
    }
}

/// Where `Chunks` get their frames.
protocol ChunkSource: AnyObject {
    func next() throws -> Frame?
    func close()
}

/// Column types a script asks for in place of the natural ones.
struct TypeRequests {
    private let wanted: [(name: String, dtype: DType)]

    init(_ wanted: [(name: String, dtype: DType)] = []) { self.wanted = wanted }

    subscript(name: String) -> DType? { wanted.last { $0.name == name }?.dtype }

    /// The frame with the requested types: JSON text becomes lists, everything else is a cast.
    func apply(to frame: Frame) throws -> Frame {
        var frame = frame
        for (name, dtype) in wanted {
            let column = try frame.column(name)
            guard column.dtype != dtype else { continue }
            if case .list(let element) = dtype, column.dtype == .string {
                frame = try frame.with(name, try Self.lists(column, element, name))
            } else {
                do {
                    frame = try frame.with(name, try column.cast(to: dtype))
                } catch let error as FrameError {
                    throw SQLError(
                        "sql.type", "column '\(name)': \(error.message)", details: [("column", .string(name))],
                        cause: error)
                }
            }
        }
        return frame
    }

    private static func lists(_ column: Column, _ element: DType, _ name: String) throws -> Column {
        let lists = JSONLists(of: element, capacity: column.count)
        for row in 0..<column.count {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            if column.isNull(row) {
                lists.appendNull()
                continue
            }
            do {
                guard try lists.append(column.stringBytes(row)) else {
                    throw ResultNames.misfit(name, row + 1, "is not a JSON array of \(element.name)")
                }
            } catch is JSONError {
                // What stands there is the database's, and none of a message's business.
                throw ResultNames.misfit(name, row + 1, "is not JSON")
            }
        }
        return lists.finish()
    }
}

/// Complaints about tables that both databases share.
enum TableError {
    static func noTable(_ name: String, among tables: [String]) -> SQLError {
        let hint = Suggestion.nearest(to: name, in: tables).map { "; did you mean '\($0)'?" } ?? ""
        return SQLError("sql.query", "there is no table '\(name)'\(hint)", details: [("table", .string(name))])
    }

    static func noColumn(_ column: String, in table: String, among columns: [String]) -> SQLError {
        let hint = Suggestion.nearest(to: column, in: columns).map { "; did you mean '\($0)'?" } ?? ""
        return SQLError(
            "sql.type",
            "the table '\(table)' has no column '\(column)'\(hint) (its columns are \(columns.joined(separator: ", ")))",
            details: [("table", .string(table)), ("column", .string(column))])
    }

    /// The key of an upsert. Rows of the frame must differ in it, or which of them wins would be chance.
    static func checkKey(_ key: [String], given: [String], table: String, frame: Frame) throws -> [String] {
        guard !key.isEmpty else {
            throw SQLError("sql.usage", "the table '\(table)' has no primary key; name the columns to upsert by")
        }
        for name in key where frame[name] == nil {
            throw SQLError("sql.usage", "the frame has no column '\(name)', which is part of the key of '\(table)'")
        }
        let distinct = try frame.select(key).unique().rowCount
        guard distinct == frame.rowCount else {
            throw SQLError(
                "sql.constraint",
                "the frame has \(frame.rowCount) rows but only \(distinct) distinct keys (\(key.joined(separator: ", "))); "
                    + "make them unique before an upsert")
        }
        return key
    }
}
