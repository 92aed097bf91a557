/// The type of a column's values.
public indirect enum DType: Hashable, Sendable {
    case int64, float32, float64, bool, string
    /// Instants in UTC, int64 microseconds since 1970-01-01T00:00:00Z.
    case timestamp
    case uuid
    case list(DType)

    /// The name scripts use: `int64`, `list<string>`.
    public var name: String {
        switch self {
        case .int64: "int64"
        case .float32: "float32"
        case .float64: "float64"
        case .bool: "bool"
        case .string: "string"
        case .timestamp: "timestamp"
        case .uuid: "uuid"
        case .list(let element): "list<\(element.name)>"
        }
    }

    public init?(name: String) {
        switch name {
        case "int64": self = .int64
        case "float32": self = .float32
        case "float64": self = .float64
        case "bool": self = .bool
        case "string": self = .string
        case "timestamp": self = .timestamp
        case "uuid": self = .uuid
        default:
            guard name.hasPrefix("list<"), name.hasSuffix(">"),
                let element = DType(name: String(name.dropFirst(5).dropLast()))
            else { return nil }
            self = .list(element)
        }
    }

    public var isNumeric: Bool { self == .int64 || self == .float32 || self == .float64 }
}
