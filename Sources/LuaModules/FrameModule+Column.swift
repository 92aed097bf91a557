import Base
import Frames
import LuaHost

extension FrameModule {
    static var columnClass: LuaClass {
        LuaClass(
            Column.self, "tt.Column",
            methods: comparisonMethods.merging(valueMethods) { $1 }.merging(aggregateMethods) { $1 }
                .merging(readingMethods) { $1 },
            metamethods: [
                "__add": arithmetic(.add), "__sub": arithmetic(.subtract), "__mul": arithmetic(.multiply),
                "__div": arithmetic(.divide), "__idiv": arithmetic(.floorDivide), "__mod": arithmetic(.modulo),
                "__pow": arithmetic(.power),
                "__unm": { call in call.push(object: try call.column.negate()) },
                "__band": binary { try Operand.and($0, $1) },
                "__bor": binary { try Operand.or($0, $1) },
                "__bnot": { call in call.push(object: try Operand.not(Operand(call.column)).column) },
                "__concat": binary { try Operand.concatenate($0, $1) },
                "__len": { call in call.push(try call.column.count) },
                "__tostring": { call in call.push(try call.column.summary()) },
            ],
            // column[i] -> value | nil
            index: { call in
                let column = try call.column
                if call[2].kind == .int || call[2].kind == .float {
                    let row = try call[2].int()
                    return row >= 1 && row <= column.count
                        ? call.push(Cell(column: column, row: row - 1)) : call.push(nil)
                }
                let name = try call[2].string()
                throw FrameError("frame.no_method", "a tt.Column has no method '\(name)'")
            },
            byteCount: { $0.byteCount })
    }

    private static func binary(_ body: @escaping (Operand, Operand) throws -> Operand) -> LuaBody {
        { call in
            let (a, b) = (try call[1].operand(), try call[2].operand())
            return call.push(object: try body(a, b).broadcast(a.isScalar ? b.column.count : a.column.count))
        }
    }

    private static func arithmetic(_ op: Arithmetic) -> LuaBody { binary { try Operand.compute(op, $0, $1) } }

    private static func comparison(_ op: Comparison) -> LuaBody { binary { try Operand.compare(op, $0, $1) } }

    private static func plain(_ body: @escaping (Column) throws -> Column) -> LuaBody {
        { call in call.push(object: try body(try call.column)) }
    }

    private static func text(_ kind: Column.TextTest) -> LuaBody {
        { call in call.push(object: try call.column.test(kind, try call[2].string())) }
    }

    private static func aggregate(_ aggregate: Aggregate) -> LuaBody {
        { call in
            let column = try call.column
            guard column.count > 0 else {
                return aggregate == .count || aggregate == .nUnique ? call.push(0) : call.push(nil)
            }
            return call.push(Cell(column: try column.aggregateColumn(aggregate), row: 0))
        }
    }

    /// Methods that give a bool column. Lua's own `==`, `<` and `<=` cannot: their results are always true or false.
    private static var comparisonMethods: [String: LuaBody] {
        [
            // column:eq(other) -> tt.Column, and so on
            "eq": comparison(.equal), "ne": comparison(.notEqual), "lt": comparison(.less),
            "le": comparison(.lessOrEqual), "gt": comparison(.greater), "ge": comparison(.greaterOrEqual),
            // column:is_null() -> tt.Column
            "is_null": plain { $0.isNull() },
            // column:is_in(values) -> tt.Column
            "is_in": { call in
                let column = try call.column
                if let other = call[2].tryObject(Column.self) {
                    return call.push(object: try column.isIn(other))
                }
                let values = try call[2].elements().map { try $0.operand() }
                for (index, value) in values.enumerated() where !value.isScalar {
                    throw call.argumentError(2, "element \(index + 1) is a column; plain values expected")
                }
                return call.push(object: try Operand(column).isIn(values).column)
            },
            // column:contains(text | element) -> tt.Column
            "contains": { call in
                let column = try call.column
                if column.dtype == .string { return try text(.contains)(call) }
                return call.push(object: try column.listContains(try call[2].operand()))
            },
            // column:starts_with(text) -> tt.Column
            "starts_with": text(.startsWith),
            // column:ends_with(text) -> tt.Column
            "ends_with": text(.endsWith),
        ]
    }

