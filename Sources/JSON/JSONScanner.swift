import Base

/// Reads JSON text (RFC 8259, UTF-8) where it lies, value by value: what every reader of JSON is made of.
///
/// Checks all that it passes. A number comes as its text, of any size, and the reader decides what fits. Names are
/// compared when their object ends. Arrays and objects may lie in each other `JSON.maximumDepth` levels deep.
/// - Throws: every method throws `JSONError` where the text is no JSON, telling line and column.
///
///     var scanner = JSONScanner(bytes)
///     try scanner.beginArray()
///     var isFirst = true
///     while try scanner.nextElement(&isFirst) { sum += NumberText.double(try scanner.number())! }
///     try scanner.end()
public struct JSONScanner: ~Copyable {
    public enum Kind: Sendable { case null, bool, number, string, array, object }

    /// A string as it stands between its quotes.
    public struct RawString {
        public let start: Int
        public let count: Int
        public let hasEscapes: Bool
    }

    let text: UnsafePointer<UInt8>
    public let count: Int
    private let source: String?
    /// Where the next read begins. May be set back to the start of a value that was read, to read it again.
    public var position = 0
    private var depth = 0
    /// The names of the objects that are open, innermost last.
    private var names: [RawString] = []
    private var unescaped: UnsafeMutablePointer<UInt8>
    private var unescapedCapacity = 256

