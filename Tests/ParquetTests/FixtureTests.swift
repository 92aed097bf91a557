import Base
import Files
import Frames
import Testing

@testable import Parquet

@Suite struct FixtureTests {
    @Test func everyFixtureReadsAsItsTable() throws {
        let expected = try Fixtures.expected()
        let files = Fixtures.members(expected["files"])
        #expect(files.count >= 38)
        for file in files {
            guard case .string(let table) = file.value else { continue }
            let columns = Fixtures.members(expected["tables"]?[table])
            let frame = try ParquetFile(path: Fixtures.path(file.name)).read()
            #expect(frame.names.sorted() == columns.map(\.name).sorted(), "\(file.name)")
            for column in columns {
                guard let found = frame[column.name], case .array(let values) = column.value["values"] else { continue }
                #expect(.string(found.dtype.name) == column.value["dtype"], "\(file.name) \(column.name)")
                #expect(found.count == values.count, "\(file.name) \(column.name)")
                for (row, pair) in zip(found.values, values).enumerated() where !matches(pair.0, pair.1) {
                    Issue.record("\(file.name) \(column.name) row \(row): \(pair.0) is not \(pair.1)")
                    break
                }
            }
        }
    }

    @Test func unreadableFilesSayWhy() throws {
        for file in Fixtures.members(try Fixtures.expected()["refused"]) {
            let error = failure { _ = try ParquetFile(path: Fixtures.path(file.name)).read() }
            guard let error, case .string(let code) = file.value["code"], case .string(let says) = file.value["says"]
            else {
                Issue.record("\(file.name) was read")
                continue
            }
            #expect(error.code == code, "\(file.name): \(error.message)")
            #expect(error.message.contains(says), "\(file.name): \(error.message)")
            #expect(error.path == Fixtures.path(file.name))
            if case .string(let column) = file.value["column"] { #expect(error.column == column, "\(file.name)") }
        }
    }

    @Test func unreadableColumnsDoNotHinderTheOthers() throws {
        let file = try ParquetFile(path: Fixtures.path("refused_struct.parquet"))
        #expect(file.columns[0].dtype == nil)
        #expect(file.columns[0].obstacle?.contains("struct") == true)
        #expect(try file.read(columns: []).rowCount == 1)
    }

    @Test func projectionTakesColumnsInTheGivenOrder() throws {
        let file = try ParquetFile(path: Fixtures.path("arrow_snappy.parquet"))
        let frame = try file.read(columns: ["word", "id"])
        #expect(frame.names == ["word", "id"] && frame.rowCount == 300)
        #expect(failure { _ = try file.read(columns: ["id", "id"]) }?.message.contains("asked for twice") == true)
        let error = failure { _ = try file.read(columns: ["wrod"]) }
        #expect(error?.kind == .badParameter && error?.message.contains("did you mean 'word'?") == true)
    }

    @Test func rowGroupsAddUpToTheWhole() throws {
        for name in ["arrow_small_pages.parquet", "polars_groups.parquet"] {
            let file = try ParquetFile(path: Fixtures.path(name))
            #expect(file.rowGroups.count >= 3 && file.rowGroups.reduce(0, +) == 300)
            let parts = try file.rowGroups.indices.map { try file.readRowGroup($0) }
            expectEqual(try Frame.concat(parts), try file.read(), name)
            #expect(failure { _ = try file.readRowGroup(file.rowGroups.count) }?.kind == .badParameter)
        }
    }

    @Test func dictionariesOfSeveralRowGroupsShareOnePool() throws {
        let file = try ParquetFile(path: Fixtures.path("arrow_small_pages.parquet"))
        let (_, pool) = try file.read(columns: ["word"]).columns[0].stringParts
        #expect(pool.isDistinct && pool.count == 4)
    }

    @Test func describesColumnsAndFooter() throws {
        let file = try ParquetFile(path: Fixtures.path("arrow_types.parquet"))
        let stored = Dictionary(uniqueKeysWithValues: file.columns.map { ($0.name, $0.storedAs) })
        #expect(stored["u8"] == "INT32 (UInt8)")
        #expect(stored["d_small"] == "FIXED_LEN_BYTE_ARRAY(3) (Decimal(scale 2))")
        #expect(stored["large_list"] == "List of INT64")
        #expect(stored["uuid"] == "FIXED_LEN_BYTE_ARRAY(16) (UUID)")
        #expect(file.createdBy?.contains("parquet-cpp") == true)
        #expect(file.metadata.contains { $0.key == "ARROW:schema" })
    }

    @Test func closedFilesRefuseToRead() throws {
        let file = try ParquetFile(path: Fixtures.path("arrow_snappy.parquet"))
        file.close()
        #expect(failure { _ = try file.read() }?.code == "parquet.closed")
    }

    @Test func limitsMemoryByOption() throws {
        let file = try ParquetFile(path: Fixtures.path("arrow_snappy.parquet"), maxBytes: 1000)
        let error = failure { _ = try file.read() }
        #expect(error?.kind == .wouldAllocateTooMuch && error?.message.contains("max_bytes") == true)
    }

    @Test func missingFilesAreFileErrors() {
        #expect(throws: FileError.self) { try ParquetFile(path: Fixtures.path("none.parquet")) }
    }
}
