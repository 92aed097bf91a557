import Base
import CCodecs
import Frames

/// Reads one column over any number of row groups into a `Column`.
final class ColumnReader {
    private let source: ParquetSource
    private let layout: LeafLayout
    private let sink: any ValueSink
    private let assembly: any LevelAssembly
    private let allowance: Allowance
    // Reused by all pages.
    private var repetition: [UInt8] = []
    private var definition: [UInt8] = []
    private var indices: [UInt32] = []

    /// - Parameters:
    ///   - rows: rows of all chunks that will be read, from the metadata.
    ///   - levels: their levels, that is values, nulls and empty lists.
    init(source: ParquetSource, layout: LeafLayout, rows: Int, levels: Int, allowance: Allowance) throws {
        self.source = source
        self.layout = layout
        self.allowance = allowance
        sink = try layout.conversion.sink(capacity: levels, allowance: allowance)
        assembly =
            layout.isList
            ? try ListAssembly(rows: rows, levels: levels, layout: layout, allowance: allowance)
            : try FlatAssembly(rows: rows, nullable: layout.maxDefinition > 0, allowance: allowance)
    }

    func finish() throws -> Column { try assembly.finish(sink) }

    /// Reads the pages of one chunk, which must give exactly `rows` rows.
    func read(_ chunk: ColumnChunkMetadata, rows: Int) throws {
        if let obstacle = chunk.obstacle { throw ParquetError.unsupported(obstacle) }
        guard chunk.type == layout.type else {
            throw ParquetError.outOfSpec(
                "the schema says \(layout.type.name), the column chunk \(chunk.type.name)")
        }
        if chunk.valueCount == 0 && rows == 0 { return }
        let codec = try Codec(number: chunk.codecNumber)
        let range = try Self.range(of: chunk, in: source.count)
        let content = try source.bytes(in: range)
        defer { withExtendedLifetime(content) {} }
        let bytes = content.bytes
        let firstRow = assembly.rows
        var at = 0
        var levels = 0
        while levels < chunk.valueCount {
            try Interrupt.check()
            let pageOffset = range.lowerBound + at
            try ParquetError.at(pageOffset: pageOffset) {
                guard at < bytes.count else {
                    throw ParquetError.outOfSpec(
                        "the column chunk ends after \(levels) of \(chunk.valueCount) values")
                }
                let (header, length) = try PageHeader.read(
                    UnsafeRawBufferPointer(rebasing: bytes[at...]))
                at += length
                guard header.compressedSize <= bytes.count - at else {
                    throw ParquetError.outOfSpec(
                        "a page of \(header.compressedSize) bytes does not fit its column chunk")
                }
                let body = UnsafeRawBufferPointer(rebasing: bytes[at..<at + header.compressedSize])
                at += header.compressedSize
                if let crc = header.crc, crc != tt_crc32(body.baseAddress, body.count) {
                    throw ParquetError.outOfSpec("the page's checksum is wrong: the file is damaged")
                }
                let isData = header.type == .data || header.type == .dataV2
                guard !isData || header.valueCount <= chunk.valueCount - levels else {
                    throw ParquetError.outOfSpec(
                        "the page has \(header.valueCount) values where \(chunk.valueCount - levels) are left")
                }
                switch header.type {
                case .dictionary:
                    guard levels == 0 else {
                        throw ParquetError.outOfSpec("a dictionary page after data pages")
                    }
                    try readDictionary(header, body, codec)
                case .data:
                    try readData(header, body, codec)
                    levels += header.valueCount
                case .dataV2:
                    try readDataV2(header, body, codec)
                    levels += header.valueCount
                case .index, nil: break
                }
            }
        }
        guard levels == chunk.valueCount, assembly.rows - firstRow == rows else {
            throw ParquetError.outOfSpec(
                "the pages hold \(assembly.rows - firstRow) rows and \(levels) values, the metadata says \(rows) and "
                    + "\(chunk.valueCount)")
        }
    }

    /// The bytes of a chunk: from its dictionary page, or else its first data page.
    private static func range(of chunk: ColumnChunkMetadata, in size: Int) throws -> Range<Int> {
        var start = chunk.dataPageOffset
        // Some writers say 0 for "no dictionary".
        if let dictionary = chunk.dictionaryPageOffset, dictionary > 0, dictionary < start { start = dictionary }
        guard let start = Int(exactly: start), let length = Int(exactly: chunk.compressedByteCount), start >= 4,
            start <= size, length >= 0, length <= size - start
        else {
            throw ParquetError.outOfSpec(
                "the column chunk at byte \(start) with \(chunk.compressedByteCount) bytes lies outside of the file's "
                    + "\(size) bytes")
        }
        return start..<start + length
    }

