import Base

/// The footer of a file: schema, row groups, key-value pairs.
struct FileMetadata {
    var version: Int32 = 2
    var schema: [SchemaElement] = []
    var rowCount: Int = 0
    var rowGroups: [RowGroupMetadata] = []
    var keyValues: [(key: String, value: String)] = []
    var createdBy: String?

    static let magic = Array("PAR1".utf8)
    private static let encryptedMagic = Array("PARE".utf8)

    init() {}

    /// Finds and parses the footer: `<metadata> <int32 length> PAR1` at the end of the file.
    init(source: ParquetSource) throws {
        guard source.count >= 12 else {
            throw ParquetError.outOfSpec("\(source.count) bytes are too few for a Parquet file")
        }
        let (first, last) = (try source.bytes(in: 0..<4), try source.bytes(in: source.count - 8..<source.count))
        defer { withExtendedLifetime((first, last)) {} }
        let (head, tail) = (first.bytes, last.bytes)
        if tail[4...].elementsEqual(Self.encryptedMagic) {
            throw ParquetError.unsupported("the file's footer is encrypted; encrypted files cannot be read")
        }
        guard tail[4...].elementsEqual(Self.magic) else {
            throw ParquetError.outOfSpec(
                head.elementsEqual(Self.magic)
                    ? "the file does not end in PAR1: it is truncated or was never finished"
                    : "not a Parquet file (no PAR1 at its ends)")
        }
        guard head.elementsEqual(Self.magic) else {
            throw ParquetError.outOfSpec("the file does not start with PAR1")
        }
        let length = Int(UInt32(littleEndian: tail.loadUnaligned(as: UInt32.self)))
        guard length <= source.count - 12 else {
            throw ParquetError.outOfSpec("the footer claims \(length) bytes in a file of \(source.count)")
        }
        let start = source.count - 8 - length
        let footer = try source.bytes(in: start..<start + length)
        defer { withExtendedLifetime(footer) {} }
        try self.init(footer: footer.bytes)
    }

    init(footer: UnsafeRawBufferPointer) throws {
        var reader = ThriftReader(footer)
        var rows: Int64?
        var encrypted = false
        var parsed = FileMetadata()
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32): parsed.version = try reader.i32()
            case (2, .list):
                try reader.list { reader, _ in parsed.schema.append(try SchemaElement(reading: &reader)) }
            case (3, .i64): rows = try reader.i64()
            case (4, .list):
                try reader.list { reader, _ in parsed.rowGroups.append(try RowGroupMetadata(reading: &reader)) }
            case (5, .list):
                try reader.list { reader, _ in
                    var key = ""
                    var value = ""
                    try reader.structure { reader, id, kind in
                        switch (id, kind) {
                        case (1, .binary): key = try reader.string()
                        case (2, .binary): value = try reader.string()
                        default: try reader.skip(kind)
                        }
                    }
                    parsed.keyValues.append((key, value))
                }
            case (6, .binary): parsed.createdBy = try reader.string()
            case (8, _):
                encrypted = true
                try reader.skip(kind)
            default: try reader.skip(kind)
            }
        }
        if encrypted { throw ParquetError.unsupported("the file is encrypted; encrypted files cannot be read") }
        guard let rows, rows >= 0, let count = Int(exactly: rows) else {
            throw ParquetError.outOfSpec("the footer has no valid row count")
        }
        parsed.rowCount = count
        var total = 0
        for group in parsed.rowGroups {
            let (sum, overflow) = total.addingReportingOverflow(group.rowCount)
            guard !overflow else { throw ParquetError.outOfSpec("the row groups' row counts overflow") }
            total = sum
        }
        guard total == count else {
            throw ParquetError.outOfSpec("the footer says \(count) rows, its row groups have \(total)")
        }
        self = parsed
    }

    /// The footer's bytes, without length and magic.
    func encoded(leafCount: Int) -> [UInt8] {
        var writer = ThriftWriter()
        writer.element { writer in
            writer.i32(1, version)
            writer.list(2, of: .structure, schema) { $1.write(to: &$0) }
            writer.i64(3, Int64(rowCount))
            writer.list(4, of: .structure, rowGroups) { $1.write(to: &$0) }
            if !keyValues.isEmpty {
                writer.list(5, of: .structure, keyValues) { writer, pair in
                    writer.element {
                        $0.string(1, pair.key)
                        $0.string(2, pair.value)
                    }
                }
            }
            if let createdBy { writer.string(6, createdBy) }
            // Readers trust min_value and max_value only when the order is declared: TYPE_ORDER for every leaf.
            writer.list(7, of: .structure, Array(0..<leafCount)) { writer, _ in
                writer.element { $0.structure(1) { _ in } }
            }
        }
        return writer.output.bytes
    }
}

