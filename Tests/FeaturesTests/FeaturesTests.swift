import Base
import Frames
import Tensors
import Testing

@testable import Features

func code(_ body: () throws -> some Any) -> String? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? any TTError)?.code
    }
}

func elements<T>(_ buffer: Buffer<T>) -> [T] { (0..<buffer.count).map { buffer[$0] } }

func id(_ number: UInt64) -> Base.UUID { Base.UUID(high: 0x4000, low: 0x8000_0000_0000_0000 | number) }

@Suite struct VocabularyTests {
    @Test func countsATokenOncePerEntityAndOrdersByCountThenBytes() throws {
        let entities = Column.int64([1, 1, 2, 2, 3, 3, nil, 4])
        let tokens = Column.string(["b", "b", "b", "é", "é", "z", "z", nil])
        let fitted = try Vocabulary.fit(entities: entities, tokens: tokens, minCount: 1, maxCount: 0)
        #expect(fitted.tokens == ["b", "é", "z"])
        #expect(fitted.slot(of: "z") == 2)
        #expect(fitted.slot(of: "y") == nil)
        #expect(try Vocabulary.fit(entities: entities, tokens: tokens, minCount: 2, maxCount: 0).tokens == ["b", "é"])
        #expect(try Vocabulary.fit(entities: entities, tokens: tokens, minCount: 0, maxCount: 1).tokens == ["b"])
    }

    // U+FF5E sorts before U+1F600 by code point and UTF-8 byte, after it by UTF-16 unit.
    @Test func breaksTiesByCodePoint() throws {
        let fitted = try Vocabulary.fit(
            entities: .uuid([id(1), id(1), id(1)]), tokens: .string(["\u{1F600}", "\u{FF5E}", "a"]), minCount: 1,
            maxCount: 0)
        #expect(fitted.tokens == ["a", "\u{FF5E}", "\u{1F600}"])
    }

    @Test func readsListColumns() throws {
        let lists = try Column.from([
            .array(["a", "b", "a"]), .array(["b"]), .null, .array([]), .array(["", "c"]),
        ])
        #expect(try Vocabulary.fit(lists: lists, minCount: 1, maxCount: 0).tokens == ["b", "a", "c"])
    }

    @Test func mayBeEmpty() throws {
        let fitted = try Vocabulary.fit(entities: .int64([1]), tokens: .string(["a"]), minCount: 2, maxCount: 0)
        #expect(fitted.count == 0)
        #expect(try Vocabulary(tokens: []).count == 0)
    }

    @Test func refusesEmptyAndRepeatedTokens() {
        #expect(code { try Vocabulary(tokens: ["a", ""]) } == "features.token")
        #expect(code { try Vocabulary(tokens: ["a", "b", "a"]) } == "features.token")
        #expect(
            code { try Vocabulary.fit(entities: .int64([1]), tokens: .string([]), minCount: 1, maxCount: 0) }
                == "features.length")
    }

    @Test func growsBeyondItsFirstTable() throws {
        let names = (0..<5000).map { "token-\($0)" }
        let vocabulary = try Vocabulary(tokens: names)
        #expect(vocabulary.slot(of: "token-4999") == 4999)
        #expect(vocabulary.slot(of: "token-5000") == nil)
    }
}

@Suite struct ScalerTests {
    @Test func takesThePopulationDeviation() throws {
        let scaler = try Scaler.fit(try Frame([("x", .float64([1, 2, 3, 4])), ("n", .int64([5, 5, 5, 5]))]))
        #expect(scaler.means == [2.5, 5])
        #expect(scaler.scales == [Double(1.25).squareRoot(), 1])
        let scaled = try scaler.transform(try Frame([("x", .float64([2.5])), ("n", .int64([7])), ("y", .int64([1]))]))
        #expect(scaled["x"]?.values == [.double(0)])
        #expect(scaled["n"]?.values == [.double(2)])
        #expect(scaled["y"]?.values == [.int(1)])
    }

    @Test func storesNextToNothingAsOne() throws {
        let scaler = try Scaler.fit(try Frame([("x", .float64([1e9, 1e9 + 0.5])), ("y", .float64([1e-3, 2e-3]))]))
        #expect(scaler.scales[0] == 1)
        #expect(scaler.scales[1] != 1)
    }

    @Test func staysAccurateFarFromZero() throws {
        let scaler = try Scaler.fit(try Frame([("x", .float64([1e8 + 1, 1e8 + 3]))]))
        #expect(scaler.scales == [1])
        #expect(scaler.means == [1e8 + 2])
    }

