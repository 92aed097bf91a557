import Base
import Tensors

/// y = x · weightᵀ + bias. weight (out, in) and bias (out,) are initially uniform in ±1/√in.
public final class Linear: Module {
    public let weight: Tensor
    public let bias: Tensor?

    /// - Parameters:
    ///   - seed, name: the random stream of the initial parameters; see `Module.initialize`.
    public init(inputs: Int, outputs: Int, bias: Bool = true, seed: UInt64 = 0, name: String = "") throws {
        guard inputs > 0, outputs > 0 else {
            throw NetworkError("nn.value", "linear: \(inputs) inputs and \(outputs) outputs; both must be positive")
        }
        _ = try Tensor.checkedElements([inputs, outputs], "linear")
        weight = try Tensor(uninitialized: [outputs, inputs]).requireGrad()
        self.bias = bias ? try Tensor(uninitialized: [outputs]).requireGrad() : nil
        super.init()
        self.seed(seed, name: name)
    }

    public var inputs: Int { weight.shape[1] }
    public var outputs: Int { weight.shape[0] }

    public override var ownParameters: [Parameter] {
        [Parameter(name: "weight", tensor: weight)] + (bias.map { [Parameter(name: "bias", tensor: $0)] } ?? [])
    }

    public override func seed(_ seed: UInt64, name: String) {
        let bound = 1 / Double(inputs).squareRoot()
        weight.fillUniform(bound, seed: seed, stream: Stream.number(name + "weight"))
        bias?.fillUniform(bound, seed: seed, stream: Stream.number(name + "bias"))
    }

    public override func forward(_ input: ModuleInput) throws -> Tensor { try forward(input, relu: false, .none) }

    func forward(_ input: ModuleInput, relu: Bool, _ dropout: DropoutMask) throws -> Tensor {
        try input.dense().linear(weight: weight, bias: bias, relu: relu, dropout: dropout)
    }
}

/// A linear layer for sparse rows: it and its gradient touch only the weight rows of nonzero columns. Takes rows of a
/// feature matrix, or a dense tensor.
///
/// Stores the weight as (in, out), so that one input's weights are contiguous; names and `state` are those of `Linear`.
public final class SparseLinear: Module {
    /// (in, out)
    public let weight: Tensor
    /// (out,)
    public let bias: Tensor?

    public init(inputs: Int, outputs: Int, bias: Bool = true, seed: UInt64 = 0, name: String = "") throws {
        guard inputs > 0, outputs > 0 else {
            throw NetworkError(
                "nn.value", "sparse_linear: \(inputs) inputs and \(outputs) outputs; both must be positive")
        }
        _ = try Tensor.checkedElements([inputs, outputs], "sparse_linear")
        weight = try Tensor(uninitialized: [inputs, outputs]).requireGrad()
        self.bias = bias ? try Tensor(uninitialized: [outputs]).requireGrad() : nil
        super.init()
        self.seed(seed, name: name)
    }

    public var inputs: Int { weight.shape[0] }
    public var outputs: Int { weight.shape[1] }

    public override var ownParameters: [Parameter] {
        [Parameter(name: "weight", tensor: weight, isTransposed: true)]
            + (bias.map { [Parameter(name: "bias", tensor: $0)] } ?? [])
    }

    /// Draws the same parameters as a `Linear` of the same sizes, seed and name.
    public override func seed(_ seed: UInt64, name: String) {
        let bound = 1 / Double(inputs).squareRoot()
        weight.fillUniform(bound, seed: seed, stream: Stream.number(name + "weight"), transposed: true)
        bias?.fillUniform(bound, seed: seed, stream: Stream.number(name + "bias"))
    }

    public override func forward(_ input: ModuleInput) throws -> Tensor { try forward(input, relu: false, .none) }

    func forward(_ input: ModuleInput, relu: Bool, _ dropout: DropoutMask) throws -> Tensor {
        switch input {
        case .rows(let rows): try rows.linear(weight: weight, bias: bias, relu: relu, dropout: dropout)
        case .tensor(let x):
            try x.linear(weight: weight, bias: bias, weightIsTransposed: true, relu: relu, dropout: dropout)
        }
    }
}

extension Tensor {
    /// Uniform in ±bound; `transposed` fills a matrix column by column.
    fileprivate func fillUniform(_ bound: Double, seed: UInt64, stream: UInt64, transposed: Bool = false) {
        var random = Random(seed: seed, stream: stream)
        let width = transposed ? shape[1] : 1
        for column in 0..<width {
            for index in stride(from: column, to: count, by: width) {
                pointer[index] = Float(bound * (2 * random.uniform() - 1))
            }
        }
        changedInPlace()
    }
}
