import Base

/// The header in front of every page.
struct PageHeader {
    /// nil for a type newer than this reader; such pages may be skipped.
    var type: PageType?
    var uncompressedSize = 0
    var compressedSize = 0
    var crc: UInt32?
    var valueCount = 0
    var encodingNumber: Int32 = 0
    var definitionEncoding: Encoding = .rle
    var repetitionEncoding: Encoding = .rle
    /// Data page v2 only: the levels lie before the compressed part.
    var definitionLength = 0
    var repetitionLength = 0
    var isCompressed = true

    init(type: PageType, encoding: Encoding, valueCount: Int) {
        self.type = type
        encodingNumber = encoding.rawValue
        self.valueCount = valueCount
    }

    /// - Returns: the header at the start of `bytes` and its length.
    static func read(_ bytes: UnsafeRawBufferPointer) throws -> (header: PageHeader, length: Int) {
        var reader = ThriftReader(bytes)
        var header = PageHeader(type: .data, encoding: .plain, valueCount: 0)
        var typeNumber: Int32?
        var body: Int16 = 0
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32): typeNumber = try reader.i32()
            case (2, .i32): header.uncompressedSize = try size(reader.i32())
            case (3, .i32): header.compressedSize = try size(reader.i32())
            case (4, .i32): header.crc = UInt32(bitPattern: try reader.i32())
            case (5, .structure), (7, .structure):
                body = id
                try header.readBody(&reader)
            case (8, .structure):
                body = id
                try header.readBodyV2(&reader)
            default: try reader.skip(kind)
            }
        }
        guard let typeNumber else { throw ParquetError.outOfSpec("no page header here") }
        header.type = PageType(rawValue: typeNumber)
        let expected: Int16? =
            switch header.type {
            case .data: 5
            case .dictionary: 7
            case .dataV2: 8
            default: nil
            }
        guard expected == nil || expected == body else {
            throw ParquetError.outOfSpec("the page header lacks the part that describes its values")
        }
        return (header, reader.offset)
    }

    private mutating func readBody(_ reader: inout ThriftReader) throws {
        var header = self
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32): header.valueCount = try Self.size(reader.i32())
            case (2, .i32): header.encodingNumber = try reader.i32()
            case (3, .i32): header.definitionEncoding = try Self.levelEncoding(reader.i32())
            case (4, .i32): header.repetitionEncoding = try Self.levelEncoding(reader.i32())
            default: try reader.skip(kind)
            }
        }
        self = header
    }

    private mutating func readBodyV2(_ reader: inout ThriftReader) throws {
        var header = self
        try reader.structure { reader, id, kind in
            switch (id, kind) {
            case (1, .i32): header.valueCount = try Self.size(reader.i32())
            case (4, .i32): header.encodingNumber = try reader.i32()
            case (5, .i32): header.definitionLength = try Self.size(reader.i32())
            case (6, .i32): header.repetitionLength = try Self.size(reader.i32())
            case (7, .yes), (7, .no): header.isCompressed = kind == .yes
            default: try reader.skip(kind)
            }
        }
        self = header
    }

    private static func size(_ raw: Int32) throws -> Int {
        guard raw >= 0 else { throw ParquetError.outOfSpec("a negative size in a page header") }
        return Int(raw)
    }

    private static func levelEncoding(_ raw: Int32) throws -> Encoding {
        guard let encoding = Encoding(rawValue: raw) else {
            throw ParquetError.outOfSpec("unknown level encoding \(raw) in a page header")
        }
        return encoding
    }

    /// The bytes of a v1 data page's or a dictionary page's header.
    func encoded() -> [UInt8] {
        var writer = ThriftWriter()
        writer.element { writer in
            writer.i32(1, (type ?? .data).rawValue)
            writer.i32(2, Int32(uncompressedSize))
            writer.i32(3, Int32(compressedSize))
            writer.structure(type == .dictionary ? 7 : 5) { writer in
                writer.i32(1, Int32(valueCount))
                writer.i32(2, encodingNumber)
                if type != .dictionary {
                    writer.i32(3, Encoding.rle.rawValue)
                    writer.i32(4, Encoding.rle.rawValue)
                }
            }
        }
        return writer.output.bytes
    }
}
