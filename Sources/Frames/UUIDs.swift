import Base

/// The values of a uuid column: one a row, or, for ids that occur again and again, codes into a table of distinct ones.
public struct UUIDs: @unchecked Sendable {
    /// Without codes a value a row. With codes distinct values, in any order; some may be in no row.
    public let values: Buffer<UUID>
    /// Where each row's value stands in `values`; under a null any place that exists.
    public let codes: Buffer<Int32>?
    /// Whether the distinct values stand in ascending order, and so codes compare as what they stand for.
    let isOrdered: Bool

    public init(_ values: Buffer<UUID>) {
        self.values = values
        codes = nil
        isOrdered = false
    }

    /// - Parameter distinct: not empty unless `codes` are.
    public init(codes: Buffer<Int32>, distinct: Buffer<UUID>) {
        self.init(codes: codes, distinct: distinct, isOrdered: false)
    }

    init(codes: Buffer<Int32>, distinct: Buffer<UUID>, isOrdered: Bool) {
        precondition(codes.count == 0 || distinct.count > 0)
        values = distinct
        self.codes = codes
        self.isOrdered = isOrdered
    }

    @inlinable public var count: Int { codes?.count ?? values.count }

    @inlinable @inline(__always) public subscript(row: Int) -> UUID {
        guard let codes else { return values.pointer[row] }
        return values.pointer[Int(codes.pointer[row])]
    }

    /// A value a row.
    public var plain: Buffer<UUID> {
        codes.map { values.taking($0, missing: UUID(high: 0, low: 0)) } ?? values
    }

    var byteCount: Int { values.byteCount + (codes?.byteCount ?? 0) }

    func taking(_ rows: Buffer<Int32>) -> UUIDs {
        guard let codes else { return UUIDs(values.taking(rows, missing: UUID(high: 0, low: 0))) }
        guard values.count > 0 else { return UUIDs(Buffer(repeating: UUID(high: 0, low: 0), count: rows.count)) }
        return with(codes: codes.taking(rows, missing: 0))
    }

    /// Where each of the values of `others` stands among the values of these, -1 for those that do not; nil unless both are
    /// in strictly ascending order. Then one walk through both finds them all.
    public func places(of others: UUIDs) -> Buffer<Int32>? {
        guard areAscending, others.areAscending else { return nil }
        let (mine, theirs) = (values.elements, others.values.elements)
        let places = Buffer<Int32>(uninitialized: theirs.count)
        var at = 0
        for (index, value) in theirs.enumerated() {
            while at < mine.count, mine[at] < value { at += 1 }
            places.pointer[index] = at < mine.count && mine[at] == value ? Int32(truncatingIfNeeded: at) : -1
        }
        return places
    }

    /// Whether the values are in strictly ascending order. Looks no further than where they are not.
    public var areAscending: Bool {
        (1..<max(values.count, 1)).allSatisfy { values.pointer[$0 - 1] < values.pointer[$0] }
    }

    /// Other codes into the same values.
    func with(codes: Buffer<Int32>) -> UUIDs { UUIDs(codes: codes, distinct: values, isOrdered: isOrdered) }

    func slice(_ start: Int, _ length: Int) -> UUIDs {
        codes.map { with(codes: $0.slice(start, length)) } ?? UUIDs(values.slice(start, length))
    }

    /// Ids with codes keep them: what is laid end to end is then the codes.
    static func concat(_ parts: [UUIDs]) -> UUIDs {
        guard parts.contains(where: { $0.codes != nil }) else { return UUIDs(.concat(parts.map(\.values))) }
        if let first = parts.first, parts.allSatisfy({ $0.codes != nil && $0.values === first.values }) {
            return first.with(codes: .concat(parts.map { $0.codes! }))
        }
        let table = KeyTable<UUID>(capacity: 0)
        let codes = Buffer<Int32>(uninitialized: parts.reduce(0) { $0 + $1.count })
        var at = 0
        for part in parts {
            let translated = Buffer<Int32>(uninitialized: part.values.count)
            table.codes(for: part.values.pointer, count: part.values.count, into: translated.pointer)
            if let own = part.codes {
                for code in own.elements {
                    codes.pointer[at] = translated.pointer[Int(code)]
                    at += 1
                }
            } else if part.count > 0 {
                (codes.pointer + at).update(from: translated.pointer, count: part.count)
                at += part.count
            }
        }
        return UUIDs(codes: codes, distinct: table.distinct())
    }
}