    private func readDictionary(_ header: PageHeader, _ body: UnsafeRawBufferPointer, _ codec: Codec) throws {
        guard let encoding = Encoding(rawValue: header.encodingNumber),
            encoding == .plain || encoding == .plainDictionary
        else { throw ParquetError.unsupported("a dictionary page in encoding number \(header.encodingNumber)") }
        let page = try codec.decompress(body, size: header.uncompressedSize, allowance: allowance)
        try sink.setDictionary(try plain(page, count: header.valueCount))
    }

    private func readData(_ header: PageHeader, _ body: UnsafeRawBufferPointer, _ codec: Codec) throws {
        let page = try codec.decompress(body, size: header.uncompressedSize, allowance: allowance)
        var rest = page
        if layout.isList {
            try levels(&repetition, max: 1, count: header.valueCount, encoding: header.repetitionEncoding, &rest)
        }
        if layout.maxDefinition > 0 {
            try levels(
                &definition, max: layout.maxDefinition, count: header.valueCount, encoding: header.definitionEncoding,
                &rest)
        }
        try readValues(rest, header)
        withExtendedLifetime(page) {}
    }

    private func readDataV2(_ header: PageHeader, _ body: UnsafeRawBufferPointer, _ codec: Codec) throws {
        let (repetitionLength, definitionLength) = (header.repetitionLength, header.definitionLength)
        let levelLength = repetitionLength + definitionLength
        guard levelLength <= body.count, levelLength <= header.uncompressedSize else {
            throw ParquetError.outOfSpec("\(levelLength) bytes of levels in a page of \(body.count)")
        }
        if layout.isList {
            let bytes = UnsafeRawBufferPointer(rebasing: body[..<repetitionLength])
            try runLevels(&repetition, max: 1, count: header.valueCount, bytes)
        }
        if layout.maxDefinition > 0 {
            let bytes = UnsafeRawBufferPointer(rebasing: body[repetitionLength..<levelLength])
            try runLevels(&definition, max: layout.maxDefinition, count: header.valueCount, bytes)
        }
        let stored = UnsafeRawBufferPointer(rebasing: body[levelLength...])
        let size = header.uncompressedSize - levelLength
        let plainCodec: Codec = header.isCompressed && stored.count > 0 ? codec : .none
        try readValues(try plainCodec.decompress(stored, size: size, allowance: allowance), header)
    }

    /// Levels of a v1 page: a 4-byte length and runs, or in old files bit-packed without a length.
    private func levels(
        _ output: inout [UInt8], max: UInt8, count: Int, encoding: Encoding, _ rest: inout PageBytes
    ) throws {
        switch encoding {
        case .rle:
            let size = rest.bytes.count
            guard size >= 4 else { throw ParquetError.outOfSpec("the page ends before its levels") }
            let length = Int(UInt32(littleEndian: rest.bytes.loadUnaligned(as: UInt32.self)))
            guard length <= size - 4 else {
                throw ParquetError.outOfSpec("\(length) bytes of levels in a page of \(size)")
            }
            try runLevels(&output, max: max, count: count, rest.slice(4..<4 + length).bytes)
            rest = rest.slice(4 + length..<size)
        case .bitPacked:
            try grow(&output, count)
            let width = HybridRLE.bitWidth(Int(max))
            let bytes = rest.bytes
            let used = try output.withUnsafeMutableBufferPointer {
                guard let base = $0.baseAddress else { return 0 }
                return try BitPacking.unpackLevels(bytes, bitWidth: width, count: count, into: base)
            }
            try check(output, max: max, count: count)
            rest = rest.slice(used..<rest.bytes.count)
        default: throw ParquetError.outOfSpec("levels in the encoding \(encoding.name)")
        }
    }

    private func runLevels(_ output: inout [UInt8], max: UInt8, count: Int, _ bytes: UnsafeRawBufferPointer) throws {
        try grow(&output, count)
        try output.withUnsafeMutableBufferPointer {
            guard let base = $0.baseAddress else { return }
            try HybridRLE.decode(bytes, bitWidth: HybridRLE.bitWidth(Int(max)), count: count, into: base)
        }
        try check(output, max: max, count: count)
    }

    private func check(_ levels: [UInt8], max: UInt8, count: Int) throws {
        // Levels of 1 and 3 fill their bits; 2 does not.
        guard max == 2 else { return }
        for index in 0..<count where levels[index] > max {
            throw ParquetError.outOfSpec("a level of \(levels[index]) where the highest is \(max)")
        }
    }

    private func grow(_ output: inout [UInt8], _ count: Int) throws {
        guard output.count < count else { return }
        try allowance.check(count, size: 1)
        output = [UInt8](repeating: 0, count: count)
    }

