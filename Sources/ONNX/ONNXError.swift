import Base

/// What can go wrong on the way from a network to a graph.
public struct ONNXError: TTError {
    /// `onnx.not_supported` for a layer or option this exporter has no graph for, `onnx.bad_network` for widths that do
    /// not fit together, `onnx.too_large` for what one file cannot hold.
    public let code: String
    public let message: String
    public let details: [(String, Value)]

    init(_ code: String, _ message: String, details: [(String, Value)] = []) {
        self.code = code
        self.message = message
        self.details = details
    }
}
