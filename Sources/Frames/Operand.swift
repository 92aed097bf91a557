import Base

/// One side of a column operation: a whole column, or one value that stands for every row.
public struct Operand {
    /// All rows, or the single row of a scalar.
    public let column: Column
    public let isScalar: Bool
    /// A null that fits every type: the literal `null`.
    public let isUntyped: Bool

    public init(_ column: Column) {
        self.column = column
        isScalar = false
        isUntyped = false
    }

    /// A column of one row, meant for every row.
    public init(scalar column: Column) {
        precondition(column.count == 1)
        self.column = column
        isScalar = true
        isUntyped = false
    }

    private init(null: Void) {
        column = .bool([nil])
        isScalar = true
        isUntyped = true
    }

    public static var null: Operand { Operand(null: ()) }

    /// - Throws: `frame.type` for objects and arrays that are no list of one type.
    public init(_ value: Value) throws {
        switch value {
        case .null: self = .null
        case .bool(let flag): self.init(scalar: .bool([flag]))
        case .int(let number): self.init(scalar: .int64([number]))
        case .double(let number): self.init(scalar: .float64([number]))
        case .float(let number): self.init(scalar: .float32([number]))
        case .string(let text): self.init(scalar: .string([text]))
        case .array, .object: self.init(scalar: try Column.from([value]))
        }
    }

    public var dtype: DType { column.dtype }

    /// The name used in messages.
    var typeName: String { isUntyped ? "null" : dtype.name }

    /// As a column of `count` rows.
    /// - Throws: `frame.length` when a column has another length.
    public func broadcast(_ count: Int) throws -> Column {
        if !isScalar {
            guard column.count == count else {
                throw FrameError("frame.length", "a column of \(column.count) rows does not fit a frame of \(count)")
            }
            return column
        }
        return column.take(Buffer(repeating: 0, count: count))
    }

    /// The number of rows two sides have in common.
    static func rowCount(_ a: Operand, _ b: Operand) throws -> Int {
        if a.isScalar { return b.column.count }
        guard b.isScalar || a.column.count == b.column.count else {
            throw FrameError(
                "frame.length", "columns of \(a.column.count) and \(b.column.count) rows cannot be combined")
        }
        return a.column.count
    }

    /// The result of an operation of `a` and `b`: a scalar when both are.
    static func result(_ column: Column, _ a: Operand, _ b: Operand) -> Operand {
        a.isScalar && b.isScalar ? Operand(scalar: column) : Operand(column)
    }

    /// Null where either side is null.
    static func validity(_ a: Operand, _ b: Operand, count: Int) -> Buffer<UInt8>? {
        guard a.column.validity != nil || b.column.validity != nil else { return nil }
        if b.column.validity == nil && !a.isScalar { return a.column.validity }
        if a.column.validity == nil && !b.isScalar { return b.column.validity }
        let one = Buffer<UInt8>(repeating: 1, count: 1)
        let lanesA = Lanes(a.column.validity ?? one, isScalar: a.isScalar || a.column.validity == nil)
        let lanesB = Lanes(b.column.validity ?? one, isScalar: b.isScalar || b.column.validity == nil)
        return combine(lanesA, lanesB, count) { $0 & $1 }
    }

    /// As float64, from any numeric type.
    var doubles: Lanes<Double> {
        switch column.storage {
        case .float64(let values): return Lanes(values, isScalar: isScalar)
        case .float32(let values):
            let wide = Buffer<Double>(uninitialized: values.count)
            for index in 0..<values.count { wide.pointer[index] = Double(values.pointer[index]) }
            return Lanes(wide, isScalar: isScalar)
        case .int64(let values), .timestamp(let values):
            let wide = Buffer<Double>(uninitialized: values.count)
            for index in 0..<values.count { wide.pointer[index] = Double(values.pointer[index]) }
            return Lanes(wide, isScalar: isScalar)
        default: preconditionFailure("\(typeName) read as a number")
        }
    }

    var integers: Lanes<Int64> { Lanes(column.int64Values, isScalar: isScalar) }

    /// A text literal read as the type of what it meets: `created < '2025-01-01'`, `id == '0000…'`.
    func adapted(to other: Operand) throws -> Operand {
        if isUntyped { return Operand(scalar: .nulls(other.dtype, count: 1)) }
        guard isScalar, !other.isUntyped, dtype != other.dtype, !column.isNull(0) else { return self }
        switch (dtype, other.dtype) {
        case (.string, .timestamp), (.string, .uuid):
            return Operand(scalar: try column.cast(to: other.dtype))
        case (.int64, .timestamp):
            return Operand(scalar: .timestamp([column.int64Values.pointer[0]]))
        default: return self
        }
    }
}

/// Values with a step of 1, or of 0 when one value stands for every row.
struct Lanes<T> {
    let buffer: Buffer<T>
    let step: Int

    init(_ buffer: Buffer<T>, isScalar: Bool) {
        self.buffer = buffer
        step = isScalar ? 0 : 1
    }

    @inline(__always) subscript(row: Int) -> T { buffer.pointer[row &* step] }
}

/// `body` of every pair of values.
@inline(__always)
func combine<A, B, R>(_ a: Lanes<A>, _ b: Lanes<B>, _ count: Int, _ body: (A, B) -> R) -> Buffer<R> {
    let result = Buffer<R>(uninitialized: count)
    let target = result.pointer
    let left = a.buffer.pointer
    let right = b.buffer.pointer
    switch (a.step, b.step) {
    case (1, 1): for row in 0..<count { target[row] = body(left[row], right[row]) }
    case (1, _):
        let value = right[0]
        for row in 0..<count { target[row] = body(left[row], value) }
    default: for row in 0..<count { target[row] = body(left[row &* a.step], right[row &* b.step]) }
    }
    return result
}
