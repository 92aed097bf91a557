import Base
import Testing

@testable import Frames

/// Ids that repeat are stored as codes; nothing but the memory they take may tell that from ids stored one a row.
@Suite struct UUIDTests {
    /// The same random ids twice: a value a row, and as a builder stores them; a tenth of the rows is null.
    private static func both(_ count: Int, distinct: Int, seed: UInt64) -> (plain: Column, coded: Column) {
        var random = Random(seed: seed)
        let ids = (0..<distinct).map { _ in UUID(high: random.next(), low: random.next()) }
        let values = (0..<count).map { _ in random.below(10) == 0 ? nil : ids[random.below(distinct)] }
        let builder = UUIDBuilder()
        for value in values { if let value { builder.append(value) } else { builder.appendNull() } }
        return (.uuid(values), builder.finish())
    }

    private let first = Self.both(3000, distinct: 40, seed: 1)
    private let second = Self.both(500, distinct: 60, seed: 2)
    private let numbers = Column.int64((0..<3000).map { Int64($0 * 7919 % 5) })

    private func frames(_ use: (plain: Column, coded: Column)) throws -> [Frame] {
        try [use.plain, use.coded].map { try Frame([("id", $0), ("n", numbers)]) }
    }

    @Test func buildersKeepCodesWhereIdsRepeat() throws {
        #expect(first.coded.uuidValues.codes != nil && first.coded.uuidValues.values.count == 40)
        #expect(first.coded.isEqual(to: first.plain) && first.plain.isEqual(to: first.coded))
        #expect(first.coded.values == first.plain.values)
        let once = Self.both(300, distinct: 100_000, seed: 3)
        #expect(once.coded.uuidValues.codes == nil && once.coded.isEqual(to: once.plain))
        let nulls = UUIDBuilder()
        nulls.appendNull()
        #expect(nulls.finish().values == [.null])
        #expect(UUIDBuilder().finish().count == 0)
    }

    @Test func mostlyNewIdsAreGivenUpOnTheWay() throws {
        var random = Random(seed: 4)
        let values = (0..<70_000).map { _ in UUID(high: random.next(), low: random.next()) }
        let builder = UUIDBuilder()
        for value in values { builder.append(value) }
        builder.append(values[0])
        let column = builder.finish()
        #expect(column.count == 70_001 && column.uuidValues.codes == nil)
        #expect(column.uuidValues[69_999] == values[69_999] && column.uuidValues[70_000] == values[0])
    }

    @Test func rowsAreTakenSlicedAndJoinedEndToEnd() throws {
        let rows = Buffer<Int32>([5, -1, 2999, 5, 0])
        #expect(first.coded.take(rows).isEqual(to: first.plain.take(rows)))
        #expect(first.coded.slice(10, 20).isEqual(to: first.plain.slice(10, 20)))
        let ways = [(first.coded, second.coded), (first.coded, second.plain), (first.plain, second.coded)]
        for (a, b) in ways {
            #expect(try Column.concat([a, b]).isEqual(to: try Column.concat([first.plain, second.plain])))
        }
        #expect(try Column.concat([first.coded, first.coded]).uuidValues.values === first.coded.uuidValues.values)
    }

