import Base
import Frames
import JSON

/// Lists as JSON text: how SQLite holds them, and how `json` columns do.
enum JSONText {
    /// Rows of a column as a JSON array.
    /// - Throws: `sql.type` for numbers JSON cannot hold.
    static func appendList(_ column: Column, _ rows: Range<Int>, to text: inout [UInt8]) throws {
        switch column.storage {
        case .float32(let values):
            try refuseNonFinite(rows.allSatisfy { column.isNull($0) || values.pointer[$0].isFinite })
        case .float64(let values):
            try refuseNonFinite(rows.allSatisfy { column.isNull($0) || values.pointer[$0].isFinite })
        case .list(let offsets, let child) where !rows.isEmpty:
            text.append(UInt8(ascii: "["))
            for row in rows {
                if row > rows.lowerBound { text.append(UInt8(ascii: ",")) }
                if column.isNull(row) {
                    text += "null".utf8
                } else {
                    try appendList(child, Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1]), to: &text)
                }
            }
            text.append(UInt8(ascii: "]"))
            return
        default: break
        }
        appendElements(column, rows, to: &text)
    }

    private static func refuseNonFinite(_ finite: Bool) throws {
        if !finite { throw SQLError("sql.type", "JSON cannot hold NaN or an infinity") }
    }

    static func appendElements(_ column: Column, _ rows: Range<Int>, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "["))
        var item: [UInt8] = []
        for row in rows {
            if row > rows.lowerBound { text.append(UInt8(ascii: ",")) }
            if column.isNull(row) {
                text += "null".utf8
                continue
            }
            switch column.storage {
            case .string: JSON.appendQuoted(column.stringBytes(row), to: &text)
            case .timestamp, .uuid:
                item.removeAll(keepingCapacity: true)
                ValueText.append(column, row, to: &item)
                item.withUnsafeBufferPointer { _ = JSON.appendQuoted($0, to: &text) }
            default: ValueText.append(column, row, to: &text)
            }
        }
        text.append(UInt8(ascii: "]"))
    }
}

/// Reads JSON arrays of scalars into lists, one row after the other.
struct JSONListReader {
    let element: DType
    private let child: any ColumnBuilder
    private let list: ListBuilder<any ColumnBuilder>

    /// - Parameter element: string, int64, float32, float64, bool, uuid or timestamp.
    init(element: DType, capacity: Int) {
        self.element = element
        child = element.builder()
        list = ListBuilder(child, capacity: capacity)
    }

    func appendNull() { list.appendNull() }
    func finish() -> Column { list.finish() }

    /// - Returns: what is wrong with the text, in words that do not repeat it; nil when it was read.
    func append(_ text: UnsafeBufferPointer<UInt8>) -> String? {
        var scanner = Scanner(text)
        scanner.skipBlanks()
        // JSON null stands for no list at all.
        if scanner.take("null") {
            scanner.skipBlanks()
            guard scanner.atEnd else { return "is not a JSON array" }
            list.appendNull()
            return nil
        }
        guard scanner.take("[") else { return "is not a JSON array" }
        scanner.skipBlanks()
        if !scanner.take("]") {
            while true {
                if let problem = appendElement(&scanner) { return problem }
                scanner.skipBlanks()
                if scanner.take("]") { break }
                guard scanner.take(",") else { return "is not a JSON array" }
            }
        }
        scanner.skipBlanks()
        guard scanner.atEnd else { return "has text after the end of its JSON array" }
        list.endList()
        return nil
    }

    private func appendElement(_ scanner: inout Scanner) -> String? {
        scanner.skipBlanks()
        if scanner.take("null") {
            child.appendNull()
            return nil
        }
        let wrong = "has a list element that is no \(element.name)"
        switch child {
        case let builder as StringBuilder:
            guard let text = scanner.string() else { return wrong }
            text.withUnsafeBufferPointer { builder.append($0) }
        case let builder as FixedBuilder<UUID>:
            guard let text = scanner.string(), let uuid = text.withUnsafeBufferPointer({ UUID($0) }) else {
                return wrong
            }
            builder.append(uuid)
        case let builder as FixedBuilder<Int64>:
            if element == .timestamp {
                guard let text = scanner.string(), let time = text.withUnsafeBufferPointer({ Timestamp.parse($0) })
                else { return wrong }
                builder.append(time)
            } else {
                guard let number = Int64(scanner.number()) else { return wrong }
                builder.append(number)
            }
        case let builder as FixedBuilder<Double>:
            guard let number = Double(scanner.number()), number.isFinite else { return wrong }
            builder.append(number)
        case let builder as FixedBuilder<Float>:
            guard let number = Float(scanner.number()), number.isFinite else { return wrong }
            builder.append(number)
        case let builder as FixedBuilder<UInt8>:
            if scanner.take("true") {
                builder.append(1)
            } else if scanner.take("false") {
                builder.append(0)
            } else {
                return wrong
            }
        default: return "lists of \(element.name) cannot be read from JSON"
        }
        return nil
    }

    private struct Scanner {
        let bytes: UnsafeBufferPointer<UInt8>
        var at = 0

        init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }
        var atEnd: Bool { at >= bytes.count }

        mutating func skipBlanks() {
            while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
        }

        mutating func take(_ word: StaticString) -> Bool {
            let count = word.utf8CodeUnitCount
            guard bytes.count - at >= count else { return false }
            for index in 0..<count where bytes[at + index] != word.utf8Start[index] { return false }
            at += count
            return true
        }

        /// The characters of a number, unchecked but for their kind; empty when there is none.
        mutating func number() -> String {
            let start = at
            while at < bytes.count {
                switch bytes[at] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                    UInt8(ascii: "e"), UInt8(ascii: "E"):
                    at += 1
                default: return String(decoding: bytes[start..<at], as: UTF8.self)
                }
            }
            return String(decoding: bytes[start..<at], as: UTF8.self)
        }

        mutating func string() -> [UInt8]? {
            guard take("\"") else { return nil }
            var text: [UInt8] = []
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: "\""): return text
                case 0..<0x20: return nil
                case UInt8(ascii: "\\"):
                    guard at < bytes.count else { return nil }
                    let escaped = bytes[at]
                    at += 1
                    switch escaped {
                    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escaped)
                    case UInt8(ascii: "b"): text.append(8)
                    case UInt8(ascii: "f"): text.append(12)
                    case UInt8(ascii: "n"): text.append(10)
                    case UInt8(ascii: "r"): text.append(13)
                    case UInt8(ascii: "t"): text.append(9)
                    case UInt8(ascii: "u"):
                        guard let scalar = unicode() else { return nil }
                        text += String(Character(scalar)).utf8
                    default: return nil
                    }
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func unicode() -> Unicode.Scalar? {
            guard let first = hex() else { return nil }
            guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
            guard take("\\u"), let second = hex(), (0xDC00..<0xE000).contains(second) else { return nil }
            return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        }

        private mutating func hex() -> UInt32? {
            guard bytes.count - at >= 4 else { return nil }
            var value: UInt32 = 0
            for _ in 0..<4 {
                let byte = bytes[at]
                at += 1
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
                case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
                default: return nil
                }
            }
            return value
        }
    }
}
