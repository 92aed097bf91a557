import Base
import CKernels

extension Tensor {
    /// (n, k) × (k, m). Leading dimensions on the left alone are rows; equal leading dimensions on both sides are a
    /// batch of products.
    public func matmul(_ other: Tensor) throws -> Tensor {
        guard rank >= 2, other.rank >= 2 else {
            throw TensorError.shape("matmul", shape, other.shape, "both need two dimensions")
        }
        let k = shape[rank - 1]
        let m = other.shape[other.rank - 1]
        guard k == other.shape[other.rank - 2] else {
            throw TensorError.shape("matmul", shape, other.shape, "inner sizes differ")
        }
        let leading = Array(shape.dropLast(2))
        let paired = other.rank > 2
        guard !paired || leading == Array(other.shape.dropLast(2)) else {
            throw TensorError.shape("matmul", shape, other.shape, "leading sizes differ")
        }
        let pairs = paired ? Tensor.elements(leading) : 1
        let n = paired ? shape[rank - 2] : Tensor.elements(Array(shape.dropLast()))
        _ = try Tensor.checkedElements([pairs, n, m], "matmul")
        let result = Tensor(uninitialized: Array(shape.dropLast()) + [m])
        for pair in 0..<pairs {
            try Product.run(
                result.pointer + pair * n * m, .init(pointer + pair * n * k), .init(other.pointer + pair * k * m),
                m: n, n: m, k: k)
        }
        return result.recorded(
            "matmul", [self, other], saving: (other.requiresGrad ? [self] : []) + (requiresGrad ? [other] : [])
        ) { g, inputs in
            let (a, b) = (inputs[0], inputs[1])
            let da = a.requiresGrad ? Tensor(uninitialized: a.shape) : nil
            let db = b.requiresGrad ? Tensor(uninitialized: b.shape) : nil
            for pair in 0..<pairs {
                let gradient = g[0]!.pointer + pair * n * m
                if let da {
                    try Product.run(
                        da.pointer + pair * n * k, .init(gradient), .init(b.pointer + pair * k * m, transposed: true),
                        m: n, n: k, k: m)
                }
                if let db {
                    try Product.run(
                        db.pointer + pair * k * m, .init(a.pointer + pair * n * k, transposed: true), .init(gradient),
                        m: k, n: m, k: n)
                }
            }
            return [da, db]
        }
    }

    /// dropout(relu(x · weightᵀ + bias)) in one pass, relu and dropout being optional.
    ///
    /// - Parameters:
    ///   - weight: (out, in), or (in, out) when `weightIsTransposed`.
    ///   - bias: (out,)
    ///   - relu: required for dropout here; dropout alone is an operation of its own.
    /// - Returns: (…, out) for (…, in).
    public func linear(
        weight: Tensor, bias: Tensor?, weightIsTransposed: Bool = false, relu: Bool = false,
        dropout: DropoutMask = .none
    ) throws -> Tensor {
        precondition(relu || !dropout.isActive)
        let (n, inputs) = try lastDimension("linear")
        let samples = n
        guard weight.rank == 2 else {
            throw TensorError.shape("linear", shape, weight.shape, "a weight has two dimensions")
        }
        let d = weight.shape[weightIsTransposed ? 1 : 0]
        guard weight.shape[weightIsTransposed ? 0 : 1] == inputs else {
            throw TensorError.shape(
                "linear", shape, weight.shape, "the layer takes \(weight.shape[weightIsTransposed ? 0 : 1]) inputs")
        }
        if let bias, bias.shape != [d] {
            throw TensorError.shape("linear", weight.shape, bias.shape, "the bias does not fit")
        }
        _ = try Tensor.checkedElements([n, d], "linear")
        let result = Tensor(uninitialized: Array(shape.dropLast()) + [d])
        try Product.run(
            result.pointer, .init(pointer), .init(weight.pointer, transposed: !weightIsTransposed), m: n, n: d,
            k: inputs, kind: Gradients.areRecorded ? .automatic : isRectified ? .sparse : .dense
        ) { rows, columns in
            tt_bias_relu_dropout(
                result.pointer, bias?.pointer, rows.lowerBound, rows.upperBound, d, columns.lowerBound,
                columns.upperBound, relu, dropout.native)
        }
        result.isRectified = relu
        let saved = result.storage
        var read: [Tensor] {
            (weight.requiresGrad || requiresGrad && isRectified ? [self] : []) + (requiresGrad ? [weight] : [])
                + (relu ? [result] : [])
        }
        return result.recorded("linear", [self, weight] + (bias.map { [$0] } ?? []), saving: read) { g, tensors in
            let (x, weight) = (tensors[0], tensors[1])
            let (dz, db) = Tensor.activationBackward(
                g[0]!, saved, n, d, relu: relu, dropout, bias: tensors.count > 2 && tensors[2].requiresGrad)
            var dx: Tensor?
            if x.requiresGrad {
                let result = Tensor(uninitialized: x.shape)
                let right = Product.Operand(weight.pointer, transposed: weightIsTransposed)
                // Behind a ReLU a gradient counts only where the output is not zero.
                if x.isRectified, x.node != nil {
                    try Product.run(
                        result.pointer, .init(dz.pointer), right, m: n, n: inputs, k: d, whereNonzero: x.pointer)
                } else {
                    try Product.run(
                        result.pointer, .init(dz.pointer), right, m: n, n: inputs, k: d, kind: .automatic)
                }
                dx = result
            }
            var dw: Tensor?
            if weight.requiresGrad {
                let result = Tensor(uninitialized: weight.shape)
                let (left, right, m, n) = weightIsTransposed ? (x, dz, inputs, d) : (dz, x, d, inputs)
                try Product.run(
                    result.pointer, .init(left.pointer, transposed: true), .init(right.pointer), m: m, n: n, k: samples,
                    kind: .automatic)
                dw = result
            }
            return [dx, dw] + (tensors.count > 2 ? [db] : [])
        }
    }

