import Base
import Files
import JSON
import Tensors

/// Numbers from PyTorch: Tests/fixtures/tensors/make_torch.py made them.
public enum Fixture {
    public static func read(_ name: String, from file: String = #filePath) throws -> Value {
        try JSON.read(Path.parent(Path.parent(file)) + "/fixtures/tensors/" + name)
    }
}

extension Value {
    public var array: [Value] {
        if case .array(let items) = self { return items }
        return []
    }

    public var text: String {
        if case .string(let text) = self { return text }
        return ""
    }

    public var number: Double {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        case .float(let value): Double(value)
        default: .nan
        }
    }

    public var ints: [Int] { array.map { Int($0.number) } }

    public func tensor() throws -> Tensor {
        try Tensor(shape: self["shape"]!.ints, values: self["values"]!.array.map { Float($0.number) })
    }

    /// `{dense, parts: [{offsets, codes, values, width}]}`
    public func featureMatrix() throws -> FeatureMatrix {
        let parts = self["parts"]!.array.map { part in
            FeatureMatrix.Part(
                offsets: Buffer(part["offsets"]!.ints.map { Int64($0) }),
                codes: Buffer(part["codes"]!.ints.map { Int32($0) }),
                values: Buffer(part["values"]!.array.map { Float($0.number) }), width: Int(part["width"]!.number))
        }
        return try FeatureMatrix(dense: self["dense"]!.tensor(), parts: parts)
    }
}

extension Tensor {
    /// The greatest difference, relative above 1; infinite when shapes differ.
    public func distance(to other: Tensor) -> Double {
        guard shape == other.shape else { return .infinity }
        return zip(values, other.values).reduce(0) { worst, pair in
            let difference = Double(Swift.abs(pair.0 - pair.1)) / Swift.max(1, Double(Swift.abs(pair.1)))
            return difference.isNaN ? .infinity : Swift.max(worst, difference)
        }
    }
}
