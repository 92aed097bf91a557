import Base
import Frames
import LuaHost
import Parquet

/// `tt.parquet`; `lua/tt/parquet.lua` adds the iterator over row groups.
enum ParquetModule {
    static var module: LuaModule {
        LuaModule(
            "tt.parquet",
            functions: [
                // parquet.write(path, frame, opts) -> bytes
                "write": { call in
                    let frame = try call[2].object(Frame.self)
                    let options = try writeOptions(call[3])
                    return call.push(try ParquetWriter.write(frame, to: call[1].string(), options: options))
                },
                // parquet.writer(path, opts) -> writer
                "writer": { call in
                    let options = try writeOptions(call[2])
                    return call.push(object: try ParquetWriter(path: call[1].string(), options: options))
                },
                // parquet.read(path, opts) -> frame
                "read": { call in
                    let options = try call[2].options(["columns", "max_bytes"])
                    let columns = try options.field("columns").optional?.strings()
                    let file = try open(call[1].string(), options)
                    return call.push(object: try file.read(columns: columns))
                },
                // parquet.open(path, opts) -> file
                "open": { call in
                    call.push(object: try open(call[1].string(), call[2].options(["max_bytes"])))
                },
                // parquet.schema(path) -> columns
                "schema": { call in call.push(schema(try ParquetFile(path: call[1].string()))) },
            ], classes: [file, writer])
    }

    private static var file: LuaClass {
        LuaClass(
            ParquetFile.self, "tt.ParquetFile",
            methods: [
                // file:schema() -> columns
                "schema": { call in call.push(schema(try call[1].object(ParquetFile.self))) },
                // file:metadata() -> table
                "metadata": { call in
                    var members: [Value.Member] = []
                    // A key may stand in the footer twice; the first one counts.
                    for (key, value) in try call[1].object(ParquetFile.self).metadata
                    where !members.contains(where: { $0.name == key }) {
                        members.append(Value.Member(key, .string(value)))
                    }
                    return call.push(Value.object(members))
                },
                // file:created_by() -> text | nil
                "created_by": { call in call.push(try call[1].object(ParquetFile.self).createdBy) },
                // file:height() -> rows
                "height": { call in call.push(try call[1].object(ParquetFile.self).rowCount) },
                // file:row_group_heights() -> list of rows
                "row_group_heights": { call in call.push(list: try call[1].object(ParquetFile.self).rowGroups) },
                // file:read(opts) -> frame
                "read": { call in
                    let columns = try columns(call[2])
                    return call.push(object: try call[1].object(ParquetFile.self).read(columns: columns))
                },
                // file:read_row_group(i, opts) -> frame
                "read_row_group": { call in
                    let columns = try columns(call[3])
                    let group = try call[2].int(in: 1...Argument.countLimit)
                    let file = try call[1].object(ParquetFile.self)
                    guard group <= file.rowGroups.count else {
                        throw call.argumentError(2, "row group \(group) of \(file.rowGroups.count)")
                    }
                    return call.push(object: try file.readRowGroup(group - 1, columns: columns))
                },
                // file:close()
                "close": { call in
                    try call[1].object(ParquetFile.self).close()
                    return 0
                },
            ],
            metamethods: [
                "__tostring": { call in
                    let file = try call[1].object(ParquetFile.self)
                    return call.push(
                        "tt.ParquetFile \(file.path): \(file.rowCount) rows, \(file.columns.count) columns, "
                            + "\(file.rowGroups.count) row groups")
                }
            ],
            byteCount: { $0.byteCount }, close: { $0.close() })
    }

    private static var writer: LuaClass {
        LuaClass(
            ParquetWriter.self, "tt.ParquetWriter",
            methods: [
                // writer:write(frame)
                "write": { call in
                    try call[1].object(ParquetWriter.self).write(call[2].object(Frame.self))
                    return 0
                },
                // writer:height() -> rows
                "height": { call in call.push(try call[1].object(ParquetWriter.self).rowCount) },
                // writer:close() -> bytes
                "close": { call in
                    let writer = try call[1].object(ParquetWriter.self)
                    try writer.close()
                    return call.push(writer.byteCount)
                },
                // writer:abort()
                "abort": { call in
                    try call[1].object(ParquetWriter.self).abort()
                    return 0
                },
            ],
            metamethods: [
                "__tostring": { call in
                    let writer = try call[1].object(ParquetWriter.self)
                    return call.push(
                        "tt.ParquetWriter \(writer.path): \(writer.rowCount) rows, \(writer.isOpen ? "open" : "closed")"
                    )
                }
            ],
            // A scope that was left before `close` has not written everything.
            close: { $0.abort() })
    }

    private static func open(_ path: String, _ options: Argument) throws -> ParquetFile {
        try ParquetFile(path: path, maxBytes: options.field("max_bytes").optional?.int(in: 1...Int.max))
    }

    private static func columns(_ argument: Argument) throws -> [String]? {
        try argument.options(["columns"]).field("columns").optional?.strings()
    }

    private static func schema(_ file: ParquetFile) -> Value {
        .array(
            file.columns.map { column in
                var members: [Value.Member] = [Value.Member("name", .string(column.name))]
                if let dtype = column.dtype { members.append(Value.Member("dtype", .string(dtype.name))) }
                members.append(Value.Member("nullable", .bool(column.isNullable)))
                members.append(Value.Member("stored_as", .string(column.storedAs)))
                if let obstacle = column.obstacle { members.append(Value.Member("obstacle", .string(obstacle))) }
                return .object(members)
            })
    }

    private static func writeOptions(_ argument: Argument) throws -> WriteOptions {
        let given = try argument.options([
            "compression", "compression_level", "row_group_rows", "page_bytes", "dictionary", "byte_stream_split",
            "binary", "uuid", "metadata",
        ])
        var options = WriteOptions()
        options.createdBy = "tt version \(ttVersion)"
        if let chosen = try given.field("compression").optional { options.compression = try choice(chosen) }
        if let chosen = try given.field("uuid").optional { options.uuid = try choice(chosen) }
        if let level = try given.field("compression_level").optional {
            guard options.compression == .zstd else { throw level.error("only zstd has levels") }
            options.compressionLevel = try level.int()
        }
        if let rows = try given.field("row_group_rows").optional?.int() { options.rowGroupRows = rows }
        if let bytes = try given.field("page_bytes").optional?.int() { options.pageBytes = bytes }
        if let flag = try given.field("dictionary").optional?.bool() { options.dictionary = flag }
        if let names = try given.field("binary").optional?.strings() { options.binary = names }
        if let split = try given.field("byte_stream_split").optional {
            options.byteStreamSplit =
                split.kind == .bool ? try split.bool() ? .all : .none : .named(try split.strings())
        }
        if let metadata = try given.field("metadata").optional {
            options.metadata = try metadata.fields().map { (key: $0.name, value: try $0.value.string()) }
        }
        return options
    }

    private static func choice<T: RawRepresentable & CaseIterable>(_ argument: Argument) throws -> T
    where T.RawValue == String {
        let name = try argument.string()
        if let chosen = T(rawValue: name) { return chosen }
        throw argument.error("'\(name)' is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
    }
}
