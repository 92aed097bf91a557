import Base
import Tensors

/// Modules one after the other, named by position from 0.
///
/// A linear layer followed by a ReLU, and that by dropout, run as one pass; the results are those of single layers.
public final class Sequential: Module {
    public let layers: [Module]

    public init(_ layers: [Module]) throws {
        guard !layers.isEmpty else { throw NetworkError("nn.value", "sequential: no layers given") }
        self.layers = layers
        super.init()
    }

    public override var children: [(name: String, module: Module)] {
        layers.enumerated().map { (String($0.offset), $0.element) }
    }

    public override func forward(_ input: ModuleInput) throws -> Tensor {
        var value = input
        var index = 0
        while index < layers.count {
            let (result, used) = try run(from: index, value)
            value = .tensor(result)
            index += used
        }
        return try value.dense()
    }

    /// The layer at `index` with the ones that join it, and how many these are.
    private func run(from index: Int, _ value: ModuleInput) throws -> (Tensor, Int) {
        let layer = layers[index]
        guard layer is Linear || layer is SparseLinear, index + 1 < layers.count, layers[index + 1] is ReLU else {
            return (try layer.forward(value), 1)
        }
        let dropout = index + 2 < layers.count ? layers[index + 2] as? Dropout : nil
        let mask = try dropout?.nextMask() ?? .none
        let result =
            if let linear = layer as? Linear {
                try linear.forward(value, relu: true, mask)
            } else {
                try (layer as! SparseLinear).forward(value, relu: true, mask)
            }
        return (result, dropout == nil ? 2 : 3)
    }
}
