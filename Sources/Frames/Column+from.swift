import Base

extension Column {
    /// A column from plain values. Without `dtype` it is inferred: whole numbers int64, mixed with fractions float64,
    /// bool, string, arrays lists; nothing but nulls is string.
    ///
    /// A given type also reads text (`"2025-01-31"` as timestamp) and microseconds (as timestamp).
    /// - Throws: `frame.type` naming the row that does not fit.
    public static func from(_ values: [Value], dtype: DType? = nil) throws -> Column {
        let target = try dtype ?? inferred(values) ?? .string
        let builder = target.builder(capacity: values.count)
        for (row, value) in values.enumerated() {
            do {
                try append(value, to: builder, target)
            } catch let mismatch as Mismatch {
                throw FrameError(
                    "frame.type", "row \(row + 1): \(mismatch.text) is not \(target.article) \(target.name)",
                    details: [("row", .int(Int64(row + 1)))])
            }
        }
        return builder.finish()
    }

    private struct Mismatch: Error { let text: String }

    private static func append(_ value: Value, to builder: any ColumnBuilder, _ target: DType) throws {
        func mismatch() -> Mismatch { Mismatch(text: describe(value)) }
        if value == .null {
            builder.appendNull()
            return
        }
        switch target {
        case .int64:
            let builder = builder as! FixedBuilder<Int64>
            switch value {
            case .int(let number): builder.append(number)
            case .double(let number):
                guard let whole = Int64(exactly: number) else { throw mismatch() }
                builder.append(whole)
            case .float(let number):
                guard let whole = Int64(exactly: number) else { throw mismatch() }
                builder.append(whole)
            default: throw mismatch()
            }
        case .timestamp:
            let builder = builder as! FixedBuilder<Int64>
            switch value {
            case .int(let number): builder.append(number)
            case .string(let text):
                guard let instant = Timestamp.parse(text) else { throw mismatch() }
                builder.append(instant)
            default: throw mismatch()
            }
        case .float64:
            guard let number = double(value) else { throw mismatch() }
            (builder as! FixedBuilder<Double>).append(number)
        case .float32:
            guard let number = double(value) else { throw mismatch() }
            (builder as! FixedBuilder<Float>).append(Float(number))
        case .bool:
            guard case .bool(let flag) = value else { throw mismatch() }
            (builder as! FixedBuilder<UInt8>).append(flag ? 1 : 0)
        case .uuid:
            guard case .string(let text) = value, let uuid = UUID(text) else { throw mismatch() }
            (builder as! FixedBuilder<UUID>).append(uuid)
        case .string:
            guard case .string(let text) = value else { throw mismatch() }
            (builder as! StringBuilder).append(text)
        case .list(let element):
            let builder = builder as! ListBuilder<any ColumnBuilder>
            switch value {
            case .array(let items): for item in items { try append(item, to: builder.child, element) }
            case .object(let members) where members.isEmpty: break
            default: throw mismatch()
            }
            builder.endList()
        }
    }

    private static func double(_ value: Value) -> Double? {
        switch value {
        case .int(let number): Double(number)
        case .double(let number): number
        case .float(let number): Double(number)
        default: nil
        }
    }

    private static func describe(_ value: Value) -> String {
        switch value {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .double(let number): "\(number)"
        case .float(let number): "\(number)"
        case .string(let text): "'\(text.count > 60 ? String(text.prefix(57)) + "..." : text)'"
        case .array: "a list"
        case .object: "a table with names"
        }
    }

    /// The narrowest type for all values; nil when all are null.
    private static func inferred(_ values: [Value]) throws -> DType? {
        var dtype: DType?
        for (row, value) in values.enumerated() {
            let next: DType?
            switch value {
            case .null: next = nil
            case .bool: next = .bool
            case .int: next = .int64
            case .double, .float: next = .float64
            case .string: next = .string
            case .array(let items): next = .list(try inferred(items) ?? .string)
            case .object(let members):
                // An empty Lua table reads as an object; in a column it can only be an empty list.
                guard members.isEmpty else {
                    throw FrameError(
                        "frame.type", "row \(row + 1): a column cannot hold tables with names; use one column a name",
                        details: [("row", .int(Int64(row + 1)))])
                }
                next = .list(.string)
            }
            guard let next else { continue }
            guard let known = dtype else {
                dtype = next
                continue
            }
            if known == next { continue }
            if known.isNumeric && next.isNumeric {
                dtype = .float64
            } else if case .list(let a) = known, case .list(let b) = next {
                // Empty lists count as lists of strings until a fuller one says otherwise.
                dtype = .list(a == .string ? b : b == .string ? a : .float64)
            } else {
                throw FrameError(
                    "frame.type",
                    "row \(row + 1): \(describe(value)) in a column of \(known.name); give the column's type to convert",
                    details: [("row", .int(Int64(row + 1)))])
            }
        }
        return dtype
    }
}
