import Base
import CPostgres
import Frames

/// Gathers rows in binary form into the columns of a frame.
final class PostgresResult {
    struct Field {
        let name: String
        let type: UInt32
        let form: PostgresForm
    }

    let fields: [Field]
    private let decoders: [PostgresDecoder]
    private(set) var rowCount = 0

    init(_ fields: [Field]) {
        self.fields = fields
        decoders = fields.map { PostgresDecoder($0.form) }
    }

    /// The fields of a result, whose rows need not be there yet.
    static func fields(of result: OpaquePointer, _ types: [UInt32: PostgresType]) throws -> [Field] {
        let fields = (0..<tt_PQnfields(result)).map { column in
            let type = tt_PQftype(result, column)
            return Field(
                name: String(cString: tt_PQfname(result, column)), type: type, form: types[type]?.form ?? .other)
        }
        try ResultNames.check(fields.map(\.name))
        return fields
    }

    /// Adds the rows of a result in binary form.
    func append(_ result: OpaquePointer) throws {
        for row in 0..<tt_PQntuples(result) {
            for (index, decoder) in decoders.enumerated() {
                let column = Int32(index)
                if tt_PQgetisnull(result, row, column) != 0 {
                    decoder.builder.appendNull()
                } else {
                    let bytes = UnsafeRawBufferPointer(
                        start: tt_PQgetvalue(result, row, column), count: Int(tt_PQgetlength(result, row, column)))
                    try decode(index, bytes)
                }
            }
            rowCount += 1
        }
    }

    /// Adds the rows of a piece of `COPY … TO STDOUT (FORMAT binary)`, without its header.
    ///
    /// - Returns: how many of the bytes were used; an incomplete row at the end is left for the next piece.
    func append(copy bytes: UnsafeRawBufferPointer) throws -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let most = 256
        return try withUnsafeTemporaryAllocation(of: PostgresField.self, capacity: most * max(decoders.count, 1)) {
            fields in
            var used = 0
            while true {
                // Where the values of some rows stand, by column.
                var rows = 0
                var at = used
                scan: while rows < most, bytes.count - at >= 2 {
                    let count = Int(Int16(bigEndian: base.loadUnaligned(fromByteOffset: at, as: Int16.self)))
                    if count == -1 {
                        used = bytes.count
                        break
                    }
                    guard count == decoders.count else {
                        try decode(base, fields.baseAddress!, most, rows)
                        throw SQLError(
                            "sql.query", "COPY sent \(count) fields in row \(rowCount + 1), not \(decoders.count)")
                    }
                    at += 2
                    for column in 0..<count {
                        guard bytes.count - at >= 4 else { break scan }
                        let length = Int32(bigEndian: base.loadUnaligned(fromByteOffset: at, as: Int32.self))
                        at += 4
                        fields[column &* most &+ rows] = PostgresField(
                            start: UInt32(truncatingIfNeeded: at), length: length)
                        at += Int(max(length, 0))
                    }
                    guard at <= bytes.count else { break }
                    rows += 1
                    used = at
                }
                if rows == 0 { return used }
                try decode(base, fields.baseAddress!, most, rows)
                if used == bytes.count { return used }
            }
        }
    }

    /// Column by column, so that what a column holds is asked once for many rows.
    private func decode(
        _ base: UnsafeRawPointer, _ fields: UnsafePointer<PostgresField>, _ stride: Int, _ rows: Int
    ) throws {
        var good = rows
        var failure: (any Error)?
        for (index, decoder) in decoders.enumerated() {
            do {
                try decoder.append(base, fields + index * stride, count: good)
            } catch let error as PostgresFieldError {
                // The first row that cannot be read is told of, and there the first column.
                good = error.row
                rowCount += good
                failure = misfit(index, error.cause)
                rowCount -= good
            }
        }
        rowCount += good
        if let failure { throw failure }
    }

    private func decode(_ index: Int, _ bytes: UnsafeRawBufferPointer) throws {
        do {
            try decoders[index].append(bytes)
        } catch {
            throw misfit(index, error)
        }
    }

    private func misfit(_ index: Int, _ error: any Error) -> any Error {
        switch error {
        case let error as PostgresFormatError: ResultNames.misfit(fields[index].name, rowCount + 1, error.reason)
        case is BaseError: ResultNames.misfit(fields[index].name, rowCount + 1, "is shorter than its type says")
        default: error
        }
    }

    /// The frame; columns of types that were not known are looked up and decoded now, over `connection`.
    func finish(_ connection: PostgresConnection?) throws -> Frame {
        if let connection, decoders.contains(where: { $0.raw != nil }) { try connection.learn(fields.map(\.type)) }
        let columns = try zip(fields, decoders).map { field, decoder -> Column in
            guard let raw = decoder.raw else { return decoder.builder.finish() }
            guard let connection else {
                throw SQLError(
                    "sql.usage",
                    "column '\(field.name)' has a type tt reads through its text form, which a chunks() loop cannot ask for: "
                        + "cast it to text in the statement",
                    details: [("column", .string(field.name))])
            }
            return try connection.decode(raw, field)
        }
        return try Frame(zip(fields, columns).map { ($0.name, $1) }, rowCount: rowCount)
    }
}

/// Complaints about a result's columns that both databases share.
enum ResultNames {
    static func check(_ names: [String]) throws {
        var seen = Set<String>()
        for name in names where !seen.insert(name).inserted {
            throw SQLError(
                "sql.usage", "the result has two columns named '\(name)'; rename one with AS",
                details: [("column", .string(name))])
        }
    }