/// Builds a uuid column. Equal ids share one entry of a table until it turns out that most of them are new; from then on
/// they are stored as they come.
public final class UUIDBuilder: ColumnBuilder {
    /// Codes while ids are looked up, empty afterwards.
    @exclusivity(unchecked) private var codes: GrowingBuffer<Int32>
    @exclusivity(unchecked) private var table: KeyTable<UUID>? = KeyTable(capacity: 0)
    @exclusivity(unchecked) private var values = GrowingBuffer<UUID>()
    @exclusivity(unchecked) private var validity = GrowingValidity()
    /// Ids that are not looked up yet: a look-up waits for memory, many together wait once.
    private let waiting = Buffer<UUID>(uninitialized: 256)
    @exclusivity(unchecked) private var waitingCount = 0
    /// The row count at which the share of new ids is looked at next.
    @exclusivity(unchecked) private var nextCheck = 65_536

    public init(capacity: Int = 0) { codes = GrowingBuffer(capacity: capacity) }

    public var count: Int { waitingCount + (table == nil ? values.count : codes.count) }

    public func append(_ value: UUID) {
        validity.value()
        waiting.pointer[waitingCount] = value
        waitingCount += 1
        if waitingCount == waiting.count { settle() }
    }

    /// Appends many values, none of them null.
    public func append(_ ids: UnsafeBufferPointer<UUID>) {
        guard let first = ids.baseAddress else { return }
        settle()
        validity.values(ids.count)
        settle(first, ids.count)
    }

    public func appendNull() {
        settle()
        validity.null(after: count)
        if table == nil { values.append(UUID(high: 0, low: 0)) } else { codes.append(0) }
    }

    private func settle() {
        guard waitingCount > 0 else { return }
        settle(waiting.pointer, waitingCount)
        waitingCount = 0
    }

    private func settle(_ ids: UnsafePointer<UUID>, _ count: Int) {
        guard let table else { return values.append(UnsafeBufferPointer(start: ids, count: count)) }
        codes.reserve(count)
        table.codes(for: ids, count: count, into: codes.pointer + codes.count)
        codes.count += count
        if codes.count >= nextCheck { check(table) }
    }

    private func check(_ table: KeyTable<UUID>) {
        // Ids of a large table repeat late: at first only an id that nearly never does is given up.
        if codes.count >= 1 << 20 ? isMostlyNew(table) : table.count > codes.count / 64 * 63 { spread(table) }
        nextCheck = max(nextCheck * 2, 1 << 20)
    }

    private func isMostlyNew(_ table: KeyTable<UUID>) -> Bool { table.count > codes.count / 2 }

    /// Gives the table up.
    private func spread(_ table: KeyTable<UUID>) {
        let distinct = distinct(table)
        values = GrowingBuffer(capacity: codes.count * 2)
        for row in 0..<codes.count { values.append(distinct.pointer[Int(codes.pointer[row])]) }
        codes = GrowingBuffer()
        self.table = nil
    }

    /// Never empty, as codes under nulls must be in range.
    private func distinct(_ table: KeyTable<UUID>) -> Buffer<UUID> {
        table.count > 0 ? table.distinct() : Buffer(repeating: UUID(high: 0, low: 0), count: 1)
    }

    public func finish() -> Column {
        settle()
        let valid = validity.finish()
        if let table {
            if !isMostlyNew(table) {
                return Column(.uuid(UUIDs(codes: codes.finish(), distinct: distinct(table))), validity: valid)
            }
            spread(table)
        }
        return Column(.uuid(UUIDs(values.finish())), validity: valid)
    }
}