    /// - Parameters:
    ///   - bytes: must stay valid as long as the scanner is used.
    ///   - source: the file's name, for messages.
    public init(_ bytes: UnsafeRawBufferPointer, source: String? = nil) {
        self.source = source
        unescaped = .allocate(capacity: unescapedCapacity)
        count = bytes.count
        // Never read when there are no bytes.
        text = bytes.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) } ?? UnsafePointer(unescaped)
    }

    deinit { unescaped.deallocate() }

    /// Starts over, and checks that the whole text is one JSON value.
    public mutating func check() throws {
        position = 0
        depth = 0
        names = []
        try skip()
        try end()
    }

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
        guard position < count else { throw expected("a value", at: position) }
        switch text[position] {
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): return .number
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "{"): return .object
        default: throw expected("a value", at: position)
        }
    }

    /// Nothing but white space may follow.
    public mutating func end() throws {
        skipSpaces()
        guard position == count else { throw expected("the end of the text", at: position) }
    }

    // MARK: - Scalars

    private mutating func take(word: StaticString) throws {
        let length = word.utf8CodeUnitCount
        for index in 0..<length where position + index >= count || text[position + index] != word.utf8Start[index] {
            throw expected("'\(word)'", at: position + index)
        }
        position += length
    }

    public mutating func null() throws { try take(word: "null") }

    public mutating func bool() throws -> Bool {
        let value = position < count && text[position] == UInt8(ascii: "t")
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
        if at < count, text[at] == UInt8(ascii: "0") {
            at += 1
            if at < count, text[at] &- UInt8(ascii: "0") < 10 {
                throw failure("json.syntax", "a number with a zero in front", at: start)
            }
        } else if !digits() {
            throw expected("a digit", at: at)
        }
        if at < count, text[at] == UInt8(ascii: ".") {
            at += 1
            if !digits() { throw expected("a digit", at: at) }
        }
        if at < count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
            if !digits() { throw expected("a digit", at: at) }
        }
        position = at
        return UnsafeBufferPointer(start: text + start, count: at - start)
    }

    /// The string's bytes, with escapes undone; valid until the next string is read.
    public mutating func string() throws -> UnsafeBufferPointer<UInt8> { decoded(try rawString()) }

    /// Passes a string and checks it.
    public mutating func rawString() throws -> RawString {
        guard position < count, text[position] == UInt8(ascii: "\"") else {
            throw expected("a name in quotes", at: position)
        }
        let start = position + 1
        var at = start
        var hasEscapes = false
        while true {
            at += plainASCIICount(text + at, count - at)
            guard at < count else { throw failure("json.syntax", "a string without its end", at: position) }
            let byte = text[at]
            if byte == UInt8(ascii: "\"") {
                position = at + 1
                return RawString(start: start, count: at - start, hasEscapes: hasEscapes)
            }
            if byte >= 0x80 {
                repeat {
                    let length = UTF8Check.sequenceLength(text + at, count - at)
                    guard length > 0 else { throw notUTF8(at) }
                    at += length
                } while at < count && text[at] >= 0x80
            } else if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                at += try escapeLength(at)
            } else {
                throw failure(
                    "json.syntax", "a control character (\(hex(byte))) in a string; it has to be escaped", at: at)
            }
        }
    }

    /// The length of the escape that starts at `at`; a pair of surrogates is one.
    private func escapeLength(_ at: Int) throws -> Int {
        guard at + 1 < count else { throw expected("an escape", at: at + 1) }
        switch text[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"):
            guard let unit = codeUnit(at) else {
                throw failure("json.syntax", "\\u without four hexadecimal digits", at: at)
            }
            if unit & 0xF800 != 0xD800 { return 6 }
            guard unit & 0xFC00 == 0xD800, let second = codeUnit(at + 6), second & 0xFC00 == 0xDC00 else {
                throw failure("json.syntax", "an escape that is half of a surrogate pair", at: at)
            }
            return 12
        default: throw expected("one of \" \\ / b f n r t u behind a backslash", at: at + 1)
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
        if raw.count > unescapedCapacity {
            unescaped.deallocate()
            unescapedCapacity = raw.count * 2
            unescaped = .allocate(capacity: unescapedCapacity)
        }
        return UnsafeBufferPointer(start: unescaped, count: unescape(raw, into: unescaped))
    }

    /// Writes a string without its escapes; none is shorter than what it stands for.
    /// - Returns: the number of bytes.
    func unescape(_ raw: RawString, into target: UnsafeMutablePointer<UInt8>) -> Int {
        var length = 0
        var at = raw.start
        let end = raw.start + raw.count
        while at < end {
            guard text[at] == UInt8(ascii: "\\") else {
                target[length] = text[at]
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
                    target[length] = byte
                    length += 1
                }
                continue
            }
            switch text[at + 1] {
            case UInt8(ascii: "b"): target[length] = 0x08
            case UInt8(ascii: "f"): target[length] = 0x0C
            case UInt8(ascii: "n"): target[length] = 0x0A
            case UInt8(ascii: "r"): target[length] = 0x0D
            case UInt8(ascii: "t"): target[length] = 0x09
            default: target[length] = text[at + 1]
            }
            length += 1
            at += 2
        }
        return length
    }

    // MARK: - Arrays and objects

    private mutating func open(_ bracket: Unicode.Scalar) throws {
        guard position < count, text[position] == UInt8(ascii: bracket) else {
            throw expected("'\(bracket)'", at: position)
        }
        guard depth < JSON.maximumDepth else {
            throw failure(
                "json.depth", "more than \(JSON.maximumDepth) arrays and objects inside each other", at: position)
        }
        position += 1
        depth += 1
    }

    /// True at another element or member, false past the closing bracket.
    @inline(__always) private mutating func next(_ closing: Unicode.Scalar, _ isFirst: inout Bool) throws -> Bool {
        skipSpaces()
        if position < count, text[position] == UInt8(ascii: closing) {
            position += 1
            depth -= 1
            return false
        }
        if isFirst {
            isFirst = false
        } else {
            guard position < count, text[position] == UInt8(ascii: ",") else {
                throw expected("',' or '\(closing)'", at: position)
            }
            position += 1
            skipSpaces()
        }
        return true
    }

    public mutating func beginArray() throws { try open("[") }

    /// - Parameter isFirst: true before the first call, and the scanner's from then on.
    public mutating func nextElement(_ isFirst: inout Bool) throws -> Bool { try next("]", &isFirst) }

    /// For readers that keep the names themselves: members are read with `nextMember`, and `checkNames` is called at
    /// the end.
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
        guard position < count, text[position] == UInt8(ascii: ":") else { throw expected("':'", at: position) }
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
            if names.count - members.base > 1 { try checkNames(names[members.base...]) }
            names.removeSubrange(members.base...)
            return nil
        }
        let name = try rawString()
        try colon()
        names.append(name)
        return decoded(name)
    }

    // MARK: - Failures

    @inline(never) func failure(_ code: String, _ problem: String, at place: Int) -> JSONError {
        let bytes = UnsafeRawBufferPointer(start: text, count: count)
        return JSONError(code, problem, at: TextPlace(source: source, offset: place, in: bytes))
    }

    /// Names what stands where something else should, one character of it.
    @inline(never) private func expected(_ what: String, at place: Int) -> JSONError {
        guard place < count else {
            return failure("json.syntax", "\(what) expected, but the text ends", at: place)
        }
        if place == 0, count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF {
            return failure(
                "json.syntax", "the text starts with a byte order mark; save it as UTF-8 without one", at: 0)
        }
        var found = "byte \(hex(text[place]))"
        if text[place] >= 0x80 {
            let length = UTF8Check.sequenceLength(text + place, count - place)
            if length == 0 { return notUTF8(place) }
            let character = String(
                decoding: UnsafeBufferPointer(start: text + place, count: length), as: UTF8.self)
            found = "'\(character)'"
        } else if text[place] >= 0x20, text[place] < 0x7F {
            found = "'\(Unicode.Scalar(text[place]))'"
        }
        return failure("json.syntax", "\(what) expected, got \(found)", at: place)
    }

    @inline(never) private func notUTF8(_ place: Int) -> JSONError {
        failure("json.utf8", "byte \(hex(text[place])) is not UTF-8", at: place)
    }

    private func hex(_ byte: UInt8) -> String {
        "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
