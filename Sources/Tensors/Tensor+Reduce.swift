import Base
import CKernels

extension Tensor {
    /// The sum over one dimension, or over everything (a scalar).
    public func sum(_ dimension: Int? = nil, keepDimension: Bool = false) throws -> Tensor {
        try summed("sum", dimension, keepDimension, scale: 1)
    }

    /// The mean over one dimension, or over everything; NaN over no elements.
    public func mean(_ dimension: Int? = nil, keepDimension: Bool = false) throws -> Tensor {
        let n = try dimension.map { shape[try axis($0, "mean")] } ?? count
        return try summed("mean", dimension, keepDimension, scale: 1 / Float(n))
    }

    private func summed(_ name: String, _ dimension: Int?, _ keep: Bool, scale: Float) throws -> Tensor {
        let result: Tensor
        if let dimension {
            let axis = try axis(dimension, name)
            let (outer, size, inner) = split(at: axis)
            // An empty tensor may have many sums.
            _ = try Tensor.checkedElements(reducedShape(axis, keep), name)
            result = Tensor(uninitialized: reducedShape(axis, keep))
            tt_sum_middle(result.pointer, pointer, outer, size, inner)
        } else {
            result = Tensor(scalar: tt_sum(pointer, count))
        }
        // Over no elements the scale is infinite and the sum 0, which gives NaN.
        if scale != 1 { tt_scale(result.pointer, scale, result.count) }
        let kept = try dimension.map { reducedShape(try axis($0, name), true) } ?? shape.map { _ in 1 }
        return result.recorded(name, [self]) { g, inputs in
            let gradient = Tensor(shape: kept, storage: g[0]!.storage)
            let factor = Tensor(shape: inputs[0].shape, repeating: scale)
            return [try Broadcast(gradient.shape, factor.shape, name).apply(TT_MULTIPLY, gradient, factor)]
        }
    }

    func reducedShape(_ axis: Int, _ keep: Bool) -> [Int] {
        var result = shape
        if keep { result[axis] = 1 } else { result.remove(at: axis) }
        return result
    }

    /// The maximum over one dimension, or of everything, and its 0-based index, the first one of equals.
    ///
    /// The gradient goes to that element.
    public func max(_ dimension: Int? = nil, keepDimension: Bool = false) throws -> (values: Tensor, indices: Indices) {
        let axis = try dimension.map { try self.axis($0, "max") }
        let (outer, size, inner) = axis.map { split(at: $0) } ?? (1, count, 1)
        guard size > 0 else { throw TensorError.shape("max", shape, "there is nothing to take the maximum of") }
        let target = axis.map { reducedShape($0, keepDimension) } ?? []
        let values = Tensor(uninitialized: target)
        let indices = StoragePool.buffer(Int32.self, count: values.count)
        tt_max_middle(values.pointer, indices.pointer, pointer, outer, size, inner)
        let result = values.recorded("max", [self]) { g, inputs in
            let dx = Tensor(zeros: inputs[0].shape)
            for o in 0..<outer {
                for i in 0..<inner {
                    let from = o * inner + i
                    dx.pointer[(o * size + Int(indices[from])) * inner + i] = g[0]!.pointer[from]
                }
            }
            return [dx]
        }
        return (result, Indices(shape: target, storage: indices))
    }

    /// The Euclidean norm of all elements; no gradient.
    public func norm() -> Double { tt_sum_squares(pointer, count).squareRoot() }

    public var isFinite: Bool { tt_all_finite(pointer, count) }

    /// Softmax over the last dimension.
    public func softmax() throws -> Tensor { try softmax(logarithm: false, "softmax") }
    public func logSoftmax() throws -> Tensor { try softmax(logarithm: true, "log_softmax") }

    private func softmax(logarithm: Bool, _ name: String) throws -> Tensor {
        let (n, d) = try lastDimension(name)
        let result = Tensor(uninitialized: shape)
        if d > 0 { tt_softmax_rows(result.pointer, pointer, n, d, logarithm) }
        let saved = result.storage
        return result.recorded(name, [self], saving: [result]) { g, inputs in
            let dx = Tensor(uninitialized: inputs[0].shape)
            if d > 0 { tt_softmax_rows_backward(dx.pointer, g[0]!.pointer, saved.pointer, n, d, logarithm) }
            return [dx]
        }
    }

    /// The number and width of the rows along the last dimension.
    func lastDimension(_ operation: String) throws -> (rows: Int, width: Int) {
        guard let width = shape.last else { throw TensorError.shape(operation, shape, "a scalar has no rows") }
        return (Tensor.elements(Array(shape.dropLast())), width)
    }

    /// x / max(||x||, 1e-12) over the last dimension.
    public func normalized() throws -> Tensor {
        let eps: Float = 1e-12
        let (n, d) = try lastDimension("normalize")
        _ = try Tensor.checkedElements([n], "normalize")
        let result = Tensor(uninitialized: shape)
        let norms = StoragePool.buffer(Float.self, count: n)
        tt_normalize_rows(result.pointer, norms.pointer, pointer, n, d, eps)
        let saved = result.storage
        return result.recorded("normalize", [self], saving: [result]) { g, inputs in
            let dx = Tensor(uninitialized: inputs[0].shape)
            tt_normalize_rows_backward(dx.pointer, g[0]!.pointer, saved.pointer, norms.pointer, n, d, eps)
            return [dx]
        }
    }

    /// The dot product of each row with the same row of `other`: (…, d) and (…, d) to (…).
    public func dotRows(_ other: Tensor) throws -> Tensor {
        guard shape == other.shape, let d = shape.last else {
            throw TensorError.shape("dot", shape, other.shape, "both need the same rows")
        }
        _ = try Tensor.checkedElements(Array(shape.dropLast()), "dot")
        let result = Tensor(uninitialized: Array(shape.dropLast()))
        let n = result.count
        tt_dot_rows(result.pointer, pointer, other.pointer, n, d)
        return result.recorded(
            "dot", [self, other], saving: (other.requiresGrad ? [self] : []) + (requiresGrad ? [other] : [])
        ) { g, inputs in
            let sides = inputs.map { $0.requiresGrad ? Tensor(uninitialized: $0.shape) : nil }
            // Both towers wait for this, so each side gets a thread.
            try Threads.run(2) { side in
                guard let dx = sides[side] else { return }
                tt_scale_rows(dx.pointer, g[0]!.pointer, inputs[1 - side].pointer, n, d)
            }
            return sides
        }
    }
}
