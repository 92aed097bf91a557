import Base

extension Column {
    /// `body` of every string row, computed once per pool entry where that is less work. Null rows get a value that
    /// must not be looked at.
    func mapStrings<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> Buffer<R> {
        let (codes, pool) = stringParts
        let result = Buffer<R>(uninitialized: count)
        if pool.count <= count {
            let perCode = Buffer<R>(uninitialized: pool.count)
            // Assigning an optional looks at the old value, so fresh memory is initialised instead.
            for code in 0..<pool.count { (perCode.pointer + code).initialize(to: try body(pool[bytesAt: code])) }
            if pool.count == 0 {
                let value = try body(UnsafeBufferPointer(start: nil, count: 0))
                result.pointer.initialize(repeating: value, count: count)
                return result
            }
            Workers.pieces(of: count) { [codes = codes.pointer, size = pool.count] rows in
                for row in rows {
                    let code = Int(codes[row])
                    (result.pointer + row).initialize(to: perCode.pointer[code < size ? code : 0])
                }
            }
            return result
        }
        // A null row's code may be out of range, so it reads entry 0, which exists here.
        for row in 0..<count {
            (result.pointer + row).initialize(to: try body(pool[bytesAt: isNull(row) ? 0 : Int(codes.pointer[row])]))
        }
        return result
    }

    /// A string column through a function of strings.
    func transformStrings(_ body: (String) -> String) -> Column {
        let builder = StringPoolBuilder()
        let codes = mapStrings { bytes -> Int32 in
            var text = body(String(decoding: bytes, as: UTF8.self))
            return text.withUTF8 { builder.code(for: $0) }
        }
        if builder.count == 0 { _ = builder.code(for: UnsafeBufferPointer(start: nil, count: 0)) }
        if validity != nil {
            for row in 0..<count where isNull(row) { codes.pointer[row] = 0 }
        }
        return Column(.string(codes: codes, pool: builder.finish()), validity: validity)
    }

    func requireString(_ name: String) throws {
        guard dtype == .string else {
            throw FrameError("frame.type", "\(name) needs a string column, not \(dtype.name)")
        }
    }

    public func lower() throws -> Column {
        try requireString("lower")
        return transformStrings { $0.lowercased() }
    }

    public func upper() throws -> Column {
        try requireString("upper")
        return transformStrings { $0.uppercased() }
    }

    /// Without white space at both ends.
    public func trim() throws -> Column {
        try requireString("trim")
        return transformStrings { text in
            let scalars = text.unicodeScalars
            guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
                let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
            else { return "" }
            return String(scalars[first...last])
        }
    }

    /// Every occurrence of `old` replaced by `new`; an empty `old` changes nothing.
    public func replace(_ old: String, _ new: String) throws -> Column {
        try requireString("replace")
        let pattern = Array(old.utf8)
        // As if the texts were nothing but `old`: a bound that costs no look at them.
        let (length, most) = (new.utf8.count, stringParts.pool.bytes.count / max(pattern.count, 1))
        try Memory.check(most, of: length, for: "replace: \(most) times \(length) bytes")
        return transformStrings { text in
            guard !pattern.isEmpty else { return text }
            let bytes = Array(text.utf8)
            var result: [UInt8] = []
            var at = 0
            while at < bytes.count {
                if bytes[at...].starts(with: pattern) {
                    result.append(contentsOf: new.utf8)
                    at += pattern.count
                } else {
                    result.append(bytes[at])
                    at += 1
                }
            }
            return String(decoding: result, as: UTF8.self)
        }
    }

    /// Each string cut at every `separator`, as a list of its parts; the empty string has none.
    public func split(_ separator: String) throws -> Column {
        try requireString("split")
        let pattern = Array(separator.utf8)
        guard let first = pattern.first else { throw FrameError("frame.value", "split needs a separator") }
        let parts = ListBuilder(StringBuilder(), capacity: count)
        for row in 0..<count {
            if isNull(row) {
                parts.appendNull()
                continue
            }
            let text = stringBytes(row)
            var start = 0
            var at = 0
            while at + pattern.count <= text.count {
                if text[at] == first, text[at..<at + pattern.count].elementsEqual(pattern) {
                    parts.child.append(UnsafeBufferPointer(rebasing: text[start..<at]))
                    at += pattern.count
                    start = at
                } else {
                    at += 1
                }
            }
            if text.count > 0 { parts.child.append(UnsafeBufferPointer(rebasing: text[start...])) }
            parts.endList()
        }
        return parts.finish()
    }

    public enum TextTest: String, Sendable { case contains, startsWith = "starts_with", endsWith = "ends_with" }

    /// Whether each string has `part` in it, at its start, or at its end, byte for byte.
    public func test(_ kind: TextTest, _ part: String) throws -> Column {
        try requireString(kind.rawValue)
        let pattern = Array(part.utf8)
        let values: Buffer<UInt8> = mapStrings { bytes in
            switch kind {
            case .startsWith: return bytes.starts(with: pattern) ? 1 : 0
            case .endsWith:
                return bytes.count >= pattern.count && bytes.suffix(pattern.count).elementsEqual(pattern) ? 1 : 0
            case .contains: return find(pattern, in: bytes) ? 1 : 0
            }
        }
        return Column(.bool(values), validity: validity)
    }

    /// Whether each list holds `value`.
    public func listContains(_ value: Operand) throws -> Column {
        guard case .list(let offsets, let child) = storage else {
            throw FrameError("frame.type", "contains needs a string or list column, not \(dtype.name)")
        }
        let equal = try Operand.compare(.equal, Operand(child), value).column
        let values = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count {
            var found: UInt8 = 0
            for index in Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])
            where equal.boolValues.pointer[index] != 0 && !equal.isNull(index) {
                found = 1
                break
            }
            values.pointer[row] = found
        }
        return Column(.bool(values), validity: validity)
    }

    /// Unicode code points of each string, or elements of each list, as int64.
    public func lengths() throws -> Column {
        switch storage {
        case .string:
            let values: Buffer<Int64> = mapStrings { bytes in
                bytes.reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
            }
            return Column(.int64(values), validity: validity)
        case .list(let offsets, _):
            let values = Buffer<Int64>(uninitialized: count)
            for row in 0..<count { values.pointer[row] = offsets.pointer[row + 1] - offsets.pointer[row] }
            return Column(.int64(values), validity: validity)
        default: throw FrameError("frame.type", "len needs a string or list column, not \(dtype.name)")
        }
    }
}

private func find(_ pattern: [UInt8], in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let first = pattern.first else { return true }
    guard bytes.count >= pattern.count else { return false }
    for start in 0...(bytes.count - pattern.count) where bytes[start] == first {
        var index = 1
        while index < pattern.count, bytes[start + index] == pattern[index] { index += 1 }
        if index == pattern.count { return true }
    }
    return false
}
