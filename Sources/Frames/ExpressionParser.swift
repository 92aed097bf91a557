import Base

/// Recursive descent over the tokens; one method a precedence level.
struct ExpressionParser {
    typealias Node = Expression.Node

    let text: String
    let tokens: [ExpressionToken]
    private var at = 0
    private var depth = 0

    init(text: String, tokens: [ExpressionToken]) {
        self.text = text
        self.tokens = tokens
    }

    private static let operatorWords: Set<String> = ["and", "or", "is", "in", "between"]

    private var token: ExpressionToken { tokens[at] }

    mutating func parse() throws -> Node {
        if token.kind == .end { throw Expression.failure("the expression is empty", text, at: 0) }
        // Evaluation descends once an operator, on a stack of fixed size.
        let operators = tokens.filter { token in
            switch token.kind {
            case .symbol(let symbol): symbol != "," && symbol != "(" && symbol != ")"
            case .name(let name): Self.operatorWords.contains(name.lowercased())
            default: false
            }
        }
        if operators.count > 250 {
            throw Expression.failure(
                "more than 250 operators; compute parts as columns of their own", text, at: operators[250].offset)
        }
        let node = try or()
        guard token.kind == .end else { throw unexpected() }
        return node
    }

    private func unexpected() -> FrameError {
        switch token.kind {
        case .symbol("&"): Expression.failure("use 'and', not '&'", text, at: token.offset)
        case .symbol("|"): Expression.failure("use 'or', not '|' ('||' joins text)", text, at: token.offset)
        case .symbol("~"), .symbol("!"):
            Expression.failure("use 'not', not \(token.spelling)", text, at: token.offset)
        case .end: Expression.failure("the expression ends too early", text, at: token.offset)
        default: Expression.failure("unexpected \(token.spelling)", text, at: token.offset)
        }
    }

