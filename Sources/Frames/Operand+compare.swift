import Base
import Glibc

/// The comparison operators, by their spelling in expressions.
public enum Comparison: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="

    @inline(__always) func holds<T: Comparable>(_ a: T, _ b: T) -> Bool {
        switch self {
        case .equal: a == b
        case .notEqual: a != b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        }
    }
}

/// Byte order, the order of strings everywhere in a frame: negative, 0 or positive.
@inline(__always)
func compareBytes(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Int {
    let shared = min(a.count, b.count)
    if shared > 0 {
        let order = memcmp(a.baseAddress!, b.baseAddress!, shared)
        if order != 0 { return Int(order) }
    }
    return a.count - b.count
}

extension Operand {
    /// Row by row `a op b` as a bool column; null where either side is null. Numbers of different types compare as
    /// float64, strings by their bytes; text literals are read as timestamps or uuids when they meet such a column.
    /// - Throws: `frame.type`, `frame.length`, `frame.cast` for an unreadable literal.
    public static func compare(_ op: Comparison, _ left: Operand, _ right: Operand) throws -> Operand {
        let count = try rowCount(left, right)
        if left.isUntyped || right.isUntyped { return result(.nulls(.bool, count: count), left, right) }
        let a = try left.adapted(to: right)
        let b = try right.adapted(to: left)
        let values: Buffer<UInt8>
        switch (a.column.storage, b.column.storage) {
        case (.int64(let x), .int64(let y)), (.timestamp(let x), .timestamp(let y)):
            values = ordered(op, Lanes(x, isScalar: a.isScalar), Lanes(y, isScalar: b.isScalar), count)
        case (.bool(let x), .bool(let y)):
            values = ordered(op, Lanes(x, isScalar: a.isScalar), Lanes(y, isScalar: b.isScalar), count)
        case (.uuid(let x), .uuid(let y)):
            values = ordered(op, Lanes(x.plain, isScalar: a.isScalar), Lanes(y.plain, isScalar: b.isScalar), count)
        case (.string, .string):
            values = strings(op, a, b, count)
        default:
            guard a.dtype.isNumeric, b.dtype.isNumeric else {
                throw FrameError(
                    "frame.type", "cannot compare \(a.typeName) \(op.rawValue) \(b.typeName); cast one of them first")
            }
            values = ordered(op, a.doubles, b.doubles, count)
        }
        return result(Column(.bool(values), validity: validity(a, b, count: count)), a, b)
    }

    private static func ordered<T: Comparable>(_ op: Comparison, _ a: Lanes<T>, _ b: Lanes<T>, _ count: Int)
        -> Buffer<UInt8>
    {
        switch op {
        case .equal: combine(a, b, count) { $0 == $1 ? 1 : 0 }
        case .notEqual: combine(a, b, count) { $0 != $1 ? 1 : 0 }
        case .less: combine(a, b, count) { $0 < $1 ? 1 : 0 }
        case .lessOrEqual: combine(a, b, count) { $0 <= $1 ? 1 : 0 }
        case .greater: combine(a, b, count) { $0 > $1 ? 1 : 0 }
        case .greaterOrEqual: combine(a, b, count) { $0 >= $1 ? 1 : 0 }
        }
    }

    private static func strings(_ op: Comparison, _ a: Operand, _ b: Operand, _ count: Int) -> Buffer<UInt8> {
        let (codesA, poolA) = a.column.stringParts
        let (codesB, poolB) = b.column.stringParts
        if poolA === poolB && poolA.isDistinct && (op == .equal || op == .notEqual) {
            return ordered(op, Lanes(codesA, isScalar: a.isScalar), Lanes(codesB, isScalar: b.isScalar), count)
        }
        if b.isScalar && !a.isScalar {
            guard !b.column.isNull(0) else { return Buffer(repeating: 0, count: count) }
            let text = poolB[bytesAt: Int(codesB.pointer[0])]
            return a.column.mapStrings { op.holds(compareBytes($0, text), 0) ? 1 : 0 }
        }
        if a.isScalar && !b.isScalar {
            guard !a.column.isNull(0) else { return Buffer(repeating: 0, count: count) }
            let text = poolA[bytesAt: Int(codesA.pointer[0])]
            return b.column.mapStrings { op.holds(compareBytes(text, $0), 0) ? 1 : 0 }
        }
        let values = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count {
            if a.column.isNull(row) || b.column.isNull(row) {
                values.pointer[row] = 0
            } else {
                let order = compareBytes(
                    poolA[bytesAt: Int(codesA.pointer[row])], poolB[bytesAt: Int(codesB.pointer[row])])
                values.pointer[row] = op.holds(order, 0) ? 1 : 0
            }
        }
        return values
    }

    /// Three-valued `and`: false wins over null.
    public static func and(_ a: Operand, _ b: Operand) throws -> Operand {
        try logic("and", a, b) { x, knownX, y, knownY in
            let isFalse = (knownX & ~x | knownY & ~y) & 1
            return (x & y & knownX & knownY, isFalse | knownX & knownY)
        }
    }

    /// Three-valued `or`: true wins over null.
    public static func or(_ a: Operand, _ b: Operand) throws -> Operand {
        try logic("or", a, b) { x, knownX, y, knownY in
            let isTrue = knownX & x | knownY & y
            return (isTrue, isTrue | knownX & knownY)
        }
    }

    @inline(__always)
    private static func logic(
        _ name: String, _ left: Operand, _ right: Operand,
        _ body: (UInt8, UInt8, UInt8, UInt8) -> (value: UInt8, known: UInt8)
    ) throws -> Operand {
        let count = try rowCount(left, right)
        for side in [left, right] where side.dtype != .bool {
            throw FrameError("frame.type", "'\(name)' needs bool on both sides, not \(side.typeName); compare first")
        }
        let a = Lanes(left.column.boolValues, isScalar: left.isScalar)
        let b = Lanes(right.column.boolValues, isScalar: right.isScalar)
        if left.column.validity == nil, right.column.validity == nil {
            return result(Column(.bool(combine(a, b, count) { body($0, 1, $1, 1).value })), left, right)
        }
        let one = Buffer<UInt8>(repeating: 1, count: 1)
        func known(_ side: Operand) -> Lanes<UInt8> {
            Lanes(side.column.validity ?? one, isScalar: side.isScalar || side.column.validity == nil)
        }
        let (knownA, knownB) = (known(left), known(right))
        let values = Buffer<UInt8>(uninitialized: count)
        let valid = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count {
            let (value, isKnown) = body(a[row], knownA[row], b[row], knownB[row])
            values.pointer[row] = value
            valid.pointer[row] = isKnown
        }
        return result(Column(.bool(values), validity: valid), left, right)
    }

    /// Three-valued `not`: null stays null.
    public static func not(_ a: Operand) throws -> Operand {
        guard a.dtype == .bool else {
            throw FrameError("frame.type", "'not' needs bool, not \(a.typeName); compare first")
        }
        let one = Lanes(Buffer<UInt8>(repeating: 1, count: 1), isScalar: true)
        let flipped = combine(Lanes(a.column.boolValues, isScalar: false), one, a.column.count) { $0 ^ $1 }
        let column = Column(.bool(flipped), validity: a.column.validity)
        return a.isScalar ? Operand(scalar: column) : Operand(column)
    }

    /// Text of both sides in a row, as SQL's `||`; null where either is null.
    public static func concatenate(_ left: Operand, _ right: Operand) throws -> Operand {
        let count = try rowCount(left, right)
        let a = left.dtype == .string || left.isUntyped ? left : Operand(left, cast: try left.column.cast(to: .string))
        let b =
            right.dtype == .string || right.isUntyped ? right : Operand(right, cast: try right.column.cast(to: .string))
        if a.isUntyped || b.isUntyped { return result(.nulls(.string, count: count), a, b) }
        let builder = StringBuilder(capacity: count)
        var text: [UInt8] = []
        for row in 0..<count {
            let (rowA, rowB) = (a.isScalar ? 0 : row, b.isScalar ? 0 : row)
            if a.column.isNull(rowA) || b.column.isNull(rowB) {
                builder.appendNull()
                continue
            }
            text.removeAll(keepingCapacity: true)
            text.append(contentsOf: a.column.stringBytes(rowA))
            text.append(contentsOf: b.column.stringBytes(rowB))
            text.withUnsafeBufferPointer { builder.append($0) }
        }
        return result(builder.finish(), a, b)
    }

    /// The same kind of operand with another column.
    init(_ other: Operand, cast column: Column) {
        self = other.isScalar ? Operand(scalar: column) : Operand(column)
    }
}
