import Base
import Tensors

/// max(x, 0).
public final class ReLU: Module {
    public override func forward(_ input: ModuleInput) throws -> Tensor { try input.dense().relu() }
}

/// x / max(||x||, 1e-12) for each row.
public final class Normalize: Module {
    public override func forward(_ input: ModuleInput) throws -> Tensor { try input.dense().normalized() }
}

/// Sets elements to 0 with a probability and scales up the others, in training mode only.
///
/// The mask is a function of the layer's seed and name, the number of the call, and the element's index, not of
/// threads.
public final class Dropout: Module {
    public let probability: Double
    /// The number of calls in training mode.
    public private(set) var steps: UInt64 = 0
    private var key: UInt64 = 0

    /// - Parameter probability: in 0..<1.
    public init(_ probability: Double, seed: UInt64 = 0, name: String = "") throws {
        _ = try DropoutMask(probability: probability, key: 0)
        self.probability = probability
        super.init()
        self.seed(seed, name: name)
    }

    public override func seed(_ seed: UInt64, name: String) {
        key = SplitMix64.mix(seed ^ SplitMix64.mix(Stream.number(name + "dropout")))
        steps = 0
    }

    public override func forward(_ input: ModuleInput) throws -> Tensor {
        let x = try input.dense()
        guard isTraining, probability > 0 else { return x }
        return try x.dropout(probability: probability, key: nextKey())
    }

    /// The mask of the next call; none in evaluation mode.
    func nextMask() throws -> DropoutMask {
        guard isTraining, probability > 0 else { return .none }
        return try DropoutMask(probability: probability, key: nextKey())
    }

    private func nextKey() -> UInt64 {
        steps += 1
        return SplitMix64.mix(key &+ steps &* 0x9E37_79B9_7F4A_7C15)
    }
}
