import Base

/// Reads JSON text where it lies, value by value, for readers that know what they look for and need no tree.
///
/// As strict as `JSON.decode`, but for numbers: they come as their text, of any size, and the reader decides what fits.
/// Every method throws `Malformed` where the text is not JSON; `failure()` then says what is wrong.
///
///     var scanner = JSONScanner(bytes)
///     try scanner.beginArray()
///     var isFirst = true
///     while try scanner.nextElement(&isFirst) { sum += Double(try scanner.number()) }
///     try scanner.end()
public struct JSONScanner: ~Copyable {
    public struct Malformed: Error {
        public init() {}
    }

    public enum Kind: Sendable { case null, bool, number, string, array, object }

    /// A string as it stands between its quotes.
    public struct RawString {
        public let start: Int
        public let count: Int
        public let hasEscapes: Bool
    }

    private let text: UnsafePointer<UInt8>
    public let count: Int
    /// Where the next read begins. May be set back to the start of a value that was read, to read it again.
    public var position = 0
    private var depth = 0
    /// Hashes of the names of the objects that are open, innermost last.
    private var names: [UInt64] = []
    private var unescaped: UnsafeMutablePointer<UInt8>
    private var unescapedCapacity = 256

    /// - Parameter bytes: must stay valid as long as the scanner is used.
    public init(_ bytes: UnsafeRawBufferPointer) {
        unescaped = .allocate(capacity: unescapedCapacity)
        count = bytes.count
        // Never read when there are no bytes.
        text = bytes.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) } ?? UnsafePointer(unescaped)
    }

    deinit { unescaped.deallocate() }

    // MARK: - What comes next

    @inline(__always) private mutating func skipSpaces() {
        while position < count {
            switch text[position] {
            case UInt8(ascii: " "), 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// Moves to the next value and tells its kind by its first byte.
    @inline(__always) public mutating func kind() throws -> Kind {
        skipSpaces()
        guard position < count else { throw Malformed() }
        switch text[position] {
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): return .number
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "{"): return .object
        default: throw Malformed()
        }
    }

    /// Nothing but white space may follow.
    public mutating func end() throws {
        skipSpaces()
        guard position == count else { throw Malformed() }
    }

    // MARK: - Scalars

    private mutating func take(word: StaticString) throws {
        let length = word.utf8CodeUnitCount
        guard position + length <= count else { throw Malformed() }
        for index in 0..<length where text[position + index] != word.utf8Start[index] { throw Malformed() }
        position += length
    }

    public mutating func null() throws { try take(word: "null") }

    public mutating func bool() throws -> Bool {
        guard position < count else { throw Malformed() }
        let value = text[position] == UInt8(ascii: "t")
        try take(word: value ? "true" : "false")
        return value
    }

    /// The number's text.
    public mutating func number() throws -> UnsafeBufferPointer<UInt8> {
        let start = position
        var at = position
        @inline(__always) func digits() -> Bool {
            let first = at
            while at < count, text[at] &- UInt8(ascii: "0") < 10 { at += 1 }
            return at > first
        }
        if at < count, text[at] == UInt8(ascii: "-") { at += 1 }
        if at < count, text[at] == UInt8(ascii: "0") { at += 1 } else if !digits() { throw Malformed() }
        if at < count, text[at] == UInt8(ascii: ".") {
            at += 1
            if !digits() { throw Malformed() }
        }
        if at < count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
            if !digits() { throw Malformed() }
        }
        position = at
        return UnsafeBufferPointer(start: text + start, count: at - start)
    }

    /// The string's bytes, with escapes undone; valid until the next string is read.
    public mutating func string() throws -> UnsafeBufferPointer<UInt8> { decoded(try rawString()) }

    /// Passes a string and checks it.
    public mutating func rawString() throws -> RawString {
        guard position < count, text[position] == UInt8(ascii: "\"") else { throw Malformed() }
        let start = position + 1
        var at = start
        var hasEscapes = false
        while true {
            at += plainASCIICount(text + at, count - at)
            guard at < count else { throw Malformed() }
            let byte = text[at]
            if byte == UInt8(ascii: "\"") {
                position = at + 1
                return RawString(start: start, count: at - start, hasEscapes: hasEscapes)
            }
            if byte >= 0x80 {
                repeat {
                    let length = UTF8Check.sequenceLength(text + at, count - at)
                    guard length > 0 else { throw Malformed() }
                    at += length
                } while at < count && text[at] >= 0x80
            } else if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                at += try escapeLength(at)
            } else {
                throw Malformed()
            }
        }
    }

    /// The length of the escape that starts at `at`; a pair of surrogates is one.
    private func escapeLength(_ at: Int) throws -> Int {
        guard at + 1 < count else { throw Malformed() }
        switch text[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"):
            guard let unit = codeUnit(at) else { throw Malformed() }
            if unit & 0xFC00 == 0xDC00 { throw Malformed() }
            if unit & 0xFC00 != 0xD800 { return 6 }
            guard let second = codeUnit(at + 6), second & 0xFC00 == 0xDC00 else { throw Malformed() }
            return 12
        default: throw Malformed()
        }
    }

    /// The UTF-16 code unit of a `\uXXXX` at `at`; nil when there is none.
    private func codeUnit(_ at: Int) -> UInt32? {
        guard at + 6 <= count, text[at] == UInt8(ascii: "\\"), text[at + 1] == UInt8(ascii: "u") else { return nil }
        var unit: UInt32 = 0
        for index in at + 2..<at + 6 {
            let digit: UInt8
            switch text[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = text[index] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = text[index] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = text[index] - UInt8(ascii: "A") + 10
            default: return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// The bytes of a string that `rawString` passed.
    public mutating func decoded(_ raw: RawString) -> UnsafeBufferPointer<UInt8> {
        guard raw.hasEscapes else { return UnsafeBufferPointer(start: text + raw.start, count: raw.count) }
        // No escape is shorter than what it stands for.
        if raw.count > unescapedCapacity {
            unescaped.deallocate()
            unescapedCapacity = raw.count * 2
            unescaped = .allocate(capacity: unescapedCapacity)
        }
        var length = 0
        var at = raw.start
        let end = raw.start + raw.count
        while at < end {
            guard text[at] == UInt8(ascii: "\\") else {
                unescaped[length] = text[at]
                length += 1
                at += 1
                continue
            }
            if text[at + 1] == UInt8(ascii: "u"), var scalar = codeUnit(at) {
                at += 6
                if scalar & 0xFC00 == 0xD800, let second = codeUnit(at) {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + second & 0x3FF
                    at += 6
                }
                for byte in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}")! {
                    unescaped[length] = byte
                    length += 1
                }
                continue
            }
            switch text[at + 1] {
            case UInt8(ascii: "b"): unescaped[length] = 0x08
            case UInt8(ascii: "f"): unescaped[length] = 0x0C
            case UInt8(ascii: "n"): unescaped[length] = 0x0A
            case UInt8(ascii: "r"): unescaped[length] = 0x0D
            case UInt8(ascii: "t"): unescaped[length] = 0x09
            default: unescaped[length] = text[at + 1]
            }
            length += 1
            at += 2
        }
        return UnsafeBufferPointer(start: unescaped, count: length)
    }

    // MARK: - Arrays and objects

    private mutating func open(_ bracket: Unicode.Scalar) throws {
        guard position < count, text[position] == UInt8(ascii: bracket), depth < JSON.maximumDepth else {
            throw Malformed()
        }
        position += 1
        depth += 1
    }

    /// True at another element or member, false past the closing bracket.
    @inline(__always) private mutating func next(_ closing: Unicode.Scalar, _ isFirst: inout Bool) throws -> Bool {
        skipSpaces()
        guard position < count else { throw Malformed() }
        if text[position] == UInt8(ascii: closing) {
            position += 1
            depth -= 1
            return false
        }
        if isFirst {
            isFirst = false
        } else {
            guard text[position] == UInt8(ascii: ",") else { throw Malformed() }
            position += 1
            skipSpaces()
        }
        return true
    }

    public mutating func beginArray() throws { try open("[") }

    /// - Parameter isFirst: true before the first call, and the scanner's from then on.
    public mutating func nextElement(_ isFirst: inout Bool) throws -> Bool { try next("]", &isFirst) }

    /// For readers that look for repeated names themselves: members are read with `nextMember`.
    public mutating func beginMembers() throws { try open("{") }

    /// True at another member, whose name is to be read with `rawString` or `take(name:)` and followed by `colon()`.
    public mutating func nextMember(_ isFirst: inout Bool) throws -> Bool { try next("}", &isFirst) }

    /// Passes a name that stands here exactly as `raw` stood elsewhere in this text. False leaves everything as it was.
    public mutating func take(name raw: RawString) -> Bool {
        let length = raw.count + 2
        guard position + length <= count else { return false }
        // With the quotes, so that neither is a part of a longer name.
        let here = UnsafeRawPointer(text + position)
        let there = UnsafeRawPointer(text + (raw.start - 1))
        var at = 0
        while at + 8 <= length {
            if (here + at).loadUnaligned(as: UInt64.self) != (there + at).loadUnaligned(as: UInt64.self) {
                return false
            }
            at += 8
        }
        while at < length {
            if text[position + at] != text[raw.start - 1 + at] { return false }
            at += 1
        }
        position += length
        return true
    }

    public mutating func colon() throws {
        skipSpaces()
        guard position < count, text[position] == UInt8(ascii: ":") else { throw Malformed() }
        position += 1
    }

    /// The state of an object whose members are being read.
    public struct Members {
        var isFirst = true
        fileprivate let base: Int
    }

    public mutating func beginObject() throws -> Members {
        try open("{")
        return Members(base: names.count)
    }

    /// The next member's name, with its value to be read next; nil past the object's end. Valid as `string()` is.
    public mutating func nextName(_ members: inout Members) throws -> UnsafeBufferPointer<UInt8>? {
        guard try nextMember(&members.isFirst) else {
            guard !JSONScanner.hasRepeats(names[members.base...]) else { throw Malformed() }
            names.removeSubrange(members.base...)
            return nil
        }
        let name = try string()
        try colon()
        names.append(try JSONScanner.hash(name: name))
        return name
    }

    /// Stands for a name where repeats are looked for. NUL is refused in names, as `JSON.decode` does.
    public static func hash(name: UnsafeBufferPointer<UInt8>) throws -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name {
            if byte == 0 { throw Malformed() }
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
        // FNV-1a's top bits are its good ones; a second product spreads them.
        return (hash ^ hash >> 32) &* 0x9E37_79B9_7F4A_7C15
    }

    /// Whether two names have one hash, which tells them to be equal.
    public static func hasRepeats(_ hashes: ArraySlice<UInt64>) -> Bool {
        if hashes.count <= 16 {
            for index in hashes.indices.dropFirst() where hashes[..<index].contains(hashes[index]) { return true }
            return false
        }
        let sorted = hashes.sorted()
        return zip(sorted, sorted.dropFirst()).contains { $0 == $1 }
    }

    // MARK: - Failures

    /// Whether the whole text is one JSON value. Moves to where it is not.
    public mutating func isWellFormed() -> Bool {
        position = 0
        depth = 0
        names = []
        do {
            try skip()
            try end()
            return true
        } catch {
            return false
        }
    }

    /// What is wrong with a text after a `Malformed`: what `JSON.decode` finds, else the place that was reached.
    public func failure(source: String? = nil) -> any Error {
        let bytes = UnsafeRawBufferPointer(start: text, count: count)
        do {
            _ = try JSON.decode(bytes, source: source)
        } catch {
            return error
        }
        return JSONError("json.syntax", "unexpected text", at: TextPlace(source: source, offset: position, in: bytes))
    }
}
