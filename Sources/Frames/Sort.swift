import Base

/// One key of a sort.
public struct SortKey: Sendable {
    public let name: String
    public let descending: Bool

    public init(_ name: String, descending: Bool = false) {
        self.name = name
        self.descending = descending
    }

    /// `price` ascending, `-price` descending.
    public init(spelled text: String) {
        let descending = text.hasPrefix("-")
        self.init(descending ? String(text.dropFirst()) : text, descending: descending)
    }
}

extension Frame {
    /// Rows by the first key, then the second, …; rows that are equal keep their order. Nulls come last in both
    /// directions, NaN counts as larger than every number, strings compare by their bytes, false before true.
    public func sort(_ keys: [SortKey]) throws -> Frame {
        guard !keys.isEmpty else { throw FrameError("frame.value", "sort needs at least one column") }
        return try take(try order(keys))
    }

    /// The row numbers in sorted order.
    public func order(_ keys: [SortKey]) throws -> Buffer<Int32> {
        let sorter = RowSorter(rowCount: rowCount)
        // Least significant key first: every pass is stable.
        for key in keys.reversed() { try sorter.sort(by: try column(key.name), descending: key.descending) }
        return sorter.rows
    }
}

extension Column {
    /// The values in ascending (or descending) order, nulls last.
    public func sort(descending: Bool = false) throws -> Column {
        let sorter = RowSorter(rowCount: count)
        try sorter.sort(by: self, descending: descending)
        return take(sorter.rows)
    }
}

/// Stable radix sort of row numbers by 64-bit words.
private struct RowSorter {
    let rows: Buffer<Int32>

    init(rowCount: Int) {
        rows = Buffer(uninitialized: rowCount)
        for row in 0..<rowCount { rows.pointer[row] = Int32(truncatingIfNeeded: row) }
    }

    func sort(by column: Column, descending: Bool) throws {
        let flip: UInt64 = descending ? .max : 0
        let validity = column.validity
        // What stands under a null must not move null rows among themselves.
        func pass(_ word: (Int) -> UInt64) throws {
            guard let validity else { return try radix(word) }
            try radix { validity.pointer[$0] == 0 ? 0 : word($0) }
        }
        switch column.storage {
        case .int64(let values), .timestamp(let values):
            try pass { UInt64(bitPattern: values.pointer[$0]) ^ (1 << 63) ^ flip }
        case .float64(let values): try pass { sortable(values.pointer[$0]) ^ flip }
        case .float32(let values): try pass { sortable(Double(values.pointer[$0])) ^ flip }
        case .bool(let values): try pass { UInt64(values.pointer[$0]) ^ flip }
        case .uuid(let values):
            try pass { values.pointer[$0].low ^ flip }
            try pass { values.pointer[$0].high ^ flip }
        case .string:
            let ranks = try column.stringRanks()
            try pass { UInt64(UInt32(bitPattern: ranks.pointer[$0])) ^ flip }
        case .list: throw FrameError("frame.type", "a \(column.dtype.name) column cannot be sorted by")
        }
        if let validity { try radix { validity.pointer[$0] == 0 ? 1 : 0 } }
    }

    private func radix(_ word: (Int) -> UInt64) throws {
        struct Entry: BitwiseCopyable {
            var word: UInt64
            var row: Int32
        }
        let count = rows.count
        guard count > 1 else { return }
        var entries = Buffer<Entry>(uninitialized: count)
        var differing: UInt64 = 0
        let first = word(Int(rows.pointer[0]))
        for index in 0..<count {
            let row = rows.pointer[index]
            let value = word(Int(row))
            differing |= value ^ first
            entries.pointer[index] = Entry(word: value, row: row)
        }
        if differing == 0 { return }
        var moved = Buffer<Entry>(uninitialized: count)
        let starts = Buffer<Int>(uninitialized: 256)
        for shift in stride(from: UInt64(0), to: 64, by: 8) where (differing >> shift) & 0xFF != 0 {
            try Interrupt.check()
            starts.pointer.update(repeating: 0, count: 256)
            for index in 0..<count { starts.pointer[Int((entries.pointer[index].word >> shift) & 0xFF)] += 1 }
            var at = 0
            for digit in 0..<256 {
                let size = starts.pointer[digit]
                starts.pointer[digit] = at
                at += size
            }
            for index in 0..<count {
                let entry = entries.pointer[index]
                let digit = Int((entry.word >> shift) & 0xFF)
                moved.pointer[starts.pointer[digit]] = entry
                starts.pointer[digit] += 1
            }
            swap(&entries, &moved)
        }
        for index in 0..<count { rows.pointer[index] = entries.pointer[index].row }
    }
}

/// Bits in the order of the numbers; NaN after everything.
@inline(__always) private func sortable(_ value: Double) -> UInt64 {
    let bits = canonicalBits(value)
    return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
}

extension Column {
    /// Each row's place among the column's distinct strings in byte order.
    fileprivate func stringRanks() throws -> Buffer<Int32> {
        let groups = try RowGroups.of([self], rowCount: count)
        struct Entry {
            var prefix: UInt64
            var group: Int32
        }
        let (codes, pool) = stringParts
        func text(_ group: Int32) -> UnsafeBufferPointer<UInt8> {
            pool[bytesAt: Int(codes.pointer[Int(groups.firstRows.pointer[Int(group)])])]
        }
        var entries: [Entry] = []
        entries.reserveCapacity(groups.count)
        for group in 0..<groups.count where !isNull(Int(groups.firstRows.pointer[group])) {
            // The first eight bytes decide most comparisons without touching the pool.
            var prefix: UInt64 = 0
            for (index, byte) in text(Int32(group)).prefix(8).enumerated() {
                prefix |= UInt64(byte) << UInt64(56 - 8 * index)
            }
            entries.append(Entry(prefix: prefix, group: Int32(group)))
        }
        try Interrupt.check()
        entries.sort {
            $0.prefix != $1.prefix ? $0.prefix < $1.prefix : compareBytes(text($0.group), text($1.group)) < 0
        }
        let rankOfGroup = Buffer<Int32>(repeating: 0, count: groups.count)
        for (rank, entry) in entries.enumerated() { rankOfGroup.pointer[Int(entry.group)] = Int32(rank) }
        let ranks = Buffer<Int32>(uninitialized: count)
        for row in 0..<count { ranks.pointer[row] = rankOfGroup.pointer[Int(groups.ofRow.pointer[row])] }
        return ranks
    }
}
