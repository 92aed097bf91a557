import Base
import Frames

/// Tokens in a fixed order; the index of a token is its slot in a bag.
public final class Vocabulary: @unchecked Sendable {
    public let tokens: [String]
    private let table: StringPoolBuilder

    /// - Throws: `features.token` for an empty or repeated token.
    public init(tokens: [String]) throws {
        let table = StringPoolBuilder(capacity: tokens.count)
        for (slot, token) in tokens.enumerated() {
            var token = token
            let number = token.withUTF8 { Int(table.code(for: $0)) }
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
        return token.withUTF8 { slot(of: $0) }
    }

    func slot(of token: UnsafeBufferPointer<UInt8>) -> Int? { table.find(token).map(Int.init) }

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
        guard RowIndex.isSupported(entities.dtype) else {
            throw FeatureError(
                "features.type", "entities must be uuid, int64 or string, this column is \(entities.dtype.name)")
        }
        let groups = try RowGroups.of([entities], rowCount: entities.count)
        let table = StringPoolBuilder()
        let codes = try TokenCodes(tokens) { $0.isEmpty ? nil : Int(table.code(for: $0)) }.codes
        // Rows by entity, so that a token knows of the last entity it was seen with.
        let byEntity = groups.rows()
        var counts = [Int](repeating: 0, count: table.count)
        var seenIn = [Int32](repeating: -1, count: table.count)
        for row in byEntity.elements where codes[Int(row)] >= 0 && !entities.isNull(Int(row)) {
            let code = Int(codes[Int(row)])
            let entity = groups.ofRow[Int(row)]
            if seenIn[code] != entity { counts[code] += 1 }
            seenIn[code] = entity
        }
        try Interrupt.check()
        return try pick(table, counts: counts, minCount: minCount, maxCount: maxCount)
    }

    /// The same over a `list<string>` column, each row of which is one entity.
    public static func fit(lists: Column, minCount: Int, maxCount: Int) throws -> Vocabulary {
        guard case .list(let offsets, let child) = lists.storage else {
            throw FeatureError("features.type", "tokens must be list<string>, this column is \(lists.dtype.name)")
        }
        let table = StringPoolBuilder()
        let codes = try TokenCodes(child) { $0.isEmpty ? nil : Int(table.code(for: $0)) }.codes
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

    private static func pick(
        _ table: StringPoolBuilder, counts: [Int], minCount: Int, maxCount: Int
    ) throws -> Vocabulary {
        guard minCount >= 0, maxCount >= 0 else {
            throw FeatureError("features.range", "the least count and the size of a vocabulary must not be negative")
        }
        var kept = counts.indices.filter { counts[$0] >= max(minCount, 1) }
        kept.sort { a, b in
            if counts[a] != counts[b] { return counts[a] > counts[b] }
            return table[bytesAt: a].lexicographicallyPrecedes(table[bytesAt: b])
        }
        if maxCount > 0, kept.count > maxCount { kept.removeLast(kept.count - maxCount) }
        return try Vocabulary(tokens: kept.map { String(decoding: table[bytesAt: $0], as: UTF8.self) })
    }
}
