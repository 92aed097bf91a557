import Base
import CKernels
import Tensors

/// Errors of networks: `nn.state` (names and shapes of a state dict), `nn.input`, `nn.value`.
public typealias NetworkError = ErrorOf<Module>

extension Module {
    /// Copies of all parameters with PyTorch's names and layout: a weight is (out, in).
    public func state(prefix: String = "") -> [(name: String, tensor: Tensor)] {
        parameters(prefix: prefix).map { ($0.name, $0.isTransposed ? $0.tensor.transposedCopy() : $0.tensor.clone()) }
    }

    /// Overwrites all parameters. Names and shapes must be exactly those of `state`; otherwise nothing changes.
    public func load(_ state: [(name: String, tensor: Tensor)], prefix: String = "") throws {
        let parameters = parameters(prefix: prefix)
        var given: [String: Tensor] = [:]
        for (name, tensor) in state {
            guard given.updateValue(tensor, forKey: name) == nil else {
                throw NetworkError(
                    "nn.state", "load_state_dict: \"\(name)\" occurs twice", details: [("key", .string(name))])
            }
        }
        let names = Set(parameters.map(\.name))
        let missing = parameters.map(\.name).filter { given[$0] == nil }
        let unknown = state.map(\.name).filter { !names.contains($0) }
        guard missing.isEmpty, unknown.isEmpty else {
            let parts = [("missing", missing), ("unexpected", unknown)].filter { !$0.1.isEmpty }.map { kind, list in
                "\(kind) \(list.map { "\"\($0)\"" }.joined(separator: ", "))"
            }
            throw NetworkError(
                "nn.state", "load_state_dict: \(parts.joined(separator: "; "))",
                details: [
                    ("missing", .array(missing.map { .string($0) })),
                    ("unexpected", .array(unknown.map { .string($0) })),
                ])
        }
        for parameter in parameters {
            let shape = parameter.isTransposed ? Array(parameter.tensor.shape.reversed()) : parameter.tensor.shape
            let tensor = given[parameter.name]!
            guard tensor.shape == shape else {
                throw NetworkError(
                    "nn.state",
                    "load_state_dict: \"\(parameter.name)\" has shape \(TensorError.describe(tensor.shape)), the module has \(TensorError.describe(shape))",
                    details: [("key", .string(parameter.name))])
            }
        }
        for parameter in parameters {
            let tensor = given[parameter.name]!
            try parameter.tensor.copy(from: parameter.isTransposed ? tensor.transposedCopy() : tensor)
        }
    }
}

extension Tensor {
    /// The transpose of a matrix, outside the graph.
    fileprivate func transposedCopy() -> Tensor {
        let result = Tensor(uninitialized: [shape[1], shape[0]])
        tt_swap_axes(result.pointer, pointer, 1, shape[0], 1, shape[1], 1)
        return result
    }
}
