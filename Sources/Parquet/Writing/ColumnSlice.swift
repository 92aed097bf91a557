import Base
import Frames

/// Some rows of a column; a column chunk is a sequence of these.
struct ColumnSlice {
    let column: Column
    let rows: Range<Int>

    /// The values below the rows: the rows themselves, or the elements of a list column's rows.
    var leaf: ColumnSlice {
        guard case .list(let offsets, let child) = column.storage else { return self }
        let start = Int(offsets[rows.lowerBound])
        return ColumnSlice(column: child, rows: start..<max(start, Int(offsets[rows.upperBound])))
    }

    var validity: UnsafePointer<UInt8>? { column.validity.map { UnsafePointer($0.pointer) } }

    /// How many rows have a value.
    var presentCount: Int {
        guard let validity else { return rows.count }
        var count = 0
        for row in rows { count += Int(validity[row]) }
        return count
    }
}

extension ColumnSlice {
    /// The codes of the strings that occur in the rows, each once; nil where the pool does not promise that equal codes
    /// and equal strings are the same, or has too many to make that useful.
    func distinctCodes() -> [Int]? {
        guard case .string(let codes, let pool) = column.storage, pool.isDistinct, pool.count <= rows.count / 4 else {
            return nil
        }
        var isUsed = [Bool](repeating: false, count: pool.count)
        let validity = validity
        for row in rows where validity == nil || validity![row] == 1 { isUsed[Int(codes.pointer[row])] = true }
        return isUsed.indices.filter { isUsed[$0] }
    }
}

extension [ColumnSlice] {
    /// The part of the sequence that holds the rows `range`, counted over all slices.
    func part(_ range: Range<Int>) -> [ColumnSlice] {
        var result: [ColumnSlice] = []
        var start = 0
        for slice in self {
            let lower = Swift.max(range.lowerBound, start)
            let upper = Swift.min(range.upperBound, start + slice.rows.count)
            if lower < upper {
                let offset = slice.rows.lowerBound - start
                result.append(ColumnSlice(column: slice.column, rows: lower + offset..<upper + offset))
            }
            start += slice.rows.count
        }
        return result
    }
}

/// Where pages end: after the row with which the values reach the page size. It depends on the values alone.
struct PageSplitter {
    private let limit: Int
    private var ends: [Int] = []
    private var row = 0
    private var bits = 0

    /// - Parameters:
    ///   - bitsPerValue: what a value takes; nil: strings, which take what their lengths say.
    /// - Returns: the row ranges of the pages, counted over all slices.
    static func pages(_ slices: [ColumnSlice], isList: Bool, bitsPerValue: Int?, pageBytes: Int) -> [Range<Int>] {
        var splitter = PageSplitter(limit: pageBytes * 8)
        for slice in slices {
            if isList {
                splitter.addLists(slice, bitsPerValue)
            } else if let bitsPerValue {
                splitter.addFixed(slice.rows.count, bitsPerValue)
            } else {
                splitter.addStrings(slice)
            }
        }
        if splitter.row > (splitter.ends.last ?? 0) { splitter.ends.append(splitter.row) }
        var start = 0
        return splitter.ends.map { end in
            defer { start = end }
            return start..<end
        }
    }

    private init(limit: Int) { self.limit = limit }

    private mutating func add(_ more: Int) {
        bits += more
        row += 1
        if bits >= limit {
            ends.append(row)
            bits = 0
        }
    }

    private mutating func addFixed(_ count: Int, _ width: Int) {
        // Every row costs the same, and at least a bit for its level.
        for _ in 0..<count { add(max(width, 1)) }
    }

    private mutating func addStrings(_ slice: ColumnSlice) {
        guard case .string(let codes, let pool) = slice.column.storage else { return }
        for row in slice.rows { add(Self.bits(of: row, codes, pool, slice.validity)) }
    }

    private mutating func addLists(_ slice: ColumnSlice, _ width: Int?) {
        guard case .list(let offsets, let child) = slice.column.storage else { return }
        let validity = child.validity.map { UnsafePointer($0.pointer) }
        for row in slice.rows {
            let (start, end) = (Int(offsets[row]), Int(offsets[row + 1]))
            if let width {
                add(1 + (end - start) * (width + 1))
            } else if case .string(let codes, let pool) = child.storage {
                var sum = 1
                for element in start..<end { sum += Self.bits(of: element, codes, pool, validity) }
                add(sum)
            }
        }
    }

    private static func bits(
        of row: Int, _ codes: Buffer<Int32>, _ pool: StringPool, _ validity: UnsafePointer<UInt8>?
    ) -> Int {
        if let validity, validity[row] == 0 { return 1 }
        let code = Int(codes[row])
        return 8 * (4 + Int(pool.offsets[code + 1] - pool.offsets[code]))
    }
}
