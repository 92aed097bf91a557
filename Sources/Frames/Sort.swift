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
    /// - Parameter distinct: of the rows that agree in so many leading keys only the first is kept; 0 keeps all.
    public func sort(_ keys: [SortKey], distinct: Int = 0) throws -> Frame {
        guard !keys.isEmpty else { throw FrameError("frame.value", "sort needs at least one column") }
        guard (0...keys.count).contains(distinct) else {
            throw FrameError("frame.value", "a sort by \(keys.count) columns cannot be distinct in \(distinct)")
        }
        var sorter = RowSorter(rowCount: rowCount)
        for key in keys { try sorter.add(try column(key.name), descending: key.descending) }
        let order = try sorter.sorted(distinct: distinct)
        return try mapColumns(rowCount: order.rows.count) {
            try Interrupt.check()
            return try order.ids(of: $0) ?? $0.take(order.rows)
        }
    }

    /// The row numbers in sorted order.
    public func order(_ keys: [SortKey]) throws -> Buffer<Int32> {
        var sorter = RowSorter(rowCount: rowCount)
        for key in keys { try sorter.add(try column(key.name), descending: key.descending) }
        return try sorter.sorted().rows
    }
}

extension Column {
    /// The values in ascending (or descending) order, nulls last.
    public func sort(descending: Bool = false) throws -> Column {
        var sorter = RowSorter(rowCount: count)
        try sorter.add(self, descending: descending)
        return take(try sorter.sorted().rows)
    }
}

/// A stable sort of row numbers.
///
/// The keys' leading bits and the row number share one word, which a radix sort puts in order. Mostly all bits of all
/// keys fit; where they do not, rows that agree in those that do are compared by the rest.
private struct RowSorter {
    private let rowCount: Int
    /// Made when they are looked at, which the last ones often are not.
    private var words: [() throws -> SortWords] = []
    /// How many of `words` each column has.
    private var widths: [Int] = []
    /// What ids that are stored as codes are sorted by, with the number of their words.
    private var ranked: [(column: Column, ranks: UUIDRanks, place: Int)] = []

    init(rowCount: Int) { self.rowCount = rowCount }

    mutating func add(_ column: Column, descending: Bool) throws {
        var ranks: UUIDRanks?
        if case .uuid(let ids) = column.storage, ids.codes != nil { ranks = try UUIDRanks(ids) }
        let more = try SortWords.keys(of: column, ranks, descending: descending)
        words += more
        widths.append(more.count)
        if let ranks { ranked.append((column, ranks, words.count - 1)) }
    }

    /// The rows in order; of those that agree in the first `distinct` columns the first.
    func sorted(distinct: Int = 0) throws -> RowOrder {
        let highest = UInt64(max(rowCount - 1, 1))
        let rowBits = UInt64(64 - highest.leadingZeroBitCount)
        let all = Lazy(words)
        // Which words fit before the row number, and where.
        var free = 64 - rowBits
        var placed: [(words: SortWords, cut: UInt64)] = []
        while free > 0, placed.count < words.count {
            let next = try all[placed.count]
            let cut = next.bits > free ? next.bits - free : 0
            placed.append((next, cut))
            free -= next.bits - cut
            if cut > 0 { break }
        }
        var ordered = Buffer<UInt64>(uninitialized: rowCount)
        // Piece by piece, so that a piece stays in the processor's cache.
        Workers.pieces(of: rowCount) { [target = ordered.pointer, placed] range in
            (target + range.lowerBound).update(repeating: 0, count: range.count)
            for (words, cut) in placed { words.push(target, range, cut) }
            for row in range { target[row] = target[row] &<< rowBits | UInt64(truncatingIfNeeded: row) }
        }
        ordered = try radix(ordered, from: rowBits, bits: 64 - rowBits - free)
        let whole = placed.last.map { $0.cut > 0 } == true ? placed.count - 1 : placed.count
        if whole < words.count { try compareTies(ordered.pointer, rowBits, all, from: whole) }
        // Above each word's bits are those of the words before it.
        var below = rowBits
        var shifts = [UInt64](repeating: 0, count: placed.count)
        for index in placed.indices.reversed() {
            shifts[index] = below
            below += placed[index].words.bits - placed[index].cut
        }
        let count = try keepFirst(
            ordered.pointer, widths[..<distinct].reduce(0, +), shifts: shifts[..<whole], rowBits, all)
        let rows = Buffer<Int32>(uninitialized: count)
        let mask = (UInt64(1) &<< rowBits) - 1
        Workers.pieces(of: count) { [from = ordered.pointer, to = rows.pointer] range in
            for index in range { to[index] = Int32(truncatingIfNeeded: from[index] & mask) }
        }
        return RowOrder(
            rows: rows, words: ordered,
            ids: try ranked.map {
                ($0.column, $0.ranks, $0.place < whole ? (try all[$0.place], shifts[$0.place]) : nil)
            })
    }

    /// Moves the first of each run that agrees in the first `wanted` words to the front.
    /// - Returns: how many they are.
    private func keepFirst(
        _ ordered: UnsafeMutablePointer<UInt64>, _ wanted: Int, shifts: ArraySlice<UInt64>, _ rowBits: UInt64,
        _ all: Lazy
    ) throws -> Int {
        guard wanted > 0, rowCount > 1 else { return rowCount }
        let rest = try (min(wanted, shifts.count)..<wanted).map { try all[$0].word }
        // Words of no bits at all agree everywhere.
        let shift = shifts.isEmpty ? 64 : shifts[min(wanted, shifts.count) - 1]
        let mask = (UInt64(1) &<< rowBits) - 1
        var kept = 1
        for index in 1..<rowCount {
            let (word, last) = (ordered[index], ordered[kept - 1])
            if word >> shift != last >> shift
                || !rest.allSatisfy({ $0(Int(word & mask)) == $0(Int(last & mask)) })
            {
                ordered[kept] = word
                kept += 1
            }
        }
        return kept
    }

