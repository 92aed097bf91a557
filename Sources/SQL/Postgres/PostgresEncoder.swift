import Base
import Frames

/// Turns the values of one column into PostgreSQL's binary form for one target column.
struct PostgresEncoder {
    let column: Column
    let form: PostgresForm
    let name: String
    /// Of the target, for messages.
    let type: String

    /// - Parameter isJSON: lists become JSON text.
    /// - Throws: `sql.type` when no value of the column could go into the target.
    init(_ column: Column, into target: PostgresTable.Column, name: String) throws {
        self.column = column
        form = target.form
        self.name = name
        type = target.type
        guard Self.fits(column.dtype, form, isJSON: target.isJSON) else {
            throw SQLError(
                "sql.type",
                "column '\(name)' is \(column.dtype.name) and cannot be written to \(target.type); cast it first",
                details: [("column", .string(name)), ("dtype", .string(column.dtype.name)), ("type", .string(type))])
        }
    }

    private static func fits(_ dtype: DType, _ form: PostgresForm, isJSON: Bool) -> Bool {
        switch (form, dtype) {
        case (.bool, .bool), (.uuid, .uuid), (.uuid, .string), (.bytea, .string): true
        case (.int2, .int64), (.int4, .int64), (.int8, .int64), (.oid, .int64): true
        case (.float4, .int64), (.float4, .float32), (.float4, .float64): true
        case (.float8, .int64), (.float8, .float32), (.float8, .float64): true
        case (.numeric, .int64), (.numeric, .float32), (.numeric, .float64), (.numeric, .string): true
        case (.timestamp, .timestamp), (.timestamp, .string), (.date, .timestamp), (.date, .string): true
        case (.versionedText, .list), (.text, .list): isJSON
        case (.versionedText, _), (.text, _): true
        case (.vector, .list(.float32)), (.vector, .list(.float64)): true
        case (.array(let element, _), .list(let inner)): fits(inner, element, isJSON: false)
        default: false
        }
    }

    /// Appends the length and the bytes of a row.
    func append(_ row: Int, to target: inout ByteWriter) throws {
        try append(column, row, form, to: &target, row)
    }

