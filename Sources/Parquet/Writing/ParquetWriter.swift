import Base
import Files
import Frames

/// Writes a Parquet file frame by frame, a row group at a time.
///
/// The file appears under its name when `close` has succeeded; a writer that is dropped, aborted or failed leaves nothing.
public final class ParquetWriter {
    public let path: String
    private let options: WriteOptions
    private var file: AtomicFile?
    private var plans: [ColumnPlan]?
    private var names: [String] = []
    private var dtypes: [DType] = []
    private var pending: [(frame: Frame, rows: Range<Int>)] = []
    private var pendingRows = 0
    private var rowGroups: [RowGroupMetadata] = []
    private var failed = false
    /// Rows taken so far.
    public private(set) var rowCount = 0
    /// Size of the file after `close`.
    public private(set) var byteCount = 0

    public init(path: String, options: WriteOptions = WriteOptions()) throws {
        self.path = path
        self.options = options
        try ParquetError.at(path: path) { try options.validate() }
        file = try AtomicFile(path: path)
        try file?.write(FileMetadata.magic)
    }

    /// Writes one frame as a whole file.
    /// - Returns: the file's size in bytes.
    @discardableResult
    public static func write(_ frame: Frame, to path: String, options: WriteOptions = WriteOptions()) throws -> Int {
        let writer = try ParquetWriter(path: path, options: options)
        try writer.write(frame)
        try writer.close()
        return writer.byteCount
    }

    /// Takes the rows of a frame. The first frame gives the columns, the others must have the same ones in any order.
    public func write(_ frame: Frame) throws {
        try guarded { _ in
            if plans == nil {
                plans = try ColumnPlan.plans(for: frame, options)
                names = frame.names
                dtypes = frame.columns.map(\.dtype)
            }
            let frame = try matched(frame)
            if frame.rowCount > 0 { pending.append((frame, 0..<frame.rowCount)) }
            pendingRows += frame.rowCount
            rowCount += frame.rowCount
            while pendingRows >= options.rowGroupRows { try writeRowGroup(rows: options.rowGroupRows) }
        }
    }

    /// Writes what is left and the footer, flushes, and gives the file its name.
    public func close() throws {
        try guarded { file in
            guard let plans else {
                throw ParquetError.badParameter("nothing was written; write a frame (without rows, if need be) first")
            }
            if pendingRows > 0 { try writeRowGroup(rows: pendingRows) }
            var footer = FileMetadata()
            footer.schema = [SchemaElement(name: "schema", childCount: plans.count)] + plans.flatMap(\.elements)
            footer.rowCount = rowCount
            footer.rowGroups = rowGroups
            footer.keyValues = options.metadata
            footer.createdBy = options.createdBy
            let bytes = footer.encoded(leafCount: plans.count)
            try file.write(bytes)
            var length = ByteWriter()
            length.littleEndian(UInt32(bytes.count))
            try file.write(length.bytes)
            try file.write(FileMetadata.magic)
            try file.commit()
            byteCount = file.byteCount
        }
        file = nil
    }

    /// Drops the file; nothing appears under its name. Does nothing after `close`.
    public func abort() {
        file = nil
        pending = []
    }

    public var isOpen: Bool { file != nil }

    /// Runs `body` on the open file; after an error the writer is of no more use, for part of a row group may be written.
    private func guarded(_ body: (AtomicFile) throws -> Void) throws {
        guard let file else {
            throw ParquetError(
                .closed, failed ? "the writer has failed before; nothing was written" : "the writer is closed",
                path: path)
        }
        do {
            try ParquetError.at(path: path) { try body(file) }
        } catch {
            failed = true
            abort()
            throw error
        }
    }

    /// The frame with its columns in the order of the file.
    private func matched(_ frame: Frame) throws -> Frame {
        guard frame.names.count == names.count else {
            throw ParquetError.badParameter(
                "the frame has the columns \(frame.names.joined(separator: ", ")), the file has "
                    + names.joined(separator: ", "))
        }
        let pairs = try zip(names, dtypes).map { name, dtype in
            guard let column = frame[name] else {
                throw ParquetError(.badParameter, "the frame lacks this column of the file", column: name)
            }
            guard column.dtype == dtype else {
                throw ParquetError(
                    .badParameter, "the frame has \(column.dtype.name), the file \(dtype.name)", column: name)
            }
            return (name: name, column: column)
        }
        return frame.names == names ? frame : try Frame(pairs, rowCount: frame.rowCount)
    }

    private func writeRowGroup(rows: Int) throws {
        guard let file, let plans else { return }
        var taken: [(frame: Frame, rows: Range<Int>)] = []
        var missing = rows
        while missing > 0 {
            let first = pending[0]
            let count = min(missing, first.rows.count)
            taken.append((first.frame, first.rows.lowerBound..<first.rows.lowerBound + count))
            if count == first.rows.count {
                pending.removeFirst()
            } else {
                pending[0].rows = first.rows.lowerBound + count..<first.rows.upperBound
            }
            missing -= count
        }
        pendingRows -= rows
        var group = RowGroupMetadata()
        group.rowCount = rows
        group.ordinal = rowGroups.count
        group.fileOffset = Int64(file.byteCount)
        let firstRow = rowGroups.reduce(0) { $0 + $1.rowCount }
        for (index, plan) in plans.enumerated() {
            let slices = taken.map { ColumnSlice(column: $0.frame.columns[index], rows: $0.rows) }
            let chunk = try ParquetError.at(column: plan.name, rowGroup: rowGroups.count) {
                var column = ColumnWriter(plan: plan, slices: slices, firstRow: firstRow, options: options)
                return try column.write(to: file)
            }
            group.byteCount += chunk.uncompressedByteCount
            group.compressedByteCount += chunk.compressedByteCount
            group.columns.append(chunk)
        }
        rowGroups.append(group)
    }
}
