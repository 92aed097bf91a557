import Base
import Tensors

/// Runs training steps: loss, backward pass, clipping, optimizer.
public final class Trainer {
    public let optimizer: Optimizer
    /// The maximum total norm of the gradients; nil for no clipping.
    public let clipNorm: Double?
    /// The number of steps begun.
    public private(set) var steps = 0
    /// The norm of the gradients in the last step, before clipping.
    public private(set) var gradientNorm = 0.0

    public init(optimizer: Optimizer, clipNorm: Double? = nil) throws {
        if let clipNorm, !(clipNorm > 0) {
            throw TrainingError(
                "train.value", "trainer: clip_norm \(clipNorm) is not positive; leave it out for no clipping")
        }
        self.optimizer = optimizer
        self.clipNorm = clipNorm
    }

    /// Clears gradients, computes the loss, runs `backward`, clips and updates.
    ///
    /// - Returns: the loss before the update.
    /// - Throws: `train.non_finite` (the parameters are then unchanged), `interrupted`, errors of `loss`.
    public func step(_ loss: () throws -> Tensor) throws -> Double {
        try Interrupt.check()
        steps += 1
        optimizer.zeroGrad()
        let result = try loss()
        guard result.count == 1 else {
            throw TensorError.shape("trainer", result.shape, "the loss function must return a single element")
        }
        let value = Double(result.pointer[0])
        guard value.isFinite else { throw nonFinite("the loss", value) }
        try result.backward()
        gradientNorm = try Clip.norm(optimizer.parameters)
        guard gradientNorm.isFinite else { throw nonFinite("the norm of the gradients", gradientNorm) }
        try optimizer.step(gradientScale: clipNorm.map { Clip.factor(norm: gradientNorm, limit: $0) } ?? 1)
        return value
    }

    private func nonFinite(_ what: String, _ value: Double) -> TrainingError {
        TrainingError(
            "train.non_finite",
            "step \(steps): \(what) is \(value); look for extreme or non-finite features, or lower the learning rate",
            details: [("step", .int(Int64(steps)))])
    }
}
