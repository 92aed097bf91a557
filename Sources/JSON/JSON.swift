import Base
import Files

/// JSON (RFC 8259) to and from `Value`, strict in both directions.
///
/// ```swift
/// let value = try JSON.decode(#"{"a": [1, 2.5]}"#)
/// try JSON.encode(value)              // {"a":[1,2.5]}
/// try JSON.encode(value, indent: 2)   // one member or element a line
/// ```
public enum JSON {
    /// Arrays and objects inside each other, when reading and when writing: more than anybody needs, few enough to
    /// recurse.
    public static let maximumDepth = 2048

    /// Writes `value` as the file at `path`, atomically and with a newline at its end.
    /// - Parameter indent: spaces per level; nil writes one line without spaces.
    public static func write(_ value: Value, to path: String, indent: Int? = nil) throws {
        var writer = JSONWriter(indent: indent)
        do {
            try writer.write(value)
        } catch let failure as JSONError {
            throw failure.writing(path)
        }
        writer.bytes.append(UInt8(ascii: "\n"))
        try writer.bytes.withUnsafeBytes { try AtomicFile.write($0, to: path) }
    }

    /// Reads the file at `path` as one JSON text.
    public static func read(_ path: String) throws -> Value {
        let file = try FileContent(path: path)
        return try withExtendedLifetime(file) { try decode(file.bytes, source: path) }
    }

    /// `value` as JSON text. Members keep their order; numbers take the shortest text that reads back as the same
    /// double (or float32); characters outside of ASCII are written as they are.
    /// - Parameter indent: spaces per level; nil writes one line without spaces.
    /// - Throws: `JSONError` `json.number` for NaN and infinity, `json.duplicate_key`, `json.depth`.
    public static func encode(_ value: Value, indent: Int? = nil) throws -> String {
        var writer = JSONWriter(indent: indent)
        try writer.write(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    public static func decode(_ text: String, source: String? = nil) throws -> Value {
        var text = text
        return try text.withUTF8 { try decode(UnsafeRawBufferPointer($0), source: source) }
    }
}

/// A text that is not JSON, or a value that JSON cannot hold.
///
/// Codes: `json.syntax`, `json.utf8`, `json.number` (outside of int64 or double, NaN, infinity), `json.duplicate_key`,
/// `json.depth`. `details` has `file`, `line` and `column` (both from 1) when reading, `path` when writing.
public struct JSONError: TTError {
    public let code: String
    public let message: String
    public let details: [(String, Value)]

    /// A failure to read.
    init(_ code: String, _ problem: String, at place: TextPlace) {
        self.code = code
        message = "invalid JSON at \(place): \(problem)"
        details = place.details
    }

    /// A failure to write the value at `path` (`a.b[3]`, empty for the whole).
    init(_ code: String, _ problem: String, path: String) {
        self.code = code
        message = "cannot write JSON: " + (path.isEmpty ? "" : "'\(path)': ") + problem
        details = [("path", .string(path))]
    }

    private init(code: String, message: String, details: [(String, Value)]) {
        self.code = code
        self.message = message
        self.details = details
    }

    /// The same failure, naming the file that was to be written.
    func writing(_ file: String) -> JSONError {
        JSONError(
            code: code, message: "cannot write '\(file)' as JSON" + message.dropFirst("cannot write JSON".count),
            details: [("file", .string(file))] + details)
    }
}
