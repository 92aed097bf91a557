import Base
import Frames
import Synchronization

/// From an id to its row: a hash table over a column of distinct uuid, int64 or string ids.
public final class RowIndex: @unchecked Sendable {
    public let ids: Column
    /// Row + 1 of the id that landed in a slot, 0 for an empty one. Ids in ascending order are told to be distinct by that,
    /// and have no slots until somebody looks for ids in another order.
    private let slots = Mutex<Buffer<Int32>?>(nil)

    /// - Throws: `features.type` for other column types, `features.null_id` and `features.duplicate_id` with the row.
    public init(_ ids: Column) throws {
        guard Self.isSupported(ids.dtype) else {
            throw FeatureError("features.type", "ids must be uuid, int64 or string, this column is \(ids.dtype.name)")
        }
        guard ids.count < Int(Int32.max) else { throw FeatureError("features.range", "more than 2^31 - 2 ids") }
        self.ids = ids
        if case .uuid(let mine) = ids.storage, mine.codes == nil, ids.validity == nil, mine.areAscending { return }
        _ = try table()
    }

    /// The slots, which are made when they are first needed.
    private func table() throws -> Buffer<Int32> {
        try slots.withLock { made in
            if let made { return made }
            let slots = try filled()
            made = slots
            return slots
        }
    }

    private func filled() throws -> Buffer<Int32> {
        var size = 16
        while size < 2 * ids.count { size *= 2 }
        let slots = Buffer<Int32>(repeating: 0, count: size)
        for row in 0..<ids.count {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            guard !ids.isNull(row) else {
                throw FeatureError(
                    "features.null_id", "the id in row \(row + 1) is null", details: [("row", .int(Int64(row) + 1))])
            }
            let place = slot(of: ids, row: row, in: slots)
            guard slots[place] == 0 else {
                throw FeatureError(
                    "features.duplicate_id", "id \(ids.idText(row)) stands in rows \(slots[place]) and \(row + 1)",
                    details: [("id", .string(ids.idText(row))), ("row", .int(Int64(row) + 1))])
            }
            slots[place] = Int32(row + 1)
        }
        return slots
    }

    public var count: Int { ids.count }
    public var byteCount: Int { slots.withLock { $0?.byteCount ?? 0 } }

    /// The row of each id of `column`; -1 for null and for ids that are not here.
    /// - Throws: `features.type` when the column has another type than the ids.
    public func rows(of column: Column) throws -> Buffer<Int32> {
        guard column.dtype == ids.dtype else {
            throw FeatureError(
                "features.type", "the ids are \(ids.dtype.name), the column to look up is \(column.dtype.name); cast it"
            )
        }
        if case .uuid(let keys) = column.storage, let codes = keys.codes {
            // Each distinct id is looked up once.
            let found = try rows(of: Column(.uuid(UUIDs(keys.values))))
            let result = Buffer<Int32>(uninitialized: column.count)
            Workers.pieces(of: column.count) {
                for row in $0 { result.pointer[row] = found.pointer[Int(codes.pointer[row])] }
            }
            for row in 0..<(column.validity == nil ? 0 : column.count) where column.isNull(row) { result[row] = -1 }
            return result
        }
        if case .uuid(let keys) = column.storage, case .uuid(let mine) = ids.storage, column.validity == nil {
            // The walk through all ids is for many.
            if keys.count > count / 8, mine.codes == nil, ids.validity == nil, let places = mine.places(of: keys) {
                return places
            }
            return find(keys.values, among: mine, try table())
        }
        let result = Buffer<Int32>(repeating: -1, count: column.count)
        let slots = try table()
        for row in 0..<column.count where !column.isNull(row) {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            result[row] = slots[slot(of: column, row: row, in: slots)] - 1
        }
        return result
    }

    /// Some hundred at a time, as each may be anywhere in memory: first what stands in their slots, then whether it is them.
    private func find(_ sought: Buffer<Base.UUID>, among mine: UUIDs, _ slots: Buffer<Int32>) -> Buffer<Int32> {
        let result = Buffer<Int32>(uninitialized: sought.count)
        let (keys, table, target, mask) = (sought.pointer, slots.pointer, result.pointer, slots.count - 1)
        for first in stride(from: 0, to: result.count, by: 256) {
            let range = first..<min(first + 256, result.count)
            for row in range {
                let hash = ByteHash.hash(keys[row].high, keys[row].low)
                target[row] = table[Int(truncatingIfNeeded: hash) & mask] - 1
            }
            for row in range where target[row] >= 0 && mine[Int(target[row])] != keys[row] {
                var place = Int(truncatingIfNeeded: ByteHash.hash(keys[row].high, keys[row].low)) & mask
                while table[place] != 0, mine[Int(table[place]) - 1] != keys[row] { place = (place + 1) & mask }
                target[row] = table[place] - 1
            }
        }
        return result
    }

    /// The row of each id of `column`.
    /// - Throws: `features.unknown_id`, naming the first id that is not here.
    public func knownRows(of column: Column) throws -> Buffer<Int32> {
        let result = try rows(of: column)
        if let row = result.elements.firstIndex(of: -1) {
            let id = column.isNull(row) ? "null" : column.idText(row)
            throw FeatureError(
                "features.unknown_id", "no row has the id \(id) (row \(row + 1) of the column)",
                details: [("id", .string(id)), ("row", .int(Int64(row) + 1))])
        }
        return result
    }

    static func isSupported(_ dtype: DType) -> Bool { dtype == .uuid || dtype == .int64 || dtype == .string }

    /// The slot that holds the id in `row` of `column`, or the empty one where it would go.
    private func slot(of column: Column, row: Int, in slots: Buffer<Int32>) -> Int {
        let mask = slots.count - 1
        switch (column.storage, ids.storage) {
        case (.uuid(let keys), .uuid(let mine)):
            let key = keys[row]
            var place = Int(truncatingIfNeeded: ByteHash.hash(key.high, key.low)) & mask
            while slots[place] != 0, mine[Int(slots[place]) - 1] != key { place = (place + 1) & mask }
            return place
        case (.int64(let keys), .int64(let mine)):
            let key = keys[row]
            var place = Int(truncatingIfNeeded: ByteHash.hash(UInt64(bitPattern: key))) & mask
            while slots[place] != 0, mine[Int(slots[place]) - 1] != key { place = (place + 1) & mask }
            return place
        case (.string(let codes, let pool), .string(let mine, let minePool)):
            let key = pool[bytesAt: Int(codes[row])]
            var place = Int(truncatingIfNeeded: ByteHash.hash(key)) & mask
            while slots[place] != 0 {
                let other = minePool[bytesAt: Int(mine[Int(slots[place]) - 1])]
                if other.count == key.count, other.elementsEqual(key) { break }
                place = (place + 1) & mask
            }
            return place
        default:
            preconditionFailure("types were compared before")
        }
    }
}

extension Column {
    /// An id as text, for error messages.
    func idText(_ row: Int) -> String {
        switch storage {
        case .uuid(let ids): "\(ids[row])"
        case .int64(let ids): "\(ids[row])"
        case .string(let codes, let pool): "'\(pool[Int(codes[row])])'"
        default: "in row \(row + 1)"
        }
    }
}
