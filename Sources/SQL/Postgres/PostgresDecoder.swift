import Base
import Frames

/// Appends values in PostgreSQL's binary form to a column builder. All integers are big-endian.
/// See https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES and the `*_send` functions.
final class PostgresDecoder {
    let builder: any ColumnBuilder
    private let step: Step

    private enum Step {
        case bool(FixedBuilder<UInt8>)
        case int2(FixedBuilder<Int64>)
        case int4(FixedBuilder<Int64>)
        case int8(FixedBuilder<Int64>)
        case oid(FixedBuilder<Int64>)
        case float4(FixedBuilder<Float>)
        case float8(FixedBuilder<Double>)
        case numeric(FixedBuilder<Double>)
        case text(StringBuilder)
        case versionedText(StringBuilder)
        case uuid(UUIDBuilder)
        case timestamp(FixedBuilder<Int64>)
        case date(FixedBuilder<Int64>)
        case time(StringBuilder)
        case interval(StringBuilder)
        case vector(ListBuilder<FixedBuilder<Float>>)
        case array(ListBuilder<any ColumnBuilder>, PostgresDecoder)
        case raw(RawValues)
    }

    /// - Parameter form: `other` collects the bytes as they come; see `RawValues`.
    init(_ form: PostgresForm, capacity: Int = 0) {
        switch form {
        case .bool: step = .bool(.bool(capacity: capacity))
        case .int2: step = .int2(.int64(capacity: capacity))
        case .int4: step = .int4(.int64(capacity: capacity))
        case .int8: step = .int8(.int64(capacity: capacity))
        case .oid: step = .oid(.int64(capacity: capacity))
        case .float4: step = .float4(.float32(capacity: capacity))
        case .float8: step = .float8(.float64(capacity: capacity))
        case .numeric: step = .numeric(.float64(capacity: capacity))
        case .text, .bytea: step = .text(StringBuilder(capacity: capacity))
        case .versionedText: step = .versionedText(StringBuilder(capacity: capacity))
        case .uuid: step = .uuid(UUIDBuilder(capacity: capacity))
        case .timestamp: step = .timestamp(.timestamp(capacity: capacity))
        case .date: step = .date(.timestamp(capacity: capacity))
        case .time: step = .time(StringBuilder(capacity: capacity))
        case .interval: step = .interval(StringBuilder(capacity: capacity))
        case .vector: step = .vector(ListBuilder(.float32(), capacity: capacity))
        case .array(let element, _):
            if element.isOther {
                step = .raw(RawValues())
            } else {
                let decoder = PostgresDecoder(element)
                step = .array(ListBuilder(decoder.builder, capacity: capacity), decoder)
            }
        case .other: step = .raw(RawValues())
        }
        builder =
            switch step {
            case .bool(let builder): builder
            case .int2(let builder), .int4(let builder), .int8(let builder), .oid(let builder),
                .timestamp(let builder), .date(let builder):
                builder
            case .float4(let builder): builder
            case .float8(let builder), .numeric(let builder): builder
            case .text(let builder), .versionedText(let builder), .time(let builder), .interval(let builder): builder
            case .uuid(let builder): builder
            case .vector(let builder): builder
            case .array(let builder, _): builder
            case .raw(let builder): builder
            }
    }

    /// The collected bytes, when the form is not known.
    var raw: RawValues? {
        if case .raw(let values) = step { values } else { nil }
    }

    @inline(__always)
    private func exactly(_ bytes: UnsafeRawBufferPointer, _ count: Int) throws -> UnsafeRawPointer {
        guard bytes.count == count, let base = bytes.baseAddress else {
            throw PostgresFormatError("needs \(count) bytes and has \(bytes.count)")
        }
        return base
    }