    private func append(
        _ column: Column, _ row: Int, _ form: PostgresForm, to target: inout ByteWriter, _ frameRow: Int
    ) throws {
        if column.isNull(row) {
            target.bigEndian(Int32(-1))
            return
        }
        func misfit(_ reason: String) -> SQLError { ResultNames.misfit(name, frameRow + 1, reason) }
        switch (form, column.storage) {
        case (.bool, .bool(let values)): fixed(values.pointer[row], to: &target)
        case (.int2, .int64(let values)): try integer(values.pointer[row], Int16.self, to: &target, misfit)
        case (.int4, .int64(let values)): try integer(values.pointer[row], Int32.self, to: &target, misfit)
        case (.int8, .int64(let values)): fixed(values.pointer[row], to: &target)
        case (.oid, .int64(let values)): try integer(values.pointer[row], UInt32.self, to: &target, misfit)
        case (.float4, .float32(let values)): fixed(values.pointer[row].bitPattern, to: &target)
        case (.float4, .float64(let values)):
            let value = values.pointer[row]
            guard !value.isFinite || Float(value).isFinite else { throw misfit("is out of range for \(type)") }
            fixed(Float(value).bitPattern, to: &target)
        case (.float4, .int64(let values)): fixed(Float(values.pointer[row]).bitPattern, to: &target)
        case (.float8, .float64(let values)): fixed(values.pointer[row].bitPattern, to: &target)
        case (.float8, .float32(let values)): fixed(Double(values.pointer[row]).bitPattern, to: &target)
        case (.float8, .int64(let values)): fixed(Double(values.pointer[row]).bitPattern, to: &target)
        case (.uuid, .uuid(let values)):
            target.bigEndian(Int32(16))
            let value = values[row]
            target.bigEndian(value.high)
            target.bigEndian(value.low)
        case (.uuid, .string):
            guard let uuid = UUID(column.stringBytes(row)) else { throw misfit("is not a uuid") }
            target.bigEndian(Int32(16))
            target.bigEndian(uuid.high)
            target.bigEndian(uuid.low)
        case (.timestamp, .timestamp(let values)):
            try timestamp(values.pointer[row], to: &target, misfit)
        case (.timestamp, .string):
            guard let value = Timestamp.parse(column.stringBytes(row)) else { throw misfit("is not an ISO 8601 time") }
            try timestamp(value, to: &target, misfit)
        case (.date, .timestamp(let values)): try date(values.pointer[row], to: &target, misfit)
        case (.date, .string):
            guard let value = Timestamp.parse(column.stringBytes(row)) else { throw misfit("is not an ISO 8601 date") }
            try date(value, to: &target, misfit)
        case (.bytea, .string): try sized(to: &target, misfit) { $0.append(column.stringBytes(row)) }
        case (.text, .list(let offsets, let child)), (.versionedText, .list(let offsets, let child)):
            try sized(to: &target, misfit) {
                if form.isVersionedText { $0.append(1) }
                let range = Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])
                do {
                    try JSONText.appendList(child, range, to: &$0.bytes)
                } catch {
                    throw misfit("holds NaN or an infinity, which JSON cannot")
                }
            }
        case (.text, _), (.versionedText, _):
            try sized(to: &target, misfit) {
                if form.isVersionedText { $0.append(1) }
                let start = $0.count
                ValueText.append(column, row, to: &$0.bytes)
                if $0.bytes[start...].contains(0) { throw misfit("contains a NUL byte, which \(type) cannot hold") }
            }
        case (.numeric, _): try numeric(column, row, to: &target, misfit)
        case (.vector, .list(let offsets, let child)):
            let range = Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])
            guard range.count <= Int(UInt16.max) else { throw misfit("has too many elements for a vector") }
            target.bigEndian(Int32(4 + 4 * range.count))
            target.bigEndian(UInt16(range.count))
            target.bigEndian(UInt16(0))
            for index in range {
                if child.isNull(index) { throw misfit("has a null element, which a vector cannot hold") }
                if case .float64(let values) = child.storage {
                    target.bigEndian(Float(values.pointer[index]).bitPattern)
                } else {
                    target.bigEndian(child.float32Values.pointer[index].bitPattern)
                }
            }
        case (.array(let element, let elementType), .list(let offsets, let child)):
            let range = Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])
            try sized(to: &target, misfit) {
                $0.bigEndian(Int32(range.isEmpty ? 0 : 1))
                let hasNulls = range.contains(where: child.isNull)
                $0.bigEndian(Int32(hasNulls ? 1 : 0))
                $0.bigEndian(elementType)
                if range.isEmpty { return }
                $0.bigEndian(Int32(truncatingIfNeeded: range.count))
                $0.bigEndian(Int32(1))
                for index in range { try append(child, index, element, to: &$0, frameRow) }
            }
        default: throw misfit("cannot be written to \(type)")
        }
    }

    @inline(__always)
    private func fixed<T: FixedWidthInteger>(_ value: T, to target: inout ByteWriter) {
        target.bigEndian(Int32(MemoryLayout<T>.size))
        target.bigEndian(value)
    }

    private func integer<T: FixedWidthInteger>(
        _ value: Int64, _: T.Type, to target: inout ByteWriter, _ misfit: (String) -> SQLError
    ) throws {
        guard let narrow = T(exactly: value) else { throw misfit("is out of range for \(type)") }
        fixed(narrow, to: &target)
    }

    private func timestamp(_ value: Int64, to target: inout ByteWriter, _ misfit: (String) -> SQLError) throws {
        let (shifted, overflow) = value.subtractingReportingOverflow(PostgresTime.epoch)
        guard !overflow, shifted != .min else { throw misfit("is out of range for \(type)") }
        fixed(shifted, to: &target)
    }

    private func date(_ value: Int64, to target: inout ByteWriter, _ misfit: (String) -> SQLError) throws {
        guard value % Timestamp.microsecondsPerDay == 0 else {
            throw misfit("has a time of day, which a date cannot hold")
        }
        let days = value / Timestamp.microsecondsPerDay
        fixed(Int32(days - PostgresTime.epoch / Timestamp.microsecondsPerDay), to: &target)
    }

    private func numeric(
        _ column: Column, _ row: Int, to target: inout ByteWriter, _ misfit: (String) -> SQLError
    ) throws {
        var text: [UInt8] = []
        ValueText.append(column, row, to: &text)
        try sized(to: &target, misfit) { target in
            guard text.withUnsafeBufferPointer({ PostgresNumeric.append($0, to: &target) }) else {
                throw misfit("is not a number")
            }
        }
    }

    /// Writes the length in front of what `body` appends.
    private func sized(
        to target: inout ByteWriter, _ misfit: (String) -> SQLError, _ body: (inout ByteWriter) throws -> Void
    ) throws {
        let at = target.count
        target.bigEndian(Int32(0))
        try body(&target)
        guard let length = Int32(exactly: target.count - at - 4) else { throw misfit("is larger than 2 GB") }
        withUnsafeBytes(of: length.bigEndian) { target.bytes.replaceSubrange(at..<at + 4, with: $0) }
    }
}
