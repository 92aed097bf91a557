import Base
import Files
import Frames

/// An open Parquet file. Opening reads the footer only; rows are decoded when they are asked for.
///
/// Column types: integers of all widths, TIME (microseconds since midnight) → int64; FLOAT and Float16 → float32;
/// DOUBLE and DECIMAL → float64 (the nearest double up to 38 digits); BOOLEAN → bool; timestamps (nanoseconds rounded down;
/// a timestamp without time zone is taken as UTC), DATE and INT96 → timestamp; UUID → uuid; strings, JSON, enumerations and plain
/// byte arrays → string; lists of these → list. Everything else is refused when the column is asked for.
public final class ParquetFile: @unchecked Sendable {
    public let path: String
    /// In the order of the file.
    public let columns: [ParquetColumn]
    /// The footer's key-value pairs.
    public let metadata: [(key: String, value: String)]
    public let createdBy: String?
    public let rowCount: Int
    /// Rows of each row group.
    public let rowGroups: [Int]
    private var source: ParquetSource?
    private let fileColumns: [FileColumn]
    private let footer: FileMetadata
    private let byteLimit: Int

    /// - Parameter maxBytes: how much one read may decode to; nil: 1 GiB or a thousand times the file's size,
    ///   whichever is more. It keeps a file of a few bytes that claims billions of rows from filling the memory.
    public convenience init(path: String, maxBytes: Int? = nil) throws {
        if let maxBytes, maxBytes <= 0 { throw ParquetError(.badParameter, "max_bytes must be positive", path: path) }
        try self.init(path: path, source: .file(try InputFile(path: path)), maxBytes: maxBytes)
    }

    /// - Parameter path: names the bytes in messages.
    init(path: String, source: ParquetSource, maxBytes: Int? = nil) throws {
        self.path = path
        let (thousandfold, overflow) = source.count.multipliedReportingOverflow(by: 1000)
        byteLimit = maxBytes ?? (overflow ? .max : max(1 << 30, thousandfold))
        let (footer, columns) = try ParquetError.at(path: path) {
            let footer = try FileMetadata(source: source)
            let (columns, leafCount) = try SchemaWalker.columns(of: footer.schema)
            for (index, group) in footer.rowGroups.enumerated() where group.columns.count != leafCount {
                throw ParquetError.outOfSpec(
                    "row group \(index + 1) has \(group.columns.count) column chunks, the schema \(leafCount) leaves")
            }
            return (footer, columns)
        }
        self.source = source
        self.footer = footer
        fileColumns = columns
        self.columns = columns.map(\.info)
        metadata = footer.keyValues
        createdBy = footer.createdBy
        rowCount = footer.rowCount
        rowGroups = footer.rowGroups.map(\.rowCount)
    }

    public func close() { source = nil }

    /// All rows of the named columns, in the order of the names; nil: all columns.
    public func read(columns names: [String]? = nil) throws -> Frame {
        try read(groups: 0..<footer.rowGroups.count, columns: names)
    }

    /// The rows of one row group, counted from 0.
    public func readRowGroup(_ index: Int, columns names: [String]? = nil) throws -> Frame {
        guard footer.rowGroups.indices.contains(index) else {
            throw ParquetError(
                .badParameter, "there is no row group \(index + 1); the file has \(footer.rowGroups.count)", path: path)
        }
        return try read(groups: index..<index + 1, columns: names)
    }

    private func read(groups: Range<Int>, columns names: [String]?) throws -> Frame {
        guard let source else { throw ParquetError(.closed, "the file is closed", path: path) }
        let chosen = try names.map { try $0.map(find) } ?? fileColumns
        var seen = Set<String>()
        for column in chosen where !seen.insert(column.info.name).inserted {
            let problem =
                names == nil
                ? "the file has two columns of this name, which a frame cannot hold" : "it is asked for twice"
            throw ParquetError(.badParameter, problem, path: path, column: column.info.name)
        }
        let rows = groups.reduce(0) { $0 + footer.rowGroups[$1].rowCount }
        let allowance = Allowance(limit: byteLimit)
        let pairs = try chosen.map { column in
            let name = column.info.name
            return try ParquetError.at(path: path, column: name) {
                (name, try read(column, groups: groups, rows: rows, from: source, allowance))
            }
        }
        return try Frame(pairs, rowCount: rows)
    }

    private func read(
        _ column: FileColumn, groups: Range<Int>, rows: Int, from source: ParquetSource, _ allowance: Allowance
    ) throws -> Column {
        guard let layout = column.layout else {
            throw ParquetError.unsupported("cannot be read: \(column.info.obstacle ?? "unknown type")")
        }
        var levels = 0
        for index in groups {
            let group = footer.rowGroups[index]
            let count = group.columns[column.leafIndex].valueCount
            let (sum, overflow) = levels.addingReportingOverflow(count)
            guard !overflow, layout.isList || count == group.rowCount else {
                throw ParquetError.outOfSpec(
                    "row group \(index + 1) has \(group.rowCount) rows, its column chunk \(count) values")
            }
            levels = sum
        }
        let reader = try ColumnReader(source: source, layout: layout, rows: rows, levels: levels, allowance: allowance)
        for index in groups {
            let group = footer.rowGroups[index]
            try ParquetError.at(rowGroup: index) {
                try reader.read(group.columns[column.leafIndex], rows: group.rowCount)
            }
        }
        return try reader.finish()
    }

    private func find(_ name: String) throws -> FileColumn {
        let matches = fileColumns.filter { $0.info.name == name }
        if matches.count == 1 { return matches[0] }
        if matches.count > 1 {
            throw ParquetError(.badParameter, "the file has \(matches.count) columns named '\(name)'", path: path)
        }
        let known = columns.map(\.name)
        let hint = Suggestion.nearest(to: name, in: known).map { "; did you mean '\($0)'?" } ?? ""
        throw ParquetError(
            .badParameter, "no column '\(name)'\(hint) (the columns are \(known.joined(separator: ", ")))", path: path)
    }
}

extension ParquetFile {
    /// Memory the open file holds on to: its footer.
    public var byteCount: Int { 1024 + columns.count * rowGroups.count * 256 }
}
