import Base
import Testing

@testable import Frames

@Suite struct FrameTests {
    let frame = try! Frame([
        ("id", .int64([1, 2, 3, 4])), ("name", .string(["b", "a", nil, "a"])), ("price", .float64([10, nil, 2.5, 7])),
    ])

    @Test func columnsAreFoundOrSuggested() {
        let error = #expect(throws: FrameError.self) { try frame.column("prize") }
        #expect(error?.message == "no column 'prize'; did you mean 'price'? (the columns are id, name, price)")
        #expect(throws: FrameError.self) { try Frame([("a", .int64([1])), ("a", .int64([1]))]) }
        #expect(throws: FrameError.self) { try Frame([("a", .int64([1])), ("b", .int64([1, 2]))]) }
    }

    @Test func rowsHaveANameOnce() throws {
        let row = Value.object([Value.Member("\u{e9}", 1), Value.Member("e\u{301}", 2)])
        let error = #expect(throws: FrameError.self) { try Frame.from(rows: [row]) }
        #expect(error?.code == "frame.duplicate")
    }

    @Test func selectDropRenameWith() throws {
        #expect(try frame.select(["price", "id"]).names == ["price", "id"])
        #expect(try frame.drop(["name"]).names == ["id", "price"])
        #expect(try frame.rename([("id", "name"), ("name", "id")]).names == ["name", "id", "price"])
        #expect(try frame.with("id", .bool([true, false, true, nil]))["id"]?.dtype == .bool)
        #expect(throws: FrameError.self) { try frame.rename([("id", "name")]) }
    }

    @Test func headTailSlice() throws {
        #expect(try frame.head(2).column("id").values == [1, 2])
        #expect(try frame.tail(1).column("id").values == [4])
        #expect(try frame.slice(1, 2).column("name").values == ["a", .null])
        #expect(try frame.slice(3, 99).rowCount == 1)
    }

