import Base

/// Fixed-width integers packed without gaps.
enum BitPacking {
    /// Unpacks `count` values of `bitWidth` bits (1 to 32), least significant bit first. The caller has checked that
    /// `bytes` holds them.
    static func unpack<T: FixedWidthInteger & UnsignedInteger>(
        _ bytes: UnsafeRawBufferPointer, bitWidth: Int, count: Int, into output: UnsafeMutablePointer<T>
    ) {
        let mask: UInt64 = 1 << UInt64(bitWidth) - 1
        // Values whose eight bytes from their first one on lie within the block can be read with one load.
        let safe = bytes.count >= 8 ? min(count, ((bytes.count - 8) * 8 + 7) / bitWidth + 1) : 0
        var bit = 0
        for index in 0..<safe {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
            output[index] = T(truncatingIfNeeded: word >> UInt64(bit & 7) & mask)
            bit += bitWidth
        }
        for index in safe..<count {
            output[index] = T(truncatingIfNeeded: bits(bytes, at: bit, width: bitWidth))
            bit += bitWidth
        }
    }

    /// `width` bits (0 to 64) from bit `position` on, least significant first.
    static func bits(_ bytes: UnsafeRawBufferPointer, at position: Int, width: Int) -> UInt64 {
        guard width > 0 else { return 0 }
        var result: UInt64 = 0
        var filled = 0
        var at = position
        while filled < width {
            let offset = at & 7
            let take = min(8 - offset, width - filled)
            let part = UInt64(bytes[at >> 3] >> UInt8(offset)) & (1 << UInt64(take) - 1)
            result |= part << UInt64(filled)
            filled += take
            at += take
        }
        return result
    }

    /// The deprecated BIT_PACKED encoding of levels: most significant bit first, no headers.
    /// - Returns: the number of bytes that `count` values take.
    static func unpackLevels(
        _ bytes: UnsafeRawBufferPointer, bitWidth: Int, count: Int, into output: UnsafeMutablePointer<UInt8>
    ) throws -> Int {
        let (bitCount, overflow) = count.multipliedReportingOverflow(by: bitWidth)
        guard !overflow, bitCount / 8 + (bitCount % 8 > 0 ? 1 : 0) <= bytes.count else {
            throw ParquetError.outOfSpec("\(count) levels do not fit \(bytes.count) bytes")
        }
        var at = 0
        for index in 0..<count {
            var level: UInt8 = 0
            for _ in 0..<bitWidth {
                level = level << 1 | bytes[at >> 3] >> UInt8(7 - at & 7) & 1
                at += 1
            }
            output[index] = level
        }
        return (bitCount + 7) / 8
    }
}
