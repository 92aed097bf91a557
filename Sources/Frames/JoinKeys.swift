import Base

/// The keys of two sides in one numbering: rows of either side have equal numbers where their keys are equal.
///
/// Ids and strings that are stored as codes are looked up once an entry of their table, not once a row.
public struct JoinKeys {
    /// -1 for null, and mostly for what is not on the right.
    public let left: Buffer<Int32>
    public let right: Buffer<Int32>
    /// Above every number.
    public let limit: Int

    /// - Parameters: columns of the same types in pairs, at least one.
    init(left: [Column], right: [Column]) throws {
        var keys = try JoinKeys(left[0], right[0])
        for (left, right) in zip(left, right).dropFirst() {
            try Interrupt.check()
            keys = keys.combined(with: try JoinKeys(left, right))
        }
        self = keys
    }

    private init(left: Buffer<Int32>, right: Buffer<Int32>, limit: Int) {
        self.left = left
        self.right = right
        self.limit = limit
    }

    /// - Parameters: columns of the same type.
    public init(_ left: Column, _ right: Column) throws {
        switch (left.storage, right.storage) {
        case (.uuid(let a), .uuid(let b)):
            if let sought = b.places(of: a) {
                self.init(
                    left: Self.numbers(a.codes, sought, left.validity),
                    right: Self.numbers(b.codes ?? .counting(to: b.count), nil, right.validity), limit: b.values.count)
                return
            }
            let table = KeyTable<UUID>(capacity: b.values.count)
            let known = Buffer<Int32>(uninitialized: b.values.count)
            table.codes(for: b.values.pointer, count: known.count, into: known.pointer)
            let sought = Buffer<Int32>(uninitialized: a.values.count)
            table.find(a.values.pointer, count: sought.count, into: sought.pointer)
            self.init(
                left: Self.numbers(a.codes, sought, left.validity), right: Self.numbers(b.codes, known, right.validity),
                limit: table.count)
        case (.string(let a, let poolA), .string(let b, let poolB)):
            if poolA === poolB, poolA.isDistinct {
                self.init(
                    left: Self.numbers(a, nil, left.validity), right: Self.numbers(b, nil, right.validity),
                    limit: poolA.count)
                return
            }
            let table = StringPoolBuilder()
            let known = Buffer<Int32>(uninitialized: poolB.count)
            for index in 0..<known.count { known.pointer[index] = table.code(for: poolB[bytesAt: index]) }
            let sought = Buffer<Int32>(uninitialized: poolA.count)
            for index in 0..<sought.count { sought.pointer[index] = table.find(poolA[bytesAt: index]) ?? -1 }
            self.init(
                left: Self.numbers(a, sought, left.validity), right: Self.numbers(b, known, right.validity),
                limit: table.count)
        default:
            // Both sides are numbered together, the right one first.
            let both = try Column.concat([right, left])
            let groups = try RowGroups.of([both], rowCount: both.count)
            self.init(
                left: Self.numbers(groups.ofRow.slice(right.count, left.count), nil, left.validity),
                right: Self.numbers(groups.ofRow.slice(0, right.count), nil, right.validity), limit: groups.count)
        }
    }

    /// Each row's number: that of its code, of itself without codes; a negative code cannot occur.
    private static func numbers(_ codes: Buffer<Int32>?, _ table: Buffer<Int32>?, _ validity: Buffer<UInt8>?)
        -> Buffer<Int32>
    {
        guard let codes else { return masked(table!, validity) }
        guard let table else { return masked(codes, validity) }
        let result = Buffer<Int32>(uninitialized: codes.count)
        let (source, target, translated) = (codes.pointer, result.pointer, table.pointer)
        if let validity {
            for row in 0..<codes.count {
                target[row] = validity.pointer[row] == 0 ? -1 : translated[Int(source[row])]
            }
        } else {
            Workers.pieces(of: codes.count) { for row in $0 { target[row] = translated[Int(source[row])] } }
        }
        return result
    }

    private static func masked(_ numbers: Buffer<Int32>, _ validity: Buffer<UInt8>?) -> Buffer<Int32> {
        guard let validity else { return numbers }
        let result = Buffer<Int32>(uninitialized: numbers.count)
        for row in 0..<numbers.count { result.pointer[row] = validity.pointer[row] == 0 ? -1 : numbers.pointer[row] }
        return result
    }

    /// Numbers of the pairs of both keys.
    private func combined(with next: JoinKeys) -> JoinKeys {
        func pair(_ a: Int32, _ b: Int32) -> UInt64? {
            a < 0 || b < 0 ? nil : UInt64(UInt32(bitPattern: a)) << 32 | UInt64(UInt32(bitPattern: b))
        }
        let table = KeyTable<UInt64>(capacity: right.count)
        let known = Buffer<Int32>(uninitialized: right.count)
        for row in 0..<right.count {
            known.pointer[row] = pair(right.pointer[row], next.right.pointer[row]).map(table.code) ?? -1
        }
        let sought = Buffer<Int32>(uninitialized: left.count)
        for row in 0..<left.count {
            sought.pointer[row] = pair(left.pointer[row], next.left.pointer[row]).map(table.find) ?? -1
        }
        return JoinKeys(left: sought, right: known, limit: table.count)
    }
}
