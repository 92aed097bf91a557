import Base

extension Column {
    /// The values of an int64 or timestamp column. A wrong type is a programming error, here and below.
    public var int64Values: Buffer<Int64> {
        switch storage {
        case .int64(let values), .timestamp(let values): return values
        default: preconditionFailure("\(dtype.name) column read as int64")
        }
    }

    public var float32Values: Buffer<Float> {
        guard case .float32(let values) = storage else { preconditionFailure("\(dtype.name) column read as float32") }
        return values
    }

    public var float64Values: Buffer<Double> {
        guard case .float64(let values) = storage else { preconditionFailure("\(dtype.name) column read as float64") }
        return values
    }

    /// 0 or 1 a row.
    public var boolValues: Buffer<UInt8> {
        guard case .bool(let values) = storage else { preconditionFailure("\(dtype.name) column read as bool") }
        return values
    }

    public var uuidValues: UUIDs {
        guard case .uuid(let values) = storage else { preconditionFailure("\(dtype.name) column read as uuid") }
        return values
    }

    public var stringParts: (codes: Buffer<Int32>, pool: StringPool) {
        guard case .string(let codes, let pool) = storage else {
            preconditionFailure("\(dtype.name) column read as string")
        }
        return (codes, pool)
    }

    public var listParts: (offsets: Buffer<Int64>, child: Column) {
        guard case .list(let offsets, let child) = storage else {
            preconditionFailure("\(dtype.name) column read as list")
        }
        return (offsets, child)
    }

    /// The value of one row as a plain value: timestamps as int microseconds, uuids as their text, lists as arrays.
    /// For printing, tests and scripts; loops over a column read its buffers.
    public func value(_ row: Int) -> Value {
        if isNull(row) { return .null }
        switch storage {
        case .int64(let values), .timestamp(let values): return .int(values.pointer[row])
        case .float32(let values): return .float(values.pointer[row])
        case .float64(let values): return .double(values.pointer[row])
        case .bool(let values): return .bool(values.pointer[row] != 0)
        case .uuid(let values): return .string(values[row].description)
        case .string(let codes, let pool): return .string(pool[Int(codes.pointer[row])])
        case .list(let offsets, let child):
            return .array((Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])).map(child.value))
        }
    }

    public var values: [Value] { (0..<count).map(value) }

    /// The bytes of a string row, valid while the column lives. The row must not be null.
    @inlinable public func stringBytes(_ row: Int) -> UnsafeBufferPointer<UInt8> {
        guard case .string(let codes, let pool) = storage else {
            preconditionFailure("column read as string")
        }
        return pool[bytesAt: Int(codes.pointer[row])]
    }

    /// Memory held by the column, shared pools included.
    public var byteCount: Int {
        let flags = validity?.byteCount ?? 0
        switch storage {
        case .int64(let values), .timestamp(let values): return flags + values.byteCount
        case .float32(let values): return flags + values.byteCount
        case .float64(let values): return flags + values.byteCount
        case .bool(let values): return flags + values.byteCount
        case .uuid(let values): return flags + values.byteCount
        case .string(let codes, let pool): return flags + codes.byteCount + pool.byteCount
        case .list(let offsets, let child): return flags + offsets.byteCount + child.byteCount
        }
    }

    /// The same values with other nulls; `validity` nil means that nothing is null.
    public func with(validity: Buffer<UInt8>?) -> Column { Column(storage, validity: validity) }
}

extension StringPool {
    public var byteCount: Int { offsets.byteCount + bytes.byteCount }
}

// Columns from Swift values, for constants and tests; nil is null.
extension Column {
    public static func int64(_ values: [Int64?]) -> Column { build(FixedBuilder.int64(), values) }
    /// Microseconds since 1970-01-01T00:00:00Z.
    public static func timestamp(_ values: [Int64?]) -> Column { build(FixedBuilder.timestamp(), values) }
    public static func float32(_ values: [Float?]) -> Column { build(FixedBuilder.float32(), values) }
    public static func float64(_ values: [Double?]) -> Column { build(FixedBuilder.float64(), values) }
    public static func uuid(_ values: [UUID?]) -> Column { build(FixedBuilder.uuid(), values) }
    public static func bool(_ values: [Bool?]) -> Column {
        build(FixedBuilder.bool(), values.map { $0.map { $0 ? 1 : 0 } })
    }

    public static func string(_ values: [String?]) -> Column {
        let builder = StringBuilder(capacity: values.count)
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull() }
        }
        return builder.finish()
    }

    private static func build<T>(_ builder: FixedBuilder<T>, _ values: [T?]) -> Column {
        for value in values { builder.append(value) }
        return builder.finish()
    }
}