    @Test func refusesWhatIsNotFinite() throws {
        #expect(code { try Scaler.fit(try Frame([("x", .float64([1, nil]))])) } == "features.not_finite")
        #expect(code { try Scaler.fit(try Frame([("x", .string(["a"]))])) } == "features.type")
        #expect(code { try Scaler(names: ["a"], means: [0], scales: [0]) } == "features.range")
        #expect(code { try Scaler(names: ["a"], means: [.nan], scales: [1]) } == "features.range")
        #expect(code { try Scaler(names: ["a", "a"], means: [0, 0], scales: [1, 1]) } == "features.token")
        #expect(try Scaler.fit(try Frame([("x", .float64([]))])).scales == [1])
    }
}

@Suite struct RowIndexTests {
    @Test func findsEveryType() throws {
        let uuids = try RowIndex(.uuid([id(3), id(1), id(2)]))
        #expect(elements(try uuids.rows(of: .uuid([id(2), id(9), nil, id(3)]))) == [2, -1, -1, 0])
        let numbers = try RowIndex(.int64([-5, 7]))
        #expect(elements(try numbers.rows(of: .int64([7, -5, 0]))) == [1, 0, -1])
        let texts = try RowIndex(.string(["b", "a", ""]))
        #expect(elements(try texts.rows(of: .string(["", "a", "c"]))) == [2, 1, -1])
    }

    @Test func namesTheRowOfABadId() throws {
        #expect(code { try RowIndex(.int64([1, 2, 1])) } == "features.duplicate_id")
        #expect(code { try RowIndex(.int64([1, nil])) } == "features.null_id")
        #expect(code { try RowIndex(.float64([1])) } == "features.type")
        #expect(code { try RowIndex(.int64([1])).rows(of: .string(["1"])) } == "features.type")
        #expect(code { try RowIndex(.int64([1])).knownRows(of: .int64([1, 2])) } == "features.unknown_id")
    }

    @Test func holdsManyIds() throws {
        let ids = (0..<20_000).map { id(UInt64($0 * 7919)) }
        let index = try RowIndex(.uuid(ids))
        let found = try index.rows(of: .uuid(ids.reversed()))
        #expect((0..<ids.count).allSatisfy { Int(found[$0]) == ids.count - 1 - $0 })
    }

    // Ascending ids are walked along, with sought ones in order, and looked up otherwise: with equal results.
    @Test func findsIdsInOrderAndOutOfOrder() throws {
        let ids = (0..<1000).map { id(UInt64($0 * 2)) }
        let sought = (0..<1500).map { id(UInt64($0 * 3)) }
        let wanted: [Int32] = (0..<1500).map { (number: Int) -> Int32 in
            number % 2 == 0 && number * 3 < 2000 ? Int32(number / 2 * 3) : -1
        }
        let (ascending, mixed) = (try RowIndex(.uuid(ids)), try RowIndex(.uuid(ids.reversed())))
        #expect(elements(try ascending.rows(of: .uuid(sought))) == wanted)
        #expect(elements(try ascending.rows(of: .uuid(sought.reversed()))) == Array(wanted.reversed()))
        #expect(elements(try ascending.rows(of: .uuid([id(6), id(7)]))) == [3, -1])
        #expect(elements(try ascending.rows(of: .uuid([nil] + sought))) == [-1] + wanted)
        let turned: [Int32] = wanted.map { (row: Int32) -> Int32 in row < 0 ? -1 : 999 - row }
        #expect(elements(try mixed.rows(of: .uuid(sought))) == turned)
        #expect(code { try RowIndex(.uuid([id(1), id(1), id(2)])) } == "features.duplicate_id")
        #expect(code { try RowIndex(.uuid([nil, id(1), id(2)])) } == "features.null_id")
    }
}

@Suite struct FeatureStoreTests {
    let vocabulary: Vocabulary
    init() throws { vocabulary = try Vocabulary(tokens: ["a", "c", "b"]) }

    // The worked example of the data contract: counts 2, 0, 1 over the root of 5.
    @Test func dividesCountsByTheirNorm() throws {
        let index = try RowIndex(.int64([10, 11, 12]))
        let bag = try TokenBag(
            index: index, owners: .int64([10, 10, 12, 10, 99, 12, nil]),
            tokens: .string(["a", "b", "x", "a", "a", "c", "a"]), vocabulary: vocabulary)
        #expect(elements(bag.offsets) == [0, 2, 2, 3])
        #expect(elements(bag.codes) == [0, 2, 1])
        let root = Double(5).squareRoot()
        #expect(elements(bag.values) == [Float(2 / root), Float(1 / root), 1])
        #expect(bag.width == 3)
    }

