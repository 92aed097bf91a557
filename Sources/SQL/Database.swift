import Base
import Frames

/// A connection to a database: statements in, frames out.
///
///     let database = try Database.open("sqlite:shop.sqlite")
///     let dear = try database.query("SELECT id, price FROM items WHERE price > ?", [.int(100)])
///
/// Not safe to use from two threads at once. Every call stops at Ctrl-C, with `Interrupted`.
public final class Database {
    private let driver: any Driver
    /// Open transactions and savepoints, outermost first.
    private var scopes: [Transaction] = []
    private var savepointCount = 0

    init(_ driver: any Driver) { self.driver = driver }

    /// Opens `postgresql://…`, `postgres://…`, a libpq keyword string, an empty string (the `PG*` environment),
    /// `sqlite:PATH` or `sqlite::memory:`.
    public static func open(_ dsn: String, _ options: OpenOptions = OpenOptions()) throws -> Database {
        if dsn.hasPrefix("sqlite:") {
            return Database(try SQLiteConnection(String(dsn.dropFirst(7)), options: options))
        }
        guard isPostgres(dsn) else {
            let scheme = dsn.firstRange(of: "://").map { " with the scheme '\(dsn[..<$0.lowerBound])'" } ?? ""
            throw SQLError(
                "sql.dsn",
                "cannot open a database\(scheme): write postgresql://user@host/database, libpq keywords such as "
                    + "'host=localhost dbname=shop', an empty string for the PG* environment, sqlite:PATH or sqlite::memory:"
            )
        }
        return Database(try PostgresConnection(dsn, options: options))
    }

    private static func isPostgres(_ dsn: String) -> Bool {
        if dsn.hasPrefix("postgresql://") || dsn.hasPrefix("postgres://") { return true }
        let trimmed = dsn.drop(while: \.isWhitespace)
        if trimmed.isEmpty { return true }
        let keyword = trimmed.prefix { $0.isASCII && ($0.isLetter || $0 == "_") }
        return !keyword.isEmpty && trimmed.dropFirst(keyword.count).drop(while: \.isWhitespace).first == "="
    }

    public var dialect: Dialect { driver.dialect }
    public var isOpen: Bool { driver.isOpen }

    /// Runs one statement and gives its rows. A statement without rows gives a frame without columns.
    ///
    /// - Parameter types: column types to use in place of the natural ones, by column name. A list type reads JSON text.
    public func query(
        _ sql: String, _ parameters: [Parameter] = [], types: [(name: String, dtype: DType)] = []
    ) throws -> Frame {
        try check()
        return try driver.query(sql, parameters, types: TypeRequests(types))
    }

    /// Runs a statement for its effect; without parameters also several, separated by semicolons.
    /// - Returns: the number of rows inserted, updated and deleted.
    @discardableResult
    public func execute(_ sql: String, _ parameters: [Parameter] = []) throws -> Int {
        try check()
        return try driver.execute(sql, parameters)
    }

    /// The rows of a statement in frames of at most `rows` rows, at least one frame. On PostgreSQL, outside of a
    /// transaction, the connection can do nothing else until the last row or `close()`.
    public func chunks(
        _ sql: String, _ parameters: [Parameter] = [], rows: Int = 65_536,
        types: [(name: String, dtype: DType)] = []
    ) throws -> Chunks {
        try check()
        guard (1...Int(Int32.max)).contains(rows) else {
            throw SQLError("sql.usage", "rows must lie between 1 and \(Int32.max)")
        }
        return Chunks(try driver.stream(sql, parameters, rows: rows, types: TypeRequests(types)))
    }

    /// A whole table, or a whole SELECT without parameters, by the fastest road the database has.
    ///
    /// - Parameter source: `items`, `public.items`, or a statement.
    public func read(_ source: String, types: [(name: String, dtype: DType)] = []) throws -> Frame {
        try check()
        return try driver.read(source, types: TypeRequests(types))
    }

    /// The same, begun now and taken later. PostgreSQL's rows arrive meanwhile, on another thread; the connection can do
    /// nothing else until then. SQLite's are read when they are taken.
    public func readAhead(_ source: String, types: [(name: String, dtype: DType)] = []) throws -> Reading {
        try check()
        return try driver.readAhead(source, types: TypeRequests(types))
    }

    /// Writes all rows of a frame, or none.
    ///
    /// Columns go by name; those of the table that the frame lacks get their defaults.
    /// - Returns: rows written.
    @discardableResult
    public func write(_ frame: Frame, to table: String, mode: WriteMode = .append) throws -> Int {
        try transaction { try driver.insert(frame, into: table, mode: mode) }
    }

    /// Tables and views that can be read, ascending; with their schema where the name alone would not find them.
    public func tables() throws -> [String] {
        try check()
        return try driver.tables()
    }

    public func columns(of table: String) throws -> [TableColumn] {
        try check()
        return try driver.columns(of: table)
    }

    /// What the server said beside its answers since the last call, such as `RAISE NOTICE`; the newest hundred.
    public func notices() -> [String] { driver.notices() }

    /// Closing twice is harmless. An open transaction is rolled back.
    public func close() { driver.close() }

    private func check() throws {
        guard driver.isOpen else { throw SQLError.closed }
    }
}

// MARK: Transactions

