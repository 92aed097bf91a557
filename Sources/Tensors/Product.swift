import Base
import CKernels

/// Matrix products. On every processor an element is one chain of fused multiply-adds in ascending order of the inner
/// dimension, so a row of the result depends only on its row of the left operand and on the right operand.
///
/// ReLU and dropout make a layer's input, and the gradient behind it, mostly zero. A mask of such an operand is made
/// once, and only its nonzero elements are multiplied. The skipped steps of the chain add nothing, so the bits are the
/// same as long as all elements are finite.
enum Product {
    /// A row-major matrix, read as its transpose when `isTransposed`.
    struct Operand {
        let pointer: UnsafePointer<Float>
        let isTransposed: Bool

        init(_ pointer: UnsafePointer<Float>, transposed: Bool = false) {
            self.pointer = pointer
            isTransposed = transposed
        }
    }

    enum Kind {
        /// Multiplies zeros like any number.
        case dense
        /// Skips the zeros of the left operand, at any density.
        case sparse
        /// Skips the zeros of either operand if the density of the whole matrix is low enough.
        case automatic
    }

    /// Gets each finished piece of the result; the pieces cover it once.
    typealias Epilogue = (_ rows: Range<Int>, _ columns: Range<Int>) -> Void

    /// c (m, n) = a (m, k) · b (k, n), in parallel over pieces of c, each passed to `epilogue` when done. The pieces do
    /// not depend on the number of threads.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Operand, _ b: Operand, m: Int, n: Int, k: Int, kind: Kind = .dense,
        epilogue: Epilogue = { _, _ in }
    ) throws {
        guard k > 0 else {
            tt_fill(c, 0, m * n)
            return epilogue(0..<m, 0..<n)
        }
        var isSparse = kind == .sparse
        if kind == .automatic, m >= minimumRows {
            isSparse = density(a, m, k) <= maximumDensity
            // The gradient of a weight: either operand may be the sparse one. (bᵀ · a)ᵀ
            if !isSparse, a.isTransposed, !b.isTransposed {
                let left = Operand(b.pointer, transposed: true)
                if density(left, n, k) <= maximumDensity {
                    let transposed = StoragePool.buffer(Float.self, count: m * n)
                    try LeftOperand(left, rows: n, columns: k, isSparse: true)
                        .multiply(transposed.pointer, Operand(a.pointer), n: m) { _, _ in }
                    tt_transpose(c, transposed.pointer, n, m)
                    return epilogue(0..<m, 0..<n)
                }
            }
        }
        try LeftOperand(a, rows: m, columns: k, isSparse: isSparse).multiply(c, b, n: n, epilogue: epilogue)
    }

    /// The dense product on this thread alone, for a left operand that is not transposed.
    static func runOnThisThread(
        _ c: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: Operand, m: Int, n: Int, k: Int
    ) {
        guard k > 0 else { return tt_fill(c, 0, m * n) }
        for column in stride(from: 0, to: n, by: tt_tile_width()) {
            tt_product(c, a, nil, b.pointer, b.isTransposed, 0, m, column, k, n)
        }
    }

    /// A product that counts only where `x` (m, n) is not zero; elsewhere its elements are arbitrary, 0 if they are
    /// skipped. Skips them where that saves more than skipping the zeros of `a`.
    static func run(
        _ c: UnsafeMutablePointer<Float>, _ a: Operand, _ b: Operand, m: Int, n: Int, k: Int,
        whereNonzero x: UnsafePointer<Float>
    ) throws {
        guard m >= minimumRows, !a.isTransposed, k > 0, k % 16 == 0,
            density(Operand(x), m, n) <= min(maximumDensity, density(a, m, k))
        else { return try run(c, a, b, m: m, n: n, k: k, kind: .automatic) }
        let mask = StoragePool.buffer(UInt64.self, count: m * tt_mask_words(n))
        _ = tt_nonzero_mask(mask.pointer, x, m, n)
        try forEachPiece(rows: m, columns: n, width: tt_masked_tile_width()) { rows, columns in
            tt_masked_product(
                c, a.pointer, b.pointer, b.isTransposed, mask.pointer, rows.lowerBound, rows.upperBound,
                columns.lowerBound, k, n)
        }
    }

    /// A piece is one tile of columns for many rows, so that the part of the right operand it reads stays in the L1
    /// cache.
    private static func forEachPiece(
        rows: Int, columns: Int, width: Int, _ body: (Range<Int>, Range<Int>) -> Void
    ) throws {
        let tiles = (columns + width - 1) / width
        guard tiles * rows > 0 else { return }
        let blocksForThreads = min(rows / minimumRowsPerPiece, (minimumPieces + tiles - 1) / tiles)
        let blocks = max((rows + maximumRows - 1) / maximumRows, blocksForThreads)
        let size = (rows + blocks - 1) / blocks
        try Threads.run(tiles * blocks) { piece in
            try Interrupt.check()
            let first = piece / tiles * size
            let column = piece % tiles * width
            body(first..<min(first + size, rows), column..<min(column + width, columns))
        }
    }

    /// For fewer rows measuring the density does not pay.
    private static let minimumRows = 8

    /// Above this the dense product is as fast.
    private static let maximumDensity = 0.75

    /// The share of nonzero elements of a matrix (rows, columns), estimated from every sixteenth stored row.
    private static func density(_ operand: Operand, _ rows: Int, _ columns: Int) -> Double {
        let (rows, columns) = operand.isTransposed ? (columns, rows) : (rows, columns)
        let mask = StoragePool.buffer(UInt64.self, count: tt_mask_words(columns))
        var (nonzero, total) = (0, 0)
        for row in stride(from: 0, to: rows, by: 16) {
            nonzero += tt_nonzero_mask(mask.pointer, operand.pointer + row * columns, 1, columns)
            total += columns
        }
        return Double(nonzero) / Double(total)
    }

    /// As many rows of the left operand as stay in the L2 cache.
    private static let maximumRows = 512

    /// Few large pieces leave threads idle at the end; small ones spend more time on packing their tile.
    private static let minimumPieces = 8
    private static let minimumRowsPerPiece = 128

    /// The left operand as the kernels read it: by rows, with a mask if it is sparse.
    private struct LeftOperand {
        let rows: Int
        let columns: Int
        private let values: UnsafePointer<Float>
        private let transposed: Buffer<Float>?
        private let mask: Buffer<UInt64>?

        init(_ operand: Operand, rows: Int, columns: Int, isSparse: Bool) throws {
            self.rows = rows
            self.columns = columns
            mask = isSparse ? StoragePool.buffer(count: rows * tt_mask_words(columns)) : nil
            guard operand.isTransposed else {
                if let mask { _ = tt_nonzero_mask(mask.pointer, operand.pointer, rows, columns) }
                transposed = nil
                values = operand.pointer
                return
            }
            let transposed = StoragePool.buffer(Float.self, count: rows * columns)
            let size = 128
            try Threads.run((rows + size - 1) / size) { [mask] piece in
                let first = piece * size
                tt_transpose_rows(
                    transposed.pointer, mask?.pointer, operand.pointer, columns, rows, first, min(first + size, rows))
            }
            self.transposed = transposed
            values = UnsafePointer(transposed.pointer)
        }

        func multiply(_ c: UnsafeMutablePointer<Float>, _ b: Operand, n: Int, epilogue: Epilogue) throws {
            try withExtendedLifetime((mask, transposed)) {
                try Product.forEachPiece(rows: rows, columns: n, width: tt_tile_width()) { part, tile in
                    tt_product(
                        c, values, mask?.pointer, b.pointer, b.isTransposed, part.lowerBound, part.upperBound,
                        tile.lowerBound, columns, n)
                    epilogue(part, tile)
                }
            }
        }
    }
}
