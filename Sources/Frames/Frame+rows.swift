import Base

extension Frame {
    /// Memory held by the columns; a column or pool that two frames share counts in both.
    public var byteCount: Int { columns.reduce(0) { $0 + $1.byteCount } }

    var pairs: [(name: String, column: Column)] { Array(zip(names, columns)) }

    /// Every column through `change`, which must keep all of them equally long.
    func mapColumns(rowCount: Int, _ change: (Column) throws -> Column) throws -> Frame {
        try Frame(zip(names, columns).map { ($0, try change($1)) }, rowCount: rowCount)
    }

    /// The named columns, in the order of `chosen`.
    public func select(_ chosen: [String]) throws -> Frame {
        try Frame(chosen.map { ($0, try column($0)) }, rowCount: rowCount)
    }

    /// All columns but the named ones, each of which must exist.
    public func drop(_ dropped: [String]) throws -> Frame {
        for name in dropped { _ = try column(name) }
        return try Frame(pairs.filter { !dropped.contains($0.name) }, rowCount: rowCount)
    }

    /// With `column` under `name`: in the place of the old one, or at the end.
    public func with(_ name: String, _ column: Column) throws -> Frame {
        var pairs = pairs
        if let index = names.firstIndex(of: name) {
            pairs[index].column = column
        } else {
            pairs.append((name, column))
        }
        return try Frame(pairs, rowCount: columns.isEmpty && rowCount == 0 ? column.count : rowCount)
    }

    /// New names by old ones. Renaming swaps are allowed; a name that ends up twice is an error.
    public func rename(_ changes: [(old: String, new: String)]) throws -> Frame {
        for change in changes { _ = try column(change.old) }
        return try Frame(
            pairs.map { pair in (changes.last { $0.old == pair.name }?.new ?? pair.name, pair.column) },
            rowCount: rowCount)
    }

    /// The rows at `rows`, in that order; a negative row gives nulls.
    public func take(_ rows: Buffer<Int32>) throws -> Frame {
        try mapColumns(rowCount: rows.count) {
            try Interrupt.check()
            return $0.take(rows)
        }
    }

    public func slice(_ start: Int, _ length: Int) throws -> Frame {
        let start = min(max(start, 0), rowCount)
        let length = min(max(length, 0), rowCount - start)
        if length == rowCount { return self }
        return try mapColumns(rowCount: length) { $0.slice(start, length) }
    }

    public func head(_ n: Int) throws -> Frame { try slice(0, n) }
    public func tail(_ n: Int) throws -> Frame { try slice(rowCount - min(max(n, 0), rowCount), n) }

    /// The rows of all frames, which must have the same columns; the order of columns is the first frame's.
    public static func concat(_ frames: [Frame]) throws -> Frame {
        guard let first = frames.first else { throw FrameError("frame.empty", "there is nothing to concatenate") }
        for (index, frame) in frames.enumerated() where Set(frame.names) != Set(first.names) {
            let missing = first.names.filter { frame[$0] == nil }
            let extra = frame.names.filter { first[$0] == nil }
            var parts: [String] = []
            if !missing.isEmpty { parts.append("lacks \(missing.joined(separator: ", "))") }
            if !extra.isEmpty { parts.append("has \(extra.joined(separator: ", "))") }
            throw FrameError(
                "frame.columns",
                "cannot concatenate: frame \(index + 1) \(parts.joined(separator: " and ")); select the same columns first"
            )
        }
        let pairs = try first.names.map { name in
            do {
                return (name: name, column: try Column.concat(try frames.map { try $0.column(name) }))
            } catch let error as FrameError where error.code == "frame.type" {
                throw FrameError(error.code, "column '\(name)': \(error.message)", details: [("column", .string(name))])
            }
        }
        return try Frame(pairs, rowCount: frames.reduce(0) { $0 + $1.rowCount })
    }

    /// The value at a row and column as a plain value.
    public func row(_ row: Int) -> Value {
        .object(zip(names, columns).map { Value.Member($0, $1.value(row)) })
    }
}
