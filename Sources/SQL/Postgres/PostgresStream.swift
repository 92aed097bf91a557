import Base
import CPostgres
import Frames

/// Rows of a statement, some at a time. Outside of a transaction they come straight off the connection, which is taken
/// until the end; inside of one they come through a cursor, and the connection can be used in between.
final class PostgresStream: ChunkSource {
    private let connection: PostgresConnection
    private let statement: Statement
    private let rows: Int
    private let wanted: TypeRequests
    private let cursor: String?
    private var fields: [PostgresResult.Field]?
    private var pending: PostgresResult?
    private var isRunning = false
    private var isFinished = false

    init(_ connection: PostgresConnection, _ statement: Statement, rows: Int, types: TypeRequests) throws {
        self.connection = connection
        self.statement = statement
        self.rows = rows
        wanted = types
        let values = try PostgresValues(statement.parameters)
        if connection.isInTransaction {
            connection.cursorCount += 1
            let name = "tt_cursor_\(connection.cursorCount)"
            cursor = name
            let declaration = "DECLARE \(name) NO SCROLL CURSOR FOR "
            let declared = try Statement(declaration + statement.source, statement.parameters, dialect: .postgresql)
            try connection.run(declared, send: { values.send($0, declared.text, binaryResults: false) }) { _, _ in }
        } else {
            cursor = nil
            try connection.describe(statement)
            try connection.start(
                statement,
                send: {
                    let sent = values.send($0, statement.text, binaryResults: true)
                    return sent == 1 ? tt_PQsetSingleRowMode($0) : sent
                })
            connection.isStreaming = true
            isRunning = true
        }
    }

    deinit { close() }

    func next() throws -> Frame? {
        if isFinished { return nil }
        do {
            return try cursor == nil ? nextOfConnection() : nextOfCursor()
        } catch {
            close()
            throw error
        }
    }

    /// There is at least one frame, so that an empty result still shows its columns.
    private func nextOfConnection() throws -> Frame? {
        guard connection.isOpen else { throw SQLError.closed }
        var chunk = pending
        pending = nil
        while true {
            guard let result = try connection.nextResult() else {
                stopRunning()
                isFinished = true
                if let error = connection.finish(nil) { throw error }
                return try chunk.map { try wanted.apply(to: $0.finish(nil)) }
            }
            defer { tt_PQclear(result) }
            let status = tt_PQresultStatus(result)
            if let error = connection.error(in: result, statement) {
                // What follows an error is the end; fetching it leaves the connection ready.
                while let rest = try connection.nextResult() { tt_PQclear(rest) }
                stopRunning()
                throw connection.finish(error) ?? error
            }
            try connection.refuseCopy(status)
            if fields == nil { fields = try PostgresResult.fields(of: result, connection.types) }
            if chunk == nil, tt_PQntuples(result) > 0 || isFirst { chunk = PostgresResult(fields!) }
            isFirst = false
            try chunk?.append(result)
            if let full = chunk, full.rowCount >= rows { return try wanted.apply(to: full.finish(nil)) }
        }
    }
    private var isFirst = true

    private func nextOfCursor() throws -> Frame? {
        var chunk: PostgresResult?
        let fetch = "FETCH FORWARD \(rows) FROM \(cursor!)"
        try connection.run(
            nil,
            send: {
                let sent = PostgresSend.binary($0, fetch)
                return sent == 1 ? tt_PQsetSingleRowMode($0) : sent
            }
        ) { result, _ in
            if chunk == nil { chunk = PostgresResult(try PostgresResult.fields(of: result, connection.types)) }
            try chunk!.append(result)
        }
        let count = chunk?.rowCount ?? 0
        defer { isFirst = false }
        if count < rows { close() }
        return count == 0 && !isFirst ? nil : try chunk.map { try wanted.apply(to: $0.finish(connection)) }
    }

    private func stopRunning() {
        guard isRunning else { return }
        isRunning = false
        connection.isStreaming = false
    }

    func close() {
        guard !isFinished else { return }
        isFinished = true
        pending = nil
        if isRunning {
            connection.drain()
            stopRunning()
        } else if let cursor, connection.isInTransaction {
            // In a failed transaction the cursor is gone already, and so it is once the transaction ends.
            try? connection.command("CLOSE \(cursor)", uninterruptible: true)
        }
    }
}

extension PostgresConnection {
    func stream(_ source: String, _ parameters: [Parameter], rows: Int, types: TypeRequests) throws -> any ChunkSource {
        let statement = try Statement(source, parameters, dialect: .postgresql)
        return try PostgresStream(self, statement, rows: rows, types: types)
    }

    /// Learns the types of a statement's columns before its rows come.
    func describe(_ statement: Statement) throws {
        var found: [UInt32] = []
        do {
            try run(statement, send: { tt_PQsendPrepare($0, "", statement.text, 0, nil) }) { _, _ in }
            try run(statement, send: { tt_PQsendDescribePrepared($0, "") }) { result, _ in
                found = (0..<tt_PQnfields(result)).map { tt_PQftype(result, $0) }
            }
        } catch let error as SQLError where error.detail("sqlstate") == "26000" {
            // A pooler gave the second question to another server. Types of extensions stay unknown then.
            return
        }
        try learn(found)
    }
}
