import Base
import Frames

/// How the values of a column are read and written, from the type its table declares. SQLite itself stores any value
/// anywhere; tt holds tables to their word.
enum SQLiteType {
    case bool, int64, float64, text, blob, uuid, timestamp, date
    /// Not declared, or declared as something else: the values decide.
    case inferred

    /// - Parameter declaration: `VARCHAR(20)`, `timestamp with time zone`; case and modifiers do not matter.
    init(declaration: String) {
        let upper = declaration.uppercased()
        let word = upper.prefix { $0 != "(" }.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if upper.hasSuffix("]") {
            self = .text
            return
        }
        switch word {
        case "BOOL", "BOOLEAN": self = .bool
        case "UUID", "GUID": self = .uuid
        case "DATE": self = .date
        case "DATETIME", "TIMESTAMPTZ": self = .timestamp
        case "INT", "INTEGER", "TINYINT", "SMALLINT", "MEDIUMINT", "BIGINT", "UNSIGNED BIG INT", "INT2", "INT4", "INT8",
            "SERIAL", "BIGSERIAL":
            self = .int64
        case "REAL", "DOUBLE", "DOUBLE PRECISION", "FLOAT", "FLOAT4", "FLOAT8", "NUMERIC", "DECIMAL": self = .float64
        case "BLOB", "BYTEA": self = .blob
        case "JSON", "JSONB", "STRING", "CITEXT", "UNIQUEIDENTIFIER": self = .text
        default:
            if word.hasPrefix("TIMESTAMP") {
                self = .timestamp
            } else if word.contains("CHAR") || word.contains("CLOB") || word.contains("TEXT") {
                self = .text
            } else {
                self = .inferred
            }
        }
    }

    /// The type to read a requested column type as; nil for lists, which are read as text first.
    init?(_ dtype: DType) {
        switch dtype {
        case .int64: self = .int64
        case .float32, .float64: self = .float64
        case .bool: self = .bool
        case .string: self = .text
        case .timestamp: self = .timestamp
        case .uuid: self = .uuid
        case .list: return nil
        }
    }

    var dtype: DType? {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .text, .blob: .string
        case .uuid: .uuid
        case .timestamp, .date: .timestamp
        case .inferred: nil
        }
    }

    var name: String {
        switch self {
        case .bool: "boolean"
        case .int64: "integer"
        case .float64: "number"
        case .text: "text"
        case .blob: "blob"
        case .uuid: "uuid"
        case .timestamp: "ISO 8601 time"
        case .date: "ISO 8601 date"
        case .inferred: "value"
        }
    }
}
