import Base
import CSQLite
import Frames
import Glibc

/// Reads one column of a result, and complains about values its declared type does not allow.
///
/// A column without a declared type (an expression) takes the type of its first value that is not null. Integers followed
/// by a fraction become float64; text next to numbers is an error. Later chunks keep the type of the first; a column of
/// nulls only is a string column.
final class SQLiteColumnReader {
    let name: String
    private let type: SQLiteType
    private var target: Target

    private enum Target {
        case bool(FixedBuilder<UInt8>)
        case int64(FixedBuilder<Int64>)
        case float64(FixedBuilder<Double>)
        case text(StringBuilder)
        case uuid(UUIDBuilder)
        case timestamp(FixedBuilder<Int64>)
        /// Nothing but nulls so far.
        case unknown(nulls: Int)
    }

    init(_ name: String, _ type: SQLiteType) {
        self.name = name
        self.type = type
        target = Self.target(type.dtype)
    }

    private static func target(_ dtype: DType?) -> Target {
        switch dtype {
        case .bool: .bool(.bool())
        case .int64: .int64(.int64())
        case .float64: .float64(.float64())
        case .uuid: .uuid(UUIDBuilder())
        case .timestamp: .timestamp(.timestamp())
        case nil: .unknown(nulls: 0)
        default: .text(StringBuilder())
        }
    }

    /// Ends a chunk; the next one has the same type.
    func finish() -> Column {
        let builder: any ColumnBuilder
        switch target {
        case .bool(let values): builder = values
        case .int64(let values), .timestamp(let values): builder = values
        case .float64(let values): builder = values
        case .text(let values): builder = values
        case .uuid(let values): builder = values
        case .unknown(let nulls):
            builder = StringBuilder(capacity: nulls)
            for _ in 0..<nulls { builder.appendNull() }
        }
        let column = builder.finish()
        target = Self.target(column.dtype)
        isSettled = true
        return column
    }

    /// A chunk has gone out, so the type cannot change any more.
    private var isSettled = false

    func append(_ statement: OpaquePointer, _ index: Int32, _ row: Int) throws {
        let kind = sqlite3_column_type(statement, index)
        if kind == SQLITE_NULL {
            appendNull()
            return
        }
        if case .unknown(let nulls) = target { settle(kind, nulls) }
        switch target {
        case .int64(let builder):
            switch kind {
            case SQLITE_INTEGER: builder.append(sqlite3_column_int64(statement, index))
            case SQLITE_FLOAT where type.dtype == nil && !isSettled:
                target = .float64(Self.widen(builder))
                try append(statement, index, row)
            default: throw misfit(row, kind)
            }
        case .float64(let builder):
            switch kind {
            case SQLITE_INTEGER, SQLITE_FLOAT: builder.append(sqlite3_column_double(statement, index))
            case SQLITE_TEXT where type.dtype != nil:
                guard let number = Self.number(Self.text(statement, index)) else { throw misfit(row, kind) }
                builder.append(number)
            default: throw misfit(row, kind)
            }
        case .text(let builder):
            if type.dtype == nil, kind == SQLITE_INTEGER || kind == SQLITE_FLOAT { throw misfit(row, kind) }
            builder.append(kind == SQLITE_BLOB ? Self.blob(statement, index) : Self.text(statement, index))
        case .bool(let builder): builder.append(try bool(statement, index, kind, row))
        case .uuid(let builder): builder.append(try uuid(statement, index, kind, row))
        case .timestamp(let builder):
            guard kind == SQLITE_TEXT else { throw misfit(row, kind) }
            let text = Self.text(statement, index)
            if let time = Timestamp.parse(text) {
                builder.append(time)
            } else if Self.isInfinity(text) {
                builder.appendNull()
            } else {
                throw misfit(row, kind)
            }
        case .unknown: break
        }
    }

    private func appendNull() {
        switch target {
        case .bool(let builder): builder.appendNull()
        case .int64(let builder), .timestamp(let builder): builder.appendNull()
        case .float64(let builder): builder.appendNull()
        case .text(let builder): builder.appendNull()
        case .uuid(let builder): builder.appendNull()
        case .unknown(let nulls): target = .unknown(nulls: nulls + 1)
        }
    }

    private func settle(_ kind: Int32, _ nulls: Int) {
        target =
            kind == SQLITE_INTEGER
            ? .int64(.int64()) : kind == SQLITE_FLOAT ? .float64(.float64()) : .text(StringBuilder())
        for _ in 0..<nulls { appendNull() }
    }

    private static func widen(_ integers: FixedBuilder<Int64>) -> FixedBuilder<Double> {
        let column = integers.finish()
        let values = column.int64Values
        let builder = FixedBuilder<Double>.float64(capacity: column.count + 1)
        for row in 0..<column.count {
            if column.isNull(row) { builder.appendNull() } else { builder.append(Double(values.pointer[row])) }
        }
        return builder
    }

    private func bool(_ statement: OpaquePointer, _ index: Int32, _ kind: Int32, _ row: Int) throws -> UInt8 {
        if kind == SQLITE_INTEGER {
            let value = sqlite3_column_int64(statement, index)
            if value == 0 || value == 1 { return UInt8(value) }
        } else if kind == SQLITE_TEXT {
            switch String(decoding: Self.text(statement, index), as: UTF8.self).lowercased() {
            case "true", "t": return 1
            case "false", "f": return 0
            default: break
            }
        }
        throw misfit(row, kind)
    }

    private func uuid(_ statement: OpaquePointer, _ index: Int32, _ kind: Int32, _ row: Int) throws -> UUID {
        if kind == SQLITE_TEXT, let uuid = UUID(Self.text(statement, index)) { return uuid }
        if kind == SQLITE_BLOB {
            let bytes = Self.blob(statement, index)
            if bytes.count == 16 { return UUID(bigEndian: UnsafeRawPointer(bytes.baseAddress!)) }
        }
        throw misfit(row, kind)
    }

    private static func text(_ statement: OpaquePointer, _ index: Int32) -> UnsafeBufferPointer<UInt8> {
        let start = sqlite3_column_text(statement, index)
        return UnsafeBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(statement, index)))
    }

    private static func blob(_ statement: OpaquePointer, _ index: Int32) -> UnsafeBufferPointer<UInt8> {
        let start = sqlite3_column_blob(statement, index)?.assumingMemoryBound(to: UInt8.self)
        return UnsafeBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(statement, index)))
    }

    /// Numeric text, `NaN` and the infinities; nil for anything else.
    private static func number(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        let text = String(decoding: text, as: UTF8.self)
        return Double(text.drop { $0 == " " }.prefix { $0 != " " })
    }

    private static func isInfinity(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.count <= 9 && ["infinity", "-infinity"].contains(String(decoding: text, as: UTF8.self).lowercased())
    }

    private func misfit(_ row: Int, _ kind: Int32) -> SQLError {
        let found = [SQLITE_INTEGER: "an integer", SQLITE_FLOAT: "a fraction", SQLITE_BLOB: "a blob"][kind] ?? "text"
        if type.dtype == nil {
            return ResultNames.misfit(
                name, row,
                "is \(found), unlike those before it; give the column one type with CAST in the statement, or "
                    + "with the option types")
        }
        return ResultNames.misfit(name, row, "is \(found) that is no \(type.name)")
    }
}
