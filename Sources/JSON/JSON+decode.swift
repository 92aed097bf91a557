import Base

extension JSON {
    /// Reads one JSON text of strict UTF-8.
    ///
    /// Numbers without fraction and exponent are int64, all others double, correctly rounded; an integer outside of
    /// int64 and a number too large for a double are refused rather than changed. A name that is there twice, which the
    /// RFC leaves to the reader, a byte order mark and anything after the value are refused.
    /// - Parameter source: the file's name, for messages.
    public static func decode(_ bytes: UnsafeRawBufferPointer, source: String? = nil) throws -> Value {
        var scanner = JSONScanner(bytes, source: source)
        let value = try scanner.value()
        try scanner.end()
        return value
    }
}

extension JSONScanner {
    /// Reads one value of any kind. The depth is bounded, so recursion is safe.
    mutating func value() throws -> Value {
        switch try kind() {
        case .null:
            try null()
            return .null
        case .bool: return .bool(try bool())
        case .number: return try numberValue()
        case .string: return .string(String(decoding: try string(), as: UTF8.self))
        case .array:
            try beginArray()
            var elements: [Value] = []
            var isFirst = true
            while try nextElement(&isFirst) {
                elements.append(try value())
                if elements.count & 0xFFFF == 0 { try Interrupt.check() }
            }
            return .array(elements)
        case .object:
            var open = try beginObject()
            var members: [Value.Member] = []
            while let name = try nextName(&open) {
                let name = String(decoding: name, as: UTF8.self)
                members.append(Value.Member(name, try value()))
                if members.count & 0xFFFF == 0 { try Interrupt.check() }
            }
            return .object(members)
        }
    }

    private mutating func numberValue() throws -> Value {
        let start = position
        let text = try number()
        if text.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 || $0 == UInt8(ascii: "-") }) {
            if let number = NumberText.int64(text) { return .int(number) }
            throw failure(
                "json.number",
                "an integer that does not fit in 64 bits; write a larger one as a string or with an exponent", at: start
            )
        }
        if let number = NumberText.double(text), number.isFinite { return .double(number) }
        throw failure("json.number", "a number that is too large for a double", at: start)
    }
}
