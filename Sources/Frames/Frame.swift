import Base

/// A table of equally long, named columns in a fixed order. Immutable: every operation gives a new frame that shares
/// the columns it did not change.
public final class Frame: @unchecked Sendable {
    public let names: [String]
    public let columns: [Column]
    /// Number of rows; kept apart because a frame may have no columns.
    public let rowCount: Int

    /// - Throws: `frame.length` when columns differ in length or are too long, `frame.duplicate` when a name occurs twice.
    public init(_ pairs: [(name: String, column: Column)], rowCount: Int? = nil) throws {
        let rows = rowCount ?? pairs.first?.column.count ?? 0
        // Row numbers are int32 throughout: half the memory traffic of int64.
        guard rows <= Int(Int32.max) else {
            throw FrameError("frame.length", "a frame holds at most \(Int32.max) rows, not \(rows); work in chunks")
        }
        var seen = Set<String>()
        for (name, column) in pairs {
            guard column.count == rows else {
                throw FrameError("frame.length", "column '\(name)' has \(column.count) rows, the frame has \(rows)")
            }
            guard seen.insert(name).inserted else {
                throw FrameError("frame.duplicate", "two columns are named '\(name)'; rename one")
            }
        }
        names = pairs.map(\.name)
        columns = pairs.map(\.column)
        self.rowCount = rows
    }

    /// The column `name`; nil when there is none.
    public subscript(name: String) -> Column? {
        names.firstIndex(of: name).map { columns[$0] }
    }

    /// - Throws: `frame.no_column`, naming the nearest existing one.
    public func column(_ name: String) throws -> Column {
        if let column = self[name] { return column }
        let hint = Suggestion.nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
        throw FrameError(
            "frame.no_column", "no column '\(name)'\(hint) (the columns are \(names.joined(separator: ", ")))",
            details: [("column", .string(name))])
    }
}

/// The error type of `Frames`.
public typealias FrameError = ErrorOf<Frame>