    /// Least significant digit first, in digits of about eleven bits; those in which all words agree are passed over.
    /// Parts of the words are counted and moved at once, each to the places that are its own.
    private func radix(_ words: Buffer<UInt64>, from shift: UInt64, bits: UInt64) throws -> Buffer<UInt64> {
        guard rowCount > 1, bits > 0 else { return words }
        var (source, target) = (words, Buffer<UInt64>(uninitialized: rowCount))
        let passes = (bits + 10) / 11
        let width = (bits + passes - 1) / passes
        let size = 1 << Int(width)
        let mask = UInt64(size - 1)
        let parts = rowCount < 1 << 18 ? 1 : 4
        let starts = Buffer<Int>(uninitialized: size * parts)
        for pass in 0..<passes {
            try Interrupt.check()
            let at = shift + pass * width
            let (from, to) = (source.pointer, target.pointer)
            func each(_ body: (_ next: UnsafeMutablePointer<Int>, _ rows: Range<Int>) -> Void) {
                Workers.run(parts) {
                    body(starts.pointer + $0 * size, rowCount * $0 / parts..<rowCount * ($0 + 1) / parts)
                }
            }
            each { next, rows in
                next.update(repeating: 0, count: size)
                for index in rows { next[Int(from[index] &>> at & mask)] += 1 }
            }
            var sum = 0
            var isOne = false
            for digit in 0..<size {
                let before = sum
                for part in 0..<parts {
                    let count = starts.pointer[part * size + digit]
                    starts.pointer[part * size + digit] = sum
                    sum += count
                }
                isOne = isOne || sum - before == rowCount
            }
            if isOne { continue }
            each { next, rows in
                for index in rows {
                    let word = from[index]
                    let digit = Int(word &>> at & mask)
                    to[next[digit]] = word
                    next[digit] += 1
                }
            }
            swap(&source, &target)
        }
        return source
    }

    /// Sorts each run of rows whose words were equal by the keys that did not fit, `first` and those behind it.
    private func compareTies(
        _ ordered: UnsafeMutablePointer<UInt64>, _ rowBits: UInt64, _ all: Lazy, from first: Int
    ) throws {
        let mask = (UInt64(1) &<< rowBits) - 1
        var keys: [(Int) -> UInt64]?
        func precedes(_ a: UInt64, _ b: UInt64) -> Bool {
            for key in keys! {
                let (x, y) = (key(Int(a & mask)), key(Int(b & mask)))
                if x != y { return x < y }
            }
            return a < b
        }
        var start = 0
        while start < rowCount {
            let word = ordered[start] >> rowBits
            var end = start + 1
            while end < rowCount, ordered[end] >> rowBits == word { end += 1 }
            if end - start > 1 {
                if keys == nil { keys = try (first..<words.count).map { try all[$0].word } }
                var run = UnsafeMutableBufferPointer(start: ordered + start, count: end - start)
                run.sort(by: precedes)
                try Interrupt.check()
            }
            start = end
        }
    }

    /// The words that were looked at.
    private final class Lazy {
        private let make: [() throws -> SortWords]
        @exclusivity(unchecked) private var made: [SortWords?]

        init(_ make: [() throws -> SortWords]) {
            self.make = make
            made = Array(repeating: nil, count: make.count)
        }

        subscript(index: Int) -> SortWords {
            get throws {
                if let words = made[index] { return words }
                let words = try make[index]()
                made[index] = words
                return words
            }
        }
    }
}

/// What a sort gives.
private struct RowOrder {
    let rows: Buffer<Int32>
    /// Of which the first `rows.count` are in use.
    let words: Buffer<UInt64>
    /// Sorted columns of ids that are stored as codes; where a row's word holds the whole rank, also where.
    let ids: [(column: Column, ranks: UUIDRanks, place: (words: SortWords, shift: UInt64)?)]

    /// A sorted column of ids has its codes in order, so that equal ones are known to be neighbours. nil for others.
    func ids(of column: Column) throws -> Column? {
        guard let (_, ranks, place) = ids.first(where: { $0.column === column }) else { return nil }
        let codes = Buffer<Int32>(uninitialized: rows.count)
        let target = codes.pointer
        if let (words, shift) = place, column.validity == nil {
            // They stand in the words in the order of the result: no look at the column at all.
            let (source, mask, last) = (self.words.pointer, (UInt64(1) &<< words.bits) - 1, words.last)
            Workers.pieces(of: rows.count) { range in
                for index in range {
                    let word = source[index] >> shift & mask
                    target[index] = Int32(truncatingIfNeeded: last.map { $0 - word } ?? word)
                }
            }
        } else {
            let (rows, rank) = (rows.pointer, ranks.rank)
            Workers.pieces(of: codes.count) { for index in $0 { target[index] = rank(Int(rows[index])) } }
        }
        // Validity by way of a column that is nothing else.
        let valid = column.validity.flatMap { Column(.bool($0), validity: $0).take(rows).validity }
        return Column(.uuid(UUIDs(codes: codes, distinct: ranks.distinct, isOrdered: true)), validity: valid)
    }
}
