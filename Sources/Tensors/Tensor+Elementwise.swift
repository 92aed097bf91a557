import CKernels

extension Tensor {
    // MARK: Two tensors, broadcast to one shape

    public func adding(_ other: Tensor) throws -> Tensor {
        try binary(TT_ADD, "add", other) { g, _, _ in (g, g) }
    }

    public func subtracting(_ other: Tensor) throws -> Tensor {
        try binary(TT_SUBTRACT, "sub", other) { g, _, _ in (g, g.unaryValue(TT_NEGATE)) }
    }

    public func multiplying(_ other: Tensor) throws -> Tensor {
        try binary(TT_MULTIPLY, "mul", other, saves: (left: other.requiresGrad, right: requiresGrad)) { g, a, b in
            (
                a.requiresGrad ? try Broadcast(g.shape, b.shape, "mul").apply(TT_MULTIPLY, g, b) : nil,
                b.requiresGrad ? try Broadcast(g.shape, a.shape, "mul").apply(TT_MULTIPLY, g, a) : nil
            )
        }
    }

    public func dividing(by other: Tensor) throws -> Tensor {
        try binary(TT_DIVIDE, "div", other, saves: (left: other.requiresGrad, right: true)) { g, a, b in
            var right: Tensor?
            if b.requiresGrad {
                let result = Tensor(uninitialized: g.shape)
                try Broadcast(a.shape, b.shape, "div").forEach { out, left, strideLeft, right, strideRight, n in
                    tt_divide_backward(
                        result.pointer + out, g.pointer + out, a.pointer + left, strideLeft, b.pointer + right,
                        strideRight,
                        n)
                }
                right = result
            }
            return (a.requiresGrad ? try Broadcast(g.shape, b.shape, "div").apply(TT_DIVIDE, g, b) : nil, right)
        }
    }

    private func binary(
        _ op: tt_binary_op, _ name: String, _ other: Tensor, saves: (left: Bool, right: Bool) = (false, false),
        _ backward: @escaping (Tensor, Tensor, Tensor) throws -> (Tensor?, Tensor?)
    ) throws -> Tensor {
        try Broadcast(shape, other.shape, name).apply(op, self, other).recorded(
            name, [self, other], saving: (saves.left ? [self] : []) + (saves.right ? [other] : [])
        ) { g, inputs in
            let (left, right) = try backward(g[0]!, inputs[0], inputs[1])
            return [left?.reduced(to: inputs[0].shape), right?.reduced(to: inputs[1].shape)]
        }
    }

    /// A comparison: 1 where the relation holds, else 0; no gradient.
    public enum Relation { case equal, less, lessOrEqual, greater, greaterOrEqual }

    public func comparing(_ relation: Relation, _ other: Tensor) throws -> Tensor {
        switch relation {
        case .equal: try Broadcast(shape, other.shape, "eq").apply(TT_EQUAL, self, other)
        case .less: try Broadcast(shape, other.shape, "lt").apply(TT_LESS, self, other)
        case .lessOrEqual: try Broadcast(shape, other.shape, "le").apply(TT_LESS_EQUAL, self, other)
        case .greater: try Broadcast(other.shape, shape, "gt").apply(TT_LESS, other, self)
        case .greaterOrEqual: try Broadcast(other.shape, shape, "ge").apply(TT_LESS_EQUAL, other, self)
        }
    }

    // MARK: One tensor

    public func negated() -> Tensor { unary(TT_NEGATE, "neg") }
    public func exp() -> Tensor { unary(TT_EXP, "exp") }
    public func log() -> Tensor { unary(TT_LOG, "log") }
    public func sqrt() -> Tensor { unary(TT_SQRT, "sqrt") }
    public func tanh() -> Tensor { unary(TT_TANH, "tanh") }
    public func sigmoid() -> Tensor { unary(TT_SIGMOID, "sigmoid") }
    public func relu() -> Tensor { unary(TT_RELU, "relu") }
    public func abs() -> Tensor { unary(TT_ABS, "abs") }
    public func power(_ exponent: Float) -> Tensor { unary(TT_POW, "pow", exponent) }
    /// Clamps to low...high; either may be infinite.
    public func clamp(_ low: Float, _ high: Float) -> Tensor { unary(TT_CLAMP, "clamp", low, high) }
    /// scale * x + shift.
    public func affine(_ scale: Float, _ shift: Float) -> Tensor { unary(TT_AFFINE, "affine", scale, shift) }

    private func unary(_ op: tt_unary_op, _ name: String, _ p: Float = 0, _ q: Float = 0) -> Tensor {
        let result = unaryValue(op, p, q)
        let saved = result.storage
        return result.recorded(name, [self], saving: Tensor.saved(by: op, self, result)) { g, inputs in
            let x = inputs[0]
            let dx = Tensor(uninitialized: x.shape)
            tt_unary_backward(op, dx.pointer, g[0]!.pointer, x.pointer, saved.pointer, x.count, p, q)
            return [dx]
        }
    }

    /// What `tt_unary_backward` reads: the operand, the result or neither.
    private static func saved(by op: tt_unary_op, _ x: Tensor, _ y: Tensor) -> [Tensor] {
        switch op {
        case TT_NEGATE, TT_AFFINE: []
        case TT_EXP, TT_SQRT, TT_TANH, TT_SIGMOID: [y]
        default: [x]
        }
    }

    func unaryValue(_ op: tt_unary_op, _ p: Float = 0, _ q: Float = 0) -> Tensor {
        let result = Tensor(uninitialized: shape)
        tt_unary(op, result.pointer, pointer, count, p, q)
        return result
    }

    /// Sets elements to 0 with `probability` and multiplies the others by 1 / (1 - probability); the mask is a pure
    /// function of `key` and the element's index.
    public func dropout(probability: Double, key: UInt64) throws -> Tensor {
        let mask = try DropoutMask(probability: probability, key: key)
        guard mask.isActive else { return self }
        let result = Tensor(uninitialized: shape)
        tt_apply_dropout(result.pointer, pointer, count, mask.native)
        return result.recorded("dropout", [self]) { g, _ in
            let dx = Tensor(uninitialized: g[0]!.shape)
            tt_apply_dropout(dx.pointer, g[0]!.pointer, dx.count, mask.native)
            return [dx]
        }
    }
}

/// Which elements dropout keeps: a function of the key and the element's index, the same on every thread and machine.
public struct DropoutMask: Sendable {
    let native: tt_dropout

    /// Keeps everything.
    public static let none = DropoutMask(native: tt_dropout(key: 0, threshold: 0, scale: 1))

    private init(native: tt_dropout) { self.native = native }

    public init(probability: Double, key: UInt64) throws {
        guard probability >= 0, probability < 1 else {
            throw TensorError("tensor.value", "dropout: the probability is \(probability), not in 0..<1")
        }
        native = tt_dropout(
            key: key, threshold: UInt32(probability * 4_294_967_296), scale: Float(1 / (1 - probability)))
    }

    var isActive: Bool { native.threshold > 0 }
}
