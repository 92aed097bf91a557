import Base
import CSystem
import Frames
import LuaHost
import Tensors

/// `require "tt.frame"`.
enum FrameModule {
    static var module: LuaModule {
        LuaModule(
            "tt.frame",
            functions: [
                // frame.from_table(rows_or_columns, opts) -> tt.Frame
                "from_table": { call in
                    let options = try call[2].options(["schema", "order"])
                    let types = try options.field("schema").optional?.dtypes() ?? []
                    let order = try options.field("order").optional?.strings() ?? []
                    return call.push(object: try call.frameFromTable(call[1], types: types, order: order))
                },
                // frame.concat{a, b, …} -> tt.Frame | tt.Column
                "concat": { call in
                    let parts = try call[1].elements()
                    if parts.first?.tryObject(Column.self) != nil {
                        return call.push(object: try Column.concat(try parts.map { try $0.object(Column.self) }))
                    }
                    return call.push(object: try Frame.concat(try parts.map { try $0.object(Frame.self) }))
                },
                // frame.column(values, dtype?) -> tt.Column
                "column": { call in
                    call.push(object: try call.columnOfValues(call[1], dtype: try call[2].optional?.dtype()))
                },
                // frame.from_json(text, {columns = { {name, dtype | "json", path =}, … }}) -> tt.Frame
                "from_json": { call in
                    let columns = try call[2].options(["columns"]).field("columns").elements()
                    let wanted = try columns.map { try $0.jsonColumn() }
                    return call.push(object: try call[1].withBytes { try Frame.fromJSON($0, columns: wanted) })
                },
            ],
            classes: [frameClass, groupingClass, columnClass])
    }

    static var groupingClass: LuaClass {
        LuaClass(
            Grouping.self, "tt.Grouping",
            methods: [
                // grouping:agg{ {"price", "mean"}, {"*", "count", as = "n"} } -> tt.Frame
                "agg": { call in
                    let items = try call[2].elements().map { try $0.aggregation() }
                    return call.push(object: try call[1].object(Grouping.self).aggregate(items))
                },
                // grouping:count() -> tt.Frame
                "count": { call in
                    call.push(object: try call[1].object(Grouping.self).aggregate([.init("*", .count)]))
                },
            ],
            metamethods: [
                "__len": { call in call.push(try call[1].object(Grouping.self).count) },
                "__tostring": { call in
                    let grouping = try call[1].object(Grouping.self)
                    return call.push(
                        "\(grouping.count) groups by \(grouping.keys.joined(separator: ", ")) of "
                            + "\(grouping.frame.rowCount) rows")
                },
            ],
            byteCount: { $0.frame.rowCount * 4 })
    }
}

extension Argument {
    /// A type by its name.
    func dtype() throws -> DType {
        let name = try string()
        if let dtype = DType(name: name) { return dtype }
        let known = [
            "int64", "float32", "float64", "bool", "string", "timestamp", "uuid", "list<string>", "list<float32>",
        ]
        let hint = Suggestion.nearest(to: name, in: known).map { "did you mean '\($0)'?" }
        throw error("no type '\(name)'; \(hint ?? "the types are " + known.joined(separator: ", "))")
    }

    /// `{name = dtype}`.
    func dtypes() throws -> [(name: String, dtype: DType)] {
        try fields().map { ($0.name, try $0.value.dtype()) }
    }

    /// One name or a list of them.
    func names() throws -> [String] { kind == .string ? [try string()] : try strings() }

    /// A column, or a plain value for every row. Strings are text here, not expressions.
    func operand() throws -> Operand {
        if let column = tryObject(Column.self) { return Operand(column) }
        if isNull { return .null }
        switch kind {
        case .bool, .int, .float, .string: return try Operand(try value())
        case .nil: throw error("value expected, got nil; nulls are found with is_null()")
        default: throw error("tt.Column, number, string or boolean expected")
        }
    }

    fileprivate func rows() throws -> [Value] {
        var rows: [Value] = []
        rows.reserveCapacity(try length())
        try forEach { _, row in
            guard row.kind == .table else { throw row.error("a row is a table with names") }
            rows.append(try row.value())
        }
        return rows
    }

    /// `{"column", "aggregate", as = "name"}`.
    func aggregation() throws -> Grouping.Item {
        for key in try pairs().map(\.key) where key.kind == .string {
            guard try key.string() == "as" else { throw error("unknown option '\(try key.string())'; there is 'as'") }
        }
        let name = try element(2).string()
        guard let aggregate = Aggregate(rawValue: name) else {
            let known = Aggregate.allCases.map(\.rawValue)
            let hint = Suggestion.nearest(to: name, in: known).map { "did you mean '\($0)'?" }
            throw error("no aggregate '\(name)'; \(hint ?? "there are " + known.joined(separator: ", "))")
        }
        return .init(try element(1).string(), aggregate, as: try field("as").optional?.string())
    }

    /// `{"name", "dtype", path = "a[].b"}`.
    fileprivate func jsonColumn() throws -> JSONColumn {
        for key in try pairs().map(\.key) where key.kind == .string {
            guard try key.string() == "path" else {
                throw error("unknown option '\(try key.string())'; there is 'path'")
            }
        }
        let name = try element(1).string()
        let kind: JSONColumn.Kind = try element(2).string() == "json" ? .json : .dtype(try element(2).dtype())
        return try JSONColumn(name, kind, path: try field("path").optional?.string())
    }