    @Test func sortsGroupsAndJoinsAlike() throws {
        let (plain, coded) = (try frames(first)[0], try frames(first)[1])
        for keys in [["id"], ["-id", "n"], ["n", "-id"]] {
            let spelled = keys.map { SortKey(spelled: $0) }
            #expect(try coded.sort(spelled).isEqual(to: try plain.sort(spelled)))
        }
        #expect(try coded.unique(["id", "n"]).isEqual(to: try plain.unique(["id", "n"])))
        #expect(try coded.unique(["n", "id"]).isEqual(to: try plain.unique(["n", "id"])))
        let counts: [Grouping.Item] = [.init("*", .count), .init("n", .sum)]
        #expect(try coded.groupBy(["id"]).aggregate(counts).isEqual(to: try plain.groupBy(["id"]).aggregate(counts)))
        let other = try Frame([("id", second.plain), ("m", .int64((0..<500).map { $0 }))])
        let otherCoded = try Frame([("id", second.coded), ("m", .int64((0..<500).map { $0 }))])
        for how in JoinKind.allCases {
            let wanted = try plain.join(other, leftOn: ["id"], rightOn: ["id"], how: how)
            #expect(try coded.join(otherCoded, leftOn: ["id"], rightOn: ["id"], how: how).isEqual(to: wanted))
            #expect(try plain.join(otherCoded, leftOn: ["id"], rightOn: ["id"], how: how).isEqual(to: wanted))
        }
        #expect(try coded["id"]!.isIn(other["id"]!).isEqual(to: try plain["id"]!.isIn(other["id"]!)))
        // Ids in order are found by a walk instead of a table.
        let inOrder = try other.sort([SortKey("id")]).unique(["id"])
        for how in JoinKind.allCases {
            let wanted = try plain.sort([SortKey("id")]).join(inOrder, leftOn: ["id"], rightOn: ["id"], how: how)
            #expect(
                try coded.sort([SortKey("id")]).join(inOrder, leftOn: ["id"], rightOn: ["id"], how: how)
                    .isEqual(to: wanted))
            let back = try inOrder.join(plain, leftOn: ["id"], rightOn: ["id"], how: how)
            #expect(
                try inOrder.join(coded.sort([SortKey("id")]), leftOn: ["id"], rightOn: ["id"], how: how)["m"]!
                    .isEqual(to: back["m"]!))
        }
        let filled = try inOrder.filter(Expression("id is not null"))["id"]!
        #expect(
            try coded.sort([SortKey("id")])["id"]!.isIn(filled).isEqual(
                to: try plain.sort([SortKey("id")])["id"]!.isIn(filled)))
        // Sorted rows are known to be distinct without a table, and equal ones still found.
        let sorted = try coded.sort([SortKey("id"), SortKey("n")])
        #expect(
            try sorted.unique(["id", "n"]).isEqual(
                to: try plain.sort([SortKey("id"), SortKey("n")]).unique(["id", "n"])))
        let distinct = try sorted.unique(["id", "n"])
        #expect(try distinct.unique(["id", "n"]).rowCount == distinct.rowCount)
    }
}

/// Sorting against a plain comparison, with keys that do not fit one word together.
@Suite struct SortTests {
    private func compare(_ a: Value, _ b: Value, descending: Bool) -> Int {
        switch (a, b) {
        case (.null, .null): return 0
        case (.null, _): return 1
        case (_, .null): return -1
        case (.int(let x), .int(let y)): return (x < y ? -1 : x == y ? 0 : 1) * (descending ? -1 : 1)
        case (.string(let x), .string(let y)): return (x < y ? -1 : x == y ? 0 : 1) * (descending ? -1 : 1)
        default: return 0
        }
    }

    private func order(_ frame: Frame, _ keys: [SortKey]) throws -> [Int] {
        let rows = try frame.order(keys)
        return (0..<rows.count).map { Int(rows[$0]) }
    }

    @Test func ordersByAllKeysAndKeepsTheOrderOfEqualRows() throws {
        var random = Random(seed: 7)
        let wide = (0..<2000).map { _ -> Int64? in
            random.below(12) == 0 ? nil : [Int64.min, .max, 0, -1, 1, 1 << 40][random.below(6)]
        }
        let narrow = (0..<2000).map { _ -> Int64? in random.below(9) == 0 ? nil : Int64(random.below(4)) }
        let texts = (0..<2000).map { _ in ["b", "a", "", "aa"][random.below(4)] }
        let frame = try Frame([("wide", .int64(wide)), ("narrow", .timestamp(narrow)), ("text", .string(texts))])
        for keys in [["wide"], ["-wide", "narrow"], ["narrow", "-wide", "text"], ["-text", "-narrow", "wide"]] {
            let spelled = keys.map { SortKey(spelled: $0) }
            let columns = try spelled.map { try frame.column($0.name).values }
            let expected = (0..<2000).sorted { a, b in
                for (key, values) in zip(spelled, columns) {
                    let order = compare(values[a], values[b], descending: key.descending)
                    if order != 0 { return order < 0 }
                }
                return a < b
            }
            #expect(try order(frame, spelled) == expected, "by \(keys)")
        }
        #expect(try order(frame.head(1), [SortKey("wide")]) == [0])
        #expect(try order(frame.head(0), [SortKey("wide")]) == [])
    }
}
