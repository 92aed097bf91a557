import Base
import Files

/// YAML 1.2 documents (core schema) to and from `Value`.
///
/// ```swift
/// let value = try YAML.decode("lr: 1.0e-5\nnames: [a, b]")
/// try YAML.encode(value)
/// ```
///
/// Plain scalars are null (`~`, `null`, nothing), booleans (`true`, `false`), int64 (decimal, `0x`, `0o`), double
/// (`1.0e-5`, `.inf`, `.nan`) or text; quoted and block scalars are always text, so `no` and `12:30` are text too.
/// Keys are text whatever they look like. Anchors and aliases work within limits. Refused by name: duplicate keys, tags,
/// merge keys (`<<`), a second document, integers outside of int64.
public enum YAML {
    /// Collections inside each other, counted through aliases.
    public static let maximumDepth = 512
    /// Values that aliases may add to a document, so that a small file cannot fill the memory.
    public static let maximumExpansion = 100_000

    public static func decode(_ bytes: UnsafeRawBufferPointer, source: String? = nil) throws -> Value {
        try YAMLReader.read(bytes, source: source, lines: false).value
    }

    public static func decode(_ text: String, source: String? = nil) throws -> Value {
        var text = text
        return try text.withUTF8 { try decode(UnsafeRawBufferPointer($0), source: source) }
    }

    /// Reads the file at `path`.
    public static func read(_ path: String) throws -> Value {
        let file = try FileContent(path: path)
        return try withExtendedLifetime(file) { try decode(file.bytes, source: path) }
    }

    /// The line (from 1) of every key by its dotted path, `training.lr`, and of every element, `names[2]` (from 1).
    public static func lines(_ bytes: UnsafeRawBufferPointer, source: String? = nil) throws -> [(
        path: String, line: Int
    )] {
        try YAMLReader.read(bytes, source: source, lines: true).lines
    }
}

/// A text that is not YAML, or uses what is refused.
///
/// Codes: `yaml.syntax`, `yaml.duplicate_key`, `yaml.unsupported` (tags, merge keys, several documents, keys that are no
/// text), `yaml.number`, `yaml.limit` (depth, aliases). `details` has `file`, `line` and `column`, both from 1.
public struct YAMLError: TTError {
    public let code: String
    public let message: String
    public let details: [(String, Value)]

    init(_ code: String, _ problem: String, at place: TextPlace) {
        self.code = code
        message = "invalid YAML at \(place): \(problem)"
        details = place.details
    }

    /// A failure to write.
    init(_ code: String, writing problem: String) {
        self.code = code
        message = "cannot write YAML: \(problem)"
        details = []
    }
}

/// What a plain scalar means.
/// Source: YAML 1.2.2, section 10.3.2, the core schema's tag resolution.
enum YAMLScalar {
    enum Failure: Error { case outOfRange }

    static func resolve(_ text: String) throws -> Value {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .double(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .double(-.infinity)
        case ".nan", ".NaN", ".NAN": return .double(.nan)
        default: return try number(text) ?? .string(text)
        }
    }

    private static func number(_ text: String) throws -> Value? {
        let bytes = Array(text.utf8)
        if bytes.starts(with: Array("0x".utf8)), bytes.count > 2, bytes[2...].allSatisfy(isHexDigit) {
            return .int(try integer(bytes[2...], radix: 16))
        }
        if bytes.starts(with: Array("0o".utf8)), bytes.count > 2, bytes[2...].allSatisfy({ 0x30...0x37 ~= $0 }) {
            return .int(try integer(bytes[2...], radix: 8))
        }
        var at = bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+") ? 1 : 0
        func digits() -> Int {
            let start = at
            while at < bytes.count, 0x30...0x39 ~= bytes[at] { at += 1 }
            return at - start
        }
        var mantissa = digits()
        if at == bytes.count { return mantissa > 0 ? .int(try integer(bytes[...], radix: 10)) : nil }
        if bytes[at] == UInt8(ascii: ".") {
            at += 1
            mantissa += digits()
        }
        guard mantissa > 0 else { return nil }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") { at += 1 }
            guard digits() > 0 else { return nil }
        }
        guard at == bytes.count, let number = Double(text) else { return nil }
        guard number.isFinite else { throw Failure.outOfRange }
        return .double(number)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x61...0x66 ~= byte | 0x20
    }

    private static func integer(_ digits: ArraySlice<UInt8>, radix: Int) throws -> Int64 {
        guard let number = Int64(String(decoding: digits, as: UTF8.self), radix: radix) else {
            throw Failure.outOfRange
        }
        return number
    }

    /// Whether the text would be read as something else if it stood without quotes: here, or by a reader of YAML 1.1,
    /// where `no` is false, `1_000` and `12:30` are numbers and `2025-01-31` is a date.
    static func needsQuotes(_ text: String) -> Bool {
        guard case .string(_)? = try? resolve(text) else { return true }
        switch text.lowercased() {
        case "y", "n", "yes", "no", "on", "off", "<<", "=": return true
        default: break
        }
        var bytes = text.utf8[...]
        if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") { bytes.removeFirst() }
        if bytes.first == UInt8(ascii: ".") { bytes.removeFirst() }
        guard let first = bytes.first, 0x30...0x39 ~= first else { return false }
        return bytes.allSatisfy { byte in
            isHexDigit(byte) || " _:.+-oxXtTzZ".utf8.contains(byte)
        }
    }
}