    private func readValues(_ page: PageBytes, _ header: PageHeader) throws {
        let count = header.valueCount
        let present = try repetition.withUnsafeBufferPointer { repetition in
            try definition.withUnsafeBufferPointer { definition in
                try assembly.append(
                    count: count, repetition: layout.isList ? repetition.baseAddress : nil,
                    definition: layout.maxDefinition > 0 ? definition.baseAddress : nil)
            }
        }
        guard present > 0 else { return }
        guard let encoding = Encoding(rawValue: header.encodingNumber) else {
            throw ParquetError.unsupported("a page in the unknown encoding number \(header.encodingNumber)")
        }
        switch encoding {
        case .plainDictionary, .rleDictionary:
            try readIndices(page.bytes, count: present)
        default:
            try sink.append(try values(page, encoding, count: present))
        }
        withExtendedLifetime(page) {}
    }

    private func readIndices(_ bytes: UnsafeRawBufferPointer, count: Int) throws {
        guard let width = bytes.first else { throw ParquetError.outOfSpec("the page ends before its indices") }
        guard width <= 32 else { throw ParquetError.outOfSpec("dictionary indices of \(width) bits") }
        if indices.count < count {
            try allowance.check(count, size: 4)
            indices = [UInt32](repeating: 0, count: count)
        }
        try indices.withUnsafeMutableBufferPointer {
            try HybridRLE.decode(
                UnsafeRawBufferPointer(rebasing: bytes[1...]), bitWidth: Int(width), count: count,
                into: $0.baseAddress!)
            try sink.append(indices: UnsafeBufferPointer(rebasing: $0[..<count]))
        }
    }

    private func plain(_ page: PageBytes, count: Int) throws -> PageValues {
        if layout.type == .boolean { return try Plain.booleans(page, count: count) }
        guard let width = layout.width else { return try Plain.byteArrays(page, count: count) }
        return try Plain.fixed(page, width: width, count: count)
    }

    /// Decodes the values of a page that has no dictionary.
    private func values(_ page: PageBytes, _ encoding: Encoding, count: Int) throws -> PageValues {
        switch (encoding, layout.type) {
        case (.plain, _): return try plain(page, count: count)
        case (.rle, .boolean):
            let size = page.bytes.count
            guard size >= 4 else { throw ParquetError.outOfSpec("the page ends before its booleans") }
            let length = Int(UInt32(littleEndian: page.bytes.loadUnaligned(as: UInt32.self)))
            guard length <= size - 4 else {
                throw ParquetError.outOfSpec("\(length) bytes of booleans in a page of \(size)")
            }
            let output = Buffer<UInt8>(uninitialized: count)
            try HybridRLE.decode(page.slice(4..<4 + length).bytes, bitWidth: 1, count: count, into: output.pointer)
            let bytes = PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output)
            return .fixed(bytes, width: 1, count: count)
        case (.deltaBinaryPacked, .int64), (.deltaBinaryPacked, .int32):
            let (numbers, _) = try DeltaBinaryPacked.decode(page.bytes, count: count, allowance: allowance)
            return layout.type == .int64 ? Self.block(numbers, width: 8) : Self.narrowed(numbers)
        case (.deltaLengthByteArray, .byteArray):
            return .slices(try DeltaLengthByteArray.decode(page, count: count, allowance: allowance))
        case (.deltaByteArray, .byteArray):
            return .slices(try DeltaByteArray.decode(page, count: count, allowance: allowance))
        case (.deltaByteArray, .fixedLenByteArray):
            return try DeltaByteArray.decode(page, count: count, allowance: allowance)
                .packed(width: layout.typeLength, allowance: allowance)
        case (.byteStreamSplit, .float), (.byteStreamSplit, .double), (.byteStreamSplit, .int32),
            (.byteStreamSplit, .int64), (.byteStreamSplit, .fixedLenByteArray):
            return try ByteStreamSplit.decode(page, width: layout.width ?? 1, count: count)
        default:
            throw ParquetError.unsupported("\(layout.type.name) values in the encoding \(encoding.name)")
        }
    }

    private static func block(_ numbers: Buffer<Int64>, width: Int) -> PageValues {
        .fixed(
            PageBytes(bytes: UnsafeRawBufferPointer(numbers.elements), owner: numbers), width: width,
            count: numbers.count)
    }

    private static func narrowed(_ numbers: Buffer<Int64>) -> PageValues {
        let output = Buffer<Int32>(uninitialized: numbers.count)
        for index in 0..<numbers.count { output[index] = Int32(truncatingIfNeeded: numbers[index]) }
        return .fixed(
            PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output), width: 4, count: output.count)
    }
}