    // What is held twice counts twice, what nobody knows not at all: as a join of both tables would give it.
    @Test func countsTheTokensOfWhatIsHeld() throws {
        var random = Random(seed: 5)
        let index = try RowIndex(.int64((0..<50).map { $0 }))
        let owners = (0..<900).map { _ in Int64(random.below(60)) }
        let held = (0..<900).map { _ in random.below(20) == 0 ? nil : id(UInt64(random.below(30))) }
        let holders = (0..<200).map { _ in id(UInt64(random.below(40))) }
        let tokens = (0..<200).map { _ in ["a", "b", "c", "x"][random.below(4)] }
        let bag = try TokenBag(
            index: index, owners: .int64(owners), held: .uuid(held),
            tokens: (owners: .uuid(holders), tokens: .string(tokens)), vocabulary: vocabulary)
        let joined = try Frame([("owner", .int64(owners)), ("thing", .uuid(held))]).join(
            try Frame([("thing", .uuid(holders)), ("token", .string(tokens))]), leftOn: ["thing"], rightOn: ["thing"])
        let wanted = try TokenBag(
            index: index, owners: joined["owner"]!, tokens: joined["token"]!, vocabulary: vocabulary)
        #expect(elements(bag.offsets) == elements(wanted.offsets) && bag.codes.count > 100)
        #expect(elements(bag.codes) == elements(wanted.codes) && elements(bag.values) == elements(wanted.values))
        #expect(
            code {
                try TokenBag(
                    index: index, owners: .int64([1]), held: .int64([1]),
                    tokens: (owners: .uuid([id(1)]), tokens: .string(["a"])), vocabulary: vocabulary)
            } == "features.type")
    }

    @Test func readsTokenLists() throws {
        let index = try RowIndex(.int64([1, 2]))
        let lists = try Column.from([.array(["a", "a"]), .null])
        let bag = try TokenBag(index: index, owners: .int64([2, 1]), tokens: lists, vocabulary: vocabulary)
        #expect(elements(bag.offsets) == [0, 0, 1])
        #expect(elements(bag.values) == [1])
    }

    @Test func putsScaledNumbersBeforeBags() throws {
        let ids = Column.string(["u", "v"])
        let numbers = try Frame([("x", .float64([1, 3])), ("hour", .float64([0.5, 1]))])
        let scaler = try Scaler(names: ["x"], means: [2], scales: [0.5])
        let index = try RowIndex(ids)
        let bag = try TokenBag(
            index: index, owners: .string(["v"]), tokens: .string(["c"]), vocabulary: vocabulary)
        let store = try FeatureStore(ids: ids, numbers: numbers, scaler: scaler, bags: [bag])
        #expect(store.matrix.width == 5)
        #expect(try store.matrix.toDense().values == [-2, 0.5, 0, 0, 0, 2, 1, 0, 1, 0])
    }

    @Test func namesFeatureAndIdOfAValueThatIsNotFinite() throws {
        let numbers = try Frame([("x", .float64([1, .infinity]))])
        let none = try Scaler(names: [], means: [], scales: [])
        let error = #expect(throws: FeatureError.self) {
            try FeatureStore(ids: .uuid([id(1), id(2)]), numbers: numbers, scaler: none, bags: [])
        }
        #expect(error?.code == "features.not_finite")
        #expect(error?.message.contains("'x' of id \(id(2)) is inf") == true)
        // Finite in float64, not in float32.
        let large = try Frame([("x", .float64([1e300]))])
        #expect(
            code { try FeatureStore(ids: .int64([1]), numbers: large, scaler: none, bags: []) }
                == "features.not_finite")
        let unknown = try Scaler(names: ["y"], means: [0], scales: [1])
        #expect(
            code { try FeatureStore(ids: .int64([1]), numbers: large, scaler: unknown, bags: []) }
                == "features.length")
    }
}

