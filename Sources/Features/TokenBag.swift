import Base
import Frames

/// Counts of vocabulary tokens per entity, divided by their L2 norm: one sparse row each.
///
/// Row i holds `codes[offsets[i]..<offsets[i + 1]]`, ascending and distinct, with their `values`. The norm is exact (no
/// epsilon); an entity without a known token has an empty row. Computed in float64, rounded to float32 once.
public struct TokenBag: Sendable {
    public let width: Int
    public let offsets: Buffer<Int64>
    public let codes: Buffer<Int32>
    public let values: Buffer<Float>

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

    /// - Parameter pairs: calls its argument once per (row, slot); it is run twice and must repeat itself.
    private init(
        rowCount: Int, vocabulary: Vocabulary, pairs: ((_ row: Int, _ slot: Int32) -> Void) -> Void
    ) throws {
        // Counting sort by row, then each short row is sorted and its repeats become counts.
        var starts = [Int](repeating: 0, count: rowCount + 1)
        pairs { row, _ in starts[row + 1] += 1 }
        for row in 0..<rowCount { starts[row + 1] += starts[row] }
        var slots = [Int32](repeating: 0, count: starts[rowCount])
        var next = starts
        pairs { row, slot in
            slots[next[row]] = slot
            next[row] += 1
        }
        offsets = Buffer(repeating: 0, count: rowCount + 1)
        var codes: [Int32] = []
        var values: [Float] = []
        codes.reserveCapacity(slots.count)
        values.reserveCapacity(slots.count)
        var counts: [Double] = []
        for row in 0..<rowCount {
            if row & 0xFFF == 0 { try Interrupt.check() }
            slots[starts[row]..<starts[row + 1]].sort()
            counts.removeAll(keepingCapacity: true)
            for position in starts[row]..<starts[row + 1] {
                if position > starts[row], slots[position] == slots[position - 1] {
                    counts[counts.count - 1] += 1
                } else {
                    codes.append(slots[position])
                    counts.append(1)
                }
            }
            let norm = counts.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for count in counts { values.append(Float(count / norm)) }
            offsets[row + 1] = Int64(codes.count)
        }
        width = vocabulary.count
        self.codes = Buffer(codes)
        self.values = Buffer(values)
    }
}
