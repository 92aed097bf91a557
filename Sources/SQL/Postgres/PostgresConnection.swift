import Base
import CPostgres
import Glibc
import Synchronization

/// One session with a PostgreSQL server, driven through libpq's asynchronous calls so that Ctrl-C and the time limit are
/// seen while the server works. The session runs in UTC with ISO dates and UTF-8, whatever the server's settings are.
final class PostgresConnection: Driver {
    private(set) var pointer: OpaquePointer?
    private var address: PostgresAddress
    private let timeout: Double?
    private let noticeLog = NoticeLog()
    /// Types by OID, those of the server's extensions and users as they come up.
    var types: [UInt32: PostgresType] = PostgresType.builtIn
    /// True while a `PostgresStream` still has rows to fetch over this connection.
    var isStreaming = false
    /// A read that another thread is at; the connection is its own until it ends.
    weak var reading: PostgresReading?
    var isReadInTransaction = false
    var cursorCount = 0
    var stagingCount = 0

    /// Why the running statement was cancelled, and how long the server has to obey.
    private var cancelled: (reason: CancelReason, patience: Deadline)?
    /// The cancel request on its way, and how long the next statement waits for it.
    private var request: (pointer: OpaquePointer, patience: Deadline)?
    private var deadline: Deadline?
    private var ignoresInterrupts = false
    /// Bytes that the running COPY TO STDOUT has sent so far.
    private var copied = 0
    /// Set by another thread that does not want what is read any more.
    let isUnwanted = Atomic(false)

    enum CancelReason { case interrupt, timeout, unwanted }

    let dialect = Dialect.postgresql
    var isOpen: Bool { pointer != nil }

    // MARK: Opening and closing

    init(_ dsn: String, options: OpenOptions) throws {
        if let reason = tt_pq_load() { throw SQLError("sql.library", String(cString: reason)) }
        address = try PostgresAddress(dsn)
        timeout = options.timeout
        try connect()
        var settings = "SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO, YMD'; SET IntervalStyle TO 'postgres'"
        if let timeout { settings += "; SET statement_timeout TO \(Int((timeout * 1000).rounded(.up)))" }
        if options.readOnly { settings += "; SET default_transaction_read_only TO on" }
        do {
            try command(settings)
        } catch {
            disconnect()
            throw error
        }
    }

    deinit { disconnect() }

    func close() {
        reading?.close()
        disconnect()
    }

    private func disconnect() {
        forgetRequest()
        guard let pointer else { return }
        tt_PQfinish(pointer)
        self.pointer = nil
    }