@Suite struct SamplingTests {
    func draw(_ wanted: [Int64], _ population: Int, _ taken: [(Int32, Int32)], seed: UInt64 = 1, stream: UInt64 = 0)
        throws -> [[Int32]]
    {
        let drawn = try ComplementSampler.sample(
            wanted: Buffer(wanted),
            taken: try TakenItems(
                groups: Buffer(taken.map(\.0)), items: Buffer(taken.map(\.1)), groupCount: wanted.count,
                population: population), seed: seed, stream: stream)
        var result = [[Int32]](repeating: [], count: wanted.count)
        for (group, item) in zip(drawn.groups.elements, drawn.items.elements) { result[Int(group)].append(item) }
        return result
    }

    @Test func leavesOutWhatIsTakenAndGivesAllWhenFew() throws {
        let drawn = try draw([100, 2, 0, 1], 5, [(0, 1), (0, 1), (0, 4), (1, 0), (3, -1), (-1, 2)])
        #expect(drawn[0] == [0, 2, 3])
        #expect(drawn[1].count == 2 && !drawn[1].contains(0))
        #expect(drawn[2].isEmpty)
        #expect(drawn[3].count == 1)
    }

    @Test func isUniformWithoutReplacement() throws {
        var counts = [Int](repeating: 0, count: 10)
        let groups = 30_000
        let taken = (0..<groups).flatMap { [(Int32($0), Int32(2)), (Int32($0), Int32(7))] }
        for items in try draw([Int64](repeating: 3, count: groups), 10, taken) {
            #expect(items.count == 3 && Set(items).count == 3 && items == items.sorted())
            for item in items { counts[Int(item)] += 1 }
        }
        #expect(counts[2] == 0 && counts[7] == 0)
        // Each of 8 items is in 3/8 of the draws: 11,250, standard deviation 84.
        for item in [0, 1, 3, 4, 5, 6, 8, 9] { #expect(abs(counts[item] - 11_250) < 420) }
    }

    @Test func dependsOnSeedAndStreamOnly() throws {
        let wanted: [Int64] = [5, 5, 5]
        #expect(try draw(wanted, 1000, []) == draw(wanted, 1000, []))
        #expect(try draw(wanted, 1000, []) != draw(wanted, 1000, [], seed: 2))
        #expect(try draw(wanted, 1000, []) != draw(wanted, 1000, [], stream: 2))
        #expect(try draw([0, 5, 0], 1000, [])[1] == draw(wanted, 1000, [])[1])
    }

    // Groups in order may share what was given, which is not to change.
    @Test func takesItemsInAnyOrder() throws {
        let items = Buffer<Int32>([1, 4, 3, 2, 3, 0])
        let ordered = try TakenItems(groups: Buffer([0, 0, 2, 2, 2, 3]), items: items, groupCount: 5, population: 5)
        #expect((0..<5).map { Array(ordered.items(of: $0)) } == [[1, 4], [], [2, 3], [0], []])
        #expect(Array(items.elements) == [1, 4, 3, 2, 3, 0])
        let mixed = try TakenItems(
            groups: Buffer([2, 0, 3, -1, 2, 0, 2]), items: Buffer([3, 4, 0, 2, 2, 1, 3]), groupCount: 5, population: 5)
        #expect((0..<5).map { Array(mixed.items(of: $0)) } == (0..<5).map { Array(ordered.items(of: $0)) })
    }

    @Test func putsPairsBeforeTheDraw() throws {
        let taken = try TakenItems(groups: Buffer([1]), items: Buffer([0]), groupCount: 2, population: 2)
        let wanted = Buffer<Int64>([1, 2])
        let drawn = try ComplementSampler.sample(
            wanted: wanted, taken: taken, before: (Buffer([7, 8]), Buffer([9, 10])), seed: 1)
        let alone = try ComplementSampler.sample(wanted: wanted, taken: taken, seed: 1)
        #expect(Array(drawn.groups.elements) == [7, 8] + alone.groups.elements)
        #expect(Array(drawn.items.elements) == [9, 10] + alone.items.elements)
        #expect(
            code { _ = try ComplementSampler.sample(wanted: Buffer([1]), taken: taken, seed: 1) } == "features.length")
    }

    @Test func refusesWhatIsOutOfRange() {
        #expect(code { try draw([1], 5, [(0, 5)]) } == "features.range")
        #expect(code { try draw([-1], 5, []) } == "features.range")
    }
}

