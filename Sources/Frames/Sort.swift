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
        // Ids that are stored as codes have them in order afterwards, so that equal ones are known to be neighbours.
        let ordered = try mapColumns(rowCount: rowCount) { column in
            guard case .uuid(let ids) = column.storage, ids.codes != nil,
                keys.contains(where: { self[$0.name] === column })
            else { return column }
            return Column(.uuid(try ids.ordered()), validity: column.validity)
        }
        return try ordered.take(try ordered.order(keys))
    }

    /// The row numbers in sorted order.
    public func order(_ keys: [SortKey]) throws -> Buffer<Int32> {
        var sorter = RowSorter(rowCount: rowCount)
        for key in keys { try sorter.add(try column(key.name), descending: key.descending) }
        return try sorter.sorted()
    }
}

extension Column {
    /// The values in ascending (or descending) order, nulls last.
    public func sort(descending: Bool = false) throws -> Column {
        var sorter = RowSorter(rowCount: count)
        try sorter.add(self, descending: descending)
        return take(try sorter.sorted())
    }
}

/// A stable sort of row numbers.
///
/// The keys' leading bits and the row number share one word, which a radix sort puts in order. Mostly all bits of all
/// keys fit; where they do not, rows that agree in those that do are compared by the rest.
private struct RowSorter {
    private let rowCount: Int
    /// Made when they are looked at: one takes as much memory as the rows' words.
    private var keys: [() throws -> SortWords] = []

    init(rowCount: Int) { self.rowCount = rowCount }

    mutating func add(_ column: Column, descending: Bool) throws {
        keys += try SortWords.keys(of: column, descending: descending)
    }

    /// The rows in order.
    func sorted() throws -> Buffer<Int32> {
        let highest = UInt64(max(rowCount - 1, 1))
        let rowBits = UInt64(64 - highest.leadingZeroBitCount)
        var free = 64 - rowBits
        let words = Buffer<UInt64>(repeating: 0, count: rowCount)
        var rest = keys[...]
        while free > 0, let next = rest.first {
            try Interrupt.check()
            let key = try next()
            let cut = key.bits > free ? key.bits - free : 0
            let (target, source, bits) = (words.pointer, key.words.pointer, key.bits - cut)
            Workers.pieces(of: rowCount) { for row in $0 { target[row] = target[row] &<< bits | source[row] &>> cut } }
            free -= bits
            if cut > 0 { break }
            rest = rest.dropFirst()
        }
        for row in 0..<rowCount { words.pointer[row] = words.pointer[row] &<< rowBits | UInt64(row) }
        let ordered = try radix(words, from: rowBits, bits: 64 - rowBits - free)
        let rows = Buffer<Int32>(uninitialized: rowCount)
        let mask = (UInt64(1) &<< rowBits) - 1
        Workers.pieces(of: rowCount) { range in
            for index in range { rows.pointer[index] = Int32(truncatingIfNeeded: ordered.pointer[index] & mask) }
        }
        if !rest.isEmpty { try compareTies(rows, rest) { ordered.pointer[$0] &>> rowBits } }
        return rows
    }

    /// Least significant digit first, in digits of about eleven bits; those in which all words agree are passed over.
    private func radix(_ words: Buffer<UInt64>, from shift: UInt64, bits: UInt64) throws -> Buffer<UInt64> {
        var (source, target) = (words, Buffer<UInt64>(uninitialized: rowCount > 1 && bits > 0 ? rowCount : 0))
        guard rowCount > 1, bits > 0 else { return words }
        let passes = (bits + 10) / 11
        let width = (bits + passes - 1) / passes
        let size = 1 << Int(width)
        let mask = UInt64(size - 1)
        let starts = Buffer<Int>(uninitialized: size)
        for pass in 0..<passes {
            try Interrupt.check()
            let at = shift + pass * width
            let (from, to, next) = (source.pointer, target.pointer, starts.pointer)
            next.update(repeating: 0, count: size)
            for index in 0..<rowCount { next[Int(from[index] &>> at & mask)] += 1 }
            if next[Int(from[0] &>> at & mask)] == rowCount { continue }
            var sum = 0
            for digit in 0..<size {
                let count = next[digit]
                next[digit] = sum
                sum += count
            }
            for index in 0..<rowCount {
                let word = from[index]
                let digit = Int(word &>> at & mask)
                to[next[digit]] = word
                next[digit] += 1
            }
            swap(&source, &target)
        }
        return source
    }

