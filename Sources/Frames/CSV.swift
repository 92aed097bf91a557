import Base
import Files

/// Comma-separated values as RFC 4180 has them, in either direction.
public enum CSV {
    public struct ReadOptions: Sendable {
        /// Whether the first line holds the column names.
        public var hasHeader = true
        /// One byte between fields.
        public var delimiter = UInt8(ascii: ",")
        /// Column names instead of the header's (or of `column_1` … without a header).
        public var names: [String]?
        /// Types by column name; the others are inferred from the whole file.
        public var types: [(name: String, dtype: DType)] = []
        /// The columns to keep, in this order; all when nil.
        public var columns: [String]?
        /// Unquoted fields that mean null.
        public var nulls = [""]
        public init() {}
    }

    public struct WriteOptions: Sendable {
        public var hasHeader = true
        public var delimiter = UInt8(ascii: ",")
        /// What stands for null, unquoted; a text that equals it is quoted.
        public var null = ""
        public init() {}
    }

    /// Reads a file.
    ///
    /// Inferred types are int64 (not for digits with leading zeros, which would lose them), float64, bool (`true`,
    /// `false`), timestamp, uuid and string; a column of nulls only is string. Quoted fields count like others, except
    /// that a quoted empty field is an empty string in a string column and null elsewhere. List columns are read, as
    /// JSON, only where `types` says so.
    /// - Throws: `csv.syntax`, `csv.fields`, `csv.header`, `csv.value` and `csv.column`, naming file, line and column.
    public static func read(path: String, options: ReadOptions = ReadOptions()) throws -> Frame {
        let file = try FileContent(path: path)
        return try withExtendedLifetime(file) { try CSVReader(file.bytes, source: path, options).read() }
    }

    /// Reads CSV text; `source` names it in errors.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, source: String = "CSV text", options: ReadOptions = ReadOptions()
    ) throws -> Frame {
        try CSVReader(bytes, source: source, options).read()
    }

    /// Writes a frame to `path`, whole or not at all.
    public static func write(_ frame: Frame, path: String, options: WriteOptions = WriteOptions()) throws {
        let file = try AtomicFile(path: path)
        try CSVWriter(frame, options).write { try file.write($0) }
        try file.commit()
    }

    public static func encode(_ frame: Frame, options: WriteOptions = WriteOptions()) throws -> [UInt8] {
        var text: [UInt8] = []
        try CSVWriter(frame, options).write { text.append(contentsOf: $0) }
        return text
    }
}

/// An error in CSV text: `csv.syntax` (quotes), `csv.fields` (a row of the wrong length), `csv.header`, `csv.value` (a
/// field that is not of its column's type), `csv.column` (an option that names no column).
public struct CSVError: TTError {
    public let code: String
    public let message: String
    public let details: [(String, Value)]

    init(_ kind: String, _ message: String, source: String, line: Int? = nil, column: String? = nil) {
        code = "csv.\(kind)"
        let place = source + (line.map { ", line \($0)" } ?? "") + (column.map { ", column '\($0)'" } ?? "")
        self.message = "\(place): \(message)"
        var details: [(String, Value)] = [("file", .string(source))]
        if let line { details.append(("line", .int(Int64(line)))) }
        if let column { details.append(("column", .string(column))) }
        self.details = details
    }
}