    /// Methods that give a column of other values.
    private static var valueMethods: [String: LuaBody] {
        var methods: [String: LuaBody] = [
            // column:cast(dtype, {strict = true}) -> tt.Column
            "cast": { call in
                let strict = try call[3].options(["strict"]).field("strict").optional?.bool() ?? true
                return call.push(object: try call.column.cast(to: try call[2].dtype(), strict: strict))
            },
            // column:fill_null(value) -> tt.Column
            "fill_null": { call in call.push(object: try call.column.fillNull(try call[2].operand())) },
            // column:choose(yes, no) -> tt.Column
            "choose": { call in
                let condition = try call.column
                let chosen = try Operand.choose(Operand(condition), try call[2].operand(), try call[3].operand())
                return call.push(object: try chosen.broadcast(condition.count))
            },
            "abs": plain { try $0.abs() }, "log": plain { try $0.log() }, "log1p": plain { try $0.log1p() },
            "exp": plain { try $0.exp() }, "sqrt": plain { try $0.sqrt() }, "isfinite": plain { try $0.isfinite() },
            "floor": plain { try $0.rounded(.floor) }, "ceil": plain { try $0.rounded(.ceil) },
            // column:round(digits?) -> tt.Column
            "round": { call in
                let digits = try call[2].optional?.int() ?? 0
                return call.push(object: try call.column.rounded(.round, digits: digits))
            },
            // column:clamp(low?, high?) -> tt.Column
            "clamp": { call in
                call.push(
                    object: try call.column.clamp(try call[2].optional?.double(), try call[3].optional?.double()))
            },
            // column:days() -> tt.Column
            "days": plain { try $0.duration("days", perUnit: Double(Timestamp.microsecondsPerDay)) },
            // column:seconds() -> tt.Column
            "seconds": plain { try $0.duration("seconds", perUnit: 1_000_000) },
            "date": plain { try $0.date() },
            "lower": plain { try $0.lower() }, "upper": plain { try $0.upper() }, "trim": plain { try $0.trim() },
            // column:replace(old, new) -> tt.Column
            "replace": { call in
                call.push(object: try call.column.replace(try call[2].string(), try call[3].string()))
            },
            // column:split(separator) -> tt.Column
            "split": { call in call.push(object: try call.column.split(try call[2].string())) },
            "len": plain { try $0.lengths() },
            "unique": plain { try $0.unique() },
            // column:sort({descending = false}) -> tt.Column
            "sort": { call in
                let descending = try call[2].options(["descending"]).field("descending").optional?.bool() ?? false
                return call.push(object: try call.column.sort(descending: descending))
            },
            // column:take(positions) -> tt.Column
            "take": { call in
                let column = try call.column
                return call.push(object: column.take(try call[2].positions(of: column.count)))
            },
            // column:map(function(value), dtype?) -> tt.Column
            "map": { call in
                let column = try call.column
                let function = try call[2].function()
                let dtype = try call[3].optional?.dtype()
                var values: [Value] = []
                values.reserveCapacity(column.count)
                for row in 0..<column.count {
                    values.append(
                        try call.scope {
                            try call.invoke(function, Cell(column: column, row: row)).first?.value() ?? .null
                        })
                }
                return call.push(object: try Column.from(values, dtype: dtype))
            },
        ]
        // column:year(), :month() … -> tt.Column
        for part in Column.DatePart.allCases { methods[part.rawValue] = plain { try $0.part(part) } }
        return methods
    }

    private static var aggregateMethods: [String: LuaBody] {
        var methods: [String: LuaBody] = [
            // column:null_count() -> integer
            "null_count": { call in call.push(try call.column.nullCount) }
        ]
        // column:sum(), :mean() … -> number | value | nil
        for kind in Aggregate.allCases where kind != .list { methods[kind.rawValue] = aggregate(kind) }
        return methods
    }

    private static var readingMethods: [String: LuaBody] {
        [
            // column:dtype() -> string
            "dtype": { call in call.push(try call.column.dtype.name) },
            // column:to_table({null = nil}) -> list
            "to_table": { call in
                let null = try call[2].options(["null"]).field("null").optional
                let column = try call.column
                try LuaTables.check(
                    [column.tableCount], values: column.valueCount, for: "to_table: \(column.count) values")
                return call.push(CellList(column: column, null: null))
            },
            // column:equals(other) -> boolean
            "equals": { call in call.push(try call.column.isEqual(to: try call[2].object(Column.self))) },
        ]
    }
}

extension Call {
    fileprivate var column: Column { get throws { try self[1].object(Column.self) } }
}

extension Column {
    /// Tables that its values are in Lua.
    var tableCount: Int {
        if case .list(_, let child) = storage { return count + child.tableCount }
        return 0
    }

    /// Values, and those of lists.
    var valueCount: Int {
        if case .list(_, let child) = storage { return count + child.valueCount }
        return count
    }
}
