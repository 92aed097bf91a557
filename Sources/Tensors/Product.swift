import Base
import CKernels

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

    /// c (m, n) = a (m, k) · b (k, n), in blocks of rows of c, several at once, each handed to `finish` when it is there.
    /// The blocks do not depend on the threads.
    ///
    /// - Parameter skipsZeros: false for results that are kept, such as embeddings: whether skipping pays is seen from all
    ///   rows, and the bits of a row must not depend on those beside it.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Side, _ b: Side, m: Int, n: Int, k: Int, skipsZeros: Bool = true,
        finish: (_ first: Int, _ count: Int) -> Void = { _, _ in }
    ) throws {
        if skipsZeros, m >= fewestRows {
            if let left = Marked(a, rows: m, columns: k) {
                return try left.multiply(c, b, n: n, finish: finish)
            }
            // The gradient of a weight: both sides are samples, and either may be the one with zeros. (bᵀ · a)ᵀ
            if a.isTransposed, !b.isTransposed,
                let left = Marked(Side(b.pointer, transposed: true), rows: n, columns: k)
            {
                let turned = StoragePool.buffer(Float.self, count: m * n)
                try left.multiply(turned.pointer, Side(a.pointer), n: m) { _, _ in }
                tt_turn(c, turned.pointer, n, m)
                finish(0, m)
                return
            }
        }
        try Tensor.inRowBlocks(a.isTransposed ? 1 : m) { first, count in
            let count = a.isTransposed ? m : count
            try Tensor.multiply(
                c + first * n, a.pointer + first * k, transposeA: a.isTransposed, b.pointer,
                transposeB: b.isTransposed, m: count, n: n, k: k)
            finish(first, count)
        }
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

        /// nil when more than three quarters are not zero: the plain product is as fast then.
        init?(_ side: Side, rows: Int, columns: Int) {
            let (outer, inner) = side.isTransposed ? (columns, rows) : (rows, columns)
            var marks = StoragePool.buffer(UInt64.self, count: outer * tt_words(inner))
            let found = tt_mark_nonzero(marks.pointer, side.pointer, outer, inner)
            guard found <= rows * columns / 4 * 3 else { return nil }
            var turned: Buffer<Float>?
            if side.isTransposed {
                let buffer = StoragePool.buffer(Float.self, count: rows * columns)
                tt_turn(buffer.pointer, side.pointer, columns, rows)
                marks = StoragePool.buffer(count: rows * tt_words(columns))
                _ = tt_mark_nonzero(marks.pointer, buffer.pointer, rows, columns)
                turned = buffer
            }
            self.rows = rows
            self.columns = columns
            self.marks = marks
            self.turned = turned
            values = turned.map { UnsafePointer($0.pointer) } ?? side.pointer
        }

        func multiply(
            _ c: UnsafeMutablePointer<Float>, _ b: Side, n: Int, finish: (_ first: Int, _ count: Int) -> Void
        ) throws {
            let packed = StoragePool.buffer(Float.self, count: tt_packed_count(columns, n))
            tt_pack(packed.pointer, b.pointer, columns, n, b.isTransposed)
            try withExtendedLifetime((packed, marks, turned)) {
                try Tensor.inRowBlocks(rows) { first, count in
                    tt_marked_product(
                        c, values, marks.pointer, packed.pointer, first, first + count, columns, n)
                    finish(first, count)
                }
            }
        }
    }
}