@Suite struct SplitAndRankingTests {
    @Test func splitsSomeRowsAsIfThereWereNoOthers() throws {
        let ids = (0..<400).map { id(UInt64($0 % 7)) }
        let numbers = (0..<400).map { Int64($0) }
        let among = (0..<400).map { $0 % 3 == 0 }
        let marked = try DigestSplit.mark(
            prefix: "42", keys: [.uuid(ids), .int64(numbers)], fraction: 0.3, among: .bool(among))
        let rows = (0..<400).filter { among[$0] }
        let alone = try DigestSplit.mark(
            prefix: "42", keys: [.uuid(rows.map { ids[$0] }), .int64(rows.map { numbers[$0] })], fraction: 0.3)
        #expect(rows.map { marked.value($0) } == alone.values)
        #expect((0..<400).allSatisfy { among[$0] || marked.value($0) == .bool(false) })
        #expect(rows.count { marked.value($0) == .bool(true) } == 40)
    }

    @Test func ordersByTheDigestOfTheKeys() throws {
        // Digests of "42:a:1" … in the order Python's hashlib sorts them.
        let letters = Column.string(["a", "b", "c", "d", "e"])
        let numbers = Column.int64([1, 2, 3, 4, 5])
        let order = ["a", "b", "c", "d", "e"].enumerated().sorted { left, right in
            SHA256.hex(Array("42:\(left.element):\(left.offset + 1)".utf8))
                < SHA256.hex(Array("42:\(right.element):\(right.offset + 1)".utf8))
        }.map(\.offset)
        let marked = try DigestSplit.mark(prefix: "42", keys: [letters, numbers], fraction: 0.59)
        let expected = (0..<5).map { Value.bool(order[..<2].contains($0)) }
        #expect(marked.values == expected)
    }

    // The contract's example: SHA-256 of "42:<user>:<item>" starts 0a982373325d0a7c, early enough to be picked.
    @Test func writesUuidsAsCanonicalText() {
        let text = "42:00000000-0000-4000-8000-000000000001:00000000-0000-4000-8000-00000000000a"
        #expect(SHA256.hex(Array(text.utf8)).hasPrefix("0a982373325d0a7c"))
        #expect("\(id(1))" == "00000000-0000-4000-8000-000000000001")
    }

    @Test func truncatesTheNumberOfRows() throws {
        let keys = [Column.int64((0..<10).map { $0 })]
        func count(_ fraction: Double) throws -> Int {
            try DigestSplit.mark(prefix: "1", keys: keys, fraction: fraction).values.filter { $0 == .bool(true) }.count
        }
        #expect(try count(0) == 0)
        #expect(try count(0.19) == 1)
        #expect(try count(0.3) == 3)
        #expect(try count(1) == 10)
        #expect(code { try count(1.5) } == "features.range")
        #expect(code { try DigestSplit.mark(prefix: "", keys: [.int64([nil])], fraction: 0.1) } == "features.type")
    }

    @Test func countsTiesHalf() throws {
        func auc(_ scores: [Double], _ labels: [Double]) throws -> Double? {
            try Ranking.auc(scores: Buffer(scores), labels: Buffer(labels))
        }
        #expect(try auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75)
        #expect(try auc([1, 1, 1], [0, 1, 1]) == 0.5)
        #expect(try auc([3, 2, 2, 1], [1, 1, 0, 0]) == 0.875)
        #expect(try auc([1, 2], [1, 1]) == nil)
        #expect(code { try auc([.nan], [1]) } == "features.not_finite")
        #expect(code { try auc([1], []) } == "features.length")
    }
}

@Suite struct ColumnTensorTests {
    @Test func goesBothWays() throws {
        let flat = try ColumnTensor.tensor(.int64([1, 2]))
        #expect(flat.shape == [2] && flat.values == [1, 2])
        let lists = try ColumnTensor.tensor(try Column.from([.array([1.5, 2]), .array([3, 4])]))
        #expect(lists.shape == [2, 2] && lists.values == [1.5, 2, 3, 4])
        let back = try ColumnTensor.column(lists)
        #expect(back.dtype == .list(.float32))
        #expect(back.values[1] == .array([.float(3), .float(4)]))
        let frame = try ColumnTensor.tensor(try Frame([("a", .int64([1, 2])), ("b", .float64([3, 4]))]))
        #expect(frame.values == [1, 3, 2, 4])
    }

    @Test func refusesWhatIsNoMatrix() throws {
        #expect(code { try ColumnTensor.tensor(.float64([1, nil])) } == "features.not_finite")
        #expect(code { try ColumnTensor.tensor(.string(["a"])) } == "features.type")
        #expect(
            code { try ColumnTensor.tensor(try Column.from([.array([1.0]), .array([1.0, 2.0])])) }
                == "features.length")
    }
}
