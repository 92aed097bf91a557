import Base
import Testing

@testable import Frames

@Suite struct ColumnTests {
    @Test func buildersNoteNullsOnlyWhenThereAreSome() {
        let plain = FixedBuilder<Int64>.int64()
        for value in 0..<1000 { plain.append(Int64(value)) }
        let column = plain.finish()
        #expect(column.validity == nil)
        #expect(column.count == 1000)
        #expect(column.value(999) == 999)

        let mixed = Column.float64([1, nil, 3])
        #expect(mixed.values == [.double(1), .null, .double(3)])
        #expect(mixed.nullCount == 1)
    }

    @Test func stringsShareOnePoolEntry() {
        let column = Column.string(["a", "b", "a", nil, "", "b"])
        let (codes, pool) = column.stringParts
        #expect(pool.count == 3 && pool.isDistinct)
        #expect(codes.pointer[0] == codes.pointer[2])
        #expect(column.values == ["a", "b", "a", .null, "", "b"])
    }

    @Test func stringsThatAreAllNewStopBeingLookedUp() {
        let builder = StringBuilder()
        for row in 0..<80_000 { builder.append("row \(row % 79_000)") }
        let column = builder.finish()
        #expect(!column.stringParts.pool.isDistinct)
        #expect(column.value(79_500) == "row 500")
        #expect(try! RowGroups.of([column], rowCount: column.count).count == 79_000)
    }

    @Test func listsTakeSliceAndConcatenate() throws {
        let column = try Column.from([.array(["a", "b"]), .null, .array([]), .array(["c"])])
        #expect(column.dtype == .list(.string))
        #expect(column.take(indices: [3, -1, 0]).values == [.array(["c"]), .null, .array(["a", "b"])])
        #expect(column.slice(1, 3).values == [.null, .array([]), .array(["c"])])
        let joined = try Column.concat([column.slice(3, 1), column])
        #expect(joined.values == [.array(["c"]), .array(["a", "b"]), .null, .array([]), .array(["c"])])
    }

    @Test func nestedListsTake() throws {
        let column = try Column.from([.array([.array([1, 2]), .array([])]), .array([.array([3])])])
        #expect(
            column.take(indices: [1, 0]).values == [.array([.array([3])]), .array([.array([1, 2]), .array([])])])
    }

    @Test func concatMergesPoolsAndRefusesTypes() throws {
        let joined = try Column.concat([.string(["x", "y"]), .string([nil, "y", "z"])])
        #expect(joined.values == ["x", "y", .null, "y", "z"])
        #expect(joined.stringParts.pool.isDistinct && joined.stringParts.pool.count == 3)
        #expect(throws: FrameError.self) { try Column.concat([.int64([1]), .string(["a"])]) }
    }

    @Test func castsConvertOrNameTheRow() throws {
        #expect(try Column.string(["1", " 2", nil]).cast(to: .int64, strict: false).values == [1, .null, .null])
        let error = #expect(throws: FrameError.self) { try Column.string(["1", "x"]).cast(to: .int64) }
        #expect(error?.code == "frame.cast")
        #expect(error?.message == "row 2: 'x' is not an int64; cast with strict=false to get null instead")
        #expect(try Column.float64([1, 2.5, .nan]).cast(to: .int64, strict: false).values == [1, .null, .null])
        #expect(try Column.int64([0, 1, nil]).cast(to: .bool).values == [false, true, .null])
        #expect(
            try Column.string(["2025-01-31T12:00:00Z", "2025-01-31"]).cast(to: .timestamp).cast(to: .string).values
                == ["2025-01-31T12:00:00Z", "2025-01-31T00:00:00Z"])
        #expect(try Column.float64([0.1, 1, -0.0]).cast(to: .string).values == ["0.1", "1.0", "-0.0"])
        #expect(try Column.from([.array(["a\"b", .null])]).cast(to: .string).values == [#"["a\"b", null]"#])
        #expect(throws: FrameError.self) { try Column.bool([true]).cast(to: .uuid) }
    }

    @Test(arguments: [
        "0", "1", "-1", "3.14", "1e10", "1E-7", "123456789012345678901234567890", "0.1", "2.2250738585072014e-308",
        "1e400",
        "5e-324", "9007199254740993", ".5", "5.", "+7", "1.7976931348623157e308", "0.000000000000000000000123456",
    ])
    func numbersReadAsTheStandardLibraryReadsThem(_ text: String) {
        var text = text
        let mine = text.withUTF8 { NumberText.double($0) }
        let normal = text.hasPrefix(".") ? "0" + text : text.hasSuffix(".") ? text + "0" : text
        #expect(mine == Double(normal))
    }

    @Test(arguments: ["", "-", ".", "1e", "0x10", "1 ", " 1", "1,0", "e5", "--1", "1e+"])
    func otherTextIsNoNumber(_ text: String) {
        var text = text
        #expect(text.withUTF8 { NumberText.double($0) } == nil)
        #expect(text.withUTF8 { NumberText.int64($0) } == nil)
    }

    @Test func theEndsOfInt64AreRead() {
        func read(_ text: String) -> Int64? {
            var text = text
            return text.withUTF8 { NumberText.int64($0) }
        }
        #expect(read("9223372036854775807") == .max)
        #expect(read("-9223372036854775808") == .min)
        #expect(read("9223372036854775808") == nil)
        #expect(read("-9223372036854775809") == nil)
    }

    @Test func textFunctionsWorkOnThePool() throws {
        let column = Column.string(["  Äb ", nil, "日本"])
        #expect(try column.trim().lower().values == ["äb", .null, "日本"])
        #expect(try column.lengths().values == [5, .null, 2])
        #expect(try column.test(.contains, "本").values == [false, .null, true])
        #expect(try column.test(.startsWith, " ").values == [true, .null, false])
        #expect(try column.replace("日", "二").values == ["  Äb ", .null, "二本"])
    }

    @Test func datePartsAreUTC() throws {
        let column = try Column.string(["1969-12-31T23:59:59.5Z", "2024-02-29T06:07:08Z", nil]).cast(to: .timestamp)
        #expect(try column.part(.hour).values == [23, 6, .null])
        #expect(try column.part(.year).values == [1969, 2024, .null])
        #expect(try column.part(.day).values == [31, 29, .null])
        #expect(try column.part(.second).values == [59, 8, .null])
        #expect(try column.part(.weekday).values == [3, 4, .null])
        #expect(try column.date().cast(to: .string).values == ["1969-12-31T00:00:00Z", "2024-02-29T00:00:00Z", .null])
    }

    @Test func roundingAndClamping() throws {
        #expect(
            try Column.float64([-2.5, 2.5, 0.125]).rounded(.round).values == [.double(-3), .double(3), .double(0)])
        #expect(try Column.float64([0.125]).rounded(.round, digits: 2).values == [.double(0.13)])
        #expect(try Column.int64([-5, 5, nil]).clamp(0, nil).values == [0, 5, .null])
        #expect(try Column.int64([-5, 5]).clamp(0.5, 3).values == [.double(0.5), .double(3)])
        #expect(throws: FrameError.self) { try Column.int64([.min]).abs() }
        #expect(try Column.int64([-4]).abs().values == [4])
    }
}
