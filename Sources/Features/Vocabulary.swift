import Base
import Frames

/// Tokens in a fixed order; the index of a token is its slot in a bag.
public final class Vocabulary: @unchecked Sendable {
    public let tokens: [String]
    private let table: TokenTable

    /// - Throws: `features.token` for an empty or repeated token.
    public init(tokens: [String]) throws {
        var table = TokenTable(capacity: tokens.count)
        for (slot, token) in tokens.enumerated() {
            var token = token
            let number = token.withUTF8 { table.insert($0) }
            guard !token.isEmpty, number == slot else {
                throw FeatureError(
                    "features.token",
                    token.isEmpty ? "token \(slot + 1) is empty" : "token '\(token)' stands in the vocabulary twice",
                    details: [("token", .string(token))])
            }
        }
        self.tokens = tokens
        self.table = table
    }

    public var count: Int { tokens.count }

    /// The slot of `token`, from 0; nil when it is not in the vocabulary.
    public func slot(of token: String) -> Int? {
        var token = token
        return token.withUTF8 { table.find($0) }
    }

    func slot(of token: UnsafeBufferPointer<UInt8>) -> Int? { table.find(token) }

    /// Counts each token once per entity, keeps those with at least `minCount`, orders them by count descending and then
    /// by bytes (the order of code points in UTF-8), and keeps the first `maxCount`.
    /// - Parameters:
    ///   - entities: whom a token belongs to, row by row; uuid, int64 or string.
    ///   - tokens: string column of the same length. Nulls and empty strings count for nothing.
    ///   - maxCount: 0 keeps all.
    public static func fit(entities: Column, tokens: Column, minCount: Int, maxCount: Int) throws -> Vocabulary {
        guard entities.count == tokens.count else {
            throw FeatureError(
                "features.length", "\(entities.count) entities go with \(tokens.count) tokens; give one per row")
        }
        let groups = try EntityGroups(entities)
        var table = TokenTable()
        let codes = try TokenCodes(tokens) { $0.isEmpty ? nil : table.insert($0) }.codes
        var pairs: [UInt64] = []
        pairs.reserveCapacity(codes.count)
        for row in 0..<codes.count where codes[row] >= 0 && groups.groups[row] >= 0 {
            pairs.append(UInt64(groups.groups[row]) << 32 | UInt64(codes[row]))
        }
        try Interrupt.check()
        pairs.sort()
        var counts = [Int](repeating: 0, count: table.count)
        for index in 0..<pairs.count where index == 0 || pairs[index] != pairs[index - 1] {
            counts[Int(pairs[index] & 0xFFFF_FFFF)] += 1
        }
        return try pick(table, counts: counts, minCount: minCount, maxCount: maxCount)
    }

    /// The same over a `list<string>` column, each row of which is one entity.
    public static func fit(lists: Column, minCount: Int, maxCount: Int) throws -> Vocabulary {
        guard case .list(let offsets, let child) = lists.storage else {
            throw FeatureError("features.type", "tokens must be list<string>, this column is \(lists.dtype.name)")
        }
        var table = TokenTable()
        let codes = try TokenCodes(child) { $0.isEmpty ? nil : table.insert($0) }.codes
        var counts = [Int](repeating: 0, count: table.count)
        var seenIn = [Int](repeating: -1, count: table.count)
        for row in 0..<lists.count where !lists.isNull(row) {
            for position in Int(offsets[row])..<Int(offsets[row + 1]) where codes[position] >= 0 {
                let code = Int(codes[position])
                if seenIn[code] != row { counts[code] += 1 }
                seenIn[code] = row
            }
        }
        return try pick(table, counts: counts, minCount: minCount, maxCount: maxCount)
    }

    private static func pick(_ table: TokenTable, counts: [Int], minCount: Int, maxCount: Int) throws -> Vocabulary {
        guard minCount >= 0, maxCount >= 0 else {
            throw FeatureError("features.range", "the least count and the size of a vocabulary must not be negative")
        }
        var kept = counts.indices.filter { counts[$0] >= max(minCount, 1) }
        kept.sort { a, b in
            if counts[a] != counts[b] { return counts[a] > counts[b] }
            return table.withBytes(of: a) { left in
                table.withBytes(of: b) { right in left.lexicographicallyPrecedes(right) }
            }
        }
        if maxCount > 0, kept.count > maxCount { kept.removeLast(kept.count - maxCount) }
        return try Vocabulary(tokens: kept.map(table.text))
    }
}

/// Numbers the distinct values of an id column in the order they first appear; -1 for null.
struct EntityGroups {
    let groups: Buffer<Int32>

    init(_ column: Column) throws {
        guard RowIndex.isSupported(column.dtype) else {
            throw FeatureError(
                "features.type", "entities must be uuid, int64 or string, this column is \(column.dtype.name)")
        }
        groups = Buffer(repeating: -1, count: column.count)
        var table = TokenTable(capacity: min(column.count, 1 << 20))
        if case .string = column.storage {
            let codes = try TokenCodes(column) { table.insert($0) }.codes
            groups.pointer.update(from: codes.pointer, count: codes.count)
            return
        }
        for row in 0..<column.count where !column.isNull(row) {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            var key = Base.UUID(high: 0, low: 0)
            switch column.storage {
            case .uuid(let ids): key = ids[row]
            case .int64(let ids): key.low = UInt64(bitPattern: ids[row])
            default: break
            }
            let group = withUnsafeBytes(of: &key) { table.insert($0.assumingMemoryBound(to: UInt8.self)) }
            groups[row] = Int32(group)
        }
    }
}
