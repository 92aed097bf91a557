import Base
import Files
import Frames
import Glibc
import Testing

@testable import Parquet

@Suite struct WriterTests {
    func options(_ change: (inout WriteOptions) -> Void) -> WriteOptions {
        var options = WriteOptions()
        change(&options)
        return options
    }

    @Test func everyOptionReadsBackTheSame() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            for rows in [1, 7, 500, 3000] {
                for nulls in [true, false] {
                    let frame = try sampleFrame(rows: rows, seed: UInt64(rows), nulls: nulls)
                    for compression in WriteOptions.Compression.allCases {
                        for variant in 0..<4 {
                            let chosen = options {
                                $0.compression = compression
                                $0.dictionary = variant != 1
                                $0.byteStreamSplit = variant == 2 ? .all : variant == 3 ? .named(["vector"]) : .none
                                $0.pageBytes = variant == 0 ? 1 << 20 : 1024
                                $0.rowGroupRows = variant == 3 ? 100 : 122_880
                                $0.uuid = .fixed
                                $0.compressionLevel = 1 + variant
                            }
                            try ParquetWriter.write(frame, to: path, options: chosen)
                            let file = try ParquetFile(path: path)
                            let back = try file.read()
                            expectEqual(back, frame, "\(rows) rows, \(compression), variant \(variant)")
                            #expect(back.columns.map(\.dtype) == frame.columns.map(\.dtype))
                            #expect(variant != 3 || file.rowGroups.count == (rows + 99) / 100)
                        }
                    }
                }
            }
        }
    }

    @Test func uuidsAreTextByDefault() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let frame = try sampleFrame(rows: 50)
            try ParquetWriter.write(frame, to: path)
            let column = try ParquetFile(path: path).read(columns: ["key"]).columns[0]
            #expect(column.dtype == .string)
            #expect(column.values == frame["key"]?.values)
        }
    }

    @Test func bytesDependOnTheRowsOnly() throws {
        try withTemporaryFolder { folder in
            let frame = try sampleFrame(rows: 5000)
            let small = options {
                $0.rowGroupRows = 1100
                $0.pageBytes = 2048
                $0.metadata = [("b", "2"), ("a", "1")]
            }
            let whole = Path.join(folder, "whole.parquet")
            let parts = Path.join(folder, "parts.parquet")
            try ParquetWriter.write(frame, to: whole, options: small)
            let writer = try ParquetWriter(path: parts, options: small)
            var row = 0
            var random = Random(seed: 5)
            while row < 5000 {
                let count = min(random.below(900), 5000 - row)
                try writer.write(try frame.slice(row, count))
                row += count
            }
            try writer.close()
            #expect(try bytes(of: whole) == bytes(of: parts))
            #expect(writer.byteCount == (try bytes(of: whole)).count && writer.rowCount == 5000)
            let file = try ParquetFile(path: whole)
            #expect(file.rowGroups == [1100, 1100, 1100, 1100, 600])
            #expect(file.metadata.map(\.key) == ["b", "a"] && file.metadata.map(\.value) == ["2", "1"])
            #expect(file.createdBy == "tt version 0.1.0")
        }
    }

    @Test func noRowsStillGiveTheSchema() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let frame = try sampleFrame(rows: 0)
            try ParquetWriter.write(frame, to: path, options: options { $0.uuid = .fixed })
            let file = try ParquetFile(path: path)
            let back = try file.read()
            #expect(back.names == frame.names && back.rowCount == 0 && file.rowGroups.isEmpty)
            #expect(back.columns.map(\.dtype) == frame.columns.map(\.dtype))
        }
    }

    @Test func dictionariesAreUsedWhereTheyPay() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            try ParquetWriter.write(try sampleFrame(rows: 40_000), to: path)
            let footer = try bytes(of: path).withUnsafeBytes {
                try FileMetadata(source: .memory(PageBytes(bytes: $0, owner: nil)))
            }
            let encoded = footer.rowGroups[0].columns.filter { $0.dictionaryPageOffset != nil }.map { $0.path[0] }
            #expect(encoded == ["few", "word", "tags", "numbers"])
        }
    }

    @Test func longRunsAndLargePages() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let rows = 300_000
            let frame = try Frame([
                ("same", Column(.int64(Buffer(repeating: 7, count: rows)))),
                ("flag", Column(.bool(Buffer(repeating: 1, count: rows)))),
                ("number", Column(.float64(Buffer((0..<rows).map { Double($0) })))),
            ])
            try ParquetWriter.write(frame, to: path, options: options { $0.rowGroupRows = rows })
            expectEqual(try ParquetFile(path: path).read(), frame)
            #expect(try bytes(of: path).count < 3_000_000)
        }
    }

    @Test func statisticsBoundTheValues() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let long = String(repeating: "x", count: 65)
            let low = UUID("00000000-0000-4000-8000-00000000000a")!
            let frame = try Frame([
                ("i", .int64([3, nil, -5])), ("f", .float32([0, nil, 1.5])), ("z", .float64([-2, -0.0, nil])),
                ("nan", .float32([1, .nan, 2])), ("s", .string(["b", "a", nil])), ("long", .string(["a", long, "b"])),
                ("none", .string([nil, nil, nil])), ("u", .uuid([low, nil, UUID(high: .max, low: 0)])),
                ("flag", .bool([true, nil, true])), ("at", .timestamp([1, 2, nil])),
            ])
            try ParquetWriter.write(frame, to: path)
            let found = try statistics(path)
            #expect(found["i"] == "fbffffffffffffff 0300000000000000 1")
            #expect(found["f"] == "00000080 0000c03f 1", "a zero minimum is negative")
            #expect(found["z"] == "00000000000000c0 0000000000000000 1", "a zero maximum is positive")
            #expect(found["nan"] == "- - 0")
            #expect(found["s"] == "61 62 1")
            #expect(found["long"] == "- - 0")
            #expect(found["none"] == "- - 3")
            #expect(found["flag"] == "01 01 1")
            #expect(found["at"] == "0100000000000000 0200000000000000 1")
            #expect(found["u"]?.hasPrefix("30303030303030302d") == true)
        }
    }

    /// Column name to "min max nulls" in hexadecimal, read back from the footer.
    private func statistics(_ path: String) throws -> [String: String] {
        var result: [String: String] = [:]
        let file = try bytes(of: path)
        let length = Int(file[file.count - 8]) | Int(file[file.count - 7]) << 8
        try Array(file[(file.count - 8 - length)...]).withUnsafeBytes { footer in
            var reader = ThriftReader(footer)
            try reader.structure { reader, id, kind in
                guard id == 4 else { return try reader.skip(kind) }
                try reader.list { reader, _ in
                    try reader.structure { reader, id, kind in
                        guard id == 1 else { return try reader.skip(kind) }
                        try reader.list { reader, _ in try column(&reader, &result) }
                    }
                }
            }
        }
        return result
    }

    private func column(_ reader: inout ThriftReader, _ result: inout [String: String]) throws {
        func hex(_ bytes: UnsafeRawBufferPointer) -> String {
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        try reader.structure { reader, id, kind in
            guard id == 3 else { return try reader.skip(kind) }
            var name = ""
            var (low, high, nulls) = ("-", "-", Int64(-1))
            try reader.structure { reader, id, kind in
                switch id {
                case 3: try reader.list { reader, _ in name = try reader.string() }
                case 12:
                    try reader.structure { reader, id, kind in
                        switch id {
                        case 3: nulls = try reader.i64()
                        case 5: high = hex(try reader.binary())
                        case 6: low = hex(try reader.binary())
                        default: try reader.skip(kind)
                        }
                    }
                default: try reader.skip(kind)
                }
            }
            result[name] = "\(low) \(high) \(nulls)"
        }
    }

    @Test func textMustBeUTF8() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let builder = StringBuilder()
            builder.append("fine")
            [UInt8](arrayLiteral: 0x61, 0xC3, 0x28).withUnsafeBytes { builder.append($0) }
            let frame = try Frame([("s", builder.finish())])
            let error = failure { try ParquetWriter.write(frame, to: path) }
            #expect(error?.code == "parquet.bad_parameter")
            #expect(error?.message.contains("column 's'") == true && error?.message.contains("row 2") == true)
            #expect(files(in: folder).isEmpty)
            try ParquetWriter.write(frame, to: path, options: options { $0.binary = ["s"] })
            let file = try ParquetFile(path: path)
            #expect(file.columns[0].storedAs == "BYTE_ARRAY")
            let column = try file.read().columns[0]
            #expect(withExtendedLifetime(column) { Array(column.stringBytes(1)) } == [0x61, 0xC3, 0x28])
        }
    }

    @Test func invalidUTF8IsFound() {
        func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBufferPointer(UTF8Check.isValid) }
        #expect(isValid(Array("plain ascii and 日本語 and 😀".utf8)) && isValid([]))
        #expect(isValid([0xED, 0x9F, 0xBF]) && isValid([0xF4, 0x8F, 0xBF, 0xBF]))
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0x61, 0xFF],
        ]
        for bytes in bad { #expect(!isValid(bytes), "\(bytes)") }
        var random = Random(seed: 9)
        for _ in 0..<20_000 {
            let bytes = (0..<random.below(12)).map { _ in
                random.below(2) == 0 ? UInt8(random.below(128)) : UInt8(128 + random.below(128))
            }
            #expect(isValid(bytes) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }

    @Test func unfinishedWritersLeaveNothing() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let frame = try sampleFrame(rows: 100)
            do {
                let writer = try ParquetWriter(path: path, options: options { $0.rowGroupRows = 10 })
                try writer.write(frame)
            }
            #expect(files(in: folder).isEmpty)
            try ParquetWriter.write(frame, to: path)
            let before = try bytes(of: path)
            let writer = try ParquetWriter(path: path)
            try writer.write(frame)
            writer.abort()
            #expect(failure { try writer.write(frame) }?.code == "parquet.closed")
            #expect(try bytes(of: path) == before && files(in: folder) == ["a.parquet"])
        }
    }

    @Test func framesMustAgree() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let one = try Frame([("a", .int64([1])), ("b", .string(["x"]))])
            let turned = try Frame([("b", .string(["y"])), ("a", .int64([2]))])
            let writer = try ParquetWriter(path: path)
            try writer.write(one)
            try writer.write(turned)
            try writer.close()
            #expect(try ParquetFile(path: path).read()["a"]?.values == [.int(1), .int(2)])
            for (other, says) in [
                (try Frame([("a", .int64([1]))]), "the file has a, b"),
                (try Frame([("a", .int64([1])), ("c", .string(["x"]))]), "column 'b': the frame lacks"),
                (try Frame([("a", .float64([1])), ("b", .string(["x"]))]), "column 'a': the frame has float64"),
            ] {
                let writer = try ParquetWriter(path: path)
                try writer.write(one)
                let error = failure { try writer.write(other) }
                #expect(error?.message.contains(says) == true, "\(error?.message ?? "no error")")
            }
            let empty = try ParquetWriter(path: path)
            #expect(failure { try empty.close() }?.kind == .badParameter)
        }
    }

    @Test func optionsAreChecked() throws {
        try withTemporaryFolder { folder in
            let path = Path.join(folder, "a.parquet")
            let nested = ListBuilder(ListBuilder(FixedBuilder<Int64>.int64()))
            nested.child.endList()
            nested.endList()
            let frame = try Frame([("vector", .float32([1])), ("name", .string(["x"]))])
            let cases: [(Frame, WriteOptions, String)] = [
                (frame, options { $0.byteStreamSplit = .named(["vectr"]) }, "did you mean 'vector'?"),
                (frame, options { $0.byteStreamSplit = .named(["name"]) }, "for float columns"),
                (frame, options { $0.binary = ["vector"] }, "columns of strings"),
                (frame, options { $0.rowGroupRows = 0 }, "row_group_rows"),
                (frame, options { $0.pageBytes = 1 }, "page_bytes"),
                (frame, options { $0.compressionLevel = 40 }, "compression_level"),
                (try Frame([("n", nested.finish())]), WriteOptions(), "list<list<int64>> cannot be written"),
            ]
            for (frame, options, says) in cases {
                let error = failure { try ParquetWriter.write(frame, to: path, options: options) }
                #expect(error?.message.contains(says) == true, "\(error?.message ?? "no error")")
            }
            #expect(files(in: folder).isEmpty)
        }
    }
}
