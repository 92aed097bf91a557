import Base

/// A word a row in the order of a column's values, from 0 on and no wider than it has to be.
struct SortWords {
    /// Above it every word is 0.
    let bits: UInt64
    /// What a value is subtracted from when the order is descending; nil when it is ascending.
    let last: UInt64?
    let word: (_ row: Int) -> UInt64
    /// Puts the words of some rows, less their last `cut` bits, behind what stands in `target`.
    let push: (_ target: UnsafeMutablePointer<UInt64>, _ rows: Range<Int>, _ cut: UInt64) -> Void

    /// What a column is sorted by, the most significant first: whether it is null, then its words.
    /// - Parameter ranks: those of ids with codes.
    static func keys(of column: Column, _ ranks: UUIDRanks?, descending: Bool) throws -> [() throws -> SortWords] {
        var keys: [() throws -> SortWords] = []
        if let validity = column.validity {
            // What stands under a null must not move null rows among themselves.
            keys.append { SortWords(Column(.bool(validity)), descending: true, 0...1, Flags(values: validity)) }
        }
        switch column.storage {
        case .int64(let values), .timestamp(let values):
            keys.append { SortWords(column, descending, Integers(values: values)) }
        case .float64(let values): keys.append { SortWords(column, descending, Doubles(values: values)) }
        case .float32(let values): keys.append { SortWords(column, descending, Floats(values: values)) }
        case .bool(let values):
            keys.append { SortWords(column, descending: descending, 0...1, Flags(values: values)) }
        case .uuid(let ids):
            if let ranks {
                keys.append { ranks.words(column, descending) }
            } else {
                keys.append { SortWords(column, descending, Highs(values: ids.values)) }
                keys.append { SortWords(column, descending, Lows(values: ids.values)) }
            }
        case .string: keys.append { try column.stringWords(descending) }
        case .list: throw FrameError("frame.type", "a \(column.dtype.name) column cannot be sorted by")
        }
        return keys
    }

    /// - Parameter range: where all values lie.
    init(_ column: Column, descending: Bool, _ range: ClosedRange<UInt64>, _ source: some SortSource) {
        let (low, high, validity) = (range.lowerBound, range.upperBound, column.validity)
        let bits = UInt64(64 - (high - low).leadingZeroBitCount)
        @inline(__always) func word(_ row: Int) -> UInt64 {
            if let validity, validity.pointer[row] == 0 { return 0 }
            return descending ? high - source.value(row) : source.value(row) - low
        }
        self.bits = bits
        last = descending ? high - low : nil
        self.word = { word($0) }
        push = { target, rows, cut in
            let kept = bits - cut
            if validity == nil, !descending {
                for row in rows { target[row] = target[row] &<< kept | (source.value(row) &- low) &>> cut }
            } else {
                for row in rows { target[row] = target[row] &<< kept | word(row) &>> cut }
            }
        }
    }

    /// The range is looked for.
    private init(_ column: Column, _ descending: Bool, _ source: some SortSource) {
        var low = UInt64.max
        var high = UInt64.min
        for row in 0..<column.count where !column.isNull(row) {
            let value = source.value(row)
            low = min(low, value)
            high = max(high, value)
        }
        self.init(column, descending: descending, low > high ? 0...0 : low...high, source)
    }
}

/// The words of rows that are not null. Types of their own, so that a loop over millions of rows has no call in it.
protocol SortSource {
    func value(_ row: Int) -> UInt64
}

private struct Integers: SortSource {
    let values: Buffer<Int64>
    func value(_ row: Int) -> UInt64 { UInt64(bitPattern: values.pointer[row]) ^ (1 << 63) }
}

private struct Doubles: SortSource {
    let values: Buffer<Double>
    func value(_ row: Int) -> UInt64 { sortable(values.pointer[row]) }
}

private struct Floats: SortSource {
    let values: Buffer<Float>
    func value(_ row: Int) -> UInt64 { sortable(Double(values.pointer[row])) }
}

private struct Flags: SortSource {
    let values: Buffer<UInt8>
    func value(_ row: Int) -> UInt64 { UInt64(values.pointer[row]) }
}

private struct Highs: SortSource {
    let values: Buffer<UUID>
    func value(_ row: Int) -> UInt64 { values.pointer[row].high }
}

private struct Lows: SortSource {
    let values: Buffer<UUID>
    func value(_ row: Int) -> UInt64 { values.pointer[row].low }
}

