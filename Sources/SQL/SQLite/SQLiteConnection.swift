import Base
import CSQLite
import Frames
import Glibc

/// One connection to a SQLite file, or to a database in memory.
final class SQLiteConnection: Driver {
    private(set) var pointer: OpaquePointer?
    let path: String
    private let watch: Watch
    private let isReadOnly: Bool

    let dialect = Dialect.sqlite
    var isOpen: Bool { pointer != nil }

    /// What SQLite's callbacks look at while a statement runs.
    final class Watch {
        let timeout: Double?
        var deadline: Deadline?
        var ignoresInterrupts = false
        var isTimedOut = false
        /// How long a statement waits for another connection's lock, in seconds.
        let patience = 10.0
        var waitStart: Deadline?

        init(timeout: Double?) { self.timeout = timeout }

        var mustStop: Bool {
            if Interrupt.isPending, !ignoresInterrupts { return true }
            if let deadline, deadline.hasPassed {
                isTimedOut = true
                return true
            }
            return false
        }
    }

    /// - Parameter path: what follows `sqlite:`; a file or `:memory:`.
    init(_ path: String, options: OpenOptions) throws {
        guard !path.isEmpty, !path.hasPrefix("//") || path.hasPrefix("///"), !path.utf8.contains(0) else {
            throw SQLError(
                "sql.dsn", "name a file after 'sqlite:', as in sqlite:data/shop.sqlite, or write sqlite::memory:")
        }
        self.path = path
        watch = Watch(timeout: options.timeout)
        isReadOnly = options.readOnly
        let inMemory = path == ":memory:"
        if !inMemory {
            let exists = access(path, F_OK) == 0
            if !exists, options.readOnly || !options.create {
                throw SQLError(
                    "sql.connect", "there is no SQLite database '\(path)'", details: [("path", .string(path))])
            }
        }
        var flags = SQLITE_OPEN_NOMUTEX
        if options.readOnly, !inMemory {
            flags |= SQLITE_OPEN_READONLY
        } else {
            flags |= SQLITE_OPEN_READWRITE | (options.create || inMemory ? SQLITE_OPEN_CREATE : 0)
        }
        let status = sqlite3_open_v2(path, &pointer, flags, nil)
        guard status == SQLITE_OK, let pointer else {
            let reason = pointer.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            close()
            throw SQLError(
                "sql.connect", "cannot open the SQLite database '\(path)': \(reason)",
                details: [("path", .string(path))])
        }
        sqlite3_extended_result_codes(pointer, 1)
        let context = Unmanaged.passUnretained(watch).toOpaque()
        sqlite3_progress_handler(
            pointer, 2000,
            { context in Unmanaged<Watch>.fromOpaque(context!).takeUnretainedValue().mustStop ? 1 : 0 }, context)
        sqlite3_busy_handler(pointer, { context, tries in SQLiteConnection.waitForLock(context!, tries) }, context)
        do {
            // The first read finds out whether the file is a database at all.
            _ = try rows("PRAGMA schema_version")
            _ = try rows("PRAGMA foreign_keys = ON")
            if options.readOnly { _ = try rows("PRAGMA query_only = ON") }
        } catch {
            close()
            throw error
        }
    }

    deinit { close() }

    func close() {
        // Statements of chunks() loops that are still open keep the file until they are finished.
        if let pointer { sqlite3_close_v2(pointer) }
        pointer = nil
    }

    func notices() -> [String] { [] }

    /// Sleeps a little and tries again, for ten seconds in all.
    private static func waitForLock(_ context: UnsafeMutableRawPointer, _ tries: Int32) -> Int32 {
        let watch = Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue()
        if tries == 0 { watch.waitStart = Deadline(after: watch.patience) }
        if watch.mustStop || watch.waitStart?.hasPassed ?? false { return 0 }
        usleep(min(UInt32(1 << min(tries, 6)), 50) * 1000)
        return 1
    }

    /// Sets the time limit and the reaction to Ctrl-C for what `body` runs.
    func watching<T>(_ deadline: Deadline? = nil, uninterruptible: Bool = false, _ body: () throws -> T) throws -> T {
        guard pointer != nil else { throw SQLError.closed }
        if !uninterruptible { try Interrupt.check() }
        watch.ignoresInterrupts = uninterruptible
        watch.isTimedOut = false
        watch.deadline = uninterruptible ? nil : deadline ?? newDeadline()
        defer {
            watch.ignoresInterrupts = false
            watch.deadline = nil
        }
        return try body()
    }

    func newDeadline() -> Deadline? { watch.timeout.map { Deadline(after: $0) } }

    // MARK: Errors

