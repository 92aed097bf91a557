import Base
import CKernels

/// n rows of one dense part and any number of sparse parts (CSR), side by side: columns 0..<dense width, then each
/// part.
///
/// Stored once per entity; batches are `Rows` of it and become dense only on request.
public final class FeatureMatrix: @unchecked Sendable {
    /// One sparse part in CSR form: row i has entries offsets[i]..<offsets[i + 1].
    public struct Part: Sendable {
        /// n + 1 ascending positions into `codes`.
        public let offsets: Buffer<Int64>
        /// Columns within the part, 0-based.
        public let codes: Buffer<Int32>
        public let values: Buffer<Float>
        public let width: Int

        public init(offsets: Buffer<Int64>, codes: Buffer<Int32>, values: Buffer<Float>, width: Int) {
            self.offsets = offsets
            self.codes = codes
            self.values = values
            self.width = width
        }
    }

    /// (n, d0); d0 may be 0.
    public let dense: Tensor
    public let parts: [Part]
    public let count: Int
    /// d: the dense width and the widths of the parts.
    public let width: Int

    /// - Throws: `tensor.value` for invalid offsets, codes or lengths.
    public init(dense: Tensor, parts: [Part]) throws {
        guard dense.rank == 2 else {
            throw TensorError.shape("feature_matrix", dense.shape, "the dense part has two dimensions")
        }
        count = dense.shape[0]
        guard count < Int(Int32.max) else {
            throw TensorError.shape("feature_matrix", dense.shape, "a matrix has less than \(Int32.max) rows")
        }
        self.dense = dense
        self.parts = parts
        var width = dense.shape[1]
        for (number, part) in parts.enumerated() {
            func fail(_ reason: String) -> TensorError {
                TensorError("tensor.value", "feature_matrix: sparse part \(number + 1): \(reason)")
            }
            guard part.offsets.count == count + 1 else {
                throw fail("\(part.offsets.count) offsets, \(count) rows need \(count + 1)")
            }
            guard part.codes.count == part.values.count else {
                throw fail("\(part.codes.count) codes and \(part.values.count) values")
            }
            guard part.offsets[0] == 0, part.offsets[count] == Int64(part.codes.count) else {
                throw fail("offsets go from \(part.offsets[0]) to \(part.offsets[count]), not over all entries")
            }
            guard part.codes.count <= Int(Int32.max) else { throw fail("more than \(Int32.max) entries") }
            for row in 0..<count where part.offsets[row] > part.offsets[row + 1] {
                throw fail("offsets descend at row \(row + 1)")
            }
            for entry in 0..<part.codes.count where part.codes[entry] < 0 || Int(part.codes[entry]) >= part.width {
                throw fail("code \(oneBased(part.codes[entry])) is outside 1 to \(part.width)")
            }
            let (sum, overflow) = width.addingReportingOverflow(part.width)
            guard part.width >= 0, !overflow, sum <= Int(Int32.max) else { throw fail("too wide") }
            width = sum
        }
        self.width = width
    }

    public var byteCount: Int {
        parts.reduce(dense.byteCount) { $0 + $1.offsets.byteCount + $1.codes.byteCount + $1.values.byteCount }
    }

    public func rows(_ indices: Indices) throws -> Rows { try Rows(self, indices) }

    /// Everything as a dense tensor (n, d).
    public func toDense() throws -> Tensor { try rows(try Indices(range: 0..<count)).toDense() }
}

/// Rows of a feature matrix, by position: the input of a sparse first layer.
public final class Rows: @unchecked Sendable {
    public let matrix: FeatureMatrix
    public let indices: Indices

    public init(_ matrix: FeatureMatrix, _ indices: Indices) throws {
        try indices.check(below: matrix.count, "rows")
        self.matrix = matrix
        self.indices = indices
    }

    public var count: Int { indices.count }
    public var width: Int { matrix.width }

    /// The rows gathered into one block. Not cached: `Rows` themselves hold only row numbers.
    ///
    /// - Parameter expands: allows dense rows where they are not sparse enough.
    func gathered(expands: Bool = false) -> RowBatch { RowBatch(self, expands: expands) }

    /// (b, d)
    public func toDense() throws -> Tensor {
        _ = try Tensor.checkedElements([count, width], "to_dense")
        let result = Tensor(zeros: [count, width])
        let batch = gathered()
        withExtendedLifetime(batch) {
            let x = batch.native
            for row in 0..<x.m {
                for index in Int(x.starts[row])..<Int(x.starts[row + 1]) {
                    let sample = Int(x.samples[index])
                    let to = result.pointer + sample * width
                    to.update(from: x.dense + row * x.d0, count: x.d0)
                    for entry in Int(x.offsets[row])..<Int(x.offsets[row + 1]) {
                        to[Int(x.columns[entry])] += x.values[entry]
                    }
                }
            }
        }
        return result
    }
}

/// The distinct rows of a batch, contiguous: dense parts gathered, sparse parts joined into one CSR matrix whose
/// columns count from the start of the row. Rows in which many columns occur are expanded to dense ones instead.
final class RowBatch {
    /// Samples.
    let count: Int
    /// Distinct rows.
    let distinct: Int
    let d0: Int
    let width: Int
    /// The distinct rows as a dense matrix (distinct, width), then without entries.
    let expanded: Buffer<Float>?
    private let starts: Buffer<Int32>
    private let samples: Buffer<Int32>
    private let dense: Buffer<Float>
    private let offsets: Buffer<Int32>
    private let columns: Buffer<Int32>
    private let values: Buffer<Float>

