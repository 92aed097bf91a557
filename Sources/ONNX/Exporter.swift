import Base
import Files
import Networks
import Tensors

/// Writes a network as an ONNX graph of operator set 17 that ONNX Runtime opens, in browsers too.
///
/// Linear layers become `Gemm`, the final normalisation `ReduceL2`, `Clip` and `Div`, so that a row of zeros stays a row
/// of zeros; dropout leaves no trace. `LpNormalization` would not do: it knows no floor under the norm.
///
/// ```swift
/// try Exporter(inputName: "user_features", outputName: "user_embedding").export(tower, to: "user_tower.onnx")
/// ```
public struct Exporter {
    /// The only operator set written.
    public static let opset = ONNXModel.opset

    public var inputName = "input"
    public var outputName = "output"
    /// Stands before the layers' names in the names of nodes and weights: `backbone.0.weight`.
    public var prefix = "backbone"
    /// The width of the input; nil takes it from the first linear layer.
    public var inputDim: Int?
    /// Key and value pairs that travel with the model.
    public var metadata: [(name: String, text: String)] = []
    /// The program's version, as the model's producer version.
    public var producerVersion = ""

    public init(inputName: String = "input", outputName: String = "output") {
        self.inputName = inputName
        self.outputName = outputName
    }

    /// The smallest norm that is divided by, as in training.
    fileprivate static let normFloor: Float = 1e-12

    /// Writes the model; the file appears whole or not at all, and the same network gives the same bytes.
    /// - Throws: `ONNXError` for a layer that has no graph here or widths that do not fit.
    public func export(_ module: Module, to path: String) throws {
        let bytes = try encode(module)
        try bytes.withUnsafeBytes { try AtomicFile.write($0, to: path) }
    }

    /// The file's bytes.
    public func encode(_ module: Module) throws -> [UInt8] { try model(of: module).encode() }

    func model(of module: Module) throws -> ONNXModel {
        var names = Set<String>()
        for name in [inputName, outputName] {
            guard !name.isEmpty, names.insert(name).inserted else {
                throw ONNXError("onnx.bad_network", "input and output need names that differ, not '\(name)'")
            }
        }
        guard let width = inputDim ?? Self.inputs(of: module) else {
            throw ONNXError(
                "onnx.bad_network", "the network has no linear layer that tells its input's width; give input_dim")
        }
        guard width > 0 else { throw ONNXError("onnx.bad_network", "input_dim is \(width), not positive") }
        var chain = Chain(value: inputName, width: width)
        try chain.add(module, name: prefix)
        chain.finish(as: outputName)
        for name in chain.nodes.dropLast().flatMap(\.outputs) + chain.initializers.map(\.name)
        where !names.insert(name).inserted {
            throw ONNXError("onnx.bad_network", "the name '\(name)' is used inside of the graph; choose another one")
        }
        return ONNXModel(
            graphName: prefix.isEmpty ? "graph" : prefix, producerVersion: producerVersion, nodes: chain.nodes,
            initializers: chain.initializers, input: .init(name: inputName, width: width),
            output: .init(name: outputName, width: chain.width), metadata: metadata)
    }

    /// What the first linear layer takes; nil when there is none.
    private static func inputs(of module: Module) -> Int? {
        for layer in module.all {
            if let linear = layer as? Linear { return linear.inputs }
            if let linear = layer as? SparseLinear { return linear.inputs }
        }
        return nil
    }
}

/// Nodes added one behind the other, each taking what the last one gave.
private struct Chain {
    var nodes: [ONNXModel.Node] = []
    var initializers: [ONNXModel.Initializer] = []
    /// The name of the last result.
    var value: String
    /// Its second size.
    var width: Int

    init(value: String, width: Int) {
        self.value = value
        self.width = width
    }

    mutating func add(_ module: Module, name: String) throws {
        switch module {
        case let sequential as Sequential:
            for child in sequential.children { try add(child.module, name: join(name, child.name)) }
        case let linear as Linear: try addGemm(linear, linear.inputs, linear.outputs, name)
        case let linear as SparseLinear: try addGemm(linear, linear.inputs, linear.outputs, name)
        case is ReLU: addNode("Relu", name, [value])
        case is Dropout: break
        case is Normalize: addNormalize(name)
        default:
            throw ONNXError(
                "onnx.not_supported",
                "layer '\(name)' is a \(type(of: module)), which has no ONNX graph here; use linear, sparse_linear,"
                    + " relu, dropout, normalize and sequential",
                details: [("layer", .string(name))])
        }
    }

    /// Gives the last result its final name.
    mutating func finish(as name: String) {
        if nodes.isEmpty { addNode("Identity", name, [value]) }
        nodes[nodes.count - 1].outputs = [name]
        value = name
    }

    private mutating func addGemm(_ layer: Module, _ inputs: Int, _ outputs: Int, _ name: String) throws {
        guard inputs == width else {
            throw ONNXError(
                "onnx.bad_network", "layer '\(name)' takes \(inputs) numbers a row and is given \(width)",
                details: [("layer", .string(name))])
        }
        var operands = [value]
        // The state has PyTorch's layout, weight (out, in), however the layer keeps it.
        for parameter in layer.state(prefix: name.isEmpty ? "" : name + ".") {
            initializers.append(.init(name: parameter.name, shape: parameter.tensor.shape, elements: parameter.tensor))
            operands.append(parameter.name)
        }
        addNode("Gemm", name, operands, [.init(name: "transB", content: .int(1))])
        width = outputs
    }

    /// x / max(||x||, floor), row by row.
    private mutating func addNormalize(_ name: String) {
        let rows = value
        addNode(
            "ReduceL2", join(name, "norm"), [rows],
            [.init(name: "axes", content: .ints([-1])), .init(name: "keepdims", content: .int(1))])
        let floor = join(name, "floor")
        initializers.append(.init(name: floor, shape: [], elements: Tensor(scalar: Exporter.normFloor)))
        addNode("Clip", join(name, "clip"), [value, floor])
        addNode("Div", name, [rows, value])
    }

    private mutating func addNode(
        _ operation: String, _ name: String, _ inputs: [String], _ attributes: [ONNXModel.Attribute] = []
    ) {
        value = join(name, "output")
        nodes.append(.init(name: name, operation: operation, inputs: inputs, outputs: [value], attributes: attributes))
    }

    private func join(_ a: String, _ b: String) -> String { a.isEmpty ? b : b.isEmpty ? a : a + "." + b }
}
