import Base
import Files
import JSON
import Tensors

@testable import Checkpoints

/// Files made by `Tests/fixtures/checkpoints/make_fixtures.py`.
enum Fixtures {
    static let folder = Path.join(Path.parent(Path.parent(#filePath)), "fixtures/checkpoints")

    static func path(_ name: String) -> String { Path.join(folder, name) }

    struct Expected {
        let name: String
        let shape: [Int]
        let values: [Float]
    }

    /// What the tensors of a fixture hold, by `expected.json`.
    static func expected(_ file: String) throws -> [Expected] {
        guard case .object(let tensors)? = try JSON.read(path("expected.json"))[file] else { return [] }
        return tensors.map { member in
            Expected(
                name: member.name, shape: numbers(member.value["shape"]).map { Int($0) },
                values: numbers(member.value["values"]).map { Float($0) })
        }
    }

    private static func numbers(_ value: Value?) -> [Double] {
        guard case .array(let elements)? = value else { return [] }
        return elements.map {
            switch $0 {
            case .int(let number): Double(number)
            case .double(let number): number
            default: .nan
            }
        }
    }

    static func hostile(_ suffix: String) throws -> [String] {
        try Files.list(path("hostile")).filter { $0.hasSuffix(suffix) }
    }
}

extension CheckpointValue {
    /// The tensor under a dotted path whose first part may be followed by dotted keys: `model_state.a.b`.
    func tensor(at path: String) -> Tensor? {
        if case .tensor(let tensor) = self, path.isEmpty { return tensor }
        if case .tensor(let tensor)? = self[path] { return tensor }
        guard let dot = path.firstIndex(of: ".") else { return nil }
        return self[String(path[..<dot])]?.tensor(at: String(path[path.index(after: dot)...]))
    }

    var elements: [CheckpointValue]? {
        guard case .list(let elements) = self else { return nil }
        return elements
    }

    /// Text of plain values for comparisons; tensors by their shape and values.
    var shown: String {
        switch self {
        case .none: "none"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .float(let number): "\(number)f"
        case .string(let text): "'\(text)'"
        case .list(let elements): "[" + elements.map(\.shown).joined(separator: ",") + "]"
        case .dict(let dict): "{" + dict.entries.map { $0.key + ":" + $0.value.shown }.joined(separator: ",") + "}"
        case .tensor(let tensor): "tensor\(tensor.shape)\(tensor.values)"
        }
    }
}
