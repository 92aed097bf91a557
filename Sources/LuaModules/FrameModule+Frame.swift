import Base
import Frames
import LuaHost

extension FrameModule {
    static var frameClass: LuaClass {
        LuaClass(
            Frame.self, "tt.Frame",
            methods: columnMethods.merging(rowMethods) { $1 }.merging(readingMethods) { $1 },
            metamethods: [
                "__len": { call in call.push(try call[1].object(Frame.self).rowCount) },
                "__tostring": { call in call.push(try call[1].object(Frame.self).table(width: displayWidth())) },
            ],
            // frame.name -> tt.Column
            index: { call in
                let frame = try call[1].object(Frame.self)
                guard call[2].kind == .string else { throw call[2].error("a column's name expected") }
                return call.push(object: try frame.column(try call[2].string()))
            },
            byteCount: { $0.byteCount })
    }

    /// Which columns there are, and what is in them.
    private static var columnMethods: [String: LuaBody] {
        [
            // frame:select(names) -> tt.Frame
            "select": { call in call.push(object: try call.frame.select(try call[2].names())) },
            // frame:drop(names) -> tt.Frame
            "drop": { call in call.push(object: try call.frame.drop(try call[2].names())) },
            // frame:rename{old = "new"} -> tt.Frame
            "rename": { call in
                let changes = try call[2].fields().map { (old: $0.name, new: try $0.value.string()) }
                return call.push(object: try call.frame.rename(changes))
            },
            // frame:with{name = expression | column | function | value} or {{name, …}, …} -> tt.Frame
            "with": { call in
                let frame = try call.frame
                var result = frame
                if try call[2].length() > 0 {
                    for item in try call[2].elements() {
                        let name = try item.element(1).string()
                        result = try result.with(name, try call.column(of: result, from: item.element(2)))
                    }
                } else {
                    for (name, value) in try call[2].fields() {
                        result = try result.with(name, try call.column(of: frame, from: value))
                    }
                }
                return call.push(object: result)
            },
            // frame:cast({name = dtype}, {strict = true}) -> tt.Frame
            "cast": { call in
                let strict = try call[3].options(["strict"]).field("strict").optional?.bool() ?? true
                return call.push(object: try call.frame.cast(try call[2].dtypes(), strict: strict))
            },
            // frame:fill_null{name = value} -> tt.Frame
            "fill_null": { call in
                let fills = try call[2].fields().map { (name: $0.name, value: try $0.value.operand()) }
                return call.push(object: try call.frame.fillNull(fills))
            },
            // frame:explode(name) -> tt.Frame
            "explode": { call in call.push(object: try call.frame.explode(try call[2].string())) },
            // frame:map(function(row), {dtype=, schema=, order=}) -> tt.Column | tt.Frame
            "map": { call in
                let options = try call[3].options(["dtype", "schema", "order"])
                let dtype = try options.field("dtype").optional?.dtype()
                let types = try options.field("schema").optional?.dtypes()
                let order = try options.field("order").optional?.strings()
                let values = try call.results(of: try call[2].function(), over: try call.frame)
                var givesRows = types != nil || order != nil
                if dtype == nil, !givesRows, let first = values.first(where: { $0 != .null }),
                    case .object(let members) = first
                {
                    givesRows = !members.isEmpty
                }
                if givesRows {
                    if dtype != nil {
                        throw call.argumentError(3, "'dtype' is for one value a row, 'schema' for tables")
                    }
                    return call.push(object: try Frame.from(rows: values, types: types ?? [], order: order ?? []))
                }
                return call.push(object: try Column.from(values, dtype: dtype))
            },
        ]
    }

    /// Which rows there are, and in what order.
    private static var rowMethods: [String: LuaBody] {
        [
            // frame:filter(column | expression | function(row)) -> tt.Frame
            "filter": { call in
                let frame = try call.frame
                if let mask = call[2].tryObject(Column.self) { return call.push(object: try frame.filter(mask)) }
                if call[2].kind == .function {
                    let values = try call.results(of: try call[2].function(), over: frame)
                    return call.push(object: try frame.filter(try Column.from(values, dtype: .bool)))
                }
                return call.push(object: try frame.filter(try Expression(try call[2].string())))
            },
            // frame:sort(names, {distinct = 0}) -> tt.Frame
            "sort": { call in
                let keys = try call[2].names().map { SortKey(spelled: $0) }
                let distinct = try call[3].options(["distinct"]).field("distinct").optional?.count() ?? 0
                return call.push(object: try call.frame.sort(keys, distinct: distinct))
            },
            // frame:head(n?) -> tt.Frame
            "head": { call in call.push(object: try call.frame.head(try call.rows(2))) },
            // frame:tail(n?) -> tt.Frame
            "tail": { call in call.push(object: try call.frame.tail(try call.rows(2))) },
            // frame:slice(start, n?) -> tt.Frame
            "slice": { call in
                let start = try call[2].int(in: 1...Int.max)
                let length = try call[3].isNil ? Int.max : call.rows(3)
                return call.push(object: try call.frame.slice(start - 1, length))
            },
            // frame:take(positions) -> tt.Frame
            "take": { call in
                let frame = try call.frame
                return call.push(object: try frame.take(try call[2].positions(of: frame.rowCount)))
            },
            // frame:join(other, {on=, left_on=, right_on=, how="inner", suffix="_right"}) -> tt.Frame
            "join": { call in
                let options = try call[3].options(["on", "left_on", "right_on", "how", "suffix"])
                let on = try options.field("on").optional?.names()
                let left = try options.field("left_on").optional?.names() ?? on
                let right = try options.field("right_on").optional?.names() ?? on
                guard let left, let right else {
                    throw call.argumentError(3, "give the keys as 'on', or as 'left_on' and 'right_on'")
                }
                let name = try options.field("how").optional?.string() ?? "inner"
                guard let how = JoinKind(rawValue: name) else {
                    throw call.argumentError(3, "how is 'inner', 'left', 'semi' or 'anti', not '\(name)'")
                }
                return call.push(
                    object: try call.frame.join(
                        try call[2].object(Frame.self), leftOn: left, rightOn: right, how: how,
                        suffix: try options.field("suffix").optional?.string() ?? "_right"))
            },
            // frame:group_by(names) -> tt.Grouping
            "group_by": { call in call.push(object: try call.frame.groupBy(try call[2].names())) },
            // frame:unique(names?) -> tt.Frame
            "unique": { call in call.push(object: try call.frame.unique(try call[2].optional?.names() ?? [])) },
            // frame:value_counts(name) -> tt.Frame
            "value_counts": { call in call.push(object: try call.frame.valueCounts(try call[2].string())) },
            // frame:sample(n, {seed = 0}) -> tt.Frame
            "sample": { call in
                let seed = try call[3].options(["seed"]).field("seed").optional?.int64() ?? 0
                return call.push(object: try call.frame.sample(try call.rows(2), seed: UInt64(bitPattern: seed)))
            },
        ]
    }

