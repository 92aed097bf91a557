import Base

/// Which rows are equal: every row's group number, groups numbered by first appearance.
///
/// Nulls are equal to each other here, NaNs too, and -0 equals 0.
public struct RowGroups {
    /// One group number a row.
    public let ofRow: Buffer<Int32>
    /// The first row of each group.
    public let firstRows: Buffer<Int32>
    public var count: Int { firstRows.count }

    /// One group of all rows (none when there are no rows).
    static func single(rowCount: Int) -> RowGroups {
        RowGroups(ofRow: Buffer(repeating: 0, count: rowCount), firstRows: Buffer(repeating: 0, count: 1))
    }

    /// Groups of the rows that agree in every column.
    /// - Throws: `frame.type` for lists.
    public static func of(_ columns: [Column], rowCount: Int) throws -> RowGroups {
        guard let first = columns.first else {
            let groups = min(rowCount, 1)
            return RowGroups(
                ofRow: Buffer(repeating: 0, count: rowCount), firstRows: Buffer(repeating: 0, count: groups))
        }
        if columns.count == 1 { return try of(first) }
        var keys = try DenseKeys(first)
        var result: RowGroups?
        for column in columns.dropFirst() {
            try Interrupt.check()
            let groups = combined(keys, try DenseKeys(column))
            keys = DenseKeys(codes: groups.ofRow, limit: groups.count)
            result = groups
        }
        return result!
    }

    /// Groups of the rows that agree in both of two keys.
    private static func combined(_ a: DenseKeys, _ b: DenseKeys) -> RowGroups {
        let rowCount = a.codes.count
        let (x, y) = (a.codes.pointer, b.codes.pointer)
        var numbering = Numbering(rowCount: rowCount)
        let limit = a.limit.multipliedReportingOverflow(by: b.limit)
        if !limit.overflow, limit.partialValue <= rowCount * 2 + 1024 {
            let codes = Buffer<Int32>(repeating: -1, count: limit.partialValue)
            for row in 0..<rowCount {
                let at = Int(x[row]) &* b.limit &+ Int(y[row])
                if codes.pointer[at] < 0 { codes.pointer[at] = numbering.new(row) }
                numbering.ofRow.pointer[row] = codes.pointer[at]
            }
            return numbering.finish()
        }
        if b.limit > rowCount * 4 + 1024 {
            let table = KeyTable<UInt64>(capacity: a.limit)
            for row in 0..<rowCount {
                let key = UInt64(UInt32(bitPattern: x[row])) << 32 | UInt64(UInt32(bitPattern: y[row]))
                numbering.add(row, table.code(for: key))
            }
            return numbering.finish()
        }
        // The rows by their first key; among those of one, the first row with each second key stands for the others.
        let order = a.rows()
        let lastWith = Buffer<Int32>(repeating: -1, count: b.limit)
        let firstRow = Buffer<Int32>(uninitialized: b.limit)
        for row in order.elements {
            let (first, second) = (x[Int(row)], Int(y[Int(row)]))
            if lastWith.pointer[second] != first {
                lastWith.pointer[second] = first
                firstRow.pointer[second] = row
            }
            numbering.ofRow.pointer[Int(row)] = firstRow.pointer[second]
        }
        for row in 0..<rowCount {
            let first = Int(numbering.ofRow.pointer[row])
            numbering.ofRow.pointer[row] = first == row ? numbering.new(row) : numbering.ofRow.pointer[first]
        }
        return numbering.finish()
    }

    /// Whether rows are known to be in strictly ascending order of several columns, so that no two are equal. False says
    /// nothing.
    static func areAscending(_ columns: [Column]) throws -> Bool {
        guard columns.count == 2, let first = DenseKeys.stored(columns[0]), let second = DenseKeys.stored(columns[1])
        else { return false }
        let (x, y) = (first.codes.pointer, second.codes.pointer)
        for row in stride(from: 1, to: first.codes.count, by: 1) {
            guard x[row - 1] < x[row] || x[row - 1] == x[row] && y[row - 1] < y[row] else { return false }
        }
        return true
    }

    fileprivate static func of(_ column: Column) throws -> RowGroups {
        switch column.storage {
        case .int64(let values), .timestamp(let values): return integers(values, column)
        case .float64(let values): return words(column) { canonicalBits(values.pointer[$0]) }
        case .float32(let values): return words(column) { canonicalBits(Double(values.pointer[$0])) }
        case .bool(let values): return words(column) { UInt64(values.pointer[$0]) }
        case .uuid(let ids):
            guard let codes = ids.codes else { return words(column) { ids.values.pointer[$0] } }
            return small(column, limit: ids.values.count) { Int(codes.pointer[$0]) }
        case .string(let codes, let pool):
            if pool.isDistinct { return small(column, limit: pool.count) { Int(codes.pointer[$0]) } }
            return numbered(column, StringPoolBuilder()) { builder, row in
                builder.code(for: pool[bytesAt: Int(codes.pointer[row])])
            }
        case .list: throw FrameError("frame.type", "a \(column.dtype.name) column cannot be a key; explode it first")
        }
    }

    private static func integers(_ values: Buffer<Int64>, _ column: Column) -> RowGroups {
        guard column.count > 0 else { return words(column) { UInt64(bitPattern: values.pointer[$0]) } }
        var low = Int64.max
        var high = Int64.min
        for value in values.elements {
            low = min(low, value)
            high = max(high, value)
        }
        let (span, overflow) = high.subtractingReportingOverflow(low)
        if !overflow, span < Int64(column.count) * 2 + 1024 {
            return small(column, limit: Int(span) + 1) { Int(values.pointer[$0] - low) }
        }
        return words(column) { UInt64(bitPattern: values.pointer[$0]) }
    }

