import Base
import Frames
import LuaHost
import SQL

/// `tt.sql`: databases.
enum SQLModule {
    static var module: LuaModule {
        LuaModule(
            "tt.sql",
            functions: [
                // sql.open(dsn, {timeout_s, read_only, create}) -> tt.Database
                "open": { call in
                    let dsn = try call[1].string()
                    let given = try call[2].options(["timeout_s", "read_only", "create"])
                    var options = OpenOptions()
                    if let seconds = try given.field("timeout_s").optional {
                        let value = try seconds.double()
                        guard value > 0, value < 2_000_000 else {
                            throw seconds.error("seconds between 0 and 2000000 expected")
                        }
                        options.timeout = value
                    }
                    options.readOnly = try given.field("read_only").optional?.bool() ?? false
                    options.create = try given.field("create").optional?.bool() ?? true
                    return call.push(object: try Database.open(dsn, options))
                },
                // sql.trace() -> tt.StatementTrace
                "trace": { call in call.push(object: StatementTrace()) },
                // sql.identifier(name, ...) -> string
                "identifier": { call in
                    call.push(try Identifier.quote((1...max(call.count, 1)).map { try call[$0].string() }))
                },
            ], classes: [database, chunks, reading, trace], constants: ["null": .null])
    }

    private static var database: LuaClass {
        LuaClass(
            Database.self, "tt.Database",
            methods: [
                // db:query(statement, params, {types}) -> tt.Frame
                "query": { call in
                    let database = try call[1].object(Database.self)
                    let types = try types(call[4].options(["types"]).field("types"))
                    return call.push(
                        object: try database.query(try call[2].string(), parameters(call[3]), types: types))
                },
                // db:exec(statement, params) -> integer
                "exec": { call in
                    let database = try call[1].object(Database.self)
                    return call.push(try database.execute(try call[2].string(), parameters(call[3])))
                },
                // db:chunks(statement, params, {rows, types}) -> tt.Chunks, nil, nil, tt.Chunks
                "chunks": { call in
                    let database = try call[1].object(Database.self)
                    let options = try call[4].options(["rows", "types"])
                    let rows = try options.field("rows").optional?.int(in: 1...Argument.countLimit) ?? 65_536
                    let chunks = try database.chunks(
                        try call[2].string(), parameters(call[3]), rows: rows, types: types(options.field("types")))
                    // The fourth value of a generic `for` is closed when the loop is left.
                    return call.push(object: chunks) + call.push(nil) + call.push(nil) + call.push(object: chunks)
                },
                // db:read(table_or_select, {types}) -> tt.Frame
                "read": { call in
                    let database = try call[1].object(Database.self)
                    let types = try types(call[3].options(["types"]).field("types"))
                    return call.push(object: try database.read(try call[2].string(), types: types))
                },
                // db:read_ahead(table_or_select, {types}) -> tt.Reading
                "read_ahead": { call in
                    let database = try call[1].object(Database.self)
                    let types = try types(call[3].options(["types"]).field("types"))
                    return call.push(object: try database.readAhead(try call[2].string(), types: types))
                },
                // db:write(table, frame, {mode, key}) -> integer
                "write": { call in
                    let database = try call[1].object(Database.self)
                    let table = try call[2].string()
                    let frame = try call[3].object(Frame.self)
                    return call.push(try database.write(frame, to: table, mode: mode(call[4])))
                },
                // db:transaction(body, {isolation, read_only}) -> ...
                "transaction": { call in
                    let database = try call[1].object(Database.self)
                    let body = try call[2].function()
                    let results = try database.transaction(transactionOptions(call[3])) {
                        try call.invoke(body, call[1])
                    }
                    return call.giveBack(results)
                },
                // db:tables() -> string[]
                "tables": { call in
                    call.push(list: try call[1].object(Database.self).tables())
                },
                // db:columns(table) -> tt.ColumnInfo[]
                "columns": { call in
                    let columns = try call[1].object(Database.self).columns(of: try call[2].string())
                    return call.push(
                        list: columns.map { column in
                            LuaTable([
                                ("name", column.name), ("type", column.type), ("dtype", column.dtype?.name),
                                ("nullable", column.isNullable), ("key", column.isKey),
                                ("default", column.defaultValue),
                            ])
                        })
                },
                // db:dialect() -> string
                "dialect": { call in call.push(try call[1].object(Database.self).dialect.rawValue) },
                // db:is_open() -> boolean
                "is_open": { call in call.push(try call[1].object(Database.self).isOpen) },
                // db:notices() -> string[]
                "notices": { call in call.push(list: try call[1].object(Database.self).notices()) },
                // db:close()
                "close": { call in
                    try call[1].object(Database.self).close()
                    return 0
                },
            ],
            metamethods: [
                "__tostring": { call in
                    let database = try call[1].object(Database.self)
                    return call.push("tt.Database (\(database.dialect.rawValue)\(database.isOpen ? "" : ", closed"))")
                }
            ], close: { $0.close() })
    }

