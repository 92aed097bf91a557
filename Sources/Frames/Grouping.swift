import Base

/// A frame with its rows put into groups: what `group_by` gives and `agg` turns into a frame again.
public final class Grouping: Sendable {
    public let frame: Frame
    public let keys: [String]
    nonisolated(unsafe) let groups: RowGroups

    /// - Parameter keys: at least one column; null is a key like any other.
    public init(_ frame: Frame, by keys: [String]) throws {
        guard !keys.isEmpty else { throw FrameError("frame.value", "group_by needs at least one column") }
        self.frame = frame
        self.keys = keys
        groups = try RowGroups.of(try keys.map { try frame.column($0) }, rowCount: frame.rowCount)
    }

    public var count: Int { groups.count }

    /// One aggregate of one column.
    public struct Item: Sendable {
        public let column: String
        public let aggregate: Aggregate
        public let name: String

        /// - Parameters:
        ///   - column: `*` with `count` counts rows.
        ///   - name: `count` for `*`, else `<column>_<aggregate>`.
        public init(_ column: String, _ aggregate: Aggregate, as name: String? = nil) {
            self.column = column
            self.aggregate = aggregate
            self.name = name ?? (column == "*" ? aggregate.rawValue : "\(column)_\(aggregate.rawValue)")
        }
    }

    /// The key columns, then one column an item; one row a group, in order of first appearance.
    public func aggregate(_ items: [Item]) throws -> Frame {
        var pairs = try keys.map { (name: $0, column: try frame.column($0).take(groups.firstRows)) }
        for item in items {
            if item.column == "*" {
                guard item.aggregate == .count else {
                    throw FrameError("frame.value", "'*' works with count only, not with \(item.aggregate.rawValue)")
                }
                let rows = Buffer<Int64>(repeating: 0, count: groups.count)
                for group in groups.ofRow.elements { rows.pointer[Int(group)] += 1 }
                pairs.append((item.name, Column(.int64(rows))))
                continue
            }
            let source = try frame.column(item.column)
            pairs.append((item.name, try source.aggregate(item.aggregate, over: groups, named: item.column)))
        }
        return try Frame(pairs, rowCount: groups.count)
    }
}

extension Column {
    fileprivate func aggregate(_ aggregate: Aggregate, over groups: RowGroups, named name: String) throws -> Column {
        do {
            return try self.aggregate(aggregate, over: groups)
        } catch let error as FrameError {
            throw FrameError(
                error.code, "column '\(name)': \(error.message)", details: error.details + [("column", .string(name))])
        }
    }
}

extension Frame {
    public func groupBy(_ keys: [String]) throws -> Grouping { try Grouping(self, by: keys) }

    /// The first row of every distinct combination of `keys` (all columns when empty), in row order.
    public func unique(_ keys: [String] = []) throws -> Frame {
        let columns = try keys.isEmpty ? self.columns : keys.map { try column($0) }
        if try RowGroups.areAscending(columns) { return self }
        let groups = try RowGroups.of(columns, rowCount: rowCount)
        return groups.count == rowCount ? self : try take(groups.firstRows)
    }

    /// The distinct values of a column and how often each occurs (`count`), most frequent first; ties in order of
    /// first appearance.
    public func valueCounts(_ name: String) throws -> Frame {
        let count = name == "count" ? "count_rows" : "count"
        return try groupBy([name]).aggregate([.init("*", .count, as: count)])
            .sort([SortKey(count, descending: true)])
    }
}

extension Column {
    /// The distinct values in order of first appearance; null counts as one.
    public func unique() throws -> Column {
        take(try RowGroups.of([self], rowCount: count).firstRows)
    }
}
