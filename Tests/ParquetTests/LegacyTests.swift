import Base
import Frames
import Testing

@testable import Parquet

/// Layouts that today's writers no longer produce, assembled by hand.
@Suite struct LegacyTests {
    /// A file with one column chunk of one data page.
    private func file(
        schema: [SchemaElement], rows: Int, values: Int, body: [UInt8], type: PhysicalType,
        edit: (inout PageHeader) -> Void = { _ in }
    ) throws -> ParquetFile {
        var bytes = FileMetadata.magic
        var header = PageHeader(type: .data, encoding: .plain, valueCount: min(values, 1 << 30))
        header.uncompressedSize = body.count
        header.compressedSize = body.count
        edit(&header)
        let head = header.encoded()
        bytes += head + body
        var chunk = ColumnChunkMetadata()
        chunk.type = type
        chunk.path = ["x"]
        chunk.valueCount = values
        chunk.dataPageOffset = 4
        chunk.compressedByteCount = Int64(head.count + body.count)
        chunk.uncompressedByteCount = chunk.compressedByteCount
        var group = RowGroupMetadata()
        group.columns = [chunk]
        group.rowCount = rows
        var footer = FileMetadata()
        footer.schema = [SchemaElement(name: "schema", childCount: 1)] + schema
        footer.rowCount = rows
        footer.rowGroups = [group]
        let encoded = footer.encoded(leafCount: 1)
        var writer = ByteWriter()
        writer.append(bytes + encoded)
        writer.littleEndian(UInt32(encoded.count))
        writer.append(FileMetadata.magic)
        let buffer = Buffer(writer.bytes)
        return try ParquetFile(
            path: "legacy.parquet",
            source: .memory(PageBytes(bytes: UnsafeRawBufferPointer(buffer.elements), owner: buffer)))
    }

    private func levels(_ values: [UInt32], bits: Int) -> [UInt8] {
        var encoder = HybridRLEEncoder(bitWidth: bits)
        for value in values { encoder.append(value) }
        encoder.finish()
        var bytes: [UInt8] = []
        bytes.append(byteArray: encoder.bytes)
        return bytes
    }

    private func plain(_ values: [Int32]) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: value) }
        return bytes
    }

    private func list(_ name: String, _ repetition: Repetition, children: Int = 1) -> SchemaElement {
        var element = SchemaElement(name: name, repetition: repetition, childCount: children)
        element.converted = .list
        return element
    }

    @Test func twoLevelLists() throws {
        // Rows: [1, 2], null, [], [3]
        let schema = [list("x", .optional), SchemaElement(name: "array", type: .int32, repetition: .repeated)]
        let body = levels([0, 1, 0, 0, 0], bits: 1) + levels([2, 2, 0, 1, 2], bits: 2) + plain([1, 2, 3])
        let frame = try file(schema: schema, rows: 4, values: 5, body: body, type: .int32).read()
        #expect(frame["x"]?.values == [.array([.int(1), .int(2)]), .null, .array([]), .array([.int(3)])])
    }

    @Test func requiredListsOfRequiredElements() throws {
        let schema = [
            list("x", .required), SchemaElement(name: "bag", repetition: .repeated, childCount: 1),
            SchemaElement(name: "array_element", type: .int32, repetition: .required),
        ]
        let body = levels([0, 0, 1], bits: 1) + levels([0, 1, 1], bits: 1) + plain([7, 8])
        let frame = try file(schema: schema, rows: 2, values: 3, body: body, type: .int32).read()
        #expect(frame["x"]?.values == [.array([]), .array([.int(7), .int(8)])])
    }

    @Test func repeatedFieldsWithoutAListType() throws {
        let schema = [SchemaElement(name: "x", type: .int32, repetition: .repeated)]
        let body = levels([0, 1, 0], bits: 1) + levels([1, 1, 0], bits: 1) + plain([7, 8])
        let parsed = try file(schema: schema, rows: 2, values: 3, body: body, type: .int32)
        #expect(parsed.columns[0].dtype == .list(.int64) && !parsed.columns[0].isNullable)
        #expect(try parsed.read()["x"]?.values == [.array([.int(7), .int(8)]), .array([])])
    }

    @Test func listsOfStructsInOldFormsAreRefused() throws {
        for name in ["array", "x_tuple"] {
            let schema = [
                list("x", .optional), SchemaElement(name: name, repetition: .repeated, childCount: 1),
                SchemaElement(name: "field", type: .int32, repetition: .optional),
            ]
            let parsed = try file(schema: schema, rows: 0, values: 0, body: [], type: .int32)
            #expect(parsed.columns[0].obstacle?.contains("list of structs") == true)
        }
    }

    @Test func levelsThatContradictEachOther() throws {
        let schema = [list("x", .optional), SchemaElement(name: "array", type: .int32, repetition: .repeated)]
        for (repetition, definition) in [
            ([1, 0], [2, 2]), ([0, 1], [0, 2]), ([0, 1], [2, 1]), ([0, 0], [3, 2]),
        ] as [([UInt32], [UInt32])] {
            let body = levels(repetition, bits: 1) + levels(definition, bits: 2) + plain([1, 2])
            let parsed = try file(schema: schema, rows: 2, values: 2, body: body, type: .int32)
            let error = failure { _ = try parsed.read() }
            #expect(error?.kind == .outOfSpec && error?.pageOffset == 4, "\(error?.message ?? "no error")")
        }
    }

    @Test func rowsMustAddUp() throws {
        let schema = [SchemaElement(name: "x", type: .int32, repetition: .required)]
        let short = try file(schema: schema, rows: 3, values: 3, body: plain([1, 2]), type: .int32)
        #expect(
            failure { _ = try short.read() }?.message.contains(
                "legacy.parquet: column 'x', row group 1, page at byte 4") == true)
        let wrong = try file(schema: schema, rows: 3, values: 2, body: plain([1, 2]), type: .int32)
        #expect(failure { _ = try wrong.read() }?.kind == .outOfSpec)
        let huge = try file(schema: schema, rows: 1 << 40, values: 1 << 40, body: plain([1, 2]), type: .int32)
        #expect(failure { _ = try huge.read() }?.kind == .wouldAllocateTooMuch)
        let other = try file(schema: schema, rows: 1, values: 1, body: plain([1, 2]), type: .int64)
        #expect(
            failure { _ = try other.read() }?.message.contains("the schema says INT32, the column chunk INT64") == true)
    }

    @Test func typesThatDoNotFitAreNamed() {
        func choose(_ type: PhysicalType, _ logical: LogicalType?, length: Int = 0) -> String? {
            if case .failure(let obstacle) = Conversion.choose(type: type, length: length, logical: logical) {
                return obstacle.reason
            }
            return nil
        }
        #expect(choose(.float, .string)?.contains("String does not go with FLOAT") == true)
        #expect(choose(.fixedLenByteArray, .uuid, length: 15) != nil)
        #expect(choose(.int64, .other("Variant"))?.contains("Variant") == true)
        #expect(choose(.int32, .decimal(scale: -1)) != nil)
        #expect(choose(.byteArray, .bson) == nil)
    }
}
