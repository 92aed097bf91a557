import Base
import CKernels

extension Tensor {
    /// The same elements in another shape; one size may be -1 and is inferred.
    public func reshaped(_ sizes: [Int]) throws -> Tensor {
        var target = sizes
        if let open = target.firstIndex(of: -1) {
            let known = try Tensor.elements(
                target.enumerated().filter { $0.offset != open }.map(\.element), "reshape")
            guard known > 0, count % known == 0 else {
                throw TensorError.shape("reshape", shape, sizes, "sizes do not fit")
            }
            target[open] = count / known
        }
        guard try Tensor.elements(target, "reshape") == count else {
            throw TensorError.shape("reshape", shape, sizes, "sizes do not fit")
        }
        return Tensor(shape: target, storage: storage).recorded("reshape", [self]) { g, inputs in
            [Tensor(shape: inputs[0].shape, storage: g[0]!.storage)]
        }
    }

    /// Transposes two dimensions.
    public func transposed(_ first: Int = -2, _ second: Int = -1) throws -> Tensor {
        let a = try axis(first, "transpose")
        let b = try axis(second, "transpose")
        return swapping(Swift.min(a, b), Swift.max(a, b)).recorded("transpose", [self]) { g, _ in
            [g[0]!.swapping(Swift.min(a, b), Swift.max(a, b))]
        }
    }

    private func swapping(_ a: Int, _ b: Int) -> Tensor {
        guard a != b else { return detach() }
        var target = shape
        target.swapAt(a, b)
        let result = Tensor(uninitialized: target)
        tt_swap_axes(
            result.pointer, pointer, Tensor.elements(Array(shape[..<a])), shape[a],
            Tensor.elements(Array(shape[(a + 1)..<b])), shape[b], Tensor.elements(Array(shape[(b + 1)...])))
        return result
    }

    /// Tensors concatenated along a dimension; the other sizes agree.
    public static func concatenating(_ tensors: [Tensor], _ dimension: Int = 0) throws -> Tensor {
        guard let first = tensors.first else { throw TensorError("tensor.value", "concat: no tensors given") }
        let axis = try first.axis(dimension, "concat")
        var target = first.shape
        for tensor in tensors.dropFirst() {
            var expected = first.shape
            if tensor.rank == first.rank { expected[axis] = tensor.shape[axis] }
            guard tensor.shape == expected else {
                throw TensorError.shape(
                    "concat", first.shape, tensor.shape, "sizes beside dimension \(dimension) differ")
            }
            target[axis] += tensor.shape[axis]
        }
        _ = try Tensor.checkedElements(target, "concat")
        let result = Tensor(uninitialized: target)
        let (outer, _, inner) = first.split(at: axis)
        let width = target[axis] * inner
        var start = 0
        for tensor in tensors {
            let part = tensor.shape[axis] * inner
            for o in 0..<outer {
                (result.pointer + o * width + start).update(from: tensor.pointer + o * part, count: part)
            }
            start += part
        }
        return result.recorded("concat", tensors) { g, inputs in
            var start = 0
            return inputs.map { input in
                defer { start += input.shape[axis] }
                return input.requiresGrad ? g[0]!.cut(axis, start, input.shape[axis]) : nil
            }
        }
    }

    /// `length` entries from `start` (0-based) along a dimension.
    public func slice(_ dimension: Int, start: Int, length: Int) throws -> Tensor {
        let axis = try axis(dimension, "slice")
        guard start >= 0, length >= 0, start <= shape[axis] - length else {
            throw TensorError.shape(
                "slice", shape, "places \(oneBased(start, length: length)) are outside 1 to \(shape[axis])")
        }
        return cut(axis, start, length).recorded("slice", [self]) { g, inputs in
            let dx = Tensor(zeros: inputs[0].shape)
            let (outer, size, inner) = dx.split(at: axis)
            for o in 0..<outer {
                (dx.pointer + (o * size + start) * inner).update(
                    from: g[0]!.pointer + o * length * inner, count: length * inner)
            }
            return [dx]
        }
    }

    private func cut(_ axis: Int, _ start: Int, _ length: Int) -> Tensor {
        let (outer, size, inner) = split(at: axis)
        var target = shape
        target[axis] = length
        let result = Tensor(uninitialized: target)
        for o in 0..<outer {
            (result.pointer + o * length * inner).update(
                from: pointer + (o * size + start) * inner, count: length * inner)
        }
        return result
    }

    /// The entries of the first dimension at `indices`, in that order, with repeats.
    public func rows(_ indices: Indices) throws -> Tensor {
        guard let n = shape.first else { throw TensorError.shape("rows", shape, "a scalar has no rows") }
        try indices.check(below: n, "rows")
        let width = Tensor.elements(Array(shape.dropFirst()))
        _ = try Tensor.checkedElements([indices.count, width], "rows")
        let result = Tensor(uninitialized: [indices.count] + shape.dropFirst())
        tt_gather_rows(result.pointer, pointer, indices.pointer, indices.count, width)
        return result.recorded("rows", [self]) { g, inputs in
            let dx = Tensor(zeros: inputs[0].shape)
            tt_scatter_add_rows(dx.pointer, g[0]!.pointer, indices.pointer, indices.count, width)
            return [dx]
        }
    }
}
