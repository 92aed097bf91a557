import Base
import Frames

/// Splits rows by a hash of their key, so that the same rows fall on the same side on every machine and in every order.
public enum DigestSplit {
    /// Marks the first trunc(n * fraction) rows in ascending order of SHA-256 over the UTF-8 text
    /// `<prefix>:<key 1>:<key 2>…`.
    /// - Parameters:
    ///   - keys: uuid, int64 or string columns without nulls; together they should tell the rows apart, as equal keys
    ///     keep the order they came in.
    ///   - fraction: 0...1; the product is in double arithmetic.
    /// - Returns: a bool column, true for the marked rows.
    public static func mark(prefix: String, keys: [Column], fraction: Double) throws -> Column {
        guard let count = keys.first?.count, keys.allSatisfy({ $0.count == count }) else {
            throw FeatureError("features.length", "a split needs at least one key column, all of one length")
        }
        guard fraction >= 0, fraction <= 1 else {
            throw FeatureError("features.range", "the fraction to split off is \(fraction), it must lie in 0..1")
        }
        for (number, key) in keys.enumerated() {
            guard RowIndex.isSupported(key.dtype), key.nullCount == 0 else {
                throw FeatureError(
                    "features.type",
                    "key \(number + 1) of the split must be uuid, int64 or string without nulls, it is \(key.dtype.name)"
                        + (key.nullCount > 0 ? " with \(key.nullCount) nulls" : ""))
            }
        }
        let marked = Int((Double(count) * fraction).rounded(.towardZero))
        let flags = Buffer<UInt8>(repeating: 0, count: count)
        if marked > 0 {
            for digest in try digests(prefix: prefix, keys: keys, count: count).sorted()[..<marked] {
                flags[Int(digest.row)] = 1
            }
        }
        return Column(.bool(flags))
    }

    /// The first 16 bytes of a digest, which is as much as will ever be needed to order two of them, and its row.
    private struct Digest: Comparable {
        var head: Base.UUID
        var row: Int32

        static func < (a: Digest, b: Digest) -> Bool { a.head != b.head ? a.head < b.head : a.row < b.row }
    }

    private static func digests(prefix: String, keys: [Column], count: Int) throws -> [Digest] {
        let sha = SHA256()
        var result: [Digest] = []
        result.reserveCapacity(count)
        var digest = [UInt8](repeating: 0, count: SHA256.byteCount)
        var text = Array(prefix.utf8)
        let start = text.count
        for row in 0..<count {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            text.removeLast(text.count - start)
            for key in keys {
                text.append(UInt8(ascii: ":"))
                append(key, row, to: &text)
            }
            text.withUnsafeBytes { sha.update($0) }
            digest.withUnsafeMutableBufferPointer { sha.finish(into: $0.baseAddress!) }
            let head = digest.withUnsafeBytes { Base.UUID(bigEndian: $0.baseAddress!) }
            result.append(Digest(head: head, row: Int32(row)))
        }
        return result
    }

    private static func append(_ key: Column, _ row: Int, to text: inout [UInt8]) {
        switch key.storage {
        case .uuid(let ids):
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { target in
                ids[row].write(to: target.baseAddress!)
                text.append(contentsOf: target)
            }
        case .int64(let ids): text.append(contentsOf: "\(ids[row])".utf8)
        case .string(let codes, let pool): text.append(contentsOf: pool[bytesAt: Int(codes[row])])
        default: break
        }
    }
}
