import CKernels

/// Two shapes broadcast to one, as in NumPy: aligned at the last dimension, sizes equal or 1.
struct Broadcast {
    let shape: [Int]
    /// Merged loops from the outside in; a stride is 0 where that operand is broadcast.
    private var loops: [(size: Int, left: Int, right: Int)] = []

    init(_ left: [Int], _ right: [Int], _ operation: String) throws {
        let rank = max(left.count, right.count)
        var shape = [Int](repeating: 1, count: rank)
        var strideLeft = 1
        var strideRight = 1
        for dimension in (0..<rank).reversed() {
            let a = dimension - rank + left.count >= 0 ? left[dimension - rank + left.count] : 1
            let b = dimension - rank + right.count >= 0 ? right[dimension - rank + right.count] : 1
            guard a == b || a == 1 || b == 1 else {
                throw TensorError.shape(operation, left, right, "sizes \(a) and \(b) do not match")
            }
            let size = a == 1 ? b : a
            shape[dimension] = size
            let loop = (size: size, left: a == 1 ? 0 : strideLeft, right: b == 1 ? 0 : strideRight)
            strideLeft *= a
            strideRight *= b
            if size == 1 { continue }
            if let inner = loops.last, loop.left == inner.left * inner.size, loop.right == inner.right * inner.size {
                loops[loops.count - 1].size *= size
            } else {
                loops.append(loop)
            }
        }
        if loops.isEmpty { loops = [(1, 1, 1)] }
        loops.reverse()
        _ = try Tensor.checkedElements(shape, operation)
        self.shape = shape
    }

    /// Calls `body` for each innermost loop with the offsets of result, left and right, its strides (0 or 1) and
    /// length.
    func forEach(
        _ body: (_ out: Int, _ left: Int, _ leftStride: Int, _ right: Int, _ rightStride: Int, _ n: Int) -> Void
    ) {
        guard !shape.contains(0) else { return }
        let inner = loops[loops.count - 1]
        var position = [Int](repeating: 0, count: loops.count - 1)
        var out = 0
        var left = 0
        var right = 0
        while true {
            body(out, left, inner.left, right, inner.right, inner.size)
            out += inner.size
            var loop = position.count - 1
            while loop >= 0 {
                position[loop] += 1
                left += loops[loop].left
                right += loops[loop].right
                if position[loop] < loops[loop].size { break }
                left -= loops[loop].left * loops[loop].size
                right -= loops[loop].right * loops[loop].size
                position[loop] = 0
                loop -= 1
            }
            if loop < 0 { return }
        }
    }

    /// `op(left, right)` over the broadcast shape.
    func apply(_ op: tt_binary_op, _ left: Tensor, _ right: Tensor) -> Tensor {
        let result = Tensor(uninitialized: shape)
        forEach { out, a, strideA, b, strideB, n in
            tt_binary(op, result.pointer + out, left.pointer + a, strideA, right.pointer + b, strideB, n)
        }
        return result
    }
}

extension Tensor {
    /// Sums the gradient of a broadcast tensor back to its own shape.
    func reduced(to target: [Int]) -> Tensor {
        guard shape != target else { return self }
        let missing = rank - target.count
        let summed = shape.indices.map { $0 < missing || (target[$0 - missing] == 1 && shape[$0] != 1) }
        return summing(summed, shape: target)
    }

    /// Sums over the dimensions where `summed` is true; `shape` is the shape of the result.
    func summing(_ summed: [Bool], shape target: [Int]) -> Tensor {
        // Adjacent dimensions of one kind are merged.
        var runs: [(size: Int, summed: Bool)] = []
        for (size, isSummed) in zip(shape, summed) {
            if let last = runs.last, last.summed == isSummed {
                runs[runs.count - 1].size *= size
            } else {
                runs.append((size, isSummed))
            }
        }
        var current = self
        while let position = runs.lastIndex(where: \.summed) {
            let outer = runs[..<position].reduce(1) { $0 * $1.size }
            let inner = runs[(position + 1)...].reduce(1) { $0 * $1.size }
            let next = Tensor(uninitialized: [outer * inner])
            tt_sum_middle(next.pointer, current.pointer, outer, runs[position].size, inner)
            runs.remove(at: position)
            current = next
        }
        return Tensor(shape: target, storage: current.storage)
    }
}
