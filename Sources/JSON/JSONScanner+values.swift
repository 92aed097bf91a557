extension JSONScanner {
    /// Passes one value of any kind, checking it.
    public mutating func skip() throws {
        switch try kind() {
        case .null: try null()
        case .bool: _ = try bool()
        case .number: _ = try number()
        case .string: _ = try rawString()
        case .array:
            try beginArray()
            var isFirst = true
            while try nextElement(&isFirst) { try skip() }
        case .object:
            var members = try beginObject()
            while try nextName(&members) != nil { try skip() }
        }
    }

    /// Passes one value and appends it as compact text: no spaces, strings with the fewest escapes, numbers as written.
    public mutating func compact(into target: inout [UInt8]) throws {
        switch try kind() {
        case .null:
            try null()
            target.append(contentsOf: "null".utf8)
        case .bool: target.append(contentsOf: (try bool() ? "true" : "false").utf8)
        case .number: target.append(contentsOf: try number())
        case .string: JSON.appendQuoted(try string(), to: &target)
        case .array:
            try beginArray()
            target.append(UInt8(ascii: "["))
            var isFirst = true
            while true {
                let isComma = !isFirst
                guard try nextElement(&isFirst) else { break }
                if isComma { target.append(UInt8(ascii: ",")) }
                try compact(into: &target)
            }
            target.append(UInt8(ascii: "]"))
        case .object:
            var members = try beginObject()
            target.append(UInt8(ascii: "{"))
            while true {
                let isComma = !members.isFirst
                guard let name = try nextName(&members) else { break }
                if isComma { target.append(UInt8(ascii: ",")) }
                JSON.appendQuoted(name, to: &target)
                target.append(UInt8(ascii: ":"))
                try compact(into: &target)
            }
            target.append(UInt8(ascii: "}"))
        }
    }
}