    private mutating func take(_ symbol: String) -> Bool {
        guard token.kind == .symbol(symbol) else { return false }
        at += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws {
        guard take(symbol) else {
            throw Expression.failure("expected '\(symbol)', found \(token.spelling)", text, at: token.offset)
        }
    }

    private func isWord(_ word: String, _ token: ExpressionToken) -> Bool {
        guard case .name(let name) = token.kind else { return false }
        return name.count == word.count && name.lowercased() == word
    }

    private mutating func takeWord(_ word: String) -> Bool {
        guard isWord(word, token) else { return false }
        at += 1
        return true
    }

    private mutating func or() throws -> Node {
        depth += 1
        defer { depth -= 1 }
        guard depth < 200 else {
            throw Expression.failure("the expression is nested too deeply", text, at: token.offset)
        }
        var node = try and()
        while true {
            let offset = token.offset
            guard takeWord("or") else { return node }
            node = .at(offset, .or(node, try and()))
        }
    }

    private mutating func and() throws -> Node {
        var node = try not()
        while true {
            let offset = token.offset
            guard takeWord("and") else { return node }
            node = .at(offset, .and(node, try not()))
        }
    }

    private mutating func not() throws -> Node {
        let offset = token.offset
        var negations = 0
        while takeWord("not") { negations += 1 }
        let node = try comparison()
        return negations == 0 ? node : .at(offset, negations % 2 == 1 ? .not(node) : .not(.not(node)))
    }

    private mutating func comparison() throws -> Node {
        var node = try concatenation()
        while true {
            let offset = token.offset
            if case .symbol(let symbol) = token.kind {
                if symbol == "~=" { throw Expression.failure("use '!=', not '~='", text, at: offset) }
                let spelled = symbol == "=" ? "==" : symbol == "<>" ? "!=" : symbol
                guard let op = Comparison(rawValue: spelled) else { return node }
                at += 1
                node = .at(offset, .comparison(op, node, try concatenation()))
            } else if takeWord("is") {
                let negated = takeWord("not")
                guard takeWord("null") else {
                    throw Expression.failure(
                        "expected 'null' after 'is', found \(token.spelling)", text, at: token.offset)
                }
                node = .isNull(node, negated: negated)
            } else if isWord("in", token) || (isWord("not", token) && isWord("in", tokens[at + 1])) {
                let negated = takeWord("not")
                at += 1
                node = .at(offset, .isIn(node, try list(), negated: negated))
            } else if isWord("between", token) || (isWord("not", token) && isWord("between", tokens[at + 1])) {
                let negated = takeWord("not")
                at += 1
                let low = try concatenation()
                guard takeWord("and") else {
                    throw Expression.failure(
                        "expected 'and' of 'between', found \(token.spelling)", text, at: token.offset)
                }
                let high = try concatenation()
                let inside = Node.and(
                    .comparison(.greaterOrEqual, node, low), .comparison(.lessOrEqual, node, high))
                node = .at(offset, negated ? .not(inside) : inside)
            } else {
                return node
            }
        }
    }

    private mutating func concatenation() throws -> Node {
        var node = try sum()
        while true {
            let offset = token.offset
            guard take("||") else { return node }
            node = .at(offset, .concatenate(node, try sum()))
        }
    }

    private mutating func sum() throws -> Node {
        try chain(["+": .add, "-": .subtract]) { try $0.product() }
    }

    private mutating func product() throws -> Node {
        try chain(["*": .multiply, "/": .divide, "//": .floorDivide, "%": .modulo]) { try $0.sign() }
    }

    private mutating func chain(
        _ operators: [String: Arithmetic], _ operand: (inout ExpressionParser) throws -> Node
    ) throws -> Node {
        var node = try operand(&self)
        while case .symbol(let symbol) = token.kind, let op = operators[symbol] {
            let offset = token.offset
            at += 1
            node = .at(offset, .arithmetic(op, node, try operand(&self)))
        }
        return node
    }

    private mutating func sign() throws -> Node {
        let offset = token.offset
        if take("+") { return try sign() }
        guard take("-") else { return try power() }
        depth += 1
        defer { depth -= 1 }
        guard depth < 200 else { throw Expression.failure("the expression is nested too deeply", text, at: offset) }
        switch try sign() {
        case .literal(.int(let number)) where number != .min: return .literal(.int(-number))
        case .literal(.double(let number)): return .literal(.double(-number))
        case let node: return .at(offset, .negate(node))
        }
    }

    private mutating func power() throws -> Node {
        let base = try primary()
        let offset = token.offset
        return take("^") ? .at(offset, .arithmetic(.power, base, try sign())) : base
    }

    private mutating func primary() throws -> Node {
        let start = token
        at += 1
        switch start.kind {
        case .int(let number): return .literal(.int(number))
        case .double(let number): return .literal(.double(number))
        case .text(let text): return .literal(.string(text))
        case .quoted(let name): return .at(start.offset, .column(name))
        case .symbol("("):
            let node = try or()
            try expect(")")
            return node
        case .name(let name):
            if token.kind == .symbol("(") { return try call(name, start.offset) }
            switch name.lowercased() {
            case "null": return .literal(.null)
            case "true": return .literal(.bool(true))
            case "false": return .literal(.bool(false))
            case "and", "or", "not", "in", "is", "between":
                at -= 1
                throw unexpected()
            default: return .at(start.offset, .column(name))
            }
        default:
            at -= 1
            throw unexpected()
        }
    }

    private mutating func call(_ name: String, _ offset: Int) throws -> Node {
        guard let function = Function(rawValue: name.lowercased()) else {
            let hint = Suggestion.nearest(to: name, in: Function.allCases.map(\.rawValue))
            throw Expression.failure(
                "no function '\(name)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""), text, at: offset)
        }
        try expect("(")
        var arguments: [Node] = []
        if !take(")") {
            repeat { arguments.append(try or()) } while take(",")
            try expect(")")
        }
        guard function.argumentCounts.contains(arguments.count) else {
            throw Expression.failure("\(name) is called as \(function.usage)", text, at: offset)
        }
        return .at(offset, .call(function, arguments))
    }

    private mutating func list() throws -> [Value] {
        try expect("(")
        var values: [Value] = []
        repeat {
            let offset = token.offset
            guard case .literal(let value) = try sign() else {
                throw Expression.failure("'in' takes a list of plain values", text, at: offset)
            }
            values.append(value)
        } while take(",")
        try expect(")")
        return values
    }
}
