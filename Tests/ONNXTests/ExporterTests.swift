import Base
import Files
import Networks
import Tensors
import Testing

@testable import ONNX

@Suite struct ExporterTests {
    /// The documented tower in small: 5 inputs, 3 outputs.
    private func tower(sparse: Bool = false) throws -> Sequential {
        let first: Module =
            sparse
            ? try SparseLinear(inputs: 5, outputs: 4, seed: 3, name: "0.")
            : try Linear(inputs: 5, outputs: 4, seed: 3, name: "0.")
        return try Sequential([
            first, ReLU(), Dropout(0.2), Linear(inputs: 4, outputs: 3, seed: 3, name: "3."), Normalize(),
        ])
    }

    private func exporter() -> Exporter {
        var exporter = Exporter(inputName: "user_features", outputName: "user_embedding")
        exporter.metadata = [("schema", "abc"), ("日本", "é")]
        exporter.producerVersion = "1.2"
        return exporter
    }

    @Test func modelAsTheFormatWantsIt() throws {
        let model = try Message(try exporter().encode(tower()))
        #expect(model.numbers(1) == [8])
        #expect(model.text(2) == "tt")
        #expect(model.text(3) == "1.2")
        let opsets = try model.messages(8)
        #expect(opsets.map { $0.text(1) } == [""])
        #expect(opsets.map { $0.numbers(2) } == [[17]])
        let metadata = try model.messages(14).map { [$0.text(1), $0.text(2)] }
        #expect(metadata == [["schema", "abc"], ["日本", "é"]])

        let graph = try model.messages(7)[0]
        let nodes = try graph.messages(1)
        #expect(nodes.map { $0.text(4) } == ["Gemm", "Relu", "Gemm", "ReduceL2", "Clip", "Div"])
        #expect(
            nodes.map { $0.text(3) } == [
                "backbone.0", "backbone.1", "backbone.3", "backbone.4.norm", "backbone.4.clip", "backbone.4",
            ])
        #expect(nodes[0].texts(1) == ["user_features", "backbone.0.weight", "backbone.0.bias"])
        #expect(nodes[5].texts(1) == ["backbone.3.output", "backbone.4.clip.output"])
        #expect(nodes[5].texts(2) == ["user_embedding"])
        let axes = try nodes[3].messages(5)[0]
        #expect(axes.text(1) == "axes")
        #expect(axes.numbers(8) == [-1])
        #expect(axes.numbers(20) == [7])
        let transB = try nodes[0].messages(5)[0]
        #expect(transB.text(1) == "transB" && transB.numbers(3) == [1] && transB.numbers(20) == [2])

        for (field, name, width) in [(11, "user_features", Int64(5)), (12, "user_embedding", 3)] {
            let port = try graph.messages(field)[0]
            #expect(port.text(1) == name)
            let tensor = try port.messages(2)[0].messages(1)[0]
            #expect(tensor.numbers(1) == [1])
            let sizes = try tensor.messages(2)[0].messages(1)
            #expect(sizes[0].text(2) == "batch")
            #expect(sizes[1].numbers(1) == [width])
        }
    }

    @Test(arguments: [false, true])
    func weightsAreThoseOfTheState(_ sparse: Bool) throws {
        let tower = try tower(sparse: sparse)
        let graph = try Message(try exporter().encode(tower)).messages(7)[0]
        let initializers = try graph.messages(5)
        #expect(
            initializers.map { $0.text(8) } == [
                "backbone.0.weight", "backbone.0.bias", "backbone.3.weight", "backbone.3.bias", "backbone.4.floor",
            ])
        for (initializer, parameter) in zip(initializers, tower.state(prefix: "backbone.")) {
            #expect(initializer.text(8) == parameter.name)
            #expect(initializer.numbers(1) == parameter.tensor.shape.map { Int64($0) })
            #expect(initializer.numbers(2) == [1])
            let stored = parameter.tensor.storage.elements
            #expect(initializer.all(9) == [Array(UnsafeRawBufferPointer(stored))])
        }
        #expect(initializers[4].numbers(1) == [])
        #expect(initializers[4].all(9) == [[0xCC, 0xBC, 0x8C, 0x2B]])
    }

    @Test func sparseAndDenseGiveTheSameBytes() throws {
        #expect(try exporter().encode(tower(sparse: true)) == exporter().encode(tower()))
    }

    @Test func fileIsWrittenWhole() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "tower.onnx")
        try exporter().export(tower(), to: path)
        #expect(try Files.read(path) == exporter().encode(tower()))
        #expect(try Files.list(folder.path) == ["tower.onnx"])
    }

    @Test func nestedAndWithoutBias() throws {
        let inner = try Sequential([Linear(inputs: 2, outputs: 2, bias: false), ReLU()])
        var exporter = Exporter()
        exporter.prefix = ""
        let graph = try Message(try exporter.encode(Sequential([inner, Normalize()]))).messages(7)[0]
        #expect(try graph.messages(1).map { $0.text(3) } == ["0.0", "0.1", "1.norm", "1.clip", "1"])
        #expect(try graph.messages(1)[0].texts(1) == ["input", "0.0.weight"])
    }

    @Test func onlyDropoutIsTheIdentity() throws {
        var exporter = Exporter()
        exporter.inputDim = 4
        let graph = try Message(try exporter.encode(Sequential([Dropout(0.5)]))).messages(7)[0]
        let nodes = try graph.messages(1)
        #expect(nodes.map { $0.text(4) } == ["Identity"])
        #expect(nodes[0].texts(1) == ["input"] && nodes[0].texts(2) == ["output"])
    }

    private final class Cube: Module {}

    @Test func refusals() throws {
        func message(_ module: Module, _ change: (inout Exporter) -> Void = { _ in }) -> String {
            var exporter = Exporter()
            change(&exporter)
            let error = #expect(throws: ONNXError.self) { try exporter.encode(module) }
            return error?.message ?? ""
        }
        let linear = try Linear(inputs: 3, outputs: 2)
        #expect(message(try Sequential([linear, Cube()])).contains("layer 'backbone.1' is a Cube"))
        #expect(message(linear) { $0.inputDim = 4 } == "layer 'backbone' takes 3 numbers a row and is given 4")
        #expect(message(try Sequential([linear, linear])).contains("layer 'backbone.1' takes 3 numbers"))
        #expect(message(ReLU()).contains("give input_dim"))
        #expect(message(ReLU()) { $0.inputDim = 0 }.contains("not positive"))
        #expect(message(linear) { $0.outputName = "input" }.contains("names that differ"))
        #expect(message(linear) { $0.inputName = "backbone.weight" }.contains("choose another one"))
        #expect(
            message(try Sequential([linear, Linear(inputs: 2, outputs: 2), Normalize()])) {
                $0.outputName = "backbone.0.output"
            }.contains("choose another one"))
    }
}