    /// - Parameter row: from 1.
    static func misfit(_ column: String, _ row: Int, _ reason: String) -> SQLError {
        SQLError(
            "sql.type", "the value of column '\(column)' in row \(row) \(reason)",
            details: [("column", .string(column)), ("row", .int(Int64(row)))])
    }
}

extension PostgresConnection {
    func query(_ source: String, _ parameters: [Parameter], types wanted: TypeRequests) throws -> Frame {
        let statement = try Statement(source, parameters, dialect: .postgresql)
        let values = try PostgresValues(parameters)
        var rows: PostgresResult?
        try run(
            statement,
            send: {
                let sent = values.send($0, statement.text, binaryResults: true)
                // Row by row, so that the result is never held twice.
                return sent == 1 ? tt_PQsetSingleRowMode($0) : sent
            }
        ) { result, status in
            try refuseCopy(status)
            if rows == nil { rows = PostgresResult(try PostgresResult.fields(of: result, types)) }
            try rows!.append(result)
        }
        return try wanted.apply(to: rows?.finish(self) ?? Frame([]))
    }

    func refuseCopy(_ status: ExecStatusType) throws {
        guard status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH else { return }
        throw SQLError("sql.usage", "COPY to or from the client goes through db:read and db:write")
    }

    /// Runs one statement with values, or any number of them without.
    /// - Returns: rows changed, over all statements.
    func execute(_ source: String, _ parameters: [Parameter]) throws -> Int {
        let statement = try Statement(source, parameters, dialect: .postgresql)
        let values = try PostgresValues(parameters)
        var changed = 0
        try run(
            statement,
            send: {
                parameters.isEmpty
                    ? PostgresSend.text($0, statement.text) : values.send($0, statement.text, binaryResults: true)
            }
        ) { result, status in
            try refuseCopy(status)
            // SELECT counts too in libpq; only changes are meant here.
            let tag = String(cString: tt_PQcmdStatus(result))
            if !tag.hasPrefix("SELECT"), !tag.hasPrefix("FETCH"), !tag.hasPrefix("MOVE") {
                changed += Int(String(cString: tt_PQcmdTuples(result))) ?? 0
            }
        }
        return changed
    }

    /// A column whose type turned up with the rows: by its decoder if it has one, else as the text the server makes of it.
    func decode(_ raw: RawValues, _ field: PostgresResult.Field) throws -> Column {
        let type = types[field.type]
        if let form = type?.form, !form.isOther {
            let decoder = PostgresDecoder(form, capacity: raw.count)
            for row in 0..<raw.count {
                do {
                    try raw.withValue(row) { bytes in
                        if let bytes { try decoder.append(bytes) } else { decoder.builder.appendNull() }
                    }
                } catch let error as PostgresFormatError {
                    throw ResultNames.misfit(field.name, row + 1, error.reason)
                } catch is BaseError {
                    throw ResultNames.misfit(field.name, row + 1, "is shorter than its type says")
                }
            }
            return decoder.builder.finish()
        }
        let builder = StringBuilder(capacity: raw.count)
        do {
            for start in stride(from: 0, to: raw.count, by: 256) {
                try appendTexts(raw, start..<min(start + 256, raw.count), field.type, to: builder)
            }
        } catch let error as SQLError where error.detail("sqlstate") != nil {
            throw SQLError(
                "sql.type",
                "column '\(field.name)' has the type \(type?.name ?? "unknown"), which has no form tt can read; "
                    + "cast it to text in the statement",
                details: [("column", .string(field.name))], cause: error)
        }
        return builder.finish()
    }

    /// Sends values back as binary parameters, at most a few hundred, and receives their texts as columns of one row.
    private func appendTexts(_ raw: RawValues, _ rows: Range<Int>, _ type: UInt32, to builder: StringBuilder) throws {
        let sql = "SELECT " + rows.indices.map { "$\($0 - rows.lowerBound + 1)::text" }.joined(separator: ", ")
        var bytes: [UInt8] = []
        var offsets: [Int?] = []
        var lengths: [Int32] = []
        for row in rows {
            raw.withValue(row) { value in
                offsets.append(value == nil ? nil : bytes.count)
                lengths.append(Int32(value?.count ?? 0))
                bytes += value ?? UnsafeRawBufferPointer(start: nil, count: 0)
            }
        }
        // Null pointers mean NULL, so even empty values need an address.
        bytes.append(0)
        let types = Array(repeating: type, count: rows.count)
        let formats = Array(repeating: Int32(1), count: rows.count)
        try run(
            nil,
            send: { connection in
                bytes.withUnsafeBytes { bytes in
                    let start = bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
                    let values: [UnsafePointer<CChar>?] = offsets.map { $0.map { start + $0 } }
                    StatementTrace.note(sql)
                    return tt_PQsendQueryParams(
                        connection, sql, Int32(values.count), types, values, lengths, formats, 1)
                }
            }
        ) { result, _ in
            guard tt_PQntuples(result) == 1, tt_PQnfields(result) == rows.count else { return }
            for column in 0..<Int32(rows.count) {
                if tt_PQgetisnull(result, 0, column) != 0 {
                    builder.appendNull()
                } else {
                    builder.append(
                        UnsafeRawBufferPointer(
                            start: tt_PQgetvalue(result, 0, column), count: Int(tt_PQgetlength(result, 0, column))))
                }
            }
        }
    }
}