/// One node of the schema, which the footer holds as a list in depth-first order.
struct SchemaElement {
    var name: String
    var type: PhysicalType?
    var typeLength: Int = 0
    var repetition: Repetition?
    var childCount: Int = 0
    var converted: ConvertedType?
    var logical: LogicalType?

    init(name: String, type: PhysicalType? = nil, repetition: Repetition? = nil, childCount: Int = 0) {
        self.name = name
        self.type = type
        self.repetition = repetition
        self.childCount = childCount
    }

    init(reading reader: inout ThriftReader) throws {
        var element = SchemaElement(name: "")
        var scale: Int32 = 0
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32):
                let raw = try reader.i32()
                guard let type = PhysicalType(rawValue: raw) else {
                    throw ParquetError.outOfSpec("unknown physical type \(raw) in the schema")
                }
                element.type = type
            case (2, .i32): element.typeLength = Int(try reader.i32())
            case (3, .i32):
                let raw = try reader.i32()
                guard let repetition = Repetition(rawValue: raw) else {
                    throw ParquetError.outOfSpec("unknown repetition \(raw) in the schema")
                }
                element.repetition = repetition
            case (4, .binary): element.name = try reader.string()
            case (5, .i32): element.childCount = Int(try reader.i32())
            case (6, .i32): element.converted = ConvertedType(rawValue: try reader.i32())
            case (7, .i32): scale = try reader.i32()
            case (10, .structure): element.logical = try LogicalType(reading: &reader)
            default: try reader.skip(kind)
            }
        }
        guard element.childCount >= 0, element.typeLength >= 0 else {
            throw ParquetError.outOfSpec("a negative count in the schema")
        }
        if element.logical == nil, let converted = element.converted {
            element.logical = LogicalType(converted, scale: scale)
        }
        self = element
    }

    /// Writes the few logical types that this writer uses.
    func write(to writer: inout ThriftWriter) {
        writer.element { writer in
            if let type { writer.i32(1, type.rawValue) }
            if typeLength > 0 { writer.i32(2, Int32(typeLength)) }
            if let repetition { writer.i32(3, repetition.rawValue) }
            writer.string(4, name)
            if type == nil { writer.i32(5, Int32(childCount)) }
            if let converted { writer.i32(6, converted.rawValue) }
            switch logical {
            case .string: writer.structure(10) { $0.structure(1) { _ in } }
            case .list: writer.structure(10) { $0.structure(3) { _ in } }
            case .uuid: writer.structure(10) { $0.structure(14) { _ in } }
            case .timestamp(let unit):
                writer.structure(10) {
                    $0.structure(8) {
                        $0.bool(1, true)
                        $0.structure(2) { $0.structure(unit.rawValue) { _ in } }
                    }
                }
            default: break
            }
        }
    }
}

/// A horizontal slice of the file: one chunk for each leaf column.
struct RowGroupMetadata {
    var columns: [ColumnChunkMetadata] = []
    var byteCount: Int64 = 0
    var compressedByteCount: Int64 = 0
    var rowCount = 0
    var fileOffset: Int64 = 0
    var ordinal: Int = 0

    init() {}

