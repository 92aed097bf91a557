import Base
import Frames

/// How a Parquet file is written. The bytes depend on these and on the rows only, not on how the rows are cut into frames.
public struct WriteOptions: Sendable {
    public enum Compression: String, Sendable, CaseIterable {
        case none, snappy, zstd
    }

    public enum UUIDForm: String, Sendable, CaseIterable {
        /// 36 characters of canonical text in a String column.
        case string
        /// 16 bytes with the UUID type.
        case fixed
    }

    /// Which columns a column option applies to.
    public enum Selection: Sendable {
        case none, all
        case named([String])
    }

    public var compression = Compression.snappy
    /// Of zstd, 1 (fast) to 19 (small).
    public var compressionLevel = 3
    /// Rows of a row group; the last one takes the rest.
    public var rowGroupRows = 122_880
    /// Bytes of values after which a data page ends, before compression. Rows are never split over pages.
    public var pageBytes = 1 << 20
    /// Whether strings, integers, timestamps and UUIDs may be dictionary-encoded, which happens where it is smaller.
    public var dictionary = true
    /// Float columns, and lists of floats, stored as byte streams, which compresses them better. `all` means all such.
    public var byteStreamSplit = Selection.none
    /// String columns stored as plain bytes, without the claim that they are UTF-8.
    public var binary: [String] = []
    public var uuid = UUIDForm.string
    /// Key-value pairs for the footer.
    public var metadata: [(key: String, value: String)] = []
    public var createdBy = "tt version 0.1.0"

    public init() {}

    func validate() throws {
        guard (1...1 << 31).contains(rowGroupRows) else {
            throw ParquetError.badParameter("row_group_rows must be from 1 to 2147483648, not \(rowGroupRows)")
        }
        guard (1 << 10...1 << 28).contains(pageBytes) else {
            throw ParquetError.badParameter("page_bytes must be from 1024 to 268435456, not \(pageBytes)")
        }
        guard (1...19).contains(compressionLevel) else {
            throw ParquetError.badParameter("compression_level must be from 1 to 19, not \(compressionLevel)")
        }
    }

    var codec: Codec {
        switch compression {
        case .none: .none
        case .snappy: .snappy
        case .zstd: .zstd
        }
    }
}

/// How the values of a leaf are stored.
enum ValueForm {
    case int64, timestamp, float32, float64, bool, string, binary, uuidText, uuidFixed

    var type: PhysicalType {
        switch self {
        case .int64, .timestamp: .int64
        case .float32: .float
        case .float64: .double
        case .bool: .boolean
        case .string, .binary, .uuidText: .byteArray
        case .uuidFixed: .fixedLenByteArray
        }
    }

    /// Bits that a plain value takes in a page; nil where it depends on the value.
    var bits: Int? {
        switch self {
        case .int64, .timestamp, .float64: 64
        case .float32: 32
        case .bool: 1
        case .uuidText: 8 * 40
        case .uuidFixed: 128
        case .string, .binary: nil
        }
    }

    var allowsDictionary: Bool {
        switch self {
        case .float32, .float64, .bool: false
        default: true
        }
    }
}

/// A column as it goes into the file.
struct ColumnPlan {
    let name: String
    let dtype: DType
    let form: ValueForm
    let isList: Bool
    let splitsBytes: Bool

    /// The columns of a frame under the given options.
    static func plans(for frame: Frame, _ options: WriteOptions) throws -> [ColumnPlan] {
        for name in options.binary {
            guard try type(of: name, in: frame, option: "binary") == .string else {
                throw ParquetError(
                    .badParameter, "binary is for columns of strings, this one is \(frame[name]!.dtype.name)",
                    column: name)
            }
        }
        if case .named(let names) = options.byteStreamSplit {
            for name in names {
                let type = try type(of: name, in: frame, option: "byte_stream_split")
                guard type == .float32 || type == .float64 else {
                    throw ParquetError(
                        .badParameter,
                        "byte_stream_split is for float columns and lists of floats, this one is "
                            + frame[name]!.dtype.name,
                        column: name)
                }
            }
        }
        return try zip(frame.names, frame.columns).map { name, column in
            try ColumnPlan(name: name, dtype: column.dtype, options)
        }
    }

    private init(name: String, dtype: DType, _ options: WriteOptions) throws {
        self.name = name
        self.dtype = dtype
        var element = dtype
        if case .list(let inner) = dtype { element = inner }
        isList = element != dtype
        switch element {
        case .int64: form = .int64
        case .timestamp: form = .timestamp
        case .float32: form = .float32
        case .float64: form = .float64
        case .bool: form = .bool
        case .string: form = options.binary.contains(name) ? .binary : .string
        case .uuid: form = options.uuid == .string ? .uuidText : .uuidFixed
        case .list:
            throw ParquetError(
                .unsupported, "\(dtype.name) cannot be written; only plain values and lists of plain values can",
                column: name)
        }
        let isFloat = element == .float32 || element == .float64
        switch options.byteStreamSplit {
        case .none: splitsBytes = false
        case .all: splitsBytes = isFloat
        case .named(let names): splitsBytes = isFloat && names.contains(name)
        }
    }

    private static func type(of name: String, in frame: Frame, option: String) throws -> DType {
        guard let column = frame[name] else {
            let hint = Suggestion.nearest(to: name, in: frame.names).map { "; did you mean '\($0)'?" } ?? ""
            throw ParquetError.badParameter("\(option) names no column of the frame: '\(name)'\(hint)")
        }
        if case .list(let element) = column.dtype { return element }
        return column.dtype
    }

    /// `list.element` below the column for lists, as the specification wants.
    var path: [String] { isList ? [name, "list", "element"] : [name] }

    var maxDefinition: Int { isList ? 3 : 1 }

    /// Everything is optional: whether a column has nulls does not change the schema.
    var elements: [SchemaElement] {
        var leaf = SchemaElement(name: isList ? "element" : name, type: form.type, repetition: .optional)
        switch form {
        case .string, .uuidText:
            leaf.converted = .utf8
            leaf.logical = .string
        case .timestamp:
            leaf.converted = .timestampMicros
            leaf.logical = .timestamp(.micros)
        case .uuidFixed:
            leaf.typeLength = 16
            leaf.logical = .uuid
        default: break
        }
        guard isList else { return [leaf] }
        var list = SchemaElement(name: name, repetition: .optional, childCount: 1)
        list.converted = .list
        list.logical = .list
        return [list, SchemaElement(name: "list", repetition: .repeated, childCount: 1), leaf]
    }
}