    /// Keys 0..<limit through a plain array.
    private static func small(_ column: Column, limit: Int, _ key: (Int) -> Int) -> RowGroups {
        guard limit <= column.count * 4 + 1024 else { return words(column) { UInt64(key($0)) } }
        var numbering = Numbering(rowCount: column.count)
        let codes = Buffer<Int32>(repeating: -1, count: limit + 1)
        for row in 0..<column.count {
            let at = column.isNull(row) ? limit : key(row)
            if codes.pointer[at] < 0 { codes.pointer[at] = numbering.new(row) }
            numbering.ofRow.pointer[row] = codes.pointer[at]
        }
        return numbering.finish()
    }

    @inline(__always)
    private static func words<Key: TableKey>(_ column: Column, _ key: (Int) -> Key) -> RowGroups {
        numbered(column, KeyTable<Key>(capacity: 0)) { table, row in table.code(for: key(row)) }
    }

    /// Rows by a table that numbers distinct keys 0, 1, 2 … in order of appearance.
    @inline(__always)
    private static func numbered<Table: AnyObject>(_ column: Column, _ table: Table, _ code: (Table, Int) -> Int32)
        -> RowGroups
    {
        var numbering = Numbering(rowCount: column.count)
        guard column.validity != nil else {
            for row in 0..<column.count { numbering.add(row, code(table, row)) }
            return numbering.finish()
        }
        // The null group takes its number when it first appears, so later codes shift by one.
        var nullGroup: Int32 = .max
        for row in 0..<column.count {
            if column.isNull(row) {
                if nullGroup == .max { nullGroup = numbering.new(row) }
                numbering.ofRow.pointer[row] = nullGroup
            } else {
                let code = code(table, row)
                numbering.add(row, code >= nullGroup ? code + 1 : code)
            }
        }
        return numbering.finish()
    }

    private struct Numbering: ~Copyable {
        let ofRow: Buffer<Int32>
        var firstRows = GrowingBuffer<Int32>()
        init(rowCount: Int) { ofRow = Buffer(uninitialized: rowCount) }

        var count: Int { firstRows.count }

        mutating func new(_ row: Int) -> Int32 {
            firstRows.append(Int32(truncatingIfNeeded: row))
            return Int32(truncatingIfNeeded: firstRows.count - 1)
        }

        /// `code` is an old group, or the next new one.
        @inline(__always) mutating func add(_ row: Int, _ code: Int32) {
            if Int(code) == firstRows.count { firstRows.append(Int32(truncatingIfNeeded: row)) }
            ofRow.pointer[row] = code
        }

        mutating func finish() -> RowGroups { RowGroups(ofRow: ofRow, firstRows: firstRows.finish()) }
    }
}

/// One small number a row, the same where the rows of a column are equal; nulls are equal to each other.
struct DenseKeys {
    let codes: Buffer<Int32>
    /// Above every code.
    let limit: Int

    init(codes: Buffer<Int32>, limit: Int) {
        self.codes = codes
        self.limit = limit
    }

    /// - Throws: `frame.type` for lists.
    init(_ column: Column) throws {
        if let stored = Self.stored(column) {
            self = stored
        } else {
            let groups = try RowGroups.of(column)
            self.init(codes: groups.ofRow, limit: groups.count)
        }
    }

    /// The numbers that a column of ids or strings is stored as; nil when it is not.
    static func stored(_ column: Column) -> DenseKeys? {
        switch column.storage {
        case .string(let codes, let pool) where pool.isDistinct: DenseKeys(column, codes, distinct: pool.count)
        case .uuid(let ids): ids.codes.map { DenseKeys(column, $0, distinct: ids.values.count) }
        default: nil
        }
    }

    /// All rows in the order of their numbers, those of one in row order.
    func rows() -> Buffer<Int32> {
        let rows = Buffer<Int32>(uninitialized: codes.count)
        let isAscending = (1..<max(codes.count, 1)).allSatisfy { codes.pointer[$0 - 1] <= codes.pointer[$0] }
        if isAscending {
            for row in 0..<rows.count { rows.pointer[row] = Int32(truncatingIfNeeded: row) }
            return rows
        }
        let next = Buffer<Int32>(repeating: 0, count: limit + 1)
        for code in codes.elements { next.pointer[Int(code) + 1] += 1 }
        for code in 0..<limit { next.pointer[code + 1] += next.pointer[code] }
        for row in 0..<rows.count {
            let code = Int(codes.pointer[row])
            rows.pointer[Int(next.pointer[code])] = Int32(truncatingIfNeeded: row)
            next.pointer[code] += 1
        }
        return rows
    }

    private init(_ column: Column, _ codes: Buffer<Int32>, distinct: Int) {
        guard let validity = column.validity else {
            self.init(codes: codes, limit: distinct)
            return
        }
        let marked = Buffer<Int32>(uninitialized: codes.count)
        for row in 0..<codes.count {
            marked.pointer[row] = validity.pointer[row] == 0 ? Int32(truncatingIfNeeded: distinct) : codes.pointer[row]
        }
        self.init(codes: marked, limit: distinct + 1)
    }
}

/// The bits of a number, one pattern for all NaNs and one for both zeros.
@inline(__always) func canonicalBits(_ value: Double) -> UInt64 {
    value.isNaN ? Double.nan.bitPattern : value == 0 ? 0 : value.bitPattern
}
