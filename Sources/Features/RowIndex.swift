import Base
import Frames
import Synchronization

/// From an id to its row: a hash table over a column of distinct uuid, int64 or string ids.
public final class RowIndex: @unchecked Sendable {
    public let ids: Column
    /// Numbers ids by their rows. Ids in ascending order are told to be distinct by that, and have no table until somebody
    /// looks for ids in another order.
    private let slots = Mutex<HashSlots?>(nil)

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

    /// The table, which is made when it is first needed.
    private func table() throws -> HashSlots {
        try slots.withLock { made in
            if let made { return made }
            let slots = try filled()
            made = slots
            return slots
        }
    }

    private func filled() throws -> HashSlots {
        let slots = HashSlots(capacity: ids.count)
        for row in 0..<ids.count {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            guard !ids.isNull(row) else {
                throw FeatureError(
                    "features.null_id", "the id in row \(row + 1) is null", details: [("row", .int(Int64(row) + 1))])
            }
            let first = slots.insert(
                ids.idHash(row), isKey: { isId($0, ids, row) }, hashOf: { ids.idHash($0) })
            guard first == row else {
                throw FeatureError(
                    "features.duplicate_id", "id \(ids.idText(row)) stands in rows \(first + 1) and \(row + 1)",
                    details: [("id", .string(ids.idText(row))), ("row", .int(Int64(row) + 1))])
            }
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
            result[row] = Int32(slots.find(column.idHash(row)) { isId($0, column, row) })
        }
        return result
    }

    private func find(_ sought: Buffer<Base.UUID>, among mine: UUIDs, _ slots: HashSlots) -> Buffer<Int32> {
        let result = Buffer<Int32>(uninitialized: sought.count)
        let keys = sought.pointer
        slots.find(
            count: sought.count, into: result.pointer, hash: { keys[$0].tableHash }, isKey: { mine[$0] == keys[$1] },
            other: { index, isAbsent in
                isAbsent ? -1 : Int32(slots.find(keys[index].tableHash) { mine[$0] == keys[index] })
            })
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

    /// Whether the id in row `mine` is the one in `row` of `column`, which has the same type.
    @inline(__always) private func isId(_ mine: Int, _ column: Column, _ row: Int) -> Bool {
        switch (ids.storage, column.storage) {
        case (.uuid(let a), .uuid(let b)): a[mine] == b[row]
        case (.int64(let a), .int64(let b)): a[mine] == b[row]
        case (.string(let a, let pool), .string(let b, let other)):
            pool[bytesAt: Int(a[mine])].elementsEqual(other[bytesAt: Int(b[row])])
        default: preconditionFailure("types were compared before")
        }
    }
}

extension Column {
    @inline(__always) fileprivate func idHash(_ row: Int) -> UInt64 {
        switch storage {
        case .uuid(let ids): ids[row].tableHash
        case .int64(let ids): ids[row].tableHash
        case .string(let codes, let pool): ByteHash.hash(pool[bytesAt: Int(codes[row])])
        default: preconditionFailure("types were compared before")
        }
    }

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
