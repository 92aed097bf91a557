import Base
import Frames

/// The dictionary of a column chunk: distinct values in order of appearance, and an index for every value that is not null.
struct ChunkDictionary {
    /// Plain encoding of the entries.
    let page: [UInt8]
    let entryCount: Int
    let indices: [UInt32]

    /// Bits of an index; a reader needs at least one.
    var bitWidth: Int { max(1, HybridRLE.bitWidth(entryCount - 1)) }

    /// A page of this size still fits a processor's cache, and readers keep it in memory whole.
    private static let largestPage = 1 << 20
    /// How often building looks whether it still pays.
    private static let checkEvery = 1 << 14

    /// - Returns: nil when plain values are about as small, so that the detour does not pay.
    static func build(_ leaves: [ColumnSlice], _ form: ValueForm) throws -> ChunkDictionary? {
        switch form {
        case .int64, .timestamp:
            return try fixed(leaves, width: 8) { leaf in
                switch leaf.column.storage {
                case .int64(let buffer), .timestamp(let buffer): buffer
                default: nil
                }
            } write: {
                $0.append(littleEndian: $1)
            }
        case .uuidText, .uuidFixed:
            let asText = form == .uuidText
            return try fixed(leaves, width: asText ? 40 : 16) { leaf in
                if case .uuid(let ids) = leaf.column.storage { ids.plain } else { nil }
            } write: { (page: inout [UInt8], uuid: UUID) in
                page.append(uuid, asText: asText)
            }
        case .string, .binary: return try strings(leaves)
        case .float32, .float64, .bool: return nil
        }
    }

    private static func pays(entries: Int, entryBytes: Int, values: Int, plainBytes: Int) -> Bool {
        let indexBytes = values * max(1, HybridRLE.bitWidth(entries - 1)) / 8
        return entryBytes <= largestPage && entryBytes + indexBytes < plainBytes / 10 * 9
    }

    /// False when after many values nearly each of them was new.
    private static func looksGood(entries: Int, values: Int) -> Bool { entries < values / 10 * 9 }

    private static func fixed<T: TableKey>(
        _ leaves: [ColumnSlice], width: Int, buffer: (ColumnSlice) -> Buffer<T>?, write: (inout [UInt8], T) -> Void
    ) throws -> ChunkDictionary? {
        let table = KeyTable<T>(capacity: 0)
        var indices: [UInt32] = []
        indices.reserveCapacity(leaves.reduce(0) { $0 + $1.rows.count })
        for leaf in leaves {
            guard let values = buffer(leaf) else { continue }
            let validity = leaf.validity
            for row in leaf.rows where validity == nil || validity![row] == 1 {
                indices.append(UInt32(bitPattern: table.code(for: values.pointer[row])))
                if indices.count % checkEvery == 0 {
                    try Interrupt.check()
                    guard looksGood(entries: table.count, values: indices.count),
                        table.count * width <= largestPage
                    else { return nil }
                }
            }
        }
        let entryBytes = table.count * width
        guard
            pays(
                entries: table.count, entryBytes: entryBytes, values: indices.count,
                plainBytes: indices.count * width)
        else { return nil }
        var page: [UInt8] = []
        page.reserveCapacity(entryBytes)
        for code in 0..<table.count { write(&page, table[code]) }
        return ChunkDictionary(page: page, entryCount: table.count, indices: indices)
    }

    private static func strings(_ leaves: [ColumnSlice]) throws -> ChunkDictionary? {
        let builder = StringPoolBuilder()
        var indices: [UInt32] = []
        indices.reserveCapacity(leaves.reduce(0) { $0 + $1.rows.count })
        var entryBytes = 0
        var plainBytes = 0
        // For a distinct pool each of its strings is looked up once.
        var known: [Int32] = []
        var knownPool: StringPool?
        for leaf in leaves {
            guard case .string(let codes, let pool) = leaf.column.storage else { continue }
            if pool.isDistinct && knownPool !== pool {
                known = [Int32](repeating: -1, count: pool.count)
                knownPool = pool
            }
            let validity = leaf.validity
            for row in leaf.rows where validity == nil || validity![row] == 1 {
                let code = Int(codes.pointer[row])
                let string = pool[bytesAt: code]
                var index = pool.isDistinct ? known[code] : -1
                if index < 0 {
                    let before = builder.count
                    index = builder.code(for: string)
                    if builder.count > before { entryBytes += 4 + string.count }
                    if pool.isDistinct { known[code] = index }
                }
                plainBytes += 4 + string.count
                indices.append(UInt32(index))
                if indices.count % checkEvery == 0 {
                    try Interrupt.check()
                    guard looksGood(entries: builder.count, values: indices.count), entryBytes <= largestPage else {
                        return nil
                    }
                }
            }
        }
        guard pays(entries: builder.count, entryBytes: entryBytes, values: indices.count, plainBytes: plainBytes) else {
            return nil
        }
        let entries = builder.finish()
        var page: [UInt8] = []
        page.reserveCapacity(entryBytes)
        for code in 0..<entries.count { page.append(byteArray: entries[bytesAt: code]) }
        return ChunkDictionary(page: page, entryCount: entries.count, indices: indices)
    }
}

// Plain values onto the end of a page.
extension [UInt8] {
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    mutating func append(byteArray bytes: some Collection<UInt8>) {
        append(littleEndian: UInt32(truncatingIfNeeded: bytes.count))
        append(contentsOf: bytes)
    }

    /// 16 bytes, or the text behind its length.
    mutating func append(_ uuid: UUID, asText: Bool) {
        if asText { append(littleEndian: UInt32(36)) }
        let start = count
        append(contentsOf: repeatElement(0, count: asText ? 36 : 16))
        withUnsafeMutableBufferPointer {
            let target = $0.baseAddress! + start
            if asText { uuid.write(to: target) } else { uuid.writeBigEndian(to: target) }
        }
    }
}
