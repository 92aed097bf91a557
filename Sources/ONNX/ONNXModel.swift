import Base
import Tensors

/// An ONNX model of float32 matrices: one input and one output of shape (batch, width), a chain of nodes, and weights.
///
/// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; field numbers are quoted where they are written.
struct ONNXModel {
    /// Operator set 17 goes with format version 8.
    static let opset = 17
    static let irVersion: Int64 = 8
    private static let floatType: Int64 = 1

    struct Attribute {
        enum Content {
            case int(Int64)
            case ints([Int64])
            case float(Float)
        }
        let name: String
        let content: Content
    }

    struct Node {
        let name: String
        let operation: String
        let inputs: [String]
        var outputs: [String]
        var attributes: [Attribute] = []
    }

    struct Initializer {
        let name: String
        let shape: [Int]
        /// Row-major.
        let elements: Tensor
    }

    /// A matrix whose first size is the symbolic `batch`.
    struct Port {
        let name: String
        let width: Int
    }

    var graphName: String
    var producerVersion: String
    var nodes: [Node] = []
    var initializers: [Initializer] = []
    var input: Port
    var output: Port
    var metadata: [(name: String, text: String)] = []

    /// ModelProto.
    func encode() throws -> [UInt8] {
        // Protocol buffers end at 2 GiB, and this exporter writes no external data.
        let weights = initializers.reduce(0) { $0 + 4 * $1.elements.storage.count }
        guard weights < Int(Int32.max) - (1 << 24) else {
            throw ONNXError("onnx.too_large", "the network's weights take \(weights) bytes; one ONNX file holds 2 GB")
        }
        var model = ProtobufWriter()
        model.int(1, Self.irVersion)
        model.string(2, "tt")
        model.string(3, producerVersion)
        try model.message(7) { try graph(&$0) }
        model.message(8) { opset in
            opset.string(1, "")
            opset.int(2, Int64(Self.opset))
        }
        for (name, text) in metadata {
            model.message(14) { entry in
                entry.string(1, name)
                entry.string(2, text)
            }
        }
        return model.bytes
    }

    /// GraphProto.
    private func graph(_ graph: inout ProtobufWriter) throws {
        for node in nodes { graph.message(1) { encode(node, &$0) } }
        graph.string(2, graphName)
        for initializer in initializers {
            try Interrupt.check()
            graph.message(5) { encode(initializer, &$0) }
        }
        graph.message(11) { encode(input, &$0) }
        graph.message(12) { encode(output, &$0) }
    }

    /// NodeProto.
    private func encode(_ node: Node, _ message: inout ProtobufWriter) {
        for name in node.inputs { message.string(1, name) }
        for name in node.outputs { message.string(2, name) }
        message.string(3, node.name)
        message.string(4, node.operation)
        for attribute in node.attributes { message.message(5) { encode(attribute, &$0) } }
    }

    /// AttributeProto; field 20 says which of the others counts.
    private func encode(_ attribute: Attribute, _ message: inout ProtobufWriter) {
        message.string(1, attribute.name)
        switch attribute.content {
        case .float(let number):
            message.float(2, number)
            message.int(20, 1)
        case .int(let number):
            message.int(3, number)
            message.int(20, 2)
        case .ints(let numbers):
            for number in numbers { message.int(8, number) }
            message.int(20, 7)
        }
    }

    /// TensorProto.
    private func encode(_ initializer: Initializer, _ message: inout ProtobufWriter) {
        for size in initializer.shape { message.int(1, Int64(size)) }
        message.int(2, Self.floatType)
        message.string(8, initializer.name)
        // Little-endian, as every machine this builds for stores it.
        withExtendedLifetime(initializer.elements) {
            message.bytes(9, UnsafeRawBufferPointer(initializer.elements.storage.elements))
        }
    }

    /// ValueInfoProto with a TypeProto.Tensor of [batch, width].
    private func encode(_ port: Port, _ message: inout ProtobufWriter) {
        message.string(1, port.name)
        message.message(2) { type in
            type.message(1) { tensor in
                tensor.int(1, Self.floatType)
                tensor.message(2) { shape in
                    shape.message(1) { $0.string(2, "batch") }
                    shape.message(1) { $0.int(1, Int64(port.width)) }
                }
            }
        }
    }
}
