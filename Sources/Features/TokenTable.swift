import Base
import Frames

/// Distinct byte strings numbered in the order they were first seen: open addressing over one block of bytes.
struct TokenTable {
    private(set) var offsets: [Int] = [0]
    private(set) var bytes: [UInt8] = []
    private var slots: [Int32]

    init(capacity: Int = 16) {
        var size = 32
        while size < 2 * capacity { size *= 2 }
        slots = [Int32](repeating: -1, count: size)
    }

    var count: Int { offsets.count - 1 }

    func withBytes<R>(of token: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try bytes.withUnsafeBufferPointer { all in
            try body(UnsafeBufferPointer(rebasing: all[offsets[token]..<offsets[token + 1]]))
        }
    }

    func text(_ token: Int) -> String { withBytes(of: token) { String(decoding: $0, as: UTF8.self) } }

    /// The number of `key`; nil when it is not in the table.
    func find(_ key: UnsafeBufferPointer<UInt8>) -> Int? {
        let found = slots[slot(of: key)]
        return found < 0 ? nil : Int(found)
    }

    /// The number of `key`, which is added when it is new.
    mutating func insert(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        let place = slot(of: key)
        if slots[place] >= 0 { return Int(slots[place]) }
        let token = count
        bytes.append(contentsOf: key)
        offsets.append(bytes.count)
        slots[place] = Int32(token)
        if 2 * count > slots.count { grow() }
        return token
    }

    private func slot(of key: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: ByteHash.hash(key)) & mask
        while slots[place] >= 0 {
            let token = Int(slots[place])
            let same = withBytes(of: token) { $0.count == key.count && $0.elementsEqual(key) }
            if same { return place }
            place = (place + 1) & mask
        }
        return place
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: 2 * slots.count)
        let mask = slots.count - 1
        for token in 0..<count {
            var place = Int(truncatingIfNeeded: withBytes(of: token) { ByteHash.hash($0) }) & mask
            while slots[place] >= 0 { place = (place + 1) & mask }
            slots[place] = Int32(token)
        }
    }
}

/// A string column as numbers of a token table: `codes[row]` is -1 where the column is null.
///
/// A pool is translated once per entry, not once per row, and only for entries that occur.
struct TokenCodes {
    let codes: Buffer<Int32>

    /// - Parameter number: gives the number of a token, or nil for one to leave out.
    init(_ column: Column, number: (UnsafeBufferPointer<UInt8>) -> Int?) throws {
        guard case .string(let source, let pool) = column.storage else {
            throw FeatureError("features.type", "tokens must be a string column, this one is \(column.dtype.name)")
        }
        codes = Buffer(repeating: -1, count: column.count)
        var translated = [Int32](repeating: -2, count: pool.count)
        for row in 0..<column.count where !column.isNull(row) {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            let code = Int(source[row])
            if translated[code] == -2 { translated[code] = Int32(number(pool[bytesAt: code]) ?? -1) }
            codes[row] = translated[code]
        }
    }
}
