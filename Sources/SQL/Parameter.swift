import Base
import Frames
import JSON

/// A value bound to a placeholder. It travels beside the statement, never inside it.
public enum Parameter: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    /// UTF-8.
    case text([UInt8])
    /// An array on PostgreSQL (`= ANY($1)`), JSON text on SQLite (`IN (SELECT value FROM json_each($1))`).
    case list([Parameter])
    /// As `list`, with the column's rows.
    case column(Column)

    public static func string(_ text: String) -> Parameter { .text(Array(text.utf8)) }

    /// The text PostgreSQL reads for a value whose type it infers from the place of the placeholder; nil is NULL.
    /// - Throws: `sql.type` for text with a NUL byte, which PostgreSQL cannot hold.
    func postgresText(_ number: Int) throws -> [UInt8]? {
        switch self {
        case .null: return nil
        case .bool(let value): return Array((value ? "true" : "false").utf8)
        case .int(let value): return Array(String(value).utf8)
        case .double(let value): return Array(ValueText.number(value).utf8)
        case .text(let bytes):
            try Self.refuseNul(bytes, number)
            return bytes
        case .list(let items):
            var literal: [UInt8] = [UInt8(ascii: "{")]
            for (index, item) in items.enumerated() {
                if index > 0 { literal.append(UInt8(ascii: ",")) }
                guard let bytes = try item.postgresText(number) else {
                    literal += "NULL".utf8
                    continue
                }
                switch item {
                case .list, .column: literal += bytes
                default: Self.appendQuoted(bytes, to: &literal)
                }
            }
            literal.append(UInt8(ascii: "}"))
            return literal
        case .column(let column):
            var literal: [UInt8] = [UInt8(ascii: "{")]
            var text: [UInt8] = []
            for row in 0..<column.count {
                if row & 0xFFFF == 0 { try Interrupt.check() }
                if row > 0 { literal.append(UInt8(ascii: ",")) }
                if column.isNull(row) {
                    literal += "NULL".utf8
                    continue
                }
                text.removeAll(keepingCapacity: true)
                ValueText.append(column, row, to: &text)
                try Self.refuseNul(text, number)
                Self.appendQuoted(text, to: &literal)
            }
            literal.append(UInt8(ascii: "}"))
            return literal
        }
    }

    private static func refuseNul(_ bytes: [UInt8], _ number: Int) throws {
        guard bytes.contains(0) else { return }
        throw SQLError(
            "sql.type", "value \(number) contains a NUL byte, which PostgreSQL's text cannot hold",
            details: [("parameter", .int(Int64(number)))])
    }

    private static func appendQuoted(_ bytes: [UInt8], to literal: inout [UInt8]) {
        literal.append(UInt8(ascii: "\""))
        for byte in bytes {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { literal.append(UInt8(ascii: "\\")) }
            literal.append(byte)
        }
        literal.append(UInt8(ascii: "\""))
    }

    /// The JSON text of a list or column.
    func json() throws -> [UInt8] {
        var text: [UInt8] = []
        try appendJSON(to: &text)
        return text
    }

    private func appendJSON(to text: inout [UInt8]) throws {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += (value ? "true" : "false").utf8
        case .int(let value): text += String(value).utf8
        case .double(let value):
            guard value.isFinite else { throw SQLError("sql.type", "JSON cannot hold NaN or an infinity") }
            text += String(value).utf8
        case .text(let bytes): bytes.withUnsafeBufferPointer { _ = JSON.appendQuoted($0, to: &text) }
        case .list(let items):
            text.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                try item.appendJSON(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .column(let column): try JSONText.appendList(column, 0..<column.count, to: &text)
        }
    }
}

/// The text forms of values that both databases read.
enum ValueText {
    /// Shortest text that reads back as the same number.
    static func number(_ value: Double) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.description
    }

    static func number(_ value: Float) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.description
    }

    /// Hands the text of an instant to `body`, `2025-01-31T12:00:00.5+00:00` with six digits of a fraction that is not
    /// zero: a form that sorts like the instants themselves, and that SQLite's date functions read.
    static func withTimestamp<T>(_ microseconds: Int64, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        let day = Timestamp.floorDivide(microseconds, Timestamp.microsecondsPerDay)
        let date = Timestamp.civil(days: day)
        guard (0...9999).contains(date.year) else {
            return try Array(Timestamp.text(microseconds, zone: "+00:00").utf8).withUnsafeBytes(body)
        }
        let inDay = microseconds - day * Timestamp.microsecondsPerDay
        let fraction = inDay % 1_000_000
        let seconds = inDay / 1_000_000
        return try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { text in
            func put(_ number: Int64, _ digits: Int, _ at: Int) {
                var rest = number
                for place in stride(from: at + digits - 1, through: at, by: -1) {
                    text[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
            }
            put(date.year, 4, 0)
            text[4] = UInt8(ascii: "-")
            put(date.month, 2, 5)
            text[7] = UInt8(ascii: "-")
            put(date.day, 2, 8)
            text[10] = UInt8(ascii: "T")
            put(seconds / 3600, 2, 11)
            text[13] = UInt8(ascii: ":")
            put(seconds / 60 % 60, 2, 14)
            text[16] = UInt8(ascii: ":")
            put(seconds % 60, 2, 17)
            var count = 19
            if fraction != 0 {
                text[19] = UInt8(ascii: ".")
                put(fraction, 6, 20)
                count = 26
            }
            for byte in "+00:00".utf8 {
                text[count] = byte
                count += 1
            }
            return try body(UnsafeRawBufferPointer(start: text.baseAddress, count: count))
        }
    }

    /// Hands the canonical text of a uuid to `body`.
    static func withUUID<T>(_ uuid: UUID, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { text in
            uuid.write(to: text.baseAddress!)
            return try body(UnsafeRawBufferPointer(text))
        }
    }

    /// One value that is not null, as the database would print it; lists as JSON.
    static func append(_ column: Column, _ row: Int, to text: inout [UInt8]) {
        switch column.storage {
        case .int64(let values): text += String(values.pointer[row]).utf8
        case .float32(let values): text += number(values.pointer[row]).utf8
        case .float64(let values): text += number(values.pointer[row]).utf8
        case .bool(let values): text += (values.pointer[row] != 0 ? "true" : "false").utf8
        case .timestamp(let values): withTimestamp(values.pointer[row]) { text.append(contentsOf: $0) }
        case .uuid(let values): withUUID(values[row]) { text.append(contentsOf: $0) }
        case .string: text += column.stringBytes(row)
        case .list(let offsets, let child):
            JSONText.appendElements(child, Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1]), to: &text)
        }
    }
}
