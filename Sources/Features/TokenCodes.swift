import Base
import Frames

/// A string column as the numbers of its tokens: `codes[row]` is -1 where the column is null.
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
