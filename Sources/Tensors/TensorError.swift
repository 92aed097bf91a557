import Base

/// Errors of tensors: `tensor.shape` (names the operation and both shapes), `tensor.value`, `tensor.grad`.
public typealias TensorError = ErrorOf<Tensor>

extension TensorError {
    public static func shape(_ operation: String, _ left: [Int], _ right: [Int], _ reason: String) -> TensorError {
        TensorError(
            "tensor.shape", "\(operation): \(describe(left)) × \(describe(right)): \(reason)",
            details: [("operation", .string(operation)), ("left", value(left)), ("right", value(right))])
    }

    public static func shape(_ operation: String, _ shape: [Int], _ reason: String) -> TensorError {
        TensorError(
            "tensor.shape", "\(operation): \(describe(shape)): \(reason)",
            details: [("operation", .string(operation)), ("shape", value(shape))])
    }

    /// `(32, 7)`, `(3,)`, `()`.
    public static func describe(_ shape: [Int]) -> String {
        shape.count == 1 ? "(\(shape[0]),)" : "(" + shape.map(String.init).joined(separator: ", ") + ")"
    }

    private static func value(_ shape: [Int]) -> Value { .array(shape.map { .int(Int64($0)) }) }
}
