import CKernels

extension Tensor {
    /// Mean binary cross-entropy of logits against labels in 0...1 of the same shape: a scalar. Stable for any logit.
    public func bceWithLogits(_ labels: Tensor) throws -> Tensor {
        try checkLoss("bce_with_logits", labels)
        let n = count
        return Tensor(scalar: tt_bce(pointer, labels.pointer, n)).recorded(
            "bce_with_logits", [self, labels], saving: [self] + (requiresGrad ? [labels] : [])
        ) { g, inputs in
            let scale = g[0]!.pointer[0] / Float(n)
            var dx: Tensor?
            if inputs[0].requiresGrad {
                let result = Tensor(uninitialized: inputs[0].shape)
                tt_bce_backward(result.pointer, inputs[0].pointer, inputs[1].pointer, n, scale)
                dx = result
            }
            return [dx, inputs[1].requiresGrad ? inputs[0].unaryValue(TT_AFFINE, -scale, 0) : nil]
        }
    }

    /// Mean squared error: a scalar.
    public func mse(_ target: Tensor) throws -> Tensor {
        try checkLoss("mse", target)
        return try subtracting(target).power(2).mean()
    }

    /// Mean of -log softmax(x)[label] over the rows of (n, c), labels 0-based (n): a scalar.
    public func crossEntropy(_ labels: Indices) throws -> Tensor {
        guard rank == 2, labels.count == shape[0], count > 0 else {
            throw TensorError.shape("cross_entropy", shape, labels.shape, "needs (n, c) and n labels")
        }
        let (n, c) = (shape[0], shape[1])
        try labels.check(below: c, "cross_entropy")
        let logs = try logSoftmax()
        var total = 0.0
        for row in 0..<n { total -= Double(logs.pointer[row * c + labels[row]]) }
        return Tensor(scalar: Float(total / Double(n))).recorded("cross_entropy", [logs]) { g, _ in
            let dx = Tensor(zeros: [n, c])
            for row in 0..<n { dx.pointer[row * c + labels[row]] = -g[0]!.pointer[0] / Float(n) }
            return [dx]
        }
    }

    private func checkLoss(_ operation: String, _ other: Tensor) throws {
        guard shape == other.shape else { throw TensorError.shape(operation, shape, other.shape, "shapes differ") }
        guard count > 0 else { throw TensorError.shape(operation, shape, "there is nothing to average") }
    }
}