    init(_ rows: Rows, expands: Bool) {
        let matrix = rows.matrix
        let indices = rows.indices.pointer
        count = rows.count
        d0 = matrix.dense.shape[1]
        width = matrix.width
        starts = StoragePool.buffer(count: count + 1)
        samples = StoragePool.buffer(count: count)
        let scratch = StoragePool.buffer(Int32.self, count: tt_group_scratch(count))
        distinct = tt_group_samples(starts.pointer, samples.pointer, scratch.pointer, indices, count)

        let rowIndices = StoragePool.buffer(Int32.self, count: distinct)
        var total = 0
        for row in 0..<distinct {
            let from = indices[Int(samples.pointer[Int(starts.pointer[row])])]
            rowIndices.pointer[row] = from
            for part in matrix.parts {
                total += Int(part.offsets.pointer[Int(from) + 1] - part.offsets.pointer[Int(from)])
            }
        }
        // From a density of a tenth on, a dense product is faster.
        if expands, (total + distinct * d0) * 10 >= distinct * width {
            expanded = RowBatch.expand(matrix, rowIndices)
            dense = StoragePool.buffer(count: 0)
            offsets = StoragePool.buffer(count: 0)
            columns = StoragePool.buffer(count: 0)
            values = StoragePool.buffer(count: 0)
            return
        }
        expanded = nil
        dense = StoragePool.buffer(count: distinct * d0)
        tt_gather_rows(dense.pointer, matrix.dense.pointer, rowIndices.pointer, distinct, d0)
        offsets = StoragePool.buffer(count: distinct + 1)
        columns = StoragePool.buffer(count: total)
        values = StoragePool.buffer(count: total)
        var next = 0
        for row in 0..<distinct {
            offsets.pointer[row] = Int32(next)
            let from = Int(rowIndices.pointer[row])
            var base = Int32(d0)
            for part in matrix.parts {
                let first = Int(part.offsets.pointer[from])
                let n = Int(part.offsets.pointer[from + 1]) - first
                for entry in 0..<n { columns.pointer[next + entry] = base + part.codes.pointer[first + entry] }
                (values.pointer + next).update(from: part.values.pointer + first, count: n)
                next += n
                base += Int32(part.width)
            }
        }
        offsets.pointer[distinct] = Int32(next)
    }

    private static func expand(_ matrix: FeatureMatrix, _ rowIndices: Buffer<Int32>) -> Buffer<Float> {
        let rows = StoragePool.buffer(Float.self, count: rowIndices.count * matrix.width)
        var first = matrix.dense.shape[1]
        var parts: [tt_sparse_part] = []
        for part in matrix.parts {
            let (offsets, codes, values) = (part.offsets.pointer, part.codes.pointer, part.values.pointer)
            parts.append(tt_sparse_part(first: first, offsets: offsets, codes: codes, values: values))
            first += part.width
        }
        tt_expand_rows(
            rows.pointer, rowIndices.pointer, rowIndices.count, matrix.width, matrix.dense.pointer,
            matrix.dense.shape[1], parts, parts.count)
        return rows
    }

    /// Has no entries when the rows are expanded.
    var native: tt_row_batch {
        tt_row_batch(
            n: count, m: distinct, d0: d0, dense: dense.pointer, starts: starts.pointer, samples: samples.pointer,
            offsets: offsets.pointer, columns: columns.pointer, values: values.pointer)
    }

    /// The gradient before the activation, summed over each row's samples (distinct, d), and its column sums.
    func activationBackward(
        _ g: Tensor, _ y: Buffer<Float>, _ d: Int, relu: Bool, _ dropout: DropoutMask, bias: Bool
    ) -> (sums: Tensor, db: Tensor?) {
        let db = bias ? Tensor(uninitialized: [d]) : nil
        let sums = relu || distinct < count ? Tensor(uninitialized: [distinct, d]) : g
        if relu {
            tt_scatter_rows_backward(
                sums.pointer, db?.pointer, g.pointer, y.pointer, native, d, dropout.native.scale)
        } else {
            // Without repeated rows, row i is sample i.
            if distinct < count { tt_segment_sum(sums.pointer, g.pointer, native, d) }
            if let db { tt_sum_middle(db.pointer, sums.pointer, 1, distinct, d) }
        }
        return (sums, db)
    }

    /// The gradient of the weight (width, d) from those sums (distinct, d).
    func weightGradient(_ sums: Tensor, d: Int) throws -> Tensor {
        let dw = Tensor(uninitialized: [width, d])
        if let expanded {
            try Product.run(
                dw.pointer, .init(expanded.pointer, transposed: true), .init(sums.pointer), m: width, n: d, k: distinct,
                kind: .automatic)
            return dw
        }
        try Product.run(
            dw.pointer, .init(dense.pointer, transposed: true), .init(sums.pointer), m: d0, n: d, k: distinct)
        let columnStarts = StoragePool.buffer(Int32.self, count: width + 1)
        let rows = StoragePool.buffer(Int32.self, count: columns.count)
        let sortedValues = StoragePool.buffer(Float.self, count: columns.count)
        tt_csr_to_csc(columnStarts.pointer, rows.pointer, sortedValues.pointer, native, width)
        let entries = tt_csc(
            first: d0, width: width, starts: columnStarts.pointer, rows: rows.pointer, values: sortedValues.pointer)
        let block = 128
        try withExtendedLifetime((columnStarts, rows, sortedValues)) {
            try Threads.run((d + block - 1) / block) { piece in
                let from = piece * block
                tt_sparse_linear_backward(dw.pointer, sums.pointer, entries, d, from, min(from + block, d))
            }
        }
        return dw
    }
}
