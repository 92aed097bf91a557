import Base

/// Which database stands behind a connection.
public enum Dialect: String, Sendable {
    case postgresql, sqlite
}

/// A statement with its placeholders turned into the form the database knows.
///
/// Scripts write `?` (one value after the other) or `$1`, `$2` … (`?1` is the same) on either database. Text inside
/// strings, quoted names, comments and dollar quotes is never touched. PostgreSQL's operators that contain a question
/// mark are left alone when the statement is numbered or has no values.
struct Statement {
    let source: String
    let text: String
    let parameters: [Parameter]
    /// Ascending; `text` is longer than `source` by `shift` bytes from `offset` (in `text`) on.
    private var shifts: [(offset: Int, shift: Int)] = []

    init(_ source: String, _ parameters: [Parameter], dialect: Dialect) throws {
        self.source = source
        self.parameters = parameters
        guard !source.utf8.contains(0) else {
            throw SQLError("sql.usage", "a statement cannot contain a NUL byte")
        }
        var scanner = PlaceholderScanner(Array(source.utf8), dialect: dialect)
        scanner.scan()
        let marks = scanner.found.filter { $0.number == nil }
        let numbered = scanner.found.filter { $0.number != nil }
        if numbered.isEmpty {
            // Without values a question mark on PostgreSQL can only be an operator.
            if marks.isEmpty || dialect == .postgresql && parameters.isEmpty {
                try Self.check(placeholders: 0, values: parameters.count, source)
                text = source
                return
            }
            try Self.check(placeholders: marks.count, values: parameters.count, source)
        } else {
            if dialect == .sqlite, !marks.isEmpty {
                throw SQLError("sql.usage", "use either ? or $1 in a statement, not both: \(Place.excerpt(source))")
            }
            let highest = numbered.map { $0.number! }.max()!
            guard numbered.allSatisfy({ $0.number! > 0 }) else {
                throw SQLError("sql.usage", "placeholders count from $1: \(Place.excerpt(source))")
            }
            try Self.check(placeholders: highest, values: parameters.count, source)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count + 2 * scanner.found.count)
        var copied = 0
        for (index, mark) in (numbered.isEmpty ? marks : numbered).enumerated() {
            bytes += scanner.bytes[copied..<mark.range.lowerBound]
            bytes += (dialect == .postgresql ? "$" : "?").utf8
            bytes += String(mark.number ?? index + 1).utf8
            copied = mark.range.upperBound
            shifts.append((bytes.count, bytes.count - copied))
        }
        bytes += scanner.bytes[copied...]
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// The place in `source` of a byte offset in `text`.
    func sourceOffset(_ offset: Int) -> Int {
        offset - (shifts.last { $0.offset <= offset }?.shift ?? 0)
    }

    /// `source` as it may stand in parentheses: without the semicolon, white space and comments at its end.
    static func subquery(_ source: String, dialect: Dialect) -> String {
        var scanner = PlaceholderScanner(Array(source.utf8), dialect: dialect)
        scanner.scan()
        return String(decoding: scanner.bytes[..<scanner.end], as: UTF8.self)
    }

    private static func check(placeholders: Int, values: Int, _ source: String) throws {
        guard placeholders != values else { return }
        let plural = (placeholders == 1 ? "placeholder" : "placeholders", values == 1 ? "value" : "values")
        throw SQLError(
            "sql.usage",
            "the statement has \(placeholders) \(plural.0) but \(values) \(plural.1) \(values == 1 ? "is" : "are") "
                + "given: \(Place.excerpt(source))",
            details: [("statement", .string(source))])
    }
}

/// Walks over a statement as the database's own lexer would, far enough to tell placeholders from everything else.
private struct PlaceholderScanner {
    let bytes: [UInt8]
    let dialect: Dialect
    /// `number` is nil for a bare question mark.
    var found: [(range: Range<Int>, number: Int?)] = []
    /// Behind the last byte that is neither white space, a comment nor a semicolon.
    private(set) var end = 0
    private var at = 0

