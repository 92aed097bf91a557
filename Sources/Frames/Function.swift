import Base

/// The functions of expressions. Those of one column are methods of columns as well.
enum Function: String, CaseIterable, Sendable {
    case abs, clamp, coalesce, `if`, isfinite, log, log1p, exp, sqrt, floor, ceil, round, least, greatest
    case days, seconds, year, month, day, hour, minute, second, weekday, date
    case lower, upper, trim, len, contains, startsWith = "starts_with", endsWith = "ends_with", replace, split
    case int, float, string, bool, timestamp, uuid

    var argumentCounts: ClosedRange<Int> {
        switch self {
        case .coalesce, .least, .greatest: 1...1000
        case .if, .clamp, .replace: 3...3
        case .contains, .startsWith, .endsWith, .split: 2...2
        case .round: 1...2
        default: 1...1
        }
    }

    var usage: String {
        switch self {
        case .coalesce, .least, .greatest: "\(rawValue)(a, b, …)"
        case .if: "if(condition, yes, no)"
        case .clamp: "clamp(x, low, high)"
        case .replace: "replace(x, old, new)"
        case .contains, .startsWith, .endsWith: "\(rawValue)(x, text)"
        case .split: "split(x, separator)"
        case .round: "round(x) or round(x, digits)"
        default: "\(rawValue)(x)"
        }
    }

    func apply(_ arguments: [Operand]) throws -> Operand {
        let first = arguments[0]
        func column(_ body: (Column) throws -> Column) throws -> Operand {
            Operand(first, cast: try body(first.column))
        }
        // Functions of one value pass the untyped null on.
        if first.isUntyped, ![.coalesce, .if, .least, .greatest].contains(self) { return first }
        switch self {
        case .abs: return try column { try $0.abs() }
        case .isfinite: return try column { try $0.isfinite() }
        case .log: return try column { try $0.log() }
        case .log1p: return try column { try $0.log1p() }
        case .exp: return try column { try $0.exp() }
        case .sqrt: return try column { try $0.sqrt() }
        case .floor: return try column { try $0.rounded(.floor) }
        case .ceil: return try column { try $0.rounded(.ceil) }
        case .round:
            let digits = try arguments.count > 1 ? number(arguments[1], "digits") ?? 0 : 0
            return try column { try $0.rounded(.round, digits: Int(exactly: digits) ?? .max) }
        case .clamp:
            let low = try number(arguments[1], "low")
            let high = try number(arguments[2], "high")
            return try column { try $0.clamp(low, high) }
        case .coalesce: return try Operand.coalesce(arguments)
        case .if: return try Operand.choose(first, arguments[1], arguments[2])
        case .least: return try Operand.extreme(.lessOrEqual, rawValue, arguments)
        case .greatest: return try Operand.extreme(.greaterOrEqual, rawValue, arguments)
        case .days: return try column { try $0.duration("days", perUnit: Double(Timestamp.microsecondsPerDay)) }
        case .seconds: return try column { try $0.duration("seconds", perUnit: 1_000_000) }
        case .year, .month, .day, .hour, .minute, .second, .weekday:
            return try column { try $0.part(Column.DatePart(rawValue: rawValue)!) }
        case .date: return try column { try $0.date() }
        case .lower: return try column { try $0.lower() }
        case .upper: return try column { try $0.upper() }
        case .trim: return try column { try $0.trim() }
        case .len: return try column { try $0.lengths() }
        case .contains where first.column.dtype != .string:
            return try column { try $0.listContains(arguments[1]) }
        case .contains, .startsWith, .endsWith:
            let part = try text(arguments[1])
            return try column { try $0.test(Column.TextTest(rawValue: rawValue)!, part) }
        case .replace:
            let (old, new) = (try text(arguments[1]), try text(arguments[2]))
            return try column { try $0.replace(old, new) }
        case .split:
            let separator = try text(arguments[1])
            return try column { try $0.split(separator) }
        case .int: return try column { try $0.cast(to: .int64) }
        case .float: return try column { try $0.cast(to: .float64) }
        case .string: return try column { try $0.cast(to: .string) }
        case .bool: return try column { try $0.cast(to: .bool) }
        case .timestamp: return try column { try $0.cast(to: .timestamp) }
        case .uuid: return try column { try $0.cast(to: .uuid) }
        }
    }

    /// A constant number; nil for null.
    private func number(_ operand: Operand, _ name: String) throws -> Double? {
        if operand.isUntyped { return nil }
        guard operand.isScalar, operand.dtype.isNumeric, !operand.column.isNull(0), operand.doubles[0].isFinite else {
            throw FrameError("frame.type", "\(rawValue): \(name) is one finite number, as in \(usage)")
        }
        return operand.doubles[0]
    }

    private func text(_ operand: Operand) throws -> String {
        guard operand.isScalar, operand.dtype == .string, !operand.column.isNull(0) else {
            throw FrameError("frame.type", "\(rawValue) takes a text in single quotes, as in \(usage)")
        }
        return String(decoding: operand.column.stringBytes(0), as: UTF8.self)
    }
}

extension Expression {
    /// The expression's value for every row of `frame`.
    /// - Throws: `frame.no_column` and the errors of the operations, pointing at the place in the text.
    public func evaluate(_ frame: Frame) throws -> Column {
        let result = try evaluate(root, frame)
        if result.isUntyped { return .nulls(.string, count: frame.rowCount) }
        return try result.broadcast(frame.rowCount)
    }

    private func evaluate(_ node: Node, _ frame: Frame) throws -> Operand {
        switch node {
        case .column(let name): return Operand(try frame.column(name))
        case .literal(let value): return try Operand(value)
        case .arithmetic(let op, let a, let b):
            return try Operand.compute(op, evaluate(a, frame), evaluate(b, frame))
        case .comparison(let op, let a, let b):
            return try Operand.compare(op, evaluate(a, frame), evaluate(b, frame))
        case .concatenate(let a, let b): return try Operand.concatenate(evaluate(a, frame), evaluate(b, frame))
        case .negate(let a):
            let value = try evaluate(a, frame)
            return value.isUntyped ? value : Operand(value, cast: try value.column.negate())
        case .not(let a): return try Operand.not(evaluate(a, frame))
        case .and(let a, let b): return try Operand.and(evaluate(a, frame), evaluate(b, frame))
        case .or(let a, let b): return try Operand.or(evaluate(a, frame), evaluate(b, frame))
        case .isNull(let a, let negated):
            let flags = try evaluate(a, frame).isNull
            return negated ? try Operand.not(flags) : flags
        case .isIn(let a, let values, let negated):
            let flags = try evaluate(a, frame).isIn(try values.map { try Operand($0) })
            return negated ? try Operand.not(flags) : flags
        case .call(let function, let arguments):
            return try function.apply(try arguments.map { try evaluate($0, frame) })
        case .at(let offset, let inner):
            try Interrupt.check()
            do {
                return try evaluate(inner, frame)
            } catch let error as FrameError where !error.details.contains(where: { $0.0 == "expression" }) {
                var message = error.message
                if case .column(let name) = inner, error.code == "frame.no_column",
                    Array(text.utf8)[offset] == UInt8(ascii: "\"")
                {
                    message += "; text stands in single quotes: '\(name)'"
                }
                let placed = Expression.failure(message, text, at: offset, code: error.code)
                throw FrameError(placed.code, placed.message, details: placed.details + error.details)
            }
        }
    }
}
