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
        let (x, y, width) = (a.codes.pointer, b.codes.pointer, UInt64(b.limit))
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
        // Sorted rows need no table: equal ones are neighbours.
        var last: UInt64 = 0
        var isSorted = true
        for row in 0..<rowCount {
            let key = UInt64(UInt32(bitPattern: x[row])) &* width &+ UInt64(UInt32(bitPattern: y[row]))
            if key < last {
                isSorted = false
                break
            }
            last = key
        }
        let table = KeyTable<UInt64>(capacity: isSorted ? 0 : max(a.limit, b.limit))
        last = .max
        for row in 0..<rowCount {
            let key = UInt64(UInt32(bitPattern: x[row])) &* width &+ UInt64(UInt32(bitPattern: y[row]))
            if isSorted {
                numbering.add(row, Int32(truncatingIfNeeded: numbering.count - (key == last ? 1 : 0)))
                last = key
            } else {
                numbering.add(row, table.code(for: key))
            }
        }
        return numbering.finish()
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
        switch column.storage {
        case .string(let codes, let pool) where pool.isDistinct:
            self.init(column, codes, distinct: pool.count)
        case .uuid(let ids) where ids.codes != nil:
            self.init(column, ids.codes!, distinct: ids.values.count)
        default:
            let groups = try RowGroups.of(column)
            self.init(codes: groups.ofRow, limit: groups.count)
        }
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

protocol TableKey: BitwiseCopyable, Equatable {
    var tableHash: UInt64 { get }
}

extension UInt64: TableKey {
    @inline(__always) var tableHash: UInt64 { ByteHash.hash(self) }
}

extension UUID: TableKey {
    @inline(__always) var tableHash: UInt64 { ByteHash.hash(high, low) }
}

/// Numbers distinct keys 0, 1, 2 … in order of appearance.
final class KeyTable<Key: TableKey> {
    // Looked up once a row: the checks of exclusive access would cost more than the look-up.
    @exclusivity(unchecked) private var keys: UnsafeMutablePointer<Key>
    @exclusivity(unchecked) private var slots: UnsafeMutablePointer<Int32>
    @exclusivity(unchecked) private var mask: Int
    @exclusivity(unchecked) private(set) var count = 0

    init(capacity: Int) {
        var size = 256
        while size < capacity * 2 { size *= 2 }
        mask = size - 1
        slots = .allocate(capacity: size)
        slots.initialize(repeating: -1, count: size)
        keys = .allocate(capacity: size / 2 + 1)
    }

    deinit {
        slots.deallocate()
        keys.deallocate()
    }

    @inline(__always) func code(for key: Key) -> Int32 {
        var slot = Int(truncatingIfNeeded: key.tableHash) & mask
        while true {
            let code = slots[slot]
            if code < 0 { return insert(key, slot) }
            if keys[Int(code)] == key { return code }
            slot = (slot &+ 1) & mask
        }
    }

    /// The number of `key`; -1 when it is not there.
    @inline(__always) func find(_ key: Key) -> Int32 {
        var slot = Int(truncatingIfNeeded: key.tableHash) & mask
        while true {
            let code = slots[slot]
            if code < 0 || keys[Int(code)] == key { return code }
            slot = (slot &+ 1) & mask
        }
    }

    /// The keys by their numbers.
    func distinct() -> Buffer<Key> {
        let result = Buffer<Key>(uninitialized: count)
        result.pointer.update(from: keys, count: count)
        return result
    }

    @inline(never) private func insert(_ key: Key, _ slot: Int) -> Int32 {
        let code = Int32(truncatingIfNeeded: count)
        slots[slot] = code
        keys[count] = key
        count += 1
        if count > mask >> 1 { grow() }
        return code
    }

    private func grow() {
        let size = (mask + 1) * 4
        let moved = UnsafeMutablePointer<Key>.allocate(capacity: size / 2 + 1)
        moved.update(from: keys, count: count)
        keys.deallocate()
        keys = moved
        slots.deallocate()
        slots = .allocate(capacity: size)
        slots.initialize(repeating: -1, count: size)
        mask = size - 1
        for code in 0..<count {
            var slot = Int(truncatingIfNeeded: keys[code].tableHash) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(truncatingIfNeeded: code)
        }
    }
}
