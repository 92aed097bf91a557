import Base
import CMath
import Glibc

/// The arithmetic operators, by their spelling in Lua and in expressions.
public enum Arithmetic: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "^"
}

extension Operand {
    /// Row by row `a op b`; null where either side is null.
    ///
    /// int64 with int64 stays int64 and refuses to overflow, except `/` and `^`, which give float64; anything with a
    /// float gives float64. `//` and `%` round towards minus infinity as Lua's do. The difference of two timestamps is
    /// int64 microseconds; a timestamp plus or minus int64 microseconds is a timestamp, and int64 minus a timestamp counts
    /// as a difference.
    /// - Throws: `frame.type`, `frame.overflow`, `frame.zero_division`, `frame.length`.
    public static func compute(_ op: Arithmetic, _ left: Operand, _ right: Operand) throws -> Operand {
        let count = try rowCount(left, right)
        if left.isUntyped || right.isUntyped {
            let other = left.isUntyped ? right : left
            let dtype: DType = other.isUntyped || other.dtype == .int64 ? .int64 : .float64
            return result(.nulls(dtype, count: count), left, right)
        }
        let a = left.dtype == .string && op == .subtract ? try left.adapted(to: right) : left
        let b = right.dtype == .string && op == .subtract ? try right.adapted(to: left) : right
        let valid = validity(a, b, count: count)
        switch (a.dtype, b.dtype) {
        case (.int64, .int64) where op != .divide && op != .power:
            return result(
                Column(.int64(try integers(op, a, b, valid, count)), validity: valid), a, b)
        case (.timestamp, .timestamp) where op == .subtract, (.int64, .timestamp) where op == .subtract:
            return result(Column(.int64(try integers(op, a, b, valid, count)), validity: valid), a, b)
        case (.timestamp, .int64) where op == .add || op == .subtract, (.int64, .timestamp) where op == .add:
            return result(Column(.timestamp(try integers(op, a, b, valid, count)), validity: valid), a, b)
        default:
            guard a.dtype.isNumeric, b.dtype.isNumeric else {
                throw FrameError(
                    "frame.type", "cannot compute \(a.typeName) \(op.rawValue) \(b.typeName); cast one of them first")
            }
            return result(Column(.float64(floats(op, a.doubles, b.doubles, count)), validity: valid), a, b)
        }
    }

    private static func integers(
        _ op: Arithmetic, _ a: Operand, _ b: Operand, _ valid: Buffer<UInt8>?, _ count: Int
    ) throws -> Buffer<Int64> {
        var overflowed = false
        let lanesA = a.integers
        let lanesB = b.integers
        func run(_ body: (Int64, Int64) -> (partialValue: Int64, overflow: Bool)) -> Buffer<Int64> {
            combine(lanesA, lanesB, count) { x, y in
                let (value, overflow) = body(x, y)
                overflowed = overflowed || overflow
                return value
            }
        }
        let values: Buffer<Int64>
        switch op {
        case .add: values = run { $0.addingReportingOverflow($1) }
        case .subtract: values = run { $0.subtractingReportingOverflow($1) }
        case .multiply: values = run { $0.multipliedReportingOverflow(by: $1) }
        case .floorDivide: values = run(floorDivide)
        default: values = run(floorModulo)
        }
        guard overflowed else { return values }
        // Something overflowed, perhaps only under a null: look again, naming the row.
        for row in 0..<count where valid == nil || valid!.pointer[row] != 0 {
            let (x, y) = (lanesA[row], lanesB[row])
            let failed: Bool
            switch op {
            case .add: failed = x.addingReportingOverflow(y).overflow
            case .subtract: failed = x.subtractingReportingOverflow(y).overflow
            case .multiply: failed = x.multipliedReportingOverflow(by: y).overflow
            case .floorDivide: failed = floorDivide(x, y).overflow
            default: failed = floorModulo(x, y).overflow
            }
            guard failed else { continue }
            if y == 0 && (op == .floorDivide || op == .modulo) {
                throw FrameError(
                    "frame.zero_division", "row \(row + 1): \(x) \(op.rawValue) 0 has no int64 result",
                    details: [("row", .int(Int64(row + 1)))])
            }
            throw FrameError(
                "frame.overflow",
                "row \(row + 1): \(x) \(op.rawValue) \(y) does not fit int64; cast one side to float64",
                details: [("row", .int(Int64(row + 1)))])
        }
        return values
    }

    private static func floats(_ op: Arithmetic, _ a: Lanes<Double>, _ b: Lanes<Double>, _ count: Int) -> Buffer<Double>
    {
        switch op {
        case .add: combine(a, b, count) { $0 + $1 }
        case .subtract: combine(a, b, count) { $0 - $1 }
        case .multiply: combine(a, b, count) { $0 * $1 }
        case .divide: combine(a, b, count) { $0 / $1 }
        case .floorDivide: combine(a, b, count) { ($0 / $1).rounded(.down) }
        case .modulo:
            combine(a, b, count) { x, y in
                let rest = fmod(x, y)
                return rest * y < 0 ? rest + y : rest
            }
        case .power: combine(a, b, count) { tt_pow($0, $1) }
        }
    }
}

/// Division by zero counts as overflow.
private func floorDivide(_ x: Int64, _ y: Int64) -> (partialValue: Int64, overflow: Bool) {
    let (quotient, overflow) = x.dividedReportingOverflow(by: y)
    if overflow { return (0, true) }
    return (quotient &* y != x && (x < 0) != (y < 0) ? quotient - 1 : quotient, false)
}

private func floorModulo(_ x: Int64, _ y: Int64) -> (partialValue: Int64, overflow: Bool) {
    if y == 0 { return (0, true) }
    if y == -1 { return (0, false) }
    let rest = x % y
    return (rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest, false)
}
