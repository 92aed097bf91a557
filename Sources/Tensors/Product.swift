import Base
import CKernels

/// Products of matrices. An element is one chain of multiply-adds in ascending order of the inner dimension, on every
/// processor: a row of the result depends on that row of the left side and on the right side, and on nothing else.
///
/// What ReLU and dropout leave is mostly zero, in a layer's input as in the gradient behind it. Such a side is marked once,
/// and only what is not zero is multiplied. That leaves out steps of the chain that add nothing, so the bits are the same
/// as long as all elements are finite.
enum Product {
    /// One side, row-major; read as its transpose when `isTransposed`.
    struct Side {
        let pointer: UnsafePointer<Float>
        let isTransposed: Bool

        init(_ pointer: UnsafePointer<Float>, transposed: Bool = false) {
            self.pointer = pointer
            isTransposed = transposed
        }
    }

    /// What becomes of zeros.
    enum Zeros {
        /// Multiplied like any number.
        case multiplied
        /// Those of the left side are skipped, however many there are.
        case skipped
        /// Those of either side are skipped where they are so many that it pays, as seen from all rows.
        case skippedWhereMany
    }

    /// Takes a piece of the result that is there: every element is in one of them.
    typealias Finish = (_ rows: Range<Int>, _ columns: Range<Int>) -> Void

    /// c (m, n) = a (m, k) · b (k, n), in pieces of c, several at once, each handed to `finish` when it is there. The
    /// pieces do not depend on the threads.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Side, _ b: Side, m: Int, n: Int, k: Int, zeros: Zeros = .multiplied,
        finish: Finish = { _, _ in }
    ) throws {
        guard k > 0 else {
            tt_fill(c, 0, m * n)
            return finish(0..<m, 0..<n)
        }
        var skips = zeros == .skipped
        if zeros == .skippedWhereMany, m >= fewestRows {
            skips = share(a, m, k) <= largestShare
            // The gradient of a weight: both sides are samples, and either may be the one with zeros. (bᵀ · a)ᵀ
            if !skips, a.isTransposed, !b.isTransposed {
                let other = Side(b.pointer, transposed: true)
                if share(other, n, k) <= largestShare {
                    let turned = StoragePool.buffer(Float.self, count: m * n)
                    try Left(other, rows: n, columns: k, skips: true)
                        .multiply(turned.pointer, Side(a.pointer), n: m) { _, _ in }
                    tt_turn(c, turned.pointer, n, m)
                    return finish(0..<m, 0..<n)
                }
            }
        }
        try Left(a, rows: m, columns: k, skips: skips).multiply(c, b, n: n, finish: finish)
    }

    /// The same on this thread alone, for a left side that is not transposed.
    static func runHere(
        _ c: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: Side, m: Int, n: Int, k: Int
    ) {
        guard k > 0 else { return tt_fill(c, 0, m * n) }
        for column in stride(from: 0, to: n, by: tt_tile_width()) {
            tt_product(c, a, nil, b.pointer, b.isTransposed, 0, m, column, k, n)
        }
    }

    /// The same with a result that counts only where `x` (m, n) is not zero, and may be anything, here 0, elsewhere. What is
    /// not wanted is not multiplied where that saves more than the zeros of `a` do.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Side, _ b: Side, m: Int, n: Int, k: Int,
        whereNotZero x: UnsafePointer<Float>
    ) throws {
        guard m >= fewestRows, !a.isTransposed, k > 0, k % 16 == 0,
            share(Side(x), m, n) <= min(largestShare, share(a, m, k))
        else { return try run(c, a, b, m: m, n: n, k: k, zeros: .skippedWhereMany) }
        let marks = StoragePool.buffer(UInt64.self, count: m * tt_words(n))
        _ = tt_mark_nonzero(marks.pointer, x, m, n)
        try inPieces(rows: m, columns: n, width: tt_wanted_width()) { rows, columns in
            tt_wanted_product(
                c, a.pointer, b.pointer, b.isTransposed, marks.pointer, rows.lowerBound, rows.upperBound,
                columns.lowerBound, k, n)
        }
    }

    /// A piece is one tile of columns for many rows: all that is read of the right side then stays in the first-level cache.
    private static func inPieces(rows: Int, columns: Int, width: Int, _ body: (Range<Int>, Range<Int>) -> Void) throws {
        let tiles = (columns + width - 1) / width
        guard tiles * rows > 0 else { return }
        let wanted = min(rows / fewestInPiece, (fewestPieces + tiles - 1) / tiles)
        let blocks = max((rows + mostRows - 1) / mostRows, wanted)
        let size = (rows + blocks - 1) / blocks
        try Threads.run(tiles * blocks) { piece in
            try Interrupt.check()
            let first = piece / tiles * size
            let column = piece % tiles * width
            body(first..<min(first + size, rows), column..<min(column + width, columns))
        }
    }

    /// For fewer rows a look at the zeros does not pay.
    private static let fewestRows = 8

    /// Where more is not zero, the plain product is as fast.
    private static let largestShare = 0.75

    /// How much of a side (rows, columns) is not zero, from every sixteenth row as it is stored: a choice between two ways
    /// need not be better founded.
    private static func share(_ side: Side, _ rows: Int, _ columns: Int) -> Double {
        let (rows, columns) = side.isTransposed ? (columns, rows) : (rows, columns)
        let marks = StoragePool.buffer(UInt64.self, count: tt_words(columns))
        var (found, seen) = (0, 0)
        for row in stride(from: 0, to: rows, by: 16) {
            found += tt_mark_nonzero(marks.pointer, side.pointer + row * columns, 1, columns)
            seen += columns
        }
        return Double(found) / Double(seen)
    }

    /// As many rows of the left side as stay in the second-level cache.
    private static let mostRows = 512

    /// Few large pieces leave a thread without work at the end; small ones take longer to bring their tile in.
    private static let fewestPieces = 8
    private static let fewestInPiece = 128

    /// The left side as products read it: by rows, with marks where it is not zero if zeros are skipped.
    private struct Left {
        let rows: Int
        let columns: Int
        private let values: UnsafePointer<Float>
        private let turned: Buffer<Float>?
        private let marks: Buffer<UInt64>?

        init(_ side: Side, rows: Int, columns: Int, skips: Bool) throws {
            self.rows = rows
            self.columns = columns
            marks = skips ? StoragePool.buffer(count: rows * tt_words(columns)) : nil
            guard side.isTransposed else {
                if let marks { _ = tt_mark_nonzero(marks.pointer, side.pointer, rows, columns) }
                turned = nil
                values = side.pointer
                return
            }
            let turned = StoragePool.buffer(Float.self, count: rows * columns)
            let size = 128
            try Threads.run((rows + size - 1) / size) { [marks] piece in
                let first = piece * size
                tt_turn_rows(
                    turned.pointer, marks?.pointer, side.pointer, columns, rows, first, min(first + size, rows))
            }
            self.turned = turned
            values = UnsafePointer(turned.pointer)
        }

        func multiply(_ c: UnsafeMutablePointer<Float>, _ b: Side, n: Int, finish: Finish) throws {
            try withExtendedLifetime((marks, turned)) {
                try Product.inPieces(rows: rows, columns: n, width: tt_tile_width()) { part, tile in
                    tt_product(
                        c, values, marks?.pointer, b.pointer, b.isTransposed, part.lowerBound, part.upperBound,
                        tile.lowerBound, columns, n)
                    finish(part, tile)
                }
            }
        }
    }
}