    /// The error of the call that just failed.
    func failure(_ status: Int32, _ statement: Statement?) -> any Error {
        guard let pointer else { return SQLError.closed }
        if status & 0xFF == SQLITE_INTERRUPT || status & 0xFF == SQLITE_BUSY {
            if watch.isTimedOut {
                return SQLError(
                    "sql.timeout", "the statement ran longer than timeout_s = \(ValueText.number(watch.timeout ?? 0))",
                    details: watch.timeout.map { [("timeout_s", .double($0))] } ?? [])
            }
            if Interrupt.isPending { return Interrupted() }
        }
        let message = String(cString: sqlite3_errmsg(pointer))
        let offset = Int(sqlite3_error_offset(pointer))
        var details: [(String, Value)] = [("sqlite_code", .int(Int64(status)))]
        var code = "sql.query"
        var hint: String?
        switch status & 0xFF {
        case SQLITE_CONSTRAINT:
            code = "sql.constraint"
            if let colon = message.firstRange(of: "failed: ") {
                details.append(("constraint", .string(String(message[colon.upperBound...]))))
            }
        case SQLITE_BUSY, SQLITE_LOCKED:
            code = "sql.conflict"
            hint = "another connection is writing to '\(path)'"
        case SQLITE_NOTADB, SQLITE_CANTOPEN:
            return SQLError(
                "sql.connect",
                status & 0xFF == SQLITE_NOTADB
                    ? "'\(path)' is not a SQLite database" : "cannot open the SQLite database '\(path)': \(message)",
                details: [("path", .string(path))])
        case SQLITE_MISMATCH: code = "sql.type"
        case SQLITE_READONLY where isReadOnly: hint = "the database was opened with read_only"
        default: break
        }
        return SQLError.failure(
            code, message, state: Self.name(status), statement: statement?.source,
            offset: statement.flatMap { offset >= 0 ? $0.sourceOffset(offset) : nil }, hint: hint, details: details)
    }

    private static func name(_ status: Int32) -> String {
        let names: [Int32: String] = [
            SQLITE_ERROR: "ERROR", SQLITE_PERM: "PERM", SQLITE_ABORT: "ABORT", SQLITE_BUSY: "BUSY",
            SQLITE_LOCKED: "LOCKED", SQLITE_NOMEM: "NOMEM", SQLITE_READONLY: "READONLY",
            SQLITE_INTERRUPT: "INTERRUPT", SQLITE_IOERR: "IOERR", SQLITE_CORRUPT: "CORRUPT", SQLITE_FULL: "FULL",
            SQLITE_CANTOPEN: "CANTOPEN", SQLITE_SCHEMA: "SCHEMA", SQLITE_TOOBIG: "TOOBIG",
            SQLITE_CONSTRAINT: "CONSTRAINT", SQLITE_MISMATCH: "MISMATCH", SQLITE_AUTH: "AUTH",
            SQLITE_RANGE: "RANGE", SQLITE_NOTADB: "NOTADB",
        ]
        return "SQLITE_\(names[status & 0xFF] ?? "code") \(status)"
    }

    // MARK: Transactions

    var isInTransaction: Bool { pointer.map { sqlite3_get_autocommit($0) == 0 } ?? false }

    func begin(_ options: TransactionOptions) throws {
        // Taking the write lock at once means waiting for it; a later upgrade would fail without waiting.
        try command(options.readOnly || isReadOnly ? "BEGIN" : "BEGIN IMMEDIATE")
    }

    func commit() throws { try command("COMMIT") }
    func rollback() throws { try command("ROLLBACK", uninterruptible: true) }
    func savepoint(_ name: String) throws { try command("SAVEPOINT \(name)") }
    func release(_ name: String) throws { try command("RELEASE \(name)") }

    func rollback(to name: String) throws {
        try command("ROLLBACK TO \(name)", uninterruptible: true)
        try command("RELEASE \(name)", uninterruptible: true)
    }

    private func command(_ sql: String, uninterruptible: Bool = false) throws {
        let statement = try SQLiteStatement(self, Statement(sql, [], dialect: .sqlite))
        try watching(uninterruptible: uninterruptible) { while try statement.step() {} }
    }

    /// A small result as texts; for tt's own questions.
    func rows(_ sql: String, _ parameters: [Parameter] = []) throws -> [[String?]] {
        let statement = try SQLiteStatement(self, Statement(sql, parameters, dialect: .sqlite))
        return try watching {
            var rows: [[String?]] = []
            while try statement.step() {
                rows.append(
                    (0..<sqlite3_column_count(statement.pointer)).map { column in
                        sqlite3_column_text(statement.pointer, column).map { String(cString: $0) }
                    })
            }
            return rows
        }
    }
}