    init(reading reader: inout ThriftReader) throws {
        var group = RowGroupMetadata()
        var rows: Int64?
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .list):
                try reader.list { reader, _ in group.columns.append(try ColumnChunkMetadata(reading: &reader)) }
            case (2, .i64): group.byteCount = try reader.i64()
            case (3, .i64): rows = try reader.i64()
            default: try reader.skip(kind)
            }
        }
        guard let rows, rows >= 0, let count = Int(exactly: rows) else {
            throw ParquetError.outOfSpec("a row group has no valid row count")
        }
        group.rowCount = count
        self = group
    }

    func write(to writer: inout ThriftWriter) {
        writer.element { writer in
            writer.list(1, of: .structure, columns) { $1.write(to: &$0) }
            writer.i64(2, byteCount)
            writer.i64(3, Int64(rowCount))
            writer.i64(5, fileOffset)
            writer.i64(6, compressedByteCount)
            // The format holds 16 bits; readers do without it.
            if let ordinal = Int16(exactly: ordinal) { writer.i16(7, ordinal) }
        }
    }
}

/// Where one column's pages of one row group lie, and what is in them.
struct ColumnChunkMetadata {
    var type: PhysicalType = .int64
    var encodings: [Encoding] = []
    var path: [String] = []
    var codecNumber: Int32 = 0
    var valueCount = 0
    var uncompressedByteCount: Int64 = 0
    var compressedByteCount: Int64 = 0
    var dataPageOffset: Int64 = 0
    var dictionaryPageOffset: Int64?
    var statistics: Statistics?
    /// Set when the chunk cannot be read for a reason that lies outside of its pages.
    var obstacle: String?

    init() {}

    init(reading reader: inout ThriftReader) throws {
        var chunk = ColumnChunkMetadata()
        var hasMetadata = false
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .binary):
                if try reader.binary().count > 0 {
                    chunk.obstacle = "its data lies in another file, which is not supported"
                }
            case (3, .structure):
                hasMetadata = true
                try chunk.readMetadata(&reader)
            case (8, _):
                chunk.obstacle = "it is encrypted; encrypted columns cannot be read"
                try reader.skip(kind)
            default: try reader.skip(kind)
            }
        }
        guard hasMetadata || chunk.obstacle != nil else {
            throw ParquetError.outOfSpec("a column chunk has no metadata")
        }
        self = chunk
    }

    private mutating func readMetadata(_ reader: inout ThriftReader) throws {
        var chunk = self
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32):
                let raw = try reader.i32()
                guard let type = PhysicalType(rawValue: raw) else {
                    throw ParquetError.outOfSpec("unknown physical type \(raw) in a column chunk")
                }
                chunk.type = type
            case (3, .list): try reader.list { reader, _ in chunk.path.append(try reader.string()) }
            case (4, .i32): chunk.codecNumber = try reader.i32()
            case (5, .i64):
                guard let count = Int(exactly: try reader.i64()), count >= 0 else {
                    throw ParquetError.outOfSpec("a column chunk has a negative value count")
                }
                chunk.valueCount = count
            case (6, .i64): chunk.uncompressedByteCount = try reader.i64()
            case (7, .i64): chunk.compressedByteCount = try reader.i64()
            case (9, .i64): chunk.dataPageOffset = try reader.i64()
            case (11, .i64): chunk.dictionaryPageOffset = try reader.i64()
            default: try reader.skip(kind)
            }
        }
        self = chunk
    }

    func write(to writer: inout ThriftWriter) {
        writer.element { writer in
            writer.i64(2, 0)
            writer.structure(3) { writer in
                writer.i32(1, type.rawValue)
                writer.list(2, of: .i32, encodings) { $0.rawI32($1.rawValue) }
                writer.list(3, of: .binary, path) { $0.rawBinary(Array($1.utf8)) }
                writer.i32(4, codecNumber)
                writer.i64(5, Int64(valueCount))
                writer.i64(6, uncompressedByteCount)
                writer.i64(7, compressedByteCount)
                writer.i64(9, dataPageOffset)
                if let dictionaryPageOffset { writer.i64(11, dictionaryPageOffset) }
                if let statistics { writer.structure(12) { statistics.write(to: &$0) } }
            }
        }
    }
}