    /// Row numbers, counted from 1 in Lua: a list, an int64 column without nulls, or `tt.Indices`.
    func positions(of rowCount: Int) throws -> Buffer<Int32> {
        func checked(_ position: Int64) throws -> Int32 {
            // A column may be longer than positions reach.
            guard position >= 1, position <= Int64(min(rowCount, Argument.countLimit)) else {
                throw error("there is no row \(position) of \(rowCount)")
            }
            return Int32(position - 1)
        }
        if let column = tryObject(Column.self) {
            guard column.dtype == .int64, column.nullCount == 0 else {
                throw error("an int64 column without nulls expected, got \(column.dtype.name)")
            }
            let rows = Buffer<Int32>(uninitialized: column.count)
            for index in 0..<column.count { rows[index] = try checked(column.int64Values[index]) }
            return rows
        }
        if let indices = tryObject(Indices.self) {
            for row in indices.storage.elements { _ = try checked(Int64(row) + 1) }
            return indices.storage
        }
        return Buffer(try ints().map { try checked(Int64($0)) })
    }
}

extension Call {
    /// A list of values, where nil (and `tt.json.null`) is null. A field `n` gives the length of a list that ends in nil.
    func columnOfValues(_ list: Argument, dtype: DType?) throws -> Column {
        if let column = list.tryObject(Column.self) { return try dtype.map { try column.cast(to: $0) } ?? column }
        let count = try list.field("n").optional?.count() ?? list.length()
        try Memory.check(count, of: 2 * MemoryLayout<Value>.stride, for: "column: \(count) values")
        var values: [Value] = []
        values.reserveCapacity(try min(count, list.length()))
        for index in 0..<count {
            if index & 0xFFFF == 0 { try Interrupt.check() }
            values.append(try scope { try list.element(index + 1).value() })
        }
        return try Column.from(values, dtype: dtype)
    }

    /// Rows `{ {a = 1}, … }`, or columns `{a = {1, …}}`, also below `cols`.
    func frameFromTable(_ table: Argument, types: [(name: String, dtype: DType)], order: [String]) throws -> Frame {
        if try table.length() > 0 { return try Frame.from(rows: try table.rows(), types: types, order: order) }
        var columns = try table.fields()
        if columns.count == 1, columns[0].name == "cols", columns[0].value.kind == .table,
            try columns[0].value.length() == 0
        {
            columns = try columns[0].value.fields()
        }
        if columns.isEmpty { return try Frame.from(rows: [], types: types, order: order) }
        let dtypes = Dictionary(types.map { ($0.name, $0.dtype) }, uniquingKeysWith: { $1 })
        let first = try order.map { name in
            guard let column = columns.first(where: { $0.name == name }) else {
                throw table.error("'order' names '\(name)', which is no column")
            }
            return column
        }
        return try Frame(
            (first + columns.filter { !order.contains($0.name) }).map { column in
                (column.name, try columnOfValues(column.value, dtype: dtypes[column.name]))
            })
    }
}

/// The cells a printed table may take in width: the terminal's, or 120.
func displayWidth() -> Int {
    let columns = Int(tt_terminal_columns(1))
    return columns > 0 ? columns : 120
}

/// One value of a column as Lua sees it: timestamps as integer microseconds, uuids as text, lists as tables, null as nil.
struct Cell: LuaPushable {
    let column: Column
    let row: Int

    func push(to call: Call) {
        if column.isNull(row) {
            call.push(nil)
            return
        }
        switch column.storage {
        case .int64(let values), .timestamp(let values): call.push(values[row])
        case .float32(let values): call.push(Double(values[row]))
        case .float64(let values): call.push(values[row])
        case .bool(let values): call.push(values[row] != 0)
        case .uuid(let values): call.push(values[row].description)
        case .string: call.push(UnsafeRawBufferPointer(column.stringBytes(row)))
        case .list(let offsets, let child):
            call.push(list: (Int(offsets[row])..<Int(offsets[row + 1])).lazy.map { Cell(column: child, row: $0) })
        }
    }
}

/// One row as a table by column name; null columns are absent, or `null` when given.
struct FrameRow: LuaPushable {
    let frame: Frame
    let row: Int
    var null: Argument?

    func push(to call: Call) {
        call.pushTable(fields: [])
        for (name, column) in zip(frame.names, frame.columns) {
            if !column.isNull(row) {
                call.setField(name, Cell(column: column, row: row))
            } else if let null {
                call.setField(name, null)
            }
        }
    }
}

/// A column's values as a list; `null` stands for null when given, else those places stay nil.
struct CellList: LuaPushable {
    let column: Column
    let null: Argument?

    func push(to call: Call) {
        call.push(list: [Int]())
        for row in 0..<column.count {
            if column.isNull(row) {
                if let null { call.setElement(row + 1, null) }
            } else {
                call.setElement(row + 1, Cell(column: column, row: row))
            }
        }
    }
}