    @Test func sortIsStableWithNullsLast() throws {
        #expect(try frame.sort([SortKey("name")]).column("id").values == [2, 4, 1, 3])
        #expect(try frame.sort([SortKey("name", descending: true)]).column("id").values == [1, 2, 4, 3])
        #expect(try frame.sort([SortKey("name"), SortKey("price")]).column("id").values == [4, 2, 1, 3])
        #expect(try frame.sort([SortKey("price", descending: true)]).column("id").values == [1, 4, 3, 2])
        let floats = Column.float64([.nan, -1, nil, -.infinity, 0, -0.0, 3])
        #expect(try floats.sort().cast(to: .string).values == ["-inf", "-1.0", "0.0", "-0.0", "3.0", "nan", .null])
        #expect(try Column.int64([3, -1, .min, .max]).sort().values == [.int(.min), -1, 3, .int(.max)])
        #expect(
            try Column.string(["b", "aaaaaaaab", "aaaaaaaaa", "é", "Z"]).sort().values
                == ["Z", "aaaaaaaaa", "aaaaaaaab", "b", "é"])
    }

    // More rows than are looked at at once.
    @Test func filterKeepsTheRowsOfEveryPiece() throws {
        let count = 200_001
        let rows = Column.int64((0..<count).map { Int64($0) })
        let frame = try Frame([("row", rows)])
        for divisor in [3, 65_537, 300_000] {
            let mask = Column.bool((0..<count).map { $0 % 7 == 0 ? nil : ($0 + 1) % divisor == 0 })
            let expected = (0..<count).filter { $0 % 7 != 0 && ($0 + 1) % divisor == 0 }.map { Value.int(Int64($0)) }
            #expect(try frame.filter(mask)["row"]!.values == expected)
        }
        #expect(try frame.filter(Column.bool((0..<count).map { _ in true })).rowCount == count)
    }

    @Test func sortAgreesWithAStableReferenceSort() throws {
        var random = Random(seed: 7)
        let keys = (0..<5000).map { _ in random.below(10) == 0 ? nil : Int64(random.below(50)) - 25 }
        let tie = (0..<5000).map { _ in Double(random.below(7)) }
        let frame = try Frame([("k", .int64(keys)), ("t", .float64(tie)), ("row", .int64((0..<5000).map { $0 }))])
        let expected = (0..<5000).sorted { a, b in
            let (x, y) = (keys[a], keys[b])
            if x != y { return x == nil ? false : y == nil ? true : x! > y! }
            return tie[a] != tie[b] ? tie[a] < tie[b] : a < b
        }
        let sorted = try frame.sort([SortKey("k", descending: true), SortKey("t")])
        #expect(sorted["row"]!.values == expected.map { .int(Int64($0)) })
    }

    @Test func joins() throws {
        let right = try Frame([
            ("key", .string(["a", "c", "a", nil])), ("price", .int64([100, 200, 300, 400])),
        ])
        let inner = try frame.join(right, leftOn: ["name"], rightOn: ["key"])
        #expect(inner.names == ["id", "name", "price", "price_right"])
        #expect(inner["id"]!.values == [2, 2, 4, 4])
        #expect(inner["price_right"]!.values == [100, 300, 100, 300])
        let left = try frame.join(right, leftOn: ["name"], rightOn: ["key"], how: .left, suffix: "_r")
        #expect(left["id"]!.values == [1, 2, 2, 3, 4, 4])
        #expect(left["price_r"]!.values == [.null, 100, 300, .null, 100, 300])
        #expect(try frame.join(right, leftOn: ["name"], rightOn: ["key"], how: .semi)["id"]!.values == [2, 4])
        #expect(try frame.join(right, leftOn: ["name"], rightOn: ["key"], how: .anti)["id"]!.values == [1, 3])
        #expect(throws: FrameError.self) { try frame.join(right, leftOn: ["id"], rightOn: ["key"]) }
    }

    @Test func joinOnSeveralKeys() throws {
        let a = try Frame([("x", .int64([1, 1, 2, nil])), ("y", .string(["p", "q", "p", "p"]))])
        let b = try Frame([
            ("x", .int64([1, 2, nil])), ("y", .string(["q", "p", "p"])), ("z", .bool([true, false, true])),
        ])
        let joined = try a.join(b, leftOn: ["x", "y"], rightOn: ["x", "y"], how: .left)
        #expect(joined["z"]!.values == [.null, true, false, .null])
    }

    @Test func joinsAgreeWithNestedLoops() throws {
        var random = Random(seed: 11)
        func side(_ rows: Int) throws -> (keys: [[Value]], frame: Frame) {
            let a = (0..<rows).map { _ in random.below(6) == 0 ? nil : Int64(random.below(8)) }
            let b = (0..<rows).map { _ in random.below(6) == 0 ? nil : ["x", "y", "z", ""][random.below(4)] }
            let frame = try Frame([
                ("a", .int64(a)), ("b", .string(b)), ("row", .int64((0..<rows).map { Int64($0) })),
            ])
            return ((0..<rows).map { [frame["a"]!.value($0), frame["b"]!.value($0)] }, frame)
        }
        let (leftKeys, left) = try side(300)
        let (rightKeys, right) = try side(200)
        var pairs: [[Value]] = []
        var unmatched: [Value] = []
        for (row, key) in leftKeys.enumerated() {
            let matches = key.contains(.null) ? [] : rightKeys.indices.filter { rightKeys[$0] == key }
            pairs += matches.map { [.int(Int64(row)), .int(Int64($0))] }
            if matches.isEmpty { unmatched.append(.int(Int64(row))) }
        }
        let inner = try left.join(right, leftOn: ["a", "b"], rightOn: ["a", "b"])
        #expect((0..<inner.rowCount).map { [inner["row"]!.value($0), inner["row_right"]!.value($0)] } == pairs)
        let anti = try left.join(right, leftOn: ["a", "b"], rightOn: ["a", "b"], how: .anti)
        #expect(anti["row"]!.values == unmatched)
        let outer = try left.join(right, leftOn: ["a", "b"], rightOn: ["a", "b"], how: .left)
        #expect(outer.rowCount == pairs.count + unmatched.count)
        #expect(outer["row_right"]!.nullCount == unmatched.count)
        let semi = try left.join(right, leftOn: ["a", "b"], rightOn: ["a", "b"], how: .semi)
        #expect(semi.rowCount == left.rowCount - unmatched.count)
    }

    @Test func groupsInOrderOfFirstAppearance() throws {
        let grouped = try frame.groupBy(["name"]).aggregate([
            .init("*", .count), .init("price", .count), .init("price", .sum), .init("price", .mean),
            .init("price", .max, as: "top"), .init("id", .list), .init("price", .first), .init("id", .last),
        ])
        #expect(
            grouped.names == [
                "name", "count", "price_count", "price_sum", "price_mean", "top", "id_list", "price_first", "id_last",
            ])
        #expect(grouped["name"]!.values == ["b", "a", .null])
        #expect(grouped["count"]!.values == [1, 2, 1])
        #expect(grouped["price_count"]!.values == [1, 1, 1])
        #expect(grouped["price_sum"]!.values == [.double(10), .double(7), .double(2.5)])
        #expect(grouped["id_list"]!.values == [.array([1]), .array([2, 4]), .array([3])])
        #expect(grouped["price_first"]!.values == [.double(10), .null, .double(2.5)])
        #expect(grouped["id_last"]!.values == [1, 4, 3])
    }

    @Test func aggregatesSkipNulls() throws {
        let column = Column.float64([3, nil, 1, 2])
        #expect(try column.aggregate(.count) == 3)
        #expect(try column.aggregate(.sum) == .double(6))
        #expect(try column.aggregate(.mean) == .double(2))
        #expect(try column.aggregate(.median) == .double(2))
        #expect(try column.aggregate(.std) == .double(1))
        #expect(try column.aggregate(.stdPop) == .double((2.0 / 3).squareRoot()))
        #expect(try column.aggregate(.min) == .double(1))
        #expect(try column.aggregate(.nUnique) == 3)
        #expect(try Column.int64([nil]).aggregate(.sum) == .null)
        #expect(try Column.int64([]).aggregate(.count) == 0)
        #expect(try Column.int64([5]).aggregate(.std) == .null)
        #expect(try Column.int64([1, 2, 3, 4]).aggregate(.median) == .double(2.5))
        #expect(try Column.bool([true, false, true, nil]).aggregate(.sum) == 2)
        #expect(try Column.string(["b", nil, "a"]).aggregate(.min) == "a")
        #expect(throws: FrameError.self) { try Column.int64([.max, 1]).aggregate(.sum) }
        #expect(throws: FrameError.self) { try Column.string(["a"]).aggregate(.mean) }
    }

    @Test func keysOfEveryType() throws {
        let id = UUID(high: 1, low: 2)
        let columns: [Column] = [
            .float64([0, -0.0, .nan, .nan, nil, nil, 1]), .float32([0, -0.0, .nan, .nan, nil, nil, 1]),
            .uuid([id, id, .init(high: 0, low: 0), .init(high: 0, low: 0), nil, nil, .init(high: 1, low: 0)]),
            .int64([0, 0, 5, 5, nil, nil, 7]), .int64([0, 0, .max, .max, nil, nil, .min]),
            .timestamp([9, 9, -5, -5, nil, nil, 7]), .string(["", "", "b", "b", nil, nil, "c"]),
        ]
        for column in columns {
            let groups = try RowGroups.of([column], rowCount: 7)
            #expect(Array(groups.ofRow.elements) == [0, 0, 1, 1, 2, 2, 3], "\(column.dtype.name)")
            #expect(Array(groups.firstRows.elements) == [0, 2, 4, 6])
        }
        let both = try RowGroups.of([columns[0], columns[6]], rowCount: 7)
        #expect(both.count == 4)
    }

    @Test func uniqueAndValueCounts() throws {
        #expect(try frame.unique(["name"])["id"]!.values == [1, 2, 3])
        let counts = try frame.valueCounts("name")
        #expect(counts["name"]!.values == ["a", "b", .null])
        #expect(counts["count"]!.values == [2, 1, 1])
    }

    @Test func explodeKeepsEmptyRows() throws {
        let frame = try Frame([
            ("id", .int64([1, 2, 3])), ("tags", try .from([.array(["x", "y"]), .array([]), .null])),
        ])
        let long = try frame.explode("tags")
        #expect(long["id"]!.values == [1, 1, 2, 3])
        #expect(long["tags"]!.values == ["x", "y", .null, .null])
    }

    @Test func sampleIsSeededAndInOrder() throws {
        let frame = try Frame([("row", .int64((0..<1000).map { $0 }))])
        let a = try frame.sample(100, seed: 1)["row"]!.values
        #expect(a == (try frame.sample(100, seed: 1)["row"]!.values))
        #expect(a != (try frame.sample(100, seed: 2)["row"]!.values))
        #expect(a.count == 100)
        #expect(throws: FrameError.self) { try frame.sample(1001, seed: 1) }
        #expect(try frame.sample(1000, seed: 3).rowCount == 1000)
    }

    @Test func fillNullKeepsTheType() throws {
        let filled = try frame.fillNull([("price", Operand(.int(0))), ("name", Operand(.string("?")))])
        #expect(filled["price"]!.values == [.double(10), .double(0), .double(2.5), .double(7)])
        #expect(filled["price"]!.validity == nil || filled["price"]!.nullCount == 0)
        #expect(filled["name"]!.values == ["b", "a", "?", "a"])
        #expect(throws: FrameError.self) { try frame.fillNull([("price", Operand(.string("x")))]) }
    }

    @Test func concatNamesWhatDiffers() throws {
        let both = try Frame.concat([frame, frame.select(["price", "name", "id"]).head(1)])
        #expect(both["id"]!.values == [1, 2, 3, 4, 1])
        let error = #expect(throws: FrameError.self) { try Frame.concat([frame, frame.drop(["id"])]) }
        #expect(error?.message == "cannot concatenate: frame 2 lacks id; select the same columns first")
    }

    @Test func describeCoversEveryType() throws {
        let described = try frame.describe()
        #expect(described["column"]!.values == ["id", "name", "price"])
        #expect(described["nulls"]!.values == [0, 1, 1])
        #expect(described["min"]!.values == ["1", "a", "2.5"])
        #expect(described["mean"]!.values == [.double(2.5), .null, .double(6.5)])
    }

    @Test func tablesAlign() throws {
        let frame = try Frame([
            ("id", .int64([1, 22])), ("名前", .string(["あい", nil])), ("x", .float64([0.1, 1234.5678])),
        ])
        #expect(
            frame.table() == """
                   id  名前          x
                int64  string  float64
                -----  ------  -------
                    1  あい        0.1
                   22  null    1234.57
                2 rows × 3 columns
                """)
        let long = try Frame([("n", .int64((0..<100).map { $0 }))])
        #expect(
            long.table(maxRows: 4) == """
                    n
                int64
                -----
                    0
                    1
                    …
                   98
                   99
                100 rows × 1 column
                """)
        #expect(frame.table(width: 14).hasSuffix("2 rows × 3 columns; not shown: x"))
        #expect(Column.readable(1e300) == "1e300" || Column.readable(1e300) == "1e+300")
        #expect(Column.readable(0.000012345678) == "1.23457e-5")
        #expect(Column.readable(0.123456789) == "0.123457")
        #expect(Column.readable(123456789.123) == "123456789.1")
        #expect(Column.readable(-2.0 / 3) == "-0.666667")
    }
}