    init(_ bytes: [UInt8], dialect: Dialect) {
        self.bytes = bytes
        self.dialect = dialect
    }

    private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

    mutating func scan() {
        while at < bytes.count {
            var isSignificant = true
            defer { if isSignificant { end = min(at, bytes.count) } }
            switch bytes[at] {
            case UInt8(ascii: "'"): skipQuoted(UInt8(ascii: "'"))
            case UInt8(ascii: "\""): skipQuoted(UInt8(ascii: "\""))
            case UInt8(ascii: "`") where dialect == .sqlite: skipQuoted(UInt8(ascii: "`"))
            case UInt8(ascii: "[") where dialect == .sqlite: skip(past: [UInt8(ascii: "]")], from: at + 1)
            case UInt8(ascii: "-") where byte(at + 1) == UInt8(ascii: "-"):
                skip(past: [10], from: at + 2)
                isSignificant = false
            case UInt8(ascii: "/") where byte(at + 1) == UInt8(ascii: "*"):
                skipComment()
                isSignificant = false
            case UInt8(ascii: " "), 9...13, UInt8(ascii: ";"):
                at += 1
                isSignificant = false
            case UInt8(ascii: "$"): dollar()
            case UInt8(ascii: "?"):
                if let number = number(at: at + 1) {
                    place(number.end, number.value)
                } else {
                    place(at + 1, nil)
                }
            case let start where Self.isIdentifier(start): skipWord()
            default: at += 1
            }
        }
    }

    private mutating func place(_ end: Int, _ number: Int?) {
        found.append((at..<end, number))
        at = end
    }

    private func number(at start: Int) -> (value: Int, end: Int)? {
        var end = start
        var value = 0
        while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte(end)), value < 100_000 {
            value = value * 10 + Int(byte(end) - UInt8(ascii: "0"))
            end += 1
        }
        return end > start ? (value, end) : nil
    }

    private mutating func dollar() {
        if let number = number(at: at + 1) {
            place(number.end, number.value)
            return
        }
        var end = at + 1
        while Self.isIdentifier(byte(end)), byte(end) != UInt8(ascii: "$") { end += 1 }
        guard dialect == .postgresql, byte(end) == UInt8(ascii: "$") else {
            at += 1
            return
        }
        skip(past: Array(bytes[at...end]), from: end + 1)
    }

    /// A doubled quote inside is two quoted runs in a row, which needs no care.
    private mutating func skipQuoted(_ quote: UInt8) { skip(past: [quote], from: at + 1) }

    private mutating func skip(past pattern: [UInt8], from start: Int) {
        at = start
        while at < bytes.count {
            if bytes[at] == pattern[0], bytes.count - at >= pattern.count,
                bytes[at..<at + pattern.count].elementsEqual(pattern)
            {
                at += pattern.count
                return
            }
            at += 1
        }
    }

    /// Comments nest on PostgreSQL only.
    private mutating func skipComment() {
        var depth = 1
        at += 2
        while at < bytes.count, depth > 0 {
            if byte(at) == UInt8(ascii: "*"), byte(at + 1) == UInt8(ascii: "/") {
                depth -= 1
                at += 2
            } else if dialect == .postgresql, byte(at) == UInt8(ascii: "/"), byte(at + 1) == UInt8(ascii: "*") {
                depth += 1
                at += 2
            } else {
                at += 1
            }
        }
    }

    /// A word may hold dollars and digits; `E'…'` is a string in which backslashes escape.
    private mutating func skipWord() {
        let start = at
        while Self.isIdentifier(byte(at)), at < bytes.count { at += 1 }
        guard dialect == .postgresql, at == start + 1, bytes[start] | 0x20 == UInt8(ascii: "e"),
            byte(at) == UInt8(ascii: "'")
        else { return }
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "'") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
        at += 1
    }

    private static func isIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...: true
        default: false
        }
    }
}
