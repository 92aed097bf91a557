import LuaHost
import Networks
import ONNX

/// `tt.onnx`: networks as ONNX files.
enum ONNXModule {
    private static let options = ["input_name", "output_name", "input_dim", "prefix", "opset", "metadata"]

    static var module: LuaModule {
        LuaModule(
            "tt.onnx",
            functions: [
                // onnx.export(path, module, opts?)
                "export": { call in
                    let path = try call[1].string()
                    let module = try call[2].object(Module.self)
                    try exporter(try call[3].options(options)).export(module, to: path)
                    return 0
                }
            ])
    }

    private static func exporter(_ opts: Argument) throws -> Exporter {
        var exporter = Exporter()
        exporter.producerVersion = ttVersion
        if let name = try opts.field("input_name").optional { exporter.inputName = try name.string() }
        if let name = try opts.field("output_name").optional { exporter.outputName = try name.string() }
        if let prefix = try opts.field("prefix").optional { exporter.prefix = try prefix.string() }
        if let dim = try opts.field("input_dim").optional { exporter.inputDim = try dim.count() }
        if let opset = try opts.field("opset").optional, try opset.int() != Exporter.opset {
            throw opset.error("only operator set \(Exporter.opset) is written")
        }
        if let metadata = try opts.field("metadata").optional {
            exporter.metadata = try metadata.fields().map { (name: $0.name, text: try $0.value.string()) }
        }
        return exporter
    }
}
