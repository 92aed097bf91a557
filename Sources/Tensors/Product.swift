import Base
import CKernels
import Synchronization

/// Products of layers. What ReLU and dropout leave is mostly zero, in a layer's input as in the gradient behind it: such
/// a side is marked once, and only what is not zero is multiplied.
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

    /// Takes a piece of the result that is there: every element is in one of them.
    typealias Finish = (_ rows: Range<Int>, _ columns: Range<Int>) -> Void

    /// c (m, n) = a (m, k) · b (k, n), in pieces of c, several at once, each handed to `finish` when it is there. The
    /// pieces do not depend on the threads.
    ///
    /// - Parameter skipsZeros: false for results that are kept, such as embeddings: whether skipping pays is seen from all
    ///   rows, and the bits of a row must not depend on those beside it.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Side, _ b: Side, m: Int, n: Int, k: Int, skipsZeros: Bool = true,
        finish: Finish = { _, _ in }
    ) throws {
        if skipsZeros, m >= fewestRows {
            if let left = try Marked(a, rows: m, columns: k) {
                return try left.multiply(c, b, n: n, finish: finish)
            }
            // The gradient of a weight: both sides are samples, and either may be the one with zeros. (bᵀ · a)ᵀ
            if a.isTransposed, !b.isTransposed,
                let left = try Marked(Side(b.pointer, transposed: true), rows: n, columns: k)
            {
                let turned = StoragePool.buffer(Float.self, count: m * n)
                try left.multiply(turned.pointer, Side(a.pointer), n: m) { _, _ in }
                tt_turn(c, turned.pointer, n, m)
                finish(0..<m, 0..<n)
                return
            }
        }
        try Tensor.inRowBlocks(a.isTransposed ? 1 : m) { first, count in
            let count = a.isTransposed ? m : count
            try Tensor.multiply(
                c + first * n, a.pointer + first * k, transposeA: a.isTransposed, b.pointer,
                transposeB: b.isTransposed, m: count, n: n, k: k)
            finish(first..<(first + count), 0..<n)
        }
    }

    /// The same for a result that counts only where `x` (m, n) is not zero, and may be anything, here 0, elsewhere. What is
    /// not wanted is not multiplied where that saves more than the zeros of `a` do.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Side, _ b: Side, m: Int, n: Int, k: Int,
        whereNotZero x: UnsafePointer<Float>
    ) throws {
        guard m >= fewestRows, !a.isTransposed, k > 0, k % 16 == 0,
            share(x, m, n) <= min(Marked.largestShare, share(a.pointer, m, k))
        else { return try run(c, a, b, m: m, n: n, k: k) }
        let marks = StoragePool.buffer(UInt64.self, count: m * tt_words(n))
        _ = tt_mark_nonzero(marks.pointer, x, m, n)
        let width = tt_wanted_width()
        let tiles = (n + width - 1) / width
        let blocks = (m + Marked.mostRows - 1) / Marked.mostRows
        let size = (m + blocks - 1) / blocks
        try Threads.run(tiles * blocks) { piece in
            try Interrupt.check()
            let first = piece / tiles * size
            tt_wanted_product(
                c, a.pointer, b.pointer, b.isTransposed, marks.pointer, first, min(first + size, m),
                piece % tiles * width, k, n)
        }
    }

    /// How much is not zero, from every sixteenth row: a choice between two ways need not be better founded.
    private static func share(_ pointer: UnsafePointer<Float>, _ rows: Int, _ columns: Int) -> Double {
        let marks = StoragePool.buffer(UInt64.self, count: tt_words(columns))
        var (found, seen) = (0, 0)
        for row in stride(from: 0, to: rows, by: 16) {
            found += tt_mark_nonzero(marks.pointer, pointer + row * columns, 1, columns)
            seen += columns
        }
        return Double(found) / Double(seen)
    }

    /// For fewer rows it does not pay to bring the right side into the order that the product reads.
    private static let fewestRows = 8

    /// A side of which enough is zero, with marks where it is not.
    private struct Marked {
        let rows: Int
        let columns: Int
        private let marks: Buffer<UInt64>
        private let values: UnsafePointer<Float>
        private let turned: Buffer<Float>?

        /// Where more is not zero, the plain product is as fast.
        static let largestShare = 0.75

        /// nil when too much is not zero.
        init?(_ side: Side, rows: Int, columns: Int) throws {
            let most = Int(Double(rows * columns) * Marked.largestShare)
            self.rows = rows
            self.columns = columns
            if side.isTransposed {
                // Turning costs more than a look.
                guard share(side.pointer, columns, rows) <= Marked.largestShare else { return nil }
                let marks = StoragePool.buffer(UInt64.self, count: rows * tt_words(columns))
                let turned = StoragePool.buffer(Float.self, count: rows * columns)
                let found = Atomic(0)
                let size = 128
                try Threads.run((rows + size - 1) / size) { piece in
                    let from = piece * size
                    let count = tt_turn_marked(
                        turned.pointer, marks.pointer, side.pointer, columns, rows, from, min(from + size, rows))
                    found.add(count, ordering: .relaxed)
                }
                guard found.load(ordering: .relaxed) <= most else { return nil }
                self.marks = marks
                self.turned = turned
                values = UnsafePointer(turned.pointer)
            } else {
                marks = StoragePool.buffer(count: rows * tt_words(columns))
                guard tt_mark_nonzero(marks.pointer, side.pointer, rows, columns) <= most else { return nil }
                turned = nil
                values = side.pointer
            }
        }

        /// A piece is one tile of columns for many rows: all that is read of the right side then stays in the first-level
        /// cache.
        func multiply(_ c: UnsafeMutablePointer<Float>, _ b: Side, n: Int, finish: Finish) throws {
            let width = tt_tile_width()
            let tiles = (n + width - 1) / width
            let blocks = (rows + Marked.mostRows - 1) / Marked.mostRows
            let size = (rows + blocks - 1) / blocks
            try withExtendedLifetime((marks, turned)) {
                try Threads.run(tiles * blocks) { piece in
                    try Interrupt.check()
                    let first = piece / tiles * size
                    let last = min(first + size, rows)
                    let column = piece % tiles * width
                    tt_marked_product(
                        c, values, marks.pointer, b.pointer, b.isTransposed, first, last, column, columns, n)
                    finish(first..<last, column..<min(column + width, n))
                }
            }
        }

        /// As many rows of the left side as stay in the second-level cache.
        static let mostRows = 512
    }
}