    /// Sorts each run of rows whose words were equal by the keys that did not fit.
    private func compareTies(
        _ rows: Buffer<Int32>, _ keys: ArraySlice<() throws -> SortWords>, _ word: (Int) -> UInt64
    ) throws {
        guard let tie = (1..<max(rowCount, 1)).first(where: { word($0) == word($0 - 1) }) else { return }
        let words = try keys.map { try $0().words }
        func precedes(_ a: Int32, _ b: Int32) -> Bool {
            for key in words {
                let (x, y) = (key.pointer[Int(a)], key.pointer[Int(b)])
                if x != y { return x < y }
            }
            return a < b
        }
        var start = tie - 1
        while start < rowCount {
            var end = start + 1
            while end < rowCount, word(end) == word(start) { end += 1 }
            if end - start > 1 {
                var run = UnsafeMutableBufferPointer(start: rows.pointer + start, count: end - start)
                run.sort(by: precedes)
            }
            start = end
            if start & 0xFFFF == 0 { try Interrupt.check() }
        }
    }
}

/// A word a row in the order of a column's values, from 0 on and no wider than it has to be.
private struct SortWords {
    let words: Buffer<UInt64>
    /// Above it every word is 0.
    let bits: UInt64

    /// What a column is sorted by, the most significant first: whether it is null, then its words.
    static func keys(of column: Column, descending: Bool) throws -> [() throws -> SortWords] {
        func words(_ word: @escaping (Int) -> UInt64) -> () -> SortWords {
            { SortWords(column, descending, word) }
        }
        var keys: [() throws -> SortWords] = []
        if let validity = column.validity {
            // What stands under a null must not move null rows among themselves.
            keys.append { SortWords(Column(.bool(validity)), true) { UInt64(validity.pointer[$0]) } }
        }
        switch column.storage {
        case .int64(let values), .timestamp(let values):
            keys.append(words { UInt64(bitPattern: values.pointer[$0]) ^ (1 << 63) })
        case .float64(let values): keys.append(words { sortable(values.pointer[$0]) })
        case .float32(let values): keys.append(words { sortable(Double(values.pointer[$0])) })
        case .bool(let values): keys.append(words { UInt64(values.pointer[$0]) })
        case .uuid(let ids):
            if let codes = try ids.ordered().codes {
                keys.append(words { UInt64(UInt32(bitPattern: codes.pointer[$0])) })
            } else {
                keys.append(words { ids.values.pointer[$0].high })
                keys.append(words { ids.values.pointer[$0].low })
            }
        case .string:
            keys.append {
                let ranks = try column.stringRanks()
                return SortWords(column, descending) { UInt64(UInt32(bitPattern: ranks.pointer[$0])) }
            }
        case .list: throw FrameError("frame.type", "a \(column.dtype.name) column cannot be sorted by")
        }
        return keys
    }

    @inline(__always)
    private init(_ column: Column, _ descending: Bool, _ word: (Int) -> UInt64) {
        let count = column.count
        let words = Buffer<UInt64>(uninitialized: count)
        let target = words.pointer
        var low = UInt64.max
        var high = UInt64.min
        if let validity = column.validity {
            for row in 0..<count where validity.pointer[row] != 0 {
                let value = word(row)
                low = min(low, value)
                high = max(high, value)
            }
        } else {
            for row in 0..<count {
                let value = word(row)
                low = min(low, value)
                high = max(high, value)
            }
        }
        if low > high { (low, high) = (0, 0) }
        Workers.pieces(of: count) { [low, high] range in
            for row in range {
                let value = column.isNull(row) ? low : word(row)
                target[row] = descending ? high - value : value - low
            }
        }
        if descending, column.validity != nil {
            for row in 0..<count where column.isNull(row) { target[row] = 0 }
        }
        self.words = words
        bits = UInt64(64 - (high - low).leadingZeroBitCount)
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
