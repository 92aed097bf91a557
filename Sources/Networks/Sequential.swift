import Base
import Tensors

/// Modules run one after the other, named by position from 0.
///
/// A linear layer, ReLU and dropout in a row run fused, in one pass, with the same results.
public final class Sequential: Module {
    public let layers: [Module]
    /// The nesting depth of sequentials, and the number of modules with repeats, this one included. Both are limited,
    /// since operations on modules recurse and visit each of them.
    private let (depth, size): (Int, Int)
    private static let (deepest, largest) = (200, 100_000)

    public init(_ layers: [Module]) throws {
        guard !layers.isEmpty else { throw NetworkError("nn.value", "sequential: no layers given") }
        depth = 1 + (layers.map { ($0 as? Sequential)?.depth ?? 0 }.max() ?? 0)
        size = 1 + layers.reduce(0) { $0 + (($1 as? Sequential)?.size ?? 1) }
        guard depth <= Self.deepest, size <= Self.largest else {
            throw NetworkError(
                "nn.value",
                "sequential: \(size) layers, \(depth) deep in each other, where \(Self.largest) and \(Self.deepest) are the "
                    + "most")
        }
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

    /// Runs the layer at `index`, fused with the following ones if possible; returns the number of layers run as well.
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