    private func connect() throws {
        // client_encoding comes last and overrides what the DSN says: everything here is UTF-8.
        var pairs = address.options.filter { $0.keyword != "client_encoding" }
        pairs.append(("fallback_application_name", "tt"))
        pairs.append(("client_encoding", "UTF8"))
        let keywords = pairs.map { strdup($0.keyword) } + [nil]
        let values = pairs.map { strdup($0.value) } + [nil]
        defer { for text in keywords + values { free(text) } }
        let started = keywords.map { UnsafePointer($0) }.withUnsafeBufferPointer { keywords in
            values.map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
                tt_PQconnectStartParams(keywords.baseAddress, values.baseAddress, 0)
            }
        }
        guard let started else { throw SQLError("sql.connect", "cannot connect to PostgreSQL: out of memory") }
        pointer = started
        address.learnSecrets(of: started)
        do {
            try finishConnecting(started)
        } catch {
            disconnect()
            throw error
        }
        _ = tt_PQsetnonblocking(started, 1)
        _ = tt_PQsetNoticeProcessor(
            started,
            { log, text in
                guard let log, let text else { return }
                Unmanaged<NoticeLog>.fromOpaque(log).takeUnretainedValue().add(String(cString: text))
            }, Unmanaged.passUnretained(noticeLog).toOpaque())
    }

    private func finishConnecting(_ connection: OpaquePointer) throws {
        let limit = connectTimeout(connection)
        let deadline = limit.map { Deadline(after: $0) }
        var status = PGRES_POLLING_WRITING
        while tt_PQstatus(connection) != CONNECTION_BAD, status != PGRES_POLLING_OK, status != PGRES_POLLING_FAILED {
            try Interrupt.check()
            if let limit, deadline!.hasPassed {
                throw SQLError(
                    "sql.connect", "cannot connect to PostgreSQL: no answer within \(Int(limit)) s (connect_timeout)")
            }
            // The socket may be another one after each step: libpq tries one address after the other.
            var descriptor = pollfd(
                fd: tt_PQsocket(connection), events: Int16(status == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                revents: 0)
            if poll(&descriptor, 1, 100) > 0 { status = tt_PQconnectPoll(connection) }
        }
        guard tt_PQstatus(connection) == CONNECTION_OK else {
            throw SQLError("sql.connect", "cannot connect to PostgreSQL: \(message(connection))")
        }
    }

    /// Seconds libpq would wait for all hosts together; it leaves keeping that time to us.
    private func connectTimeout(_ connection: OpaquePointer) -> Double? {
        guard let list = tt_PQconninfo(connection) else { return nil }
        defer { tt_PQconninfoFree(list) }
        var seconds = 0.0
        var hosts = 1
        var at = list
        while let keyword = at.pointee.keyword {
            if let value = at.pointee.val {
                let text = String(cString: value)
                switch String(cString: keyword) {
                case "connect_timeout": seconds = Double(text) ?? 0
                case "host": hosts = max(hosts, text.split(separator: ",").count)
                default: break
                }
            }
            at += 1
        }
        return seconds > 0 ? max(seconds, 2) * Double(hosts) : nil
    }

    /// libpq's last message on one line, without secrets.
    private func message(_ connection: OpaquePointer) -> String {
        let text = tt_PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        let lines = text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
        return scrub(lines.isEmpty ? "no reason given" : lines.joined(separator: "; "))
    }

    func scrub(_ text: String) -> String { address.scrub(text) }

    func notices() -> [String] { reading == nil ? noticeLog.take() : [] }

    // MARK: Running statements

    /// Sends one command and hands each of its results to `each`, after which the connection is ready for the next.
    ///
    /// - Parameters:
    ///   - statement: for error messages; nil for tt's own commands.
    ///   - uninterruptible: Ctrl-C is left for later, as rolling back needs.
    ///   - send: a `PQsend…` call.
    func run(
        _ statement: Statement?, uninterruptible: Bool = false, send: (OpaquePointer) -> Int32,
        each: (_ result: OpaquePointer, _ status: ExecStatusType) throws -> Void
    ) throws {
        try start(statement, uninterruptible: uninterruptible, send: send)
        try collect(statement, each)
    }

    /// The second half of `run`.
    func collect(
        _ statement: Statement?, _ each: (_ result: OpaquePointer, _ status: ExecStatusType) throws -> Void
    ) throws {
        var failure: (any Error)?
        while let result = try nextResult() {
            defer { tt_PQclear(result) }
            let status = tt_PQresultStatus(result)
            if let error = error(in: result, statement) {
                failure = failure ?? error
                continue
            }
            guard failure == nil else {
                try leaveCopy(status, because: "cancelled")
                continue
            }
            do {
                try each(result, status)
            } catch {
                failure = error
                cancel(.unwanted)
                try leaveCopy(status, because: "cancelled")
            }
        }
        if let error = finish(failure) { throw error }
    }

    /// The first half of `run`, for callers that fetch results bit by bit.
    func start(_ statement: Statement?, uninterruptible: Bool = false, send: (OpaquePointer) -> Int32) throws {
        guard let pointer else { throw SQLError.closed }
        guard !isStreaming else {
            throw SQLError(
                "sql.usage",
                "a chunks() loop still reads from this connection; finish or close it first, wrap it in a transaction "
                    + "(there it reads through a cursor), or open a second connection")
        }
        if let reading {
            guard uninterruptible else {
                throw SQLError(
                    "sql.usage",
                    "a read_ahead() still reads from this connection; take its frame or close it first, or open a second "
                        + "connection")
            }
            reading.close()
        }
        if !uninterruptible { try Interrupt.check() }
        try finishCancelling()
        cancelled = nil
        // The server keeps the limit itself; this one is for a server that no longer answers.
        deadline = uninterruptible ? Deadline(after: 10) : timeout.map { Deadline(after: $0 + 5) }
        ignoresInterrupts = uninterruptible
        guard send(pointer) == 1 else { throw lost() }
    }

    /// The error a statement ends with, once its last result has come.
    func finish(_ failure: (any Error)?) -> (any Error)? {
        defer { cancelled = nil }
        switch cancelled?.reason {
        case .interrupt: return Interrupted()
        case .timeout: return timedOut(nil)
        case .unwanted, nil: return failure
        }
    }

    /// The next result of the running command; nil after the last. The caller clears it.
    func nextResult() throws -> OpaquePointer? {
        while true {
            guard let pointer else { throw SQLError.closed }
            // Rows that are already here come without waiting, so Ctrl-C is looked at before each.
            if Interrupt.isPending, !ignoresInterrupts { cancel(.interrupt) }
            let pending = tt_PQflush(pointer)
            if pending < 0 { throw lost() }
            if tt_PQisBusy(pointer) == 0 {
                let result = tt_PQgetResult(pointer)
                if result == nil, tt_PQstatus(pointer) == CONNECTION_BAD { throw lost() }
                return result
            }
            try wait(writing: pending == 1)
            if tt_PQconsumeInput(pointer) == 0 { throw lost() }
        }
    }

    /// Sleeps until the socket is ready, looking at Ctrl-C and the clock ten times a second.
    func wait(writing: Bool) throws {
        guard let pointer else { throw SQLError.closed }
        var descriptor = pollfd(
            fd: tt_PQsocket(pointer), events: Int16(POLLIN) | (writing ? Int16(POLLOUT) : 0), revents: 0)
        while true {
            try attend()
            let ready = poll(&descriptor, 1, 100)
            if ready > 0 { return }
            if ready < 0, errno != EINTR, errno != EAGAIN { throw lost() }
        }
    }

    /// Cancels at the server when Ctrl-C was pressed or the time is up, and gives the connection up when the server does
    /// not obey within five seconds.
    func attend() throws {
        if let cancelled {
            guard cancelled.patience.hasPassed else { return }
            disconnect()
            switch cancelled.reason {
            case .interrupt: throw Interrupted()
            case .timeout: throw timedOut("; the server did not answer and the connection was closed")
            case .unwanted:
                throw SQLError("sql.lost", "the server did not stop a cancelled statement; the connection was closed")
            }
        }
        if !ignoresInterrupts, Interrupt.isPending {
            cancel(.interrupt)
        } else if isUnwanted.load(ordering: .relaxed) {
            cancel(.unwanted)
        } else if let deadline, deadline.hasPassed {
            cancel(.timeout)
        }
    }

    /// True once the running statement was cancelled, so that senders can stop.
    var isCancelled: Bool { cancelled != nil }

    /// Asks the server to stop the running statement; its results still have to be fetched.
    func cancel(_ reason: CancelReason) {
        guard cancelled == nil, let pointer else { return }
        let patience = Deadline(after: 5)
        cancelled = (reason, patience)
        forgetRequest()
        request = tt_cancel_start(pointer).map { ($0, patience) }
    }

    /// Waits for the cancel request of the statement before, which would stop the next one.
    private func finishCancelling() throws {
        guard let (pointer, patience) = request else { return }
        while !tt_cancel_is_over(pointer) {
            if patience.hasPassed {
                disconnect()
                throw SQLError("sql.lost", "the server did not take a cancel request; the connection was closed")
            }
            usleep(1000)
        }
        forgetRequest()
    }

    private func forgetRequest() {
        if let request { tt_cancel_forget(request.pointer) }
        request = nil
    }

    /// Fetches and drops what is left of the running command.
    func drain() {
        ignoresInterrupts = true
        cancel(.unwanted)
        do {
            while let result = try nextResult() {
                defer { tt_PQclear(result) }
                try leaveCopy(tt_PQresultStatus(result), because: "cancelled")
            }
        } catch {
            disconnect()
        }
        cancelled = nil
    }

    /// Ends a COPY that nobody wants, so that the next result can come.
    private func leaveCopy(_ status: ExecStatusType, because reason: String) throws {
        guard let pointer else { return }
        if status == PGRES_COPY_IN {
            while tt_PQputCopyEnd(pointer, reason) == 0 { try wait(writing: true) }
        } else if status == PGRES_COPY_OUT {
            while try copyData({ _ in }) {}
        }
    }

    /// Hands the next message of a COPY TO STDOUT to `body`; false at its end.
    func copyData(_ body: (UnsafeRawBufferPointer) throws -> Void) throws -> Bool {
        guard let pointer else { throw SQLError.closed }
        if Interrupt.isPending, !ignoresInterrupts { cancel(.interrupt) }
        if isUnwanted.load(ordering: .relaxed) { cancel(.unwanted) }
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let count = tt_PQgetCopyData(pointer, &buffer, 1)
            if count > 0 {
                defer { tt_PQfreemem(buffer) }
                copied += Int(count)
                try body(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
                return true
            }
            // -2 is an error, which the result that follows describes.
            if count < 0 {
                copied = 0
                return false
            }
            try waitForCopy()
            if tt_PQconsumeInput(pointer) == 0 { throw lost() }
        }
    }

    /// As `wait`. In a long copy it lets some more arrive first: the server sends a hundred rows at a time, and to wake up
    /// for them would cost both sides more than the rows themselves. Its buffers take five times as long to fill.
    private func waitForCopy() throws {
        var arrived: Int32 = 0
        let socket = tt_PQsocket(pointer)
        if copied > 1 << 20, ioctl(socket, UInt(FIONREAD), &arrived) == 0, arrived < 1 << 15 {
            usleep(200)
            _ = ioctl(socket, UInt(FIONREAD), &arrived)
        }
        if arrived > 0 { try attend() } else { try wait(writing: false) }
    }

    // MARK: Errors

    /// The error a result stands for; nil for any other result.
    func error(in result: OpaquePointer, _ statement: Statement?) -> SQLError? {
        let status = tt_PQresultStatus(result)
        guard status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE else { return nil }
        let report = PostgresReport(result)
        if report.sqlstate.isEmpty || tt_PQstatus(pointer) == CONNECTION_BAD {
            return SQLError(
                "sql.lost", "the connection to PostgreSQL was lost: \(scrub(report.message))",
                details: report.sqlstate.isEmpty ? [] : [("sqlstate", .string(report.sqlstate))])
        }
        return report.error(statement, scrub: scrub)
    }

    private func lost() -> any Error {
        defer { disconnect() }
        if cancelled?.reason == .interrupt { return Interrupted() }
        let reason = pointer.map { message($0) } ?? "it is closed"
        return SQLError("sql.lost", "the connection to PostgreSQL was lost: \(reason)")
    }

    private func timedOut(_ addition: String?) -> SQLError {
        guard let timeout else { return SQLError("sql.timeout", "the server did not answer in time\(addition ?? "")") }
        return SQLError(
            "sql.timeout", "the statement ran longer than timeout_s = \(ValueText.number(timeout))\(addition ?? "")",
            details: [("timeout_s", .double(timeout))])
    }
}
