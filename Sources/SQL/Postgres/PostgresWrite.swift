import Base
import CPostgres
import Frames

extension PostgresConnection {
    /// Writes a frame within the transaction that is open. See `Database.write`.
    func insert(_ frame: Frame, into name: String, mode: WriteMode) throws -> Int {
        let table = try table(name)
        let targets = try frame.names.map { try table.column($0) }
        if frame.names.isEmpty { throw SQLError("sql.usage", "the frame has no columns to write") }
        let quoted = try frame.names.map { try Identifier.quote($0) }
        let list = quoted.joined(separator: ", ")
        switch mode {
        case .append, .replace:
            if mode.isReplace { try command("DELETE FROM \(table.quoted)") }
            if targets.allSatisfy(\.form.isWritable) {
                try copy(frame, targets, into: "\(table.quoted) (\(list))", row: table.name)
                return frame.rowCount
            }
            return try throughStaging(frame, targets, table) { stage, values in
                "INSERT INTO \(table.quoted) (\(list)) SELECT \(values) FROM \(stage)"
            }
        case .upsert(let key):
            let key = try table.key(key, of: frame)
            let updates = zip(frame.names, quoted).filter { !key.contains($0.0) }.map { "\($1) = EXCLUDED.\($1)" }
            let action = updates.isEmpty ? "DO NOTHING" : "DO UPDATE SET \(updates.joined(separator: ", "))"
            let conflict = try key.map { try Identifier.quote($0) }.joined(separator: ", ")
            return try throughStaging(frame, targets, table) { stage, values in
                "INSERT INTO \(table.quoted) (\(list)) SELECT \(values) FROM \(stage) ON CONFLICT (\(conflict)) \(action)"
            }
        }
    }

    /// Copies the frame into a temporary table of the target's types and moves it on with one statement. Columns whose
    /// binary form tt does not write are staged as text, which the server casts.
    private func throughStaging(
        _ frame: Frame, _ targets: [PostgresTable.Column], _ table: PostgresTable,
        _ insert: (_ stage: String, _ values: String) -> String
    ) throws -> Int {
        stagingCount += 1
        let stage = "pg_temp.tt_staging_\(stagingCount)"
        let names = try frame.names.map { try Identifier.quote($0) }
        let columns = zip(names, targets).map { $1.form.isWritable ? "\($0) \($1.type)" : "\($0) text" }
        let values = zip(names, targets).map { $1.form.isWritable ? $0 : "\($0)::\($1.type)" }
        let staged = targets.map {
            $0.form.isWritable ? $0 : PostgresTable.Column(name: $0.name, type: "text", form: .text)
        }
        try command("CREATE TEMPORARY TABLE \(stage.dropFirst(8)) (\(columns.joined(separator: ", "))) ON COMMIT DROP")
        try copy(frame, staged, into: stage, row: table.name)
        let changed = try execute(insert(stage, values.joined(separator: ", ")), [])
        try command("DROP TABLE \(stage)")
        return changed
    }

    private func copy(_ frame: Frame, _ targets: [PostgresTable.Column], into target: String, row table: String) throws
    {
        let encoders = try zip(zip(frame.names, frame.columns), targets).map { column, target in
            try PostgresEncoder(column.1, into: target, name: column.0)
        }
        let sql = "COPY \(target) FROM STDIN (FORMAT binary)"
        try run(Statement(sql, [], dialect: .postgresql), send: { PostgresSend.text($0, sql) }) { _, status in
            guard status == PGRES_COPY_IN else { return }
            var writer = ByteWriter()
            writer.bytes.reserveCapacity(1 << 17)
            writer.append("PGCOPY\n\u{FF}\r\n\0".unicodeScalars.map { UInt8($0.value) })
            writer.bigEndian(Int64(0))
            for row in 0..<frame.rowCount {
                writer.bigEndian(Int16(encoders.count))
                for encoder in encoders { try encoder.append(row, to: &writer) }
                if writer.count >= 1 << 16 {
                    guard try send(&writer) else { return }
                }
            }
            writer.bigEndian(Int16(-1))
            guard try send(&writer) else { return }
            try endCopy()
        }
    }

    /// Sends what has been written and empties the writer; false once the statement was cancelled.
    private func send(_ writer: inout ByteWriter) throws -> Bool {
        try attend()
        guard !isCancelled, let pointer else { return try stopCopy() }
        while true {
            let sent = writer.bytes.withUnsafeBytes {
                tt_PQputCopyData(pointer, $0.baseAddress!.assumingMemoryBound(to: CChar.self), Int32($0.count))
            }
            if sent == 1 { break }
            // An error ends the copy; the result that follows says which.
            if sent < 0 { return false }
            try wait(writing: true)
            if isCancelled { return try stopCopy() }
        }
        writer.bytes.removeAll(keepingCapacity: true)
        // libpq would let its buffer grow; waiting here keeps it small.
        while tt_PQflush(pointer) == 1 {
            try wait(writing: true)
            if isCancelled { return try stopCopy() }
            if tt_PQconsumeInput(pointer) == 0 { return false }
        }
        return true
    }

    private func stopCopy() throws -> Bool {
        guard let pointer else { throw SQLError.closed }
        while tt_PQputCopyEnd(pointer, "cancelled") == 0 { try wait(writing: true) }
        return false
    }

    private func endCopy() throws {
        guard let pointer else { throw SQLError.closed }
        while tt_PQputCopyEnd(pointer, nil) == 0 { try wait(writing: true) }
    }
}