    /// The gradient before the activation, and its column sums.
    static func activationBackward(
        _ g: Tensor, _ y: Buffer<Float>, _ n: Int, _ d: Int, relu: Bool, _ dropout: DropoutMask, bias: Bool
    ) -> (dz: Tensor, db: Tensor?) {
        let db = bias ? Tensor(uninitialized: [d]) : nil
        guard relu else {
            if let db { tt_sum_middle(db.pointer, g.pointer, 1, n, d) }
            return (g, db)
        }
        let dz = Tensor(uninitialized: g.shape)
        tt_relu_dropout_backward(dz.pointer, db?.pointer, g.pointer, y.pointer, n, d, dropout.native.scale)
        return (dz, db)
    }

    /// Runs `body` in parallel over blocks of rows: large ones, since each block reads all the weights; small batches
    /// get smaller ones, so that idle threads find work.
    static func inRowBlocks(_ rows: Int, _ body: (_ first: Int, _ count: Int) throws -> Void) throws {
        let block = rows <= 512 ? 128 : 512
        let blocks = Swift.max(1, rows / block)
        try Threads.run(blocks) { index in
            try Interrupt.check()
            let first = index * block
            try body(first, index == blocks - 1 ? rows - first : block)
        }
    }
}

extension Rows {
    /// dropout(relu(x · weight + bias)) for these rows x (b, in), weight (in, out): sums the weight rows of nonzero
    /// columns.
    public func linear(
        weight: Tensor, bias: Tensor?, relu: Bool = false, dropout: DropoutMask = .none
    ) throws -> Tensor {
        precondition(relu || !dropout.isActive)
        guard weight.rank == 2, weight.shape[0] == width else {
            throw TensorError.shape("sparse_linear", [count, width], weight.shape, "inner sizes differ")
        }
        let d = weight.shape[1]
        if let bias, bias.shape != [d] {
            throw TensorError.shape("sparse_linear", weight.shape, bias.shape, "the bias does not fit")
        }
        // Expansion depends on all rows of a batch. Without gradients (results that are kept) a row's bits must not.
        let batch = gathered(expands: Gradients.areRecorded)
        let n = count
        _ = try Tensor.checkedElements([n, d], "sparse_linear")
        let result = Tensor(uninitialized: [n, d])
        try withExtendedLifetime(batch) {
            if let rows = batch.expanded {
                let product = StoragePool.buffer(Float.self, count: batch.distinct * d)
                try Product.run(
                    product.pointer, .init(rows.pointer), .init(weight.pointer), m: batch.distinct, n: d, k: width,
                    kind: .automatic
                ) { rows, columns in
                    tt_scatter_rows(
                        result.pointer, product.pointer, batch.native, bias?.pointer, rows.lowerBound,
                        rows.upperBound, d, columns.lowerBound, columns.upperBound, relu, dropout.native)
                }
                return
            }
            try Tensor.inRowBlocks(batch.distinct) { first, count in
                tt_sparse_linear(
                    result.pointer, batch.native, weight.pointer, bias?.pointer, first, first + count, d, relu,
                    dropout.native)
            }
        }
        result.isRectified = relu
        let saved = result.storage
        // The batch is a copy, so it need not be saved.
        return result.recorded(
            "sparse_linear", [weight] + (bias.map { [$0] } ?? []), saving: relu ? [result] : []
        ) { g, tensors in
            let (sums, db) = batch.activationBackward(
                g[0]!, saved, d, relu: relu, dropout, bias: tensors.count > 1 && tensors[1].requiresGrad)
            let dw = tensors[0].requiresGrad ? try batch.weightGradient(sums, d: d) : nil
            return [dw] + (tensors.count > 1 ? [db] : [])
        }
    }
}