    @inline(__always)
    private func integer<T: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _: T.Type) throws -> T {
        T(bigEndian: try exactly(bytes, MemoryLayout<T>.size).loadUnaligned(as: T.self))
    }

    /// - Throws: `PostgresFormatError` for bytes that are not of the form, and for instants outside of int64 microseconds.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        switch step {
        case .bool(let builder): builder.append(try integer(bytes, UInt8.self) == 0 ? 0 : 1)
        case .int2(let builder): builder.append(Int64(try integer(bytes, Int16.self)))
        case .int4(let builder): builder.append(Int64(try integer(bytes, Int32.self)))
        case .int8(let builder): builder.append(try integer(bytes, Int64.self))
        case .oid(let builder): builder.append(Int64(try integer(bytes, UInt32.self)))
        case .float4(let builder): builder.append(Float(bitPattern: try integer(bytes, UInt32.self)))
        case .float8(let builder): builder.append(Double(bitPattern: try integer(bytes, UInt64.self)))
        case .numeric(let builder): builder.append(try PostgresNumeric.double(bytes))
        case .text(let builder): builder.append(bytes)
        case .versionedText(let builder):
            guard bytes.first == 1 else { throw PostgresFormatError("has an unknown version") }
            builder.append(UnsafeRawBufferPointer(rebasing: bytes.dropFirst()))
        case .uuid(let builder): builder.append(UUID(bigEndian: try exactly(bytes, 16)))
        case .timestamp(let builder): try appendTimestamp(try integer(bytes, Int64.self), to: builder)
        case .date(let builder): try appendDate(try integer(bytes, Int32.self), to: builder)
        case .time(let builder): builder.append(PostgresTime.time(try integer(bytes, Int64.self)))
        case .interval(let builder):
            let base = try exactly(bytes, 16)
            builder.append(
                PostgresTime.interval(
                    microseconds: Int64(bigEndian: base.loadUnaligned(as: Int64.self)),
                    days: Int32(bigEndian: base.loadUnaligned(fromByteOffset: 8, as: Int32.self)),
                    months: Int32(bigEndian: base.loadUnaligned(fromByteOffset: 12, as: Int32.self))))
        case .vector(let builder): try appendVector(bytes, to: builder)
        case .array(let builder, let element): try appendArray(bytes, to: builder, element)
        case .raw(let values): values.append(bytes)
        }
    }

    /// The values of many rows, which stand at some places behind `base`.
    /// - Throws: `PostgresFieldError`.
    func append(_ base: UnsafeRawPointer, _ fields: UnsafePointer<PostgresField>, count: Int) throws {
        var row = 0
        do {
            switch step {
            case .uuid(let builder):
                try withUnsafeTemporaryAllocation(of: UUID.self, capacity: count) { ids in
                    while row < count {
                        var found = 0
                        while row + found < count, fields[row + found].length == 16 {
                            ids[found] = UUID(bigEndian: base + Int(fields[row + found].start))
                            found += 1
                        }
                        builder.append(UnsafeBufferPointer(rebasing: ids[..<found]))
                        row += found
                        if row < count {
                            try append(base, fields[row])
                            row += 1
                        }
                    }
                }
            case .timestamp(let builder):
                while row < count {
                    let field = fields[row]
                    if field.length == 8 {
                        let value = base.loadUnaligned(fromByteOffset: Int(field.start), as: Int64.self)
                        try appendTimestamp(Int64(bigEndian: value), to: builder)
                    } else {
                        try append(base, field)
                    }
                    row += 1
                }
            case .text(let builder):
                while row < count {
                    let field = fields[row]
                    if field.length < 0 {
                        builder.appendNull()
                    } else {
                        builder.append(
                            UnsafeRawBufferPointer(start: base + Int(field.start), count: Int(field.length)))
                    }
                    row += 1
                }
            default:
                while row < count {
                    try append(base, fields[row])
                    row += 1
                }
            }
        } catch {
            throw PostgresFieldError(row: row, cause: error)
        }
    }

    private func append(_ base: UnsafeRawPointer, _ field: PostgresField) throws {
        if field.length < 0 {
            builder.appendNull()
        } else {
            try append(UnsafeRawBufferPointer(start: base + Int(field.start), count: Int(field.length)))
        }
    }

    /// Infinite instants count as null.
    @inline(__always)
    private func appendTimestamp(_ value: Int64, to builder: FixedBuilder<Int64>) throws {
        if value == .max || value == .min {
            builder.appendNull()
            return
        }
        let (shifted, overflow) = value.addingReportingOverflow(PostgresTime.epoch)
        guard !overflow else { throw PostgresFormatError("lies outside of what a timestamp can hold") }
        builder.append(shifted)
    }

    private func appendDate(_ value: Int32, to builder: FixedBuilder<Int64>) throws {
        if value == .max || value == .min {
            builder.appendNull()
            return
        }
        let (scaled, tooLarge) = Int64(value).multipliedReportingOverflow(by: Timestamp.microsecondsPerDay)
        let (shifted, overflow) = scaled.addingReportingOverflow(PostgresTime.epoch)
        guard !tooLarge, !overflow else { throw PostgresFormatError("lies outside of what a timestamp can hold") }
        builder.append(shifted)
    }

    private func appendVector(_ bytes: UnsafeRawBufferPointer, to builder: ListBuilder<FixedBuilder<Float>>) throws {
        var reader = ByteReader(bytes)
        let count = Int(try reader.bigEndian(UInt16.self))
        try reader.skip(2)
        guard reader.remaining == 4 * count else { throw PostgresFormatError("is not a vector") }
        let base = bytes.baseAddress! + 4
        for index in 0..<count {
            let bits = UInt32(bigEndian: base.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
            builder.child.append(Float(bitPattern: bits))
        }
        builder.endList()
    }

    private func appendArray(
        _ bytes: UnsafeRawBufferPointer, to builder: ListBuilder<any ColumnBuilder>, _ element: PostgresDecoder
    ) throws {
        var reader = ByteReader(bytes)
        let dimensions = try reader.bigEndian(Int32.self)
        try reader.skip(8)
        guard dimensions <= 1 else {
            throw PostgresFormatError("is an array of \(dimensions) dimensions; only one can be read (cast it to text)")
        }
        if dimensions == 1 {
            let count = try reader.bigEndian(Int32.self)
            try reader.skip(4)
            guard count >= 0 else { throw PostgresFormatError("is not an array") }
            for _ in 0..<count {
                let length = try reader.bigEndian(Int32.self)
                if length < 0 {
                    element.builder.appendNull()
                } else {
                    try element.append(try reader.take(Int(length)))
                }
            }
        }
        builder.endList()
    }
}

