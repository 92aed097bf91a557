import Base
import Frames
import Tensors

/// Splits rows by a hash of their key, so that the same rows fall on the same side on every machine and in every order.
public enum DigestSplit {
    /// Marks the first trunc(n * fraction) of n rows in ascending order of SHA-256 over the UTF-8 text
    /// `<prefix>:<key 1>:<key 2>…`.
    /// - Parameters:
    ///   - keys: uuid, int64 or string columns without nulls; together they should tell the rows apart, as equal keys
    ///     keep the order they came in.
    ///   - fraction: 0...1; the product is in double arithmetic.
    ///   - among: a bool column: only rows where it is true are split, the others stay unmarked.
    /// - Returns: a bool column, true for the marked rows.
    public static func mark(prefix: String, keys: [Column], fraction: Double, among: Column? = nil) throws -> Column {
        guard let count = keys.first?.count, keys.allSatisfy({ $0.count == count }), among?.count ?? count == count
        else {
            throw FeatureError("features.length", "a split needs at least one key column, all of one length")
        }
        guard fraction >= 0, fraction <= 1 else {
            throw FeatureError("features.range", "the fraction to split off is \(fraction), it must lie in 0..1")
        }
        for (number, key) in keys.enumerated() {
            guard RowIndex.isSupported(key.dtype), key.nullCount == 0 else {
                throw FeatureError(
                    "features.type",
                    "key \(number + 1) of the split must be uuid, int64 or string without nulls, it is \(key.dtype.name)"
                        + (key.nullCount > 0 ? " with \(key.nullCount) nulls" : ""))
            }
        }
        let rows = try among.map(rowsWhereTrue)
        let digests = Digests(prefix: prefix, keys: keys.map(KeyText.init), rows: rows, count: rows?.count ?? count)
        let marked = Int((Double(digests.count) * fraction).rounded(.towardZero))
        let flags = Buffer<UInt8>(repeating: 0, count: count)
        if marked > 0 { try digests.first(marked) { flags[$0] = 1 } }
        return Column(.bool(flags))
    }

    private static func rowsWhereTrue(_ column: Column) throws -> Buffer<Int32> {
        guard case .bool(let flags) = column.storage else {
            throw FeatureError("features.type", "'among' must be a bool column, it is \(column.dtype.name)")
        }
        var rows = GrowingBuffer<Int32>(capacity: column.count)
        for row in 0..<column.count where flags[row] == 1 && !column.isNull(row) { rows.append(Int32(row)) }
        return rows.finish()
    }
}

/// The digests of rows, of which only as much is kept as tells most of them apart.
private struct Digests {
    let prefix: String
    let keys: [KeyText]
    /// The rows to split; nil for all.
    let rows: Buffer<Int32>?
    let count: Int

    private static let piece = 1 << 16

    /// Hands the rows with the `wanted` smallest digests to `mark`; among equal digests the earlier rows.
    func first(_ wanted: Int, mark: (Int) -> Void) throws {
        // The rows by the first 16 bits of their digests: all of some bins are wanted, none of others, and of the one
        // in between the digests are looked at as a whole.
        let bins = Buffer<UInt16>(uninitialized: count)
        try Threads.run((count + Self.piece - 1) / Self.piece) { piece in
            try Interrupt.check()
            let start = piece * Self.piece
            heads(start..<min(start + Self.piece, count)) { bins[$0] = UInt16(truncatingIfNeeded: $1.high >> 48) }
        }
        var sizes = [Int](repeating: 0, count: 1 << 16)
        for bin in bins.elements { sizes[Int(bin)] += 1 }
        var edge = 0
        var below = 0
        while below + sizes[edge] < wanted {
            below += sizes[edge]
            edge += 1
        }
        var between: [(head: Base.UUID, place: Int)] = []
        for place in 0..<count where Int(bins[place]) <= edge {
            if Int(bins[place]) < edge {
                mark(row(place))
            } else {
                heads(place..<place + 1) { between.append(($1, $0)) }
            }
        }
        // Sixteen bytes are as much as will ever be needed to order two digests.
        between.sort { $0.head != $1.head ? $0.head < $1.head : $0.place < $1.place }
        for entry in between[..<(wanted - below)] { mark(row(entry.place)) }
    }

    private func row(_ place: Int) -> Int { rows.map { Int($0[place]) } ?? place }

    /// The digests of some places, some dozen at a time: their ids are fetched together, as each may be anywhere.
    private func heads(_ places: Range<Int>, _ each: (_ place: Int, _ head: Base.UUID) -> Void) {
        var prefix = prefix
        let start = prefix.utf8.count
        let longest = start + keys.reduce(0) { $0 + 1 + $1.longest }
        let step = 64
        let ids = Buffer<Base.UUID>(uninitialized: step * keys.count)
        prefix.withUTF8 { prefix in
            for first in stride(from: places.lowerBound, to: places.upperBound, by: step) {
                let count = min(step, places.upperBound - first)
                for (number, key) in keys.enumerated() {
                    guard let uuids = key.uuids else { continue }
                    let target = ids.pointer + number * step
                    for index in 0..<count { target[index] = uuids[row(first + index)] }
                }
                ShortDigest.heads(
                    count: count, longest: longest,
                    write: { index, target in
                        if let base = prefix.baseAddress { target.update(from: base, count: start) }
                        var length = start
                        for number in keys.indices {
                            target[length] = UInt8(ascii: ":")
                            length += 1
                            if keys[number].uuids != nil {
                                ids.pointer[number * step + index].write(to: target + length)
                                length += 36
                            } else {
                                length += keys[number].write(row(first + index), to: target + length)
                            }
                        }
                        return length
                    },
                    each: { each(first + $0, $1) })
            }
        }
    }
}

/// The text of a key's rows.
private struct KeyText {
    private enum Source {
        case uuids
        case integers(Buffer<Int64>)
        case strings(codes: Buffer<Int32>, pool: StringPool)
    }

    private let source: Source
    let longest: Int
    /// Of a uuid column.
    let uuids: UUIDs?

    init(_ column: Column) {
        if case .uuid(let ids) = column.storage { uuids = ids } else { uuids = nil }
        switch column.storage {
        case .uuid:
            source = .uuids
            longest = 36
        case .int64(let numbers):
            source = .integers(numbers)
            longest = 20
        case .string(let codes, let pool):
            source = .strings(codes: codes, pool: pool)
            longest = (0..<pool.count).reduce(0) { max($0, Int(pool.offsets[$1 + 1] - pool.offsets[$1])) }
        default: preconditionFailure("\(column.dtype.name) keys are refused before")
        }
    }

    /// Writes a row's text and returns its length. Those of uuids are fetched and written by many.
    func write(_ row: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        switch source {
        case .uuids: return 0
        case .integers(let numbers):
            var text = "\(numbers[row])"
            return text.withUTF8 {
                target.update(from: $0.baseAddress!, count: $0.count)
                return $0.count
            }
        case .strings(let codes, let pool):
            let text = pool[bytesAt: Int(codes[row])]
            if let base = text.baseAddress { target.update(from: base, count: text.count) }
            return text.count
        }
    }
}
