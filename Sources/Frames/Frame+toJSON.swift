import Base
import JSON

extension Frame {
    /// The frame as a JSON array of objects, one a row, their members in the order of the columns.
    ///
    /// Floats take the shortest text that reads back equal, float32 as float32; timestamps are RFC 3339 in UTC, lists
    /// arrays, null is null.
    /// - Parameters:
    ///   - columns: which ones, in this order; all when nil.
    ///   - json: string columns whose texts are JSON and go in as the values they are.
    /// - Throws: `json.number` for NaN and infinity, `json.utf8` for a string that is not UTF-8, `json.syntax` for one of
    ///   `json` that is not JSON, naming row and column; `frame.no_column`, `frame.type`.
    public func toJSON(columns wanted: [String]? = nil, json: [String] = []) throws -> [UInt8] {
        let frame = try wanted.map { try select($0) } ?? self
        for name in json where try frame.column(name).dtype != .string {
            throw FrameError("frame.type", "column '\(name)' is no string column, so it holds no JSON text")
        }
        var prefixes: [[UInt8]] = []
        for (index, name) in frame.names.enumerated() {
            var prefix = index == 0 ? [UInt8(ascii: "{")] : [UInt8(ascii: ",")]
            guard Array(name.utf8).withUnsafeBufferPointer({ JSON.appendQuoted($0, to: &prefix) }) else {
                throw FrameError("json.utf8", "the column name '\(name)' is not UTF-8")
            }
            prefixes.append(prefix + [UInt8(ascii: ":")])
        }
        let isJSON = frame.names.map { json.contains($0) }
        var text: [UInt8] = [UInt8(ascii: "[")]
        text.reserveCapacity(64 + frame.rowCount * (frame.columns.count * 16 + 2))
        for row in 0..<frame.rowCount {
            if row & 0xFF == 0 { try Interrupt.check() }
            if row > 0 { text.append(UInt8(ascii: ",")) }
            if prefixes.isEmpty { text.append(UInt8(ascii: "{")) }
            for (index, column) in frame.columns.enumerated() {
                text.append(contentsOf: prefixes[index])
                do throws(JSONObstacle) {
                    try column.appendJSON(row, to: &text, isJSON: isJSON[index])
                } catch {
                    throw FrameError(
                        error.code, "row \(row + 1), column '\(frame.names[index])': \(error.problem)",
                        details: [("row", .int(Int64(row + 1))), ("column", .string(frame.names[index]))])
                }
            }
            text.append(UInt8(ascii: "}"))
        }
        text.append(UInt8(ascii: "]"))
        return text
    }
}

/// Why a value cannot be written.
private struct JSONObstacle: Error {
    let code: String
    let problem: String

    static func notFinite(isNaN: Bool) -> JSONObstacle {
        JSONObstacle(code: "json.number", problem: "\(isNaN ? "NaN" : "infinity") is no JSON number; use null instead")
    }
}

extension Column {
    fileprivate func appendJSON(_ row: Int, to text: inout [UInt8], isJSON: Bool = false) throws(JSONObstacle) {
        if isNull(row) {
            text.append(contentsOf: "null".utf8)
            return
        }
        switch storage {
        case .int64(let values): NumberText.with(values.pointer[row]) { text.append(contentsOf: $0) }
        case .float32(let values): try Column.append(values.pointer[row], to: &text)
        case .float64(let values): try Column.append(values.pointer[row], to: &text)
        case .bool(let values): text.append(contentsOf: (values.pointer[row] != 0 ? "true" : "false").utf8)
        case .timestamp, .uuid:
            text.append(UInt8(ascii: "\""))
            appendText(row, to: &text)
            text.append(UInt8(ascii: "\""))
        case .string(let codes, let pool):
            let bytes = pool[bytesAt: Int(codes.pointer[row])]
            if isJSON {
                guard JSON.appendCompact(UnsafeRawBufferPointer(bytes), to: &text) else {
                    throw JSONObstacle(code: "json.syntax", problem: "the text is no JSON")
                }
            } else if !JSON.appendQuoted(bytes, to: &text) {
                throw JSONObstacle(code: "json.utf8", problem: "the text is not UTF-8")
            }
        case .list(let offsets, let child):
            text.append(UInt8(ascii: "["))
            let range = Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1])
            if case .float32(let values) = child.storage, child.validity == nil {
                for index in range {
                    if index > range.lowerBound { text.append(UInt8(ascii: ",")) }
                    try Column.append(values.pointer[index], to: &text)
                }
            } else {
                for index in range {
                    if index > range.lowerBound { text.append(UInt8(ascii: ",")) }
                    try child.appendJSON(index, to: &text)
                }
            }
            text.append(UInt8(ascii: "]"))
        }
    }

    @inline(__always)
    private static func append<Number: BinaryFloatingPoint & CustomStringConvertible>(
        _ value: Number, to text: inout [UInt8]
    ) throws(JSONObstacle) {
        guard value.isFinite else { throw .notFinite(isNaN: value.isNaN) }
        var digits = value.description
        digits.withUTF8 { text.append(contentsOf: $0) }
    }
}