/// Where a value stands among the bytes of some rows; a negative length is null.
struct PostgresField {
    let start: UInt32
    let length: Int32
}

/// Why a value cannot be read, with its row among those that were handed over.
struct PostgresFieldError: Error {
    let row: Int
    let cause: any Error
}

/// What is wrong with a value's bytes, as the end of a sentence that names the column.
struct PostgresFormatError: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Values of a type that is not known yet, as they came.
final class RawValues: ColumnBuilder {
    @exclusivity(unchecked) private var bytes = GrowingBuffer<UInt8>()
    @exclusivity(unchecked) private var offsets = GrowingBuffer<Int>()
    @exclusivity(unchecked) private var nulls: [Bool] = []

    var count: Int { nulls.count }

    func appendNull() {
        offsets.append(bytes.count)
        nulls.append(true)
    }

    func append(_ value: UnsafeRawBufferPointer) {
        offsets.append(bytes.count)
        nulls.append(false)
        bytes.append(value.bindMemory(to: UInt8.self))
    }

    /// The bytes of a row; nil for null.
    func withValue<T>(_ row: Int, _ body: (UnsafeRawBufferPointer?) throws -> T) rethrows -> T {
        if nulls[row] { return try body(nil) }
        let end = row + 1 < offsets.count ? offsets.pointer[row + 1] : bytes.count
        let start = offsets.pointer[row]
        return try body(UnsafeRawBufferPointer(start: bytes.pointer + start, count: end - start))
    }

    func finish() -> Column { preconditionFailure("raw values become a column by another decoder") }
}
