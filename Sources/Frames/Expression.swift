import Base

/// A formula over the columns of a frame, as text: `price * 2 > 100 and tag in ('x', 'y')`.
///
/// From loosest to tightest: `or`; `and`; `not`; comparisons `== != < <= > >=` (also `=` and `<>`), `is [not] null`,
/// `[not] in (…)`, `[not] between a and b`; `||` joins text; `+ -`; `* / // %`; unary `-`; `^`. Words are read in any
/// case. Text stands in single quotes (`''` is one quote); double quotes or backticks name a column that is no plain
/// word. Null behaves as in SQL.
public struct Expression: Sendable {
    indirect enum Node: Sendable {
        case column(String)
        case literal(Value)
        case arithmetic(Arithmetic, Node, Node)
        case comparison(Comparison, Node, Node)
        case concatenate(Node, Node)
        case negate(Node)
        case not(Node)
        case and(Node, Node)
        case or(Node, Node)
        case isNull(Node, negated: Bool)
        case isIn(Node, [Value], negated: Bool)
        case call(Function, [Node])
        /// A part of the text, for messages.
        case at(Int, Node)
    }

    public let text: String
    let root: Node

    /// - Throws: `frame.expression` with the position of what could not be read.
    public init(_ text: String) throws {
        self.text = text
        var parser = ExpressionParser(text: text, tokens: try ExpressionScanner.tokens(text))
        root = try parser.parse()
    }

    /// Names of the columns the expression reads, in order of appearance.
    public var columns: [String] {
        var names: [String] = []
        func visit(_ node: Node) {
            switch node {
            case .column(let name): if !names.contains(name) { names.append(name) }
            case .literal: break
            case .arithmetic(_, let a, let b), .comparison(_, let a, let b), .concatenate(let a, let b),
                .and(let a, let b), .or(let a, let b):
                visit(a)
                visit(b)
            case .negate(let a), .not(let a), .isNull(let a, _), .isIn(let a, _, _), .at(_, let a): visit(a)
            case .call(_, let arguments): arguments.forEach(visit)
            }
        }
        visit(root)
        return names
    }

    /// An error that points at a place in `text`: the line and a caret below it.
    static func failure(_ message: String, _ text: String, at offset: Int, code: String = "frame.expression")
        -> FrameError
    {
        let prefix = String(decoding: Array(text.utf8).prefix(offset), as: UTF8.self)
        let column = prefix.unicodeScalars.count
        let blanks = String(repeating: " ", count: DisplayWidth.of(prefix))
        return FrameError(
            code, "\(message)\n  \(text)\n  \(blanks)^",
            details: [("expression", .string(text)), ("position", .int(Int64(column + 1)))])
    }
}

struct ExpressionToken {
    enum Kind: Equatable {
        case name(String)
        /// In double quotes or backticks: never a keyword or function.
        case quoted(String)
        case text(String)
        case int(Int64)
        case double(Double)
        case symbol(String)
        case end
    }
    let kind: Kind
    /// Byte offset in the text.
    let offset: Int

    /// For messages: what stands there.
    var spelling: String {
        switch kind {
        case .name(let name): "'\(name)'"
        case .quoted(let name): "\"\(name)\""
        case .text(let text): "the text '\(text)'"
        case .int(let number): "\(number)"
        case .double(let number): "\(number)"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end"
        }
    }
}

enum ExpressionScanner {
    private static let symbols = [
        "||", "//", "==", "!=", "<>", "<=", ">=", "~=", "+", "-", "*", "/", "%", "^", "<", ">", "=", "(", ")", ",", "&",
        "|",
        "~", "!",
    ]

    static func tokens(_ text: String) throws -> [ExpressionToken] {
        let bytes = Array(text.utf8)
        var tokens: [ExpressionToken] = []
        var at = 0
        func isNameByte(_ byte: UInt8) -> Bool {
            byte >= 0x80 || byte == UInt8(ascii: "_") || isDigit(byte) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
        }
        func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
        while at < bytes.count {
            let byte = bytes[at]
            let start = at
            if byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) {
                at += 1
            } else if isDigit(byte) || (byte == UInt8(ascii: ".") && at + 1 < bytes.count && isDigit(bytes[at + 1])) {
                tokens.append(try number(bytes, &at, text))
            } else if isNameByte(byte) {
                while at < bytes.count, isNameByte(bytes[at]) { at += 1 }
                tokens.append(.init(kind: .name(String(decoding: bytes[start..<at], as: UTF8.self)), offset: start))
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "`") {
                let content = try quoted(bytes, &at, text)
                tokens.append(.init(kind: byte == UInt8(ascii: "'") ? .text(content) : .quoted(content), offset: start))
            } else if let symbol = symbols.first(where: { bytes[at...].starts(with: $0.utf8) }) {
                at += symbol.utf8.count
                tokens.append(.init(kind: .symbol(symbol), offset: start))
            } else {
                let rest = String(decoding: bytes[at...], as: UTF8.self)
                throw Expression.failure("unexpected '\(rest.first.map(String.init) ?? "")'", text, at: at)
            }
        }
        tokens.append(.init(kind: .end, offset: bytes.count))
        return tokens
    }

    private static func number(_ bytes: [UInt8], _ at: inout Int, _ text: String) throws -> ExpressionToken {
        let start = at
        while at < bytes.count {
            let byte = bytes[at]
            let isExponentSign =
                (byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")) && bytes[at - 1] | 0x20 == UInt8(ascii: "e")
            let isLetter = byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A
            guard (byte >= 0x30 && byte <= 0x39) || byte == UInt8(ascii: ".") || isLetter || isExponentSign else {
                break
            }
            at += 1
        }
        let kind = bytes[start..<at].withUnsafeBufferPointer { digits -> ExpressionToken.Kind? in
            NumberText.int64(digits).map { .int($0) } ?? NumberText.double(digits).map { .double($0) }
        }
        guard let kind else {
            throw Expression.failure(
                "'\(String(decoding: bytes[start..<at], as: UTF8.self))' is not a number", text, at: start)
        }
        return .init(kind: kind, offset: start)
    }

    private static func quoted(_ bytes: [UInt8], _ at: inout Int, _ text: String) throws -> String {
        let quote = bytes[at]
        let start = at
        var content: [UInt8] = []
        at += 1
        while at < bytes.count {
            if bytes[at] == quote {
                at += 1
                guard at < bytes.count, bytes[at] == quote else { return String(decoding: content, as: UTF8.self) }
            }
            content.append(bytes[at])
            at += 1
        }
        throw Expression.failure("the quote is not closed", text, at: start)
    }
}
