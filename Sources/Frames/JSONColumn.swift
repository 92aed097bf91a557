import Base

/// A column to be read from the objects of a JSON array.
public struct JSONColumn: Sendable {
    public enum Kind: Sendable {
        case dtype(DType)
        /// Any value, kept as compact JSON text in a string column.
        case json
    }

    public let name: String
    public let kind: Kind
    let path: String
    let steps: [Step]

    enum Step: Sendable, Equatable {
        case member([UInt8])
        case each
    }

    /// - Parameter path: where the value lies in a row: `a.b` is member `b` of member `a`, `a[].b` lists what member `b`
    ///   of each element of the array `a` gives, without nulls. The member `name` when nil.
    /// - Throws: `json.path` for a path that cannot be read, `frame.type` for a type or path that gives no column.
    public init(_ name: String, _ kind: Kind, path: String? = nil) throws {
        self.name = name
        self.kind = kind
        self.path = path ?? name
        steps = try path.map { try JSONColumn.steps($0, of: name) } ?? [.member(Array(name.utf8))]
        var isList = false
        if case .dtype(.list(let element)) = kind {
            isList = true
            if case .list = element {
                throw FrameError("frame.type", "column '\(name)': lists of lists are not read from JSON; use 'json'")
            }
        }
        if steps.contains(.each), !isList {
            throw FrameError(
                "frame.type", "column '\(name)': the path '\(self.path)' gives many values; use a list type")
        }
    }

    private static func steps(_ path: String, of name: String) throws -> [Step] {
        var steps: [Step] = []
        for part in path.split(separator: ".", omittingEmptySubsequences: false) {
            var member = part
            var levels = 0
            while member.hasSuffix("[]") {
                member = member.dropLast(2)
                levels += 1
            }
            guard !member.isEmpty, !member.contains("["), !member.contains("]") else {
                throw FrameError(
                    "json.path", "column '\(name)': the path '\(path)' cannot be read; write it as in 'a.b' or 'a[].b'",
                    details: [("column", .string(name)), ("path", .string(path))])
            }
            steps.append(.member(Array(member.utf8)))
            steps += [Step](repeating: .each, count: levels)
        }
        return steps
    }

    var expected: String {
        switch kind {
        case .dtype(let dtype): dtype.name
        case .json: "json"
        }
    }
}

extension Frame {
    /// Reads a JSON array of objects, one row an object, into the given columns. Other members are checked and passed
    /// over; a member that is absent or null is null.
    ///
    /// Numbers may stand in strings; then NaN and infinities are null in float columns, as `infinity` is in timestamps.
    /// A list of floats may stand in a string as `[1,2,3]`.
    /// - Throws: what `JSON.decode` throws for text that is no JSON; `json.rows` when it is no array of objects;
    ///   `json.column` naming row, column and the kind of value expected.
    public static func fromJSON(_ bytes: UnsafeRawBufferPointer, columns: [JSONColumn]) throws -> Frame {
        var reader = JSONRows(bytes, columns)
        do {
            return try reader.read()
        } catch let error as FrameError {
            throw reader.failure(error)
        }
    }

    public static func fromJSON(_ text: String, columns: [JSONColumn]) throws -> Frame {
        var text = text
        return try text.withUTF8 { try fromJSON(UnsafeRawBufferPointer($0), columns: columns) }
    }
}