    private static var chunks: LuaClass {
        LuaClass(
            Chunks.self, "tt.Chunks",
            methods: [
                // chunks:next() -> tt.Frame | nil
                "next": { call in call.push(object: try call[1].object(Chunks.self).next()) },
                // chunks:close()
                "close": { call in
                    try call[1].object(Chunks.self).close()
                    return 0
                },
            ],
            metamethods: [
                // chunks() -> tt.Frame | nil
                "__call": { call in call.push(object: try call[1].object(Chunks.self).next()) }
            ], close: { $0.close() })
    }

    private static var reading: LuaClass {
        LuaClass(
            Reading.self, "tt.Reading",
            methods: [
                // reading:frame() -> tt.Frame
                "frame": { call in call.push(object: try call[1].object(Reading.self).frame()) },
                // reading:close()
                "close": { call in
                    try call[1].object(Reading.self).close()
                    return 0
                },
            ], close: { $0.close() })
    }

    private static var trace: LuaClass {
        LuaClass(
            StatementTrace.self, "tt.StatementTrace",
            methods: [
                // trace:statements() -> string[]
                "statements": { call in call.push(list: try call[1].object(StatementTrace.self).statements()) },
                // trace:close()
                "close": { call in
                    try call[1].object(StatementTrace.self).close()
                    return 0
                },
            ], close: { $0.close() })
    }

    // MARK: Arguments

    /// A list of values; its field `n`, as `table.pack` sets it, allows for nils inside.
    private static func parameters(_ argument: Argument) throws -> [Parameter] {
        guard let list = argument.optional else { return [] }
        guard list.kind == .table else { throw list.error("a list of values expected, as in {42, 'blue'}") }
        let count = try list.field("n").optional?.int() ?? list.length()
        guard (0...65_535).contains(count) else { throw list.error("at most 65535 values can be bound") }
        var growth = Growth()
        return try (0..<count).map { try parameter(list.element($0 + 1), depth: 0, &growth) }
    }

    private static func parameter(_ argument: Argument, depth: Int, _ growth: inout Growth) throws -> Parameter {
        try growth.add()
        switch argument.kind {
        case .nil: return .null
        case .lightuserdata where argument.isNull: return .null
        case .bool: return .bool(try argument.bool())
        case .int: return .int(try argument.int64())
        case .float: return .double(try argument.double())
        case .string: return .text(try argument.bytes())
        case .table:
            // A table may hold itself.
            guard depth < 64 else { throw argument.error("lists nest 64 deep at most") }
            var items: [Parameter] = []
            try argument.forEach { items.append(try parameter($1, depth: depth + 1, &growth)) }
            return .list(items)
        default:
            if let column = argument.tryObject(Column.self) { return .column(column) }
            throw argument.error("nil, boolean, number, string, list or tt.Column expected")
        }
    }

    private static func types(_ argument: Argument) throws -> [(name: String, dtype: DType)] {
        guard let table = argument.optional else { return [] }
        return try table.fields().map { name, value in
            guard let dtype = DType(name: try value.string()) else {
                throw value.error("a column type such as 'int64' or 'list<string>' expected")
            }
            return (name, dtype)
        }
    }

    private static func mode(_ argument: Argument) throws -> WriteMode {
        let options = try argument.options(["mode", "key"])
        let key = try options.field("key").optional
        let names = try key.map { $0.kind == .string ? [try $0.string()] : try $0.strings() } ?? []
        let mode = try options.field("mode")
        switch try mode.optional?.string() ?? "append" {
        case "upsert": return .upsert(key: names)
        case "append" where key == nil: return .append
        case "replace" where key == nil: return .replace
        case "append", "replace": throw key!.error("only mode = 'upsert' uses a key")
        default: throw mode.error("'append', 'replace' or 'upsert' expected")
        }
    }

    private static func transactionOptions(_ argument: Argument) throws -> TransactionOptions {
        let options = try argument.options(["isolation", "read_only"])
        var result = TransactionOptions()
        let isolation = try options.field("isolation")
        switch try isolation.optional?.string() {
        case nil: break
        case "read committed": result.isolation = .readCommitted
        case "repeatable read": result.isolation = .repeatableRead
        case "serializable": result.isolation = .serializable
        default: throw isolation.error("'read committed', 'repeatable read' or 'serializable' expected")
        }
        result.readOnly = try options.field("read_only").optional?.bool() ?? false
        return result
    }
}