private struct Codes: SortSource {
    let codes: Buffer<Int32>
    func value(_ row: Int) -> UInt64 { UInt64(UInt32(bitPattern: codes.pointer[row])) }
}

private struct Ranked: SortSource {
    let codes: Buffer<Int32>
    let ranks: Buffer<Int32>
    func value(_ row: Int) -> UInt64 { UInt64(UInt32(bitPattern: ranks.pointer[Int(codes.pointer[row])])) }
}

/// Bits in the order of the numbers; NaN after everything.
@inline(__always) private func sortable(_ value: Double) -> UInt64 {
    let bits = canonicalBits(value)
    return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
}

/// The places of ids that are stored as codes among their distinct values.
struct UUIDRanks {
    /// In ascending order.
    let distinct: Buffer<UUID>
    private let codes: Buffer<Int32>
    /// By code; nil where codes are ranks.
    private let ranks: Buffer<Int32>?

    /// - Parameter ids: with codes.
    init(_ ids: UUIDs) throws {
        codes = ids.codes!
        guard !ids.isOrdered else {
            (distinct, ranks) = (ids.values, nil)
            return
        }
        let rows = try Frame([("id", Column(.uuid(UUIDs(ids.values))))]).order([SortKey("id")])
        let ranks = Buffer<Int32>(uninitialized: ids.values.count)
        for (rank, row) in rows.elements.enumerated() { ranks.pointer[Int(row)] = Int32(truncatingIfNeeded: rank) }
        distinct = ids.values.taking(rows, missing: UUID(high: 0, low: 0))
        self.ranks = ranks
    }

    @inline(__always) func rank(_ row: Int) -> Int32 {
        let code = codes.pointer[row]
        return ranks.map { $0.pointer[Int(code)] } ?? code
    }

    fileprivate func words(_ column: Column, _ descending: Bool) -> SortWords {
        let range = 0...UInt64(max(distinct.count, 1) - 1)
        guard let ranks else { return SortWords(column, descending: descending, range, Codes(codes: codes)) }
        return SortWords(column, descending: descending, range, Ranked(codes: codes, ranks: ranks))
    }
}

extension Column {
    /// Each row's place among the column's distinct strings in byte order.
    fileprivate func stringWords(_ descending: Bool) throws -> SortWords {
        let (codes, pool) = stringParts
        // Strings of a pool of distinct ones stand for themselves; others are brought together first.
        if pool.isDistinct, pool.count <= count {
            let ranks = try Self.ranks(Array(0..<pool.count)) { pool[bytesAt: $0] }
            let range = 0...UInt64(max(pool.count, 1) - 1)
            return SortWords(self, descending: descending, range, Ranked(codes: codes, ranks: ranks))
        }
        let groups = try RowGroups.of([self], rowCount: count)
        let firstRows = groups.firstRows
        let filled = (0..<groups.count).filter { !isNull(Int(firstRows.pointer[$0])) }
        let ranks = try Self.ranks(filled) { pool[bytesAt: Int(codes.pointer[Int(firstRows.pointer[$0])])] }
        let range = 0...UInt64(max(groups.count, 1) - 1)
        return SortWords(self, descending: descending, range, Ranked(codes: groups.ofRow, ranks: ranks))
    }

    /// The place of each of some numbered texts among them; 0 for numbers that are left out.
    private static func ranks(_ numbers: [Int], _ text: (Int) -> UnsafeBufferPointer<UInt8>) throws
        -> Buffer<Int32>
    {
        struct Entry {
            var prefix: UInt64
            var number: Int
        }
        var entries: [Entry] = []
        entries.reserveCapacity(numbers.count)
        for number in numbers {
            // The first eight bytes decide most comparisons without touching the pool.
            var prefix: UInt64 = 0
            for (index, byte) in text(number).prefix(8).enumerated() {
                prefix |= UInt64(byte) << UInt64(56 - 8 * index)
            }
            entries.append(Entry(prefix: prefix, number: number))
        }
        try Interrupt.check()
        entries.sort {
            $0.prefix != $1.prefix ? $0.prefix < $1.prefix : compareBytes(text($0.number), text($1.number)) < 0
        }
        let ranks = Buffer<Int32>(repeating: 0, count: (numbers.max() ?? -1) + 1)
        for (rank, entry) in entries.enumerated() { ranks.pointer[entry.number] = Int32(truncatingIfNeeded: rank) }
        return ranks
    }
}
