import Base
import CPostgres
import Frames

extension PostgresConnection {
    /// A whole table or SELECT through binary COPY: the rows go straight into columns, nothing else is held.
    func read(_ source: String, types wanted: TypeRequests) throws -> Frame {
        guard let copy = try copy(of: source) else { return try wanted.apply(to: Frame([])) }
        try run(copy.statement, send: { PostgresSend.text($0, copy.statement.text) }) {
            try receive($0, $1, copy.result)
        }
        return try wanted.apply(to: copy.result.finish(nil))
    }

    /// The same, on another thread: this one goes on with something else, but not with this connection.
    func readAhead(_ source: String, types wanted: TypeRequests) throws -> Reading {
        guard let copy = try copy(of: source) else {
            let empty = try wanted.apply(to: Frame([]))
            return Reading(frame: { empty })
        }
        let isInTransaction = isInTransaction
        try start(copy.statement, send: { PostgresSend.text($0, copy.statement.text) })
        let reading = try PostgresReading(self) {
            try self.collect(copy.statement) { try self.receive($0, $1, copy.result) }
            return try wanted.apply(to: copy.result.finish(nil))
        }
        (self.reading, isReadInTransaction) = (reading, isInTransaction)
        return Reading(frame: reading.frame, close: reading.close)
    }

    /// The COPY of a source, and what its rows go into; nil when it has no columns.
    private func copy(of source: String) throws -> (statement: Statement, result: PostgresResult)? {
        let select: String
        if Identifier.isStatement(source) {
            select = Statement.subquery(source, dialect: .postgresql)
        } else {
            select = "SELECT * FROM " + (try Identifier.quote(Identifier.parts(of: source)))
        }
        // COPY does not say what its columns are, so an empty result of the same statement is asked for first.
        let statement = try Statement("SELECT * FROM (\(select)) AS tt_source LIMIT 0", [], dialect: .postgresql)
        var fields: [PostgresResult.Field] = []
        try reportingSource(source, prefix: "SELECT * FROM (", isSelect: Identifier.isStatement(source)) {
            try run(statement, send: { PostgresSend.binary($0, statement.text) }) {
                result, _ in
                fields = try PostgresResult.fields(of: result, types)
            }
        }
        if fields.isEmpty { return nil }
        if fields.contains(where: \.form.isOther) {
            try learn(fields.map(\.type))
            fields = fields.map { .init(name: $0.name, type: $0.type, form: types[$0.type]?.form ?? .other) }
        }
        let copied = try copyStatement(select, &fields)
        return (try Statement(copied, [], dialect: .postgresql), PostgresResult(fields))
    }

    /// Types without a form of their own are cast to text by the server.
    private func copyStatement(_ select: String, _ fields: inout [PostgresResult.Field]) throws -> String {
        var source = select
        if fields.contains(where: \.form.isOther) {
            let aliases = fields.indices.map { "c\($0)" }
            let chosen = zip(aliases, fields).map { $1.form.isOther ? "\($0)::text" : $0 }
            source =
                "SELECT \(chosen.joined(separator: ", ")) FROM (\(select)) AS tt_source(\(aliases.joined(separator: ", ")))"
            fields = fields.map { field in
                field.form.isOther ? .init(name: field.name, type: PostgresType.text, form: .text) : field
            }
        }
        return "COPY (\(source)) TO STDOUT (FORMAT binary)"
    }

    private func receive(_ answer: OpaquePointer, _ status: ExecStatusType, _ result: PostgresResult) throws {
        guard status == PGRES_COPY_OUT else { return }
        let messages = CopyMessages(result)
        while try copyData({ try messages.add($0) }) {}
        try messages.decode()
    }

    /// Errors of a statement that tt wrapped speak of the script's own text.
    private func reportingSource(_ source: String, prefix: String, isSelect: Bool, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SQLError where error.detail("sqlstate") != nil {
            throw error.restated(for: source, droppingColumns: isSelect ? prefix.count : nil)
        }
    }
}

/// The messages of a COPY: rows come one a message, and some hundred at a time are decoded faster. Messages hold whole rows
/// in practice; the protocol does not promise it, so a rest is kept.
private final class CopyMessages {
    private let result: PostgresResult
    @exclusivity(unchecked) private var waiting = GrowingBuffer<UInt8>(capacity: 1 << 14)
    private var headerSeen = false

    init(_ result: PostgresResult) { self.result = result }

    func add(_ message: UnsafeRawBufferPointer) throws {
        waiting.append(message.bindMemory(to: UInt8.self))
        if waiting.count >= 1 << 13 { try decode() }
    }

    func decode() throws {
        let bytes = UnsafeRawBufferPointer(start: waiting.pointer, count: waiting.count)
        var start = 0
        if !headerSeen {
            guard bytes.count >= 19 else { return }
            let header = "PGCOPY\n\u{FF}\r\n\0".unicodeScalars.map { UInt8($0.value) }
            guard bytes.prefix(11).elementsEqual(header) else {
                throw SQLError("sql.query", "the server's COPY is not in binary form")
            }
            let extra = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 15, as: UInt32.self)))
            guard bytes.count >= 19 + extra else { return }
            headerSeen = true
            start = 19 + extra
        }
        let used = start + (try result.append(copy: UnsafeRawBufferPointer(rebasing: bytes[start...])))
        waiting.pointer.update(from: waiting.pointer + used, count: waiting.count - used)
        waiting.count -= used
    }
}

extension SQLError {
    /// The same failure told of `source`, which stood after `droppingColumns` characters of the failed statement.
    func restated(for source: String, droppingColumns: Int?) -> SQLError {
        func number(_ name: String) -> Int? {
            guard case .int(let value)? = details.first(where: { $0.0 == name })?.1 else { return nil }
            return Int(value)
        }
        guard let sqlstate = detail("sqlstate") else { return self }
        let place = " (SQLSTATE \(sqlstate))"
        let plain = message.firstRange(of: place).map { String(message[..<$0.lowerBound]) } ?? message
        var offset: Int?
        if let droppingColumns, let line = number("line"), let column = number("column_number") {
            var rest = source.unicodeScalars[...]
            for _ in 1..<max(line, 1) {
                rest = rest.drop { $0 != "\n" }.dropFirst()
            }
            let characters = line == 1 ? column - 1 - droppingColumns : column - 1
            let end =
                rest.index(rest.startIndex, offsetBy: max(characters, 0), limitedBy: rest.endIndex) ?? rest.endIndex
            offset = source.utf8.distance(from: source.startIndex, to: end)
        }
        let kept = details.filter { !["line", "column_number", "statement", "hint"].contains($0.0) }
        return SQLError.failure(
            code, plain, state: "SQLSTATE \(sqlstate)", statement: source, offset: offset, hint: detail("hint"),
            details: kept)
    }
}
