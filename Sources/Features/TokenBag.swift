import Base
import Frames
import Tensors

/// Counts of vocabulary tokens per entity, divided by their L2 norm: one sparse row each.
///
/// Row i holds `codes[offsets[i]..<offsets[i + 1]]`, ascending and distinct, with their `values`. The norm is exact (no
/// epsilon); an entity without a known token has an empty row. Computed in float64, rounded to float32 once.
public struct TokenBag: Sendable {
    public let width: Int
    public let offsets: Buffer<Int64>
    public let codes: Buffer<Int32>
    public let values: Buffer<Float>
    /// Things that are looked at together.
    private static let block = 64

    /// - Parameters:
    ///   - owners: uuid, int64 or string column: whose token it is. Owners that are not in `index` are left out.
    ///   - tokens: string column of the same length, or `list<string>`; a repeated pair counts again. Tokens outside the
    ///     vocabulary and nulls are left out.
    public init(index: RowIndex, owners: Column, tokens: Column, vocabulary: Vocabulary) throws {
        guard owners.count == tokens.count else {
            throw FeatureError(
                "features.length", "\(owners.count) owners go with \(tokens.count) tokens; give one per row")
        }
        let rows = try index.rows(of: owners)
        if case .list(let listOffsets, let child) = tokens.storage {
            let codes = try TokenCodes(child, number: vocabulary.slot).codes
            try self.init(rowCount: index.count, vocabulary: vocabulary) { visit in
                for list in 0..<tokens.count where rows[list] >= 0 && !tokens.isNull(list) {
                    for position in Int(listOffsets[list])..<Int(listOffsets[list + 1]) where codes[position] >= 0 {
                        visit(Int(rows[list]), codes[position])
                    }
                }
            }
        } else {
            let codes = try TokenCodes(tokens, number: vocabulary.slot).codes
            try self.init(rowCount: index.count, vocabulary: vocabulary) { visit in
                for pair in 0..<rows.count where rows[pair] >= 0 && codes[pair] >= 0 {
                    visit(Int(rows[pair]), codes[pair])
                }
            }
        }
    }

    /// Each owner has the tokens of all that it holds, those of a thing it holds twice counted twice.
    /// - Parameters:
    ///   - owners: uuid, int64 or string column: who holds. Owners that are not in `index` are left out.
    ///   - held: column of the same length: what is held.
    ///   - tokens: `owners` of the type of `held`, and a string column of the same length: the tokens of what is held.
    public init(
        index: RowIndex, owners: Column, held: Column, tokens: (owners: Column, tokens: Column), vocabulary: Vocabulary
    ) throws {
        guard owners.count == held.count, tokens.owners.count == tokens.tokens.count else {
            throw FeatureError(
                "features.length",
                "\(owners.count) owners go with \(held.count) things held, \(tokens.owners.count) of those with "
                    + "\(tokens.tokens.count) tokens; give one per row")
        }
        guard held.dtype == tokens.owners.dtype, RowIndex.isSupported(held.dtype) else {
            throw FeatureError(
                "features.type",
                "what is held is \(held.dtype.name), tokens belong to \(tokens.owners.dtype.name); both must be uuid, "
                    + "int64 or string, and the same")
        }
        let rows = try index.rows(of: owners)
        let things = try JoinKeys(held, tokens.owners)
        let codes = try TokenCodes(tokens.tokens, number: vocabulary.slot).codes
        let slots = Grouped(things.right, codes, groups: things.limit)
        let holdings = Grouped(rows, things.left, groups: index.count)
        try self.init(rowCount: index.count, width: vocabulary.count) { row, counts in
            let held = holdings[row]
            withUnsafeTemporaryAllocation(of: UnsafeBufferPointer<Int32>.self, capacity: Self.block) { found in
                for first in stride(from: 0, to: held.count, by: Self.block) {
                    let block = min(Self.block, held.count - first)
                    // The slots of a thing may be anywhere in memory: one look at each, so that they come together.
                    var touched: Int32 = 0
                    for index in 0..<block {
                        let thing = Int(held[first + index])
                        found[index] = thing < things.limit ? slots[thing] : UnsafeBufferPointer(start: nil, count: 0)
                    }
                    for index in 0..<block where found[index].count > 0 { touched &+= found[index][0] }
                    counts.keep(touched)
                    for index in 0..<block { for slot in found[index] { counts.add(slot) } }
                }
            }
        }
    }