extension Database {
    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws, and the error goes on.
    /// Inside of another one it is a savepoint.
    public func transaction<T>(_ options: TransactionOptions = TransactionOptions(), _ body: () throws -> T) throws -> T
    {
        let scope = try begin(options)
        defer { scope.close() }
        let result = try body()
        try scope.commit()
        return result
    }

    /// Opens a transaction, or a savepoint when one is open already. It ends with `commit()`; `close()` undoes it.
    public func begin(_ options: TransactionOptions = TransactionOptions()) throws -> Transaction {
        try check()
        let savepoint: String?
        if driver.isInTransaction {
            guard options.isolation == nil, !options.readOnly else {
                throw SQLError("sql.usage", "isolation and read_only belong to the outermost transaction")
            }
            savepointCount += 1
            savepoint = "tt_savepoint_\(savepointCount)"
            try driver.savepoint(savepoint!)
        } else {
            scopes = []
            savepoint = nil
            try driver.begin(options)
        }
        let scope = Transaction(self, savepoint)
        scopes.append(scope)
        return scope
    }

    fileprivate func commit(_ scope: Transaction) throws {
        guard driver.isOpen else { throw SQLError.closed }
        guard scopes.last === scope else {
            throw SQLError("sql.transaction", "a transaction inside of this one is still open")
        }
        guard driver.isInTransaction else {
            scopes = []
            throw SQLError("sql.transaction", "the transaction was ended by a statement inside of it")
        }
        if let savepoint = scope.savepoint {
            try driver.release(savepoint)
        } else {
            try driver.commit()
        }
        scopes.removeLast()
    }

    /// Undoes what is left of `scope` and of those inside of it. A lost connection has undone it already.
    fileprivate func rollback(_ scope: Transaction) {
        guard let index = scopes.firstIndex(where: { $0 === scope }) else { return }
        scopes.removeSubrange(index...)
        guard driver.isOpen, driver.isInTransaction else { return }
        do {
            if let savepoint = scope.savepoint { try driver.rollback(to: savepoint) } else { try driver.rollback() }
        } catch {
            // A transaction that cannot be undone must not be committed by what follows.
            driver.close()
        }
    }
}

/// An open transaction or savepoint. Unless committed it is rolled back by `close()`, or when it is released.
public final class Transaction {
    private let database: Database
    fileprivate let savepoint: String?
    private var isEnded = false

    fileprivate init(_ database: Database, _ savepoint: String?) {
        self.database = database
        self.savepoint = savepoint
    }

    public func commit() throws {
        guard !isEnded else { throw SQLError("sql.usage", "the transaction has ended already") }
        try database.commit(self)
        isEnded = true
    }

    public func close() {
        guard !isEnded else { return }
        isEnded = true
        database.rollback(self)
    }
}

/// How a transaction is opened.
public struct TransactionOptions {
    public enum Isolation: String, Sendable {
        case readCommitted = "READ COMMITTED"
        case repeatableRead = "REPEATABLE READ"
        case serializable = "SERIALIZABLE"
    }

    /// nil leaves the server's default. SQLite's transactions are serializable, whatever is asked for.
    public var isolation: Isolation?
    public var readOnly: Bool

    public init(isolation: Isolation? = nil, readOnly: Bool = false) {
        self.isolation = isolation
        self.readOnly = readOnly
    }
}

/// How a database is opened.
public struct OpenOptions {
    /// Longest time of a statement in seconds, from its start to its last row; nil is no limit.
    public var timeout: Double?
    public var readOnly: Bool
    /// SQLite: make the file when it is missing.
    public var create: Bool

    public init(timeout: Double? = nil, readOnly: Bool = false, create: Bool = true) {
        self.timeout = timeout
        self.readOnly = readOnly
        self.create = create
    }
}

/// What `write` does with the rows that are in the table.
public enum WriteMode {
    /// Leaves them; a clash of keys is an error.
    case append
    /// Deletes all of them first.
    case replace
    /// Updates those with the same key. No names mean the table's primary key.
    case upsert(key: [String])

    var isReplace: Bool { if case .replace = self { true } else { false } }
}

/// A column of a table.
public struct TableColumn: Sendable {
    public let name: String
    /// As the database declares it.
    public let type: String
    /// What its values become in a frame; nil when SQLite leaves that to the values.
    public let dtype: DType?
    public let isNullable: Bool
    /// Part of the primary key.
    public let isKey: Bool
    /// The expression of its default.
    public let defaultValue: String?
}

/// Rows that come in frames, one after the other.
public final class Chunks {
    private let source: any ChunkSource

    init(_ source: any ChunkSource) { self.source = source }

    deinit { source.close() }

    /// The next frame; nil after the last.
    public func next() throws -> Frame? { try source.next() }

    /// Stops early; harmless after the end.
    public func close() { source.close() }
}

/// A read that was begun.
public final class Reading {
    private var take: (() throws -> Frame)?
    private let end: () -> Void

    init(frame: @escaping () throws -> Frame, close: @escaping () -> Void = {}) {
        take = frame
        end = close
    }

    deinit { close() }

    /// Waits for the frame, which can be taken once.
    public func frame() throws -> Frame {
        guard let take else {
            throw SQLError("sql.usage", "the frame of this read_ahead() was taken, or it was closed")
        }
        self.take = nil
        return try take()
    }

    /// Ends the read; harmless after the frame was taken.
    public func close() {
        guard take != nil else { return }
        take = nil
        end()
    }
}