    /// Looking at a frame from Lua.
    private static var readingMethods: [String: LuaBody] {
        [
            // frame:col(name) -> tt.Column
            "col": { call in call.push(object: try call.frame.column(try call[2].string())) },
            // frame:columns() -> list of names
            "columns": { call in call.push(list: try call.frame.names) },
            // frame:dtypes() -> {name = dtype}
            "dtypes": { call in
                let frame = try call.frame
                return call.pushTable(fields: zip(frame.names, frame.columns).map { ($0, $1.dtype.name) })
            },
            // frame:height() -> integer
            "height": { call in call.push(try call.frame.rowCount) },
            // frame:width() -> integer
            "width": { call in call.push(try call.frame.columns.count) },
            // frame:row(i) -> table | nil
            "row": { call in
                let frame = try call.frame
                let row = try call[2].int()
                return row >= 1 && row <= frame.rowCount
                    ? call.push(FrameRow(frame: frame, row: row - 1)) : call.push(nil)
            },
            // frame:to_table({columns = false, null = nil}) -> list of rows | {name = values}
            "to_table": { call in
                let options = try call[2].options(["columns", "null"])
                let null = try options.field("null").optional
                let frame = try call.frame
                try LuaTables.check(
                    [frame.rowCount] + frame.columns.map(\.tableCount),
                    values: frame.columns.reduce(0) { $0 + $1.valueCount },
                    for: "to_table: \(frame.rowCount) rows")
                if try options.field("columns").optional?.bool() ?? false {
                    return call.pushTable(
                        fields: zip(frame.names, frame.columns).map { ($0, CellList(column: $1, null: null)) })
                }
                call.push(list: [Int]())
                for row in 0..<frame.rowCount {
                    call.setElement(row + 1, FrameRow(frame: frame, row: row, null: null))
                }
                return 1
            },
            // frame:to_json({columns = names, json = names}) -> text
            "to_json": { call in
                let options = try call[2].options(["columns", "json"])
                let columns = try options.field("columns").optional?.strings()
                let json = try options.field("json").optional?.strings() ?? []
                let text = try call.frame.toJSON(columns: columns, json: json)
                return try text.withUnsafeBytes { try call.pushLarge($0) }
            },
            // frame:describe() -> tt.Frame
            "describe": { call in call.push(object: try call.frame.describe()) },
            // frame:equals(other) -> boolean
            "equals": { call in call.push(try call.frame.isEqual(to: try call[2].object(Frame.self))) },
            // frame:format({max_rows = 20, width = 120}) -> string
            "format": { call in
                let options = try call[2].options(["max_rows", "width"])
                let maxRows = try options.field("max_rows").optional?.int(in: 1...Argument.countLimit) ?? 20
                let width = try options.field("width").optional?.int(in: 8...Argument.countLimit) ?? 120
                return call.push(try call.frame.table(maxRows: maxRows, width: width))
            },
        ]
    }
}

extension Call {
    fileprivate var frame: Frame { get throws { try self[1].object(Frame.self) } }

    /// A number of rows, 10 when not given.
    fileprivate func rows(_ argument: Int) throws -> Int {
        try self[argument].optional?.int(in: 0...Int.max) ?? 10
    }

    /// What `function` gives for every row, as plain values.
    fileprivate func results(of function: LuaFunction, over frame: Frame) throws -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(frame.rowCount)
        for row in 0..<frame.rowCount {
            values.append(
                try scope { try invoke(function, FrameRow(frame: frame, row: row)).first?.value() ?? .null })
        }
        return values
    }

    /// A new column of `frame`: an expression, a column, a function of a row, or one value for every row.
    fileprivate func column(of frame: Frame, from value: Argument) throws -> Column {
        switch value.kind {
        case .string: return try Expression(try value.string()).evaluate(frame)
        case .function: return try Column.from(try results(of: try value.function(), over: frame))
        default:
            let operand = try value.operand()
            if operand.isUntyped { return .nulls(.string, count: frame.rowCount) }
            // The first column of an empty frame gives it its rows.
            return operand.isScalar || !frame.columns.isEmpty ? try operand.broadcast(frame.rowCount) : operand.column
        }
    }
}
