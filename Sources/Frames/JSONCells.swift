import Base
import JSON

/// A column builder that reads JSON values.
enum JSONCells {
    case int64(FixedBuilder<Int64>)
    case timestamp(FixedBuilder<Int64>)
    case float32(FixedBuilder<Float>)
    case float64(FixedBuilder<Double>)
    case bool(FixedBuilder<UInt8>)
    case uuid(FixedBuilder<UUID>)
    case string(StringBuilder)
    case json(StringBuilder)
    indirect case list(ListBuilder<any ColumnBuilder>, of: JSONCells)

    init(_ column: JSONColumn) {
        switch column.kind {
        case .dtype(let dtype): self.init(dtype)
        case .json: self = .json(StringBuilder())
        }
    }

    init(_ dtype: DType, capacity: Int = 0) {
        switch dtype {
        case .int64: self = .int64(.int64())
        case .timestamp: self = .timestamp(.timestamp())
        case .float32: self = .float32(.float32())
        case .float64: self = .float64(.float64())
        case .bool: self = .bool(.bool())
        case .uuid: self = .uuid(.uuid())
        case .string: self = .string(StringBuilder())
        case .list(let element):
            let elements = JSONCells(element)
            self = .list(ListBuilder(elements.builder, capacity: capacity), of: elements)
        }
    }

    private var builder: any ColumnBuilder {
        switch self {
        case .int64(let builder), .timestamp(let builder): builder
        case .float32(let builder): builder
        case .float64(let builder): builder
        case .bool(let builder): builder
        case .uuid(let builder): builder
        case .string(let builder), .json(let builder): builder
        case .list(let builder, _): builder
        }
    }

    func appendNull() { builder.appendNull() }

    var count: Int { builder.count }

    /// Takes back the rows behind the first `count`, and what was read of a row that is not finished.
    func truncate(to count: Int) {
        switch self {
        case .int64(let builder), .timestamp(let builder): builder.truncate(to: count)
        case .float32(let builder): builder.truncate(to: count)
        case .float64(let builder): builder.truncate(to: count)
        case .bool(let builder): builder.truncate(to: count)
        case .uuid(let builder): builder.truncate(to: count)
        case .string(let builder), .json(let builder): builder.truncate(to: count)
        case .list(let builder, let elements):
            builder.truncate(to: count)
            elements.truncate(to: Int(builder.offsets.pointer[count]))
        }
    }

    func finish() -> Column { builder.finish() }

    /// Ends a list whose elements came by `appendElement`.
    func endList() {
        if case .list(let builder, _) = self { builder.endList() }
    }

    func appendElement(_ scanner: inout JSONScanner) throws -> Bool {
        guard case .list(_, let elements) = self else { return false }
        return try elements.append(&scanner)
    }

    /// Reads the value that is next, which is not null. False when it is not of the type; the scanner then stands
    /// somewhere in it.
    func append(_ scanner: inout JSONScanner) throws -> Bool {
        let kind = try scanner.kind()
        switch self {
        case .int64(let builder): return try JSONNumber.append(&scanner, kind, to: builder)
        case .float64(let builder): return try JSONNumber.append(&scanner, kind, to: builder, NumberText.double)
        case .float32(let builder): return try JSONNumber.append(&scanner, kind, to: builder, NumberText.float)
        case .timestamp(let builder):
            guard kind == .string else { return false }
            let text = try scanner.string()
            if let value = Timestamp.parse(text) {
                builder.append(value)
            } else if JSONNumber.isInfinity(text) {
                builder.appendNull()
            } else {
                return false
            }
        case .bool(let builder):
            guard kind == .bool else { return false }
            builder.append(try scanner.bool() ? 1 : 0)
        case .uuid(let builder):
            guard kind == .string, let value = UUID(try scanner.string()) else { return false }
            builder.append(value)
        case .string(let builder):
            switch kind {
            case .string: builder.append(try scanner.string())
            // An identifier that the database holds as a number; its digits say the same.
            case .number: builder.append(try scanner.number())
            default: return false
            }
        case .json(let builder):
            var text: [UInt8] = []
            try scanner.compact(into: &text)
            text.withUnsafeBufferPointer { builder.append($0) }
        case .list(let builder, let elements):
            switch kind {
            case .array:
                try scanner.beginArray()
                var isFirst = true
                while try scanner.nextElement(&isFirst) {
                    if try scanner.kind() == .null {
                        try scanner.null()
                        elements.appendNull()
                    } else if try !elements.append(&scanner) {
                        return false
                    }
                }
            case .string:
                guard try elements.appendVector(try scanner.string()) else { return false }
            default: return false
            }
            builder.endList()
        }
        return true
    }

    /// The elements of a vector as databases write it in a text: `[1,2.5,-3]`.
    private func appendVector(_ text: UnsafeBufferPointer<UInt8>) throws -> Bool {
        guard text.count >= 2, text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]") else { return false }
        var at = 1
        let end = text.count - 1
        if (1..<end).allSatisfy({ text[$0] == UInt8(ascii: " ") }) { return true }
        while at <= end {
            var next = at
            while next < end, text[next] != UInt8(ascii: ",") { next += 1 }
            let number = JSONNumber.trimmed(UnsafeBufferPointer(rebasing: text[at..<next]))
            switch self {
            case .float32(let builder):
                guard let value = NumberText.float(number), value.isFinite else { return false }
                builder.append(value)
            case .float64(let builder):
                guard let value = NumberText.double(number), value.isFinite else { return false }
                builder.append(value)
            default: return false
            }
            at = next + 1
        }
        return true
    }
}

/// Numbers as numbers or in strings.
enum JSONNumber {
    static func append(
        _ scanner: inout JSONScanner, _ kind: JSONScanner.Kind, to builder: FixedBuilder<Int64>
    ) throws -> Bool {
        guard let text = try text(&scanner, kind) else { return false }
        guard let value = NumberText.wholeNumber(text) else { return false }
        builder.append(value)
        return true
    }

    static func append<Number: BinaryFloatingPoint>(
        _ scanner: inout JSONScanner, _ kind: JSONScanner.Kind, to builder: FixedBuilder<Number>,
        _ read: (UnsafeBufferPointer<UInt8>) -> Number?
    ) throws -> Bool {
        guard let text = try text(&scanner, kind), let value = read(text) else { return false }
        if value.isFinite {
            builder.append(value)
        } else {
            guard kind == .string, !isDigits(text) else { return false }
            builder.appendNull()
        }
        return true
    }

    /// The text of a number, or of a string that should hold one; nil for other kinds.
    private static func text(
        _ scanner: inout JSONScanner, _ kind: JSONScanner.Kind
    ) throws -> UnsafeBufferPointer<UInt8>? {
        switch kind {
        case .number: try scanner.number()
        case .string: trimmed(try scanner.string())
        default: nil
        }
    }

    /// Digits that overflow are not the infinity somebody meant.
    private static func isDigits(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.contains { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    static func isInfinity(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let value = NumberText.double(trimmed(text)) else { return false }
        return value.isInfinite && !isDigits(text)
    }

    static func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte >= 0x09 && byte <= 0x0D }
        var low = 0
        var high = text.count
        while low < high, isSpace(text[low]) { low += 1 }
        while low < high, isSpace(text[high - 1]) { high -= 1 }
        return UnsafeBufferPointer(rebasing: text[low..<high])
    }
}
