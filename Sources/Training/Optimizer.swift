import Base
import CKernels
import Tensors

/// Errors of training: `train.non_finite` (names the step), `train.value`.
public typealias TrainingError = ErrorOf<Trainer>

/// Updates parameters from their gradients. Formulas and their order of operations are PyTorch's.
open class Optimizer {
    /// Parameters with common settings.
    public struct Group {
        public let parameters: [Tensor]
        public var lr: Double
        public var weightDecay: Double

        public init(_ parameters: [Tensor], lr: Double, weightDecay: Double) {
            self.parameters = parameters
            self.lr = lr
            self.weightDecay = weightDecay
        }
    }

    public private(set) var groups: [Group]
    /// The number of steps made.
    public private(set) var steps = 0

    public init(_ groups: [Group]) throws {
        self.groups = groups
        var seen: Set<ObjectIdentifier> = []
        guard groups.contains(where: { !$0.parameters.isEmpty }) else {
            throw TrainingError("train.value", "optimizer: no parameters given")
        }
        for group in groups {
            guard group.lr >= 0, group.lr.isFinite, group.weightDecay >= 0, group.weightDecay.isFinite else {
                throw TrainingError(
                    "train.value", "optimizer: lr \(group.lr) and weight_decay \(group.weightDecay) must be 0 or more")
            }
            for parameter in group.parameters {
                guard seen.insert(ObjectIdentifier(parameter)).inserted else {
                    throw TrainingError(
                        "train.value", "optimizer: a parameter of shape \(parameter.shape) is given twice")
                }
                guard parameter.isLeaf, parameter.requiresGrad else {
                    throw TrainingError(
                        "train.value",
                        "optimizer: a tensor of shape \(parameter.shape) is not a parameter: it collects no gradient")
                }
            }
        }
    }

    public var parameters: [Tensor] { groups.flatMap(\.parameters) }

    /// Sets the learning rate of all groups, for a schedule.
    public func setLearningRate(_ lr: Double) throws {
        guard lr >= 0, lr.isFinite else { throw TrainingError("train.value", "set_lr: \(lr) is not 0 or more") }
        for index in groups.indices { groups[index].lr = lr }
    }

    /// Clears the gradients.
    public func zeroGrad() { for parameter in parameters { parameter.grad = nil } }

    /// One step with the gradients times `gradientScale`. Parameters without a gradient do not change.
    public func step(gradientScale: Float = 1) throws {
        steps += 1
        var pieces: [Piece] = []
        for group in groups {
            for parameter in group.parameters {
                guard let grad = parameter.grad else { continue }
                let update = try update(of: parameter, grad, group, gradientScale)
                parameter.changedInPlace()
                for start in stride(from: 0, to: parameter.count, by: Piece.size) {
                    pieces.append(Piece(start: start, count: min(Piece.size, parameter.count - start), update: update))
                }
            }
        }
        // Elementwise, so the pieces do not affect the result.
        try Threads.run(pieces.count) { pieces[$0].update(pieces[$0].start, pieces[$0].count) }
    }

    private struct Piece {
        static let size = 1 << 16
        let start: Int
        let count: Int
        let update: Update
    }

    /// Updates `count` elements from `start` on.
    public typealias Update = (_ start: Int, _ count: Int) -> Void

    /// The update of one parameter in the current step.
    open func update(of parameter: Tensor, _ grad: Tensor, _ group: Group, _ gradientScale: Float) throws -> Update {
        fatalError("\(type(of: self)) does not say how to update")
    }
}

/// Adam; with `decoupled` AdamW, whose weight decay is not part of the gradient.
public final class Adam: Optimizer {
    public let betas: (Double, Double)
    public let eps: Double
    public let decoupled: Bool
    private var moments: [ObjectIdentifier: Moments] = [:]

    private final class Moments {
        let first: Tensor
        let second: Tensor
        var steps = 0

        // Not from the pool: these live as long as the optimizer and would take blocks that the next step reuses.
        init(_ shape: [Int]) {
            func zeros() -> Tensor {
                Tensor(shape: shape, storage: Buffer(repeating: 0, count: Tensor.elements(shape)))
            }
            first = zeros()
            second = zeros()
        }
    }

    public init(
        _ groups: [Group], betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8, decoupled: Bool = true
    ) throws {
        guard betas.0 >= 0, betas.0 < 1, betas.1 >= 0, betas.1 < 1, eps >= 0 else {
            throw TrainingError("train.value", "adam: betas \(betas) must be in 0..<1 and eps \(eps) 0 or more")
        }
        self.betas = betas
        self.eps = eps
        self.decoupled = decoupled
        try super.init(groups)
    }

    public override func update(
        of parameter: Tensor, _ grad: Tensor, _ group: Group, _ gradientScale: Float
    ) throws -> Update {
        let moments = moments[ObjectIdentifier(parameter)] ?? Moments(parameter.shape)
        self.moments[ObjectIdentifier(parameter)] = moments
        moments.steps += 1
        let correction1 = 1 - power(betas.0, moments.steps)
        let correction2 = 1 - power(betas.1, moments.steps)
        let settings = tt_adam(
            gradient_scale: gradientScale, decay: decoupled ? Float(1 - group.lr * group.weightDecay) : 1,
            l2: decoupled ? 0 : Float(group.weightDecay), one_minus_beta1: Float(1 - betas.0), beta2: Float(betas.1),
            one_minus_beta2: Float(1 - betas.1),
            step_size: Float(group.lr / correction1), bias_correction2_sqrt: Float(correction2.squareRoot()),
            eps: Float(eps))
        return { start, count in
            tt_adam_step(
                parameter.pointer + start, grad.pointer + start, moments.first.pointer + start,
                moments.second.pointer + start, count, settings)
        }
    }

    /// By repeated squaring, with the same result on every machine.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        var factor = base
        var left = exponent
        while left > 0 {
            if left & 1 == 1 { result *= factor }
            factor *= factor
            left >>= 1
        }
        return result
    }
}

/// Stochastic gradient descent, optionally with momentum or Nesterov momentum.
public final class SGD: Optimizer {
    public let momentum: Double
    public let nesterov: Bool
    private var buffers: [ObjectIdentifier: Tensor] = [:]

    public init(_ groups: [Group], momentum: Double = 0, nesterov: Bool = false) throws {
        guard momentum >= 0, momentum.isFinite else {
            throw TrainingError("train.value", "sgd: momentum \(momentum) is not 0 or more")
        }
        guard !nesterov || momentum > 0 else { throw TrainingError("train.value", "sgd: nesterov needs a momentum") }
        self.momentum = momentum
        self.nesterov = nesterov
        try super.init(groups)
    }

    public override func update(
        of parameter: Tensor, _ grad: Tensor, _ group: Group, _ gradientScale: Float
    ) throws -> Update {
        var buffer: Tensor?
        var isFirst = false
        if momentum > 0 {
            buffer = buffers[ObjectIdentifier(parameter)]
            isFirst = buffer == nil
            buffer = buffer ?? Tensor(zeros: parameter.shape)
            buffers[ObjectIdentifier(parameter)] = buffer
        }
        let settings = tt_sgd(
            gradient_scale: gradientScale, lr: Float(group.lr), momentum: Float(momentum), l2: Float(group.weightDecay),
            nesterov: nesterov, first: isFirst)
        let velocity = buffer
        return { start, count in
            tt_sgd_step(
                parameter.pointer + start, grad.pointer + start, velocity.map { $0.pointer + start }, count, settings)
        }
    }
}