    /// - Parameter pairs: calls its argument once per (row, slot); it is run twice and must repeat itself.
    private init(
        rowCount: Int, vocabulary: Vocabulary, pairs: ((_ row: Int, _ slot: Int32) -> Void) -> Void
    ) throws {
        let starts = Buffer<Int>(repeating: 0, count: rowCount + 1)
        pairs { row, _ in starts[row + 1] += 1 }
        for row in 0..<rowCount { starts[row + 1] += starts[row] }
        let slots = Buffer<Int32>(uninitialized: starts[rowCount])
        let next = Buffer<Int>(uninitialized: rowCount)
        next.pointer.update(from: starts.pointer, count: rowCount)
        pairs { row, slot in
            slots[next[row]] = slot
            next[row] += 1
        }
        try self.init(rowCount: rowCount, width: vocabulary.count) { row, counts in
            for position in starts[row]..<starts[row + 1] { counts.add(slots.pointer[position]) }
        }
    }

    /// - Parameter count: adds the slots of a row.
    private init(rowCount: Int, width: Int, count: (_ row: Int, _ counts: inout SlotCounts) -> Void) throws {
        self.width = width
        offsets = Buffer(repeating: 0, count: rowCount + 1)
        var codes = GrowingBuffer<Int32>()
        var values = GrowingBuffer<Float>()
        // Some pieces at a time, whose memory the next ones use again.
        let (pieceRows, most) = (1 << 11, 16)
        let pieces = (0..<most).map { _ in Piece() }
        for first in stride(from: 0, to: rowCount, by: most * pieceRows) {
            let end = min(first + most * pieceRows, rowCount)
            let together = (end - first + pieceRows - 1) / pieceRows
            func rows(_ number: Int) -> Range<Int> {
                first + number * pieceRows..<min(first + (number + 1) * pieceRows, end)
            }
            try Threads.run(together) { [offsets] number in
                try Interrupt.check()
                let piece = pieces[number]
                piece.clear()
                var counts = SlotCounts(width: width)
                for row in rows(number) {
                    count(row, &counts)
                    offsets[row + 1] = Int64(counts.finish(into: piece))
                }
            }
            for row in first..<end { offsets[row + 1] += offsets[row] }
            let total = Int(offsets[end])
            codes.reserve(total - codes.count)
            values.reserve(total - values.count)
            (codes.count, values.count) = (total, total)
            try Threads.run(together) { [offsets, codes = codes.pointer, values = values.pointer] number in
                let (piece, start) = (pieces[number], Int(offsets[rows(number).lowerBound]))
                (codes + start).update(from: piece.codes.pointer, count: piece.codes.count)
                (values + start).update(from: piece.values.pointer, count: piece.values.count)
            }
        }
        self.codes = codes.finish()
        self.values = values.finish()
    }
}

/// Rows of some thousand entities, as one thread makes them.
private final class Piece {
    @exclusivity(unchecked) var codes = GrowingBuffer<Int32>()
    @exclusivity(unchecked) var values = GrowingBuffer<Float>()

    func clear() {
        codes.count = 0
        values.count = 0
    }
}

/// How often each slot occurs in the row that is worked on.
private struct SlotCounts: ~Copyable {
    private let counts: Buffer<Int32>
    /// The slots that are not 0, each once.
    private let seen: Buffer<Int32>
    private var seenCount = 0

    init(width: Int) {
        counts = Buffer(repeating: 0, count: width)
        seen = Buffer(uninitialized: width)
    }

    /// For a value that is read for its being read.
    @inline(never) func keep(_: Int32) {}

    @inline(__always) mutating func add(_ slot: Int32) {
        if counts.pointer[Int(slot)] == 0 {
            seen.pointer[seenCount] = slot
            seenCount += 1
        }
        counts.pointer[Int(slot)] += 1
    }

    /// Appends the row's slots and starts over.
    /// - Returns: how many they are.
    mutating func finish(into piece: Piece) -> Int {
        let slots = UnsafeMutableBufferPointer(start: seen.pointer, count: seenCount)
        if seenCount > 24, seenCount > counts.count / 32 {
            // Looking at all of them is faster than sorting many.
            var at = 0
            for slot in 0..<counts.count where counts.pointer[slot] != 0 {
                slots[at] = Int32(truncatingIfNeeded: slot)
                at += 1
            }
        } else {
            SmallSort.sort(slots)
        }
        var squares = 0.0
        for slot in slots {
            let count = Double(counts.pointer[Int(slot)])
            squares += count * count
        }
        let norm = squares.squareRoot()
        for slot in slots {
            piece.codes.append(slot)
            piece.values.append(Float(Double(counts.pointer[Int(slot)]) / norm))
            counts.pointer[Int(slot)] = 0
        }
        seenCount = 0
        return slots.count
    }
}
