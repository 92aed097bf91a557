import Base

/// DELTA_BINARY_PACKED: integers as bit-packed differences, in blocks of miniblocks.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC
enum DeltaBinaryPacked {
    /// Decodes exactly `count` values; differences wrap, as the format wants.
    /// - Returns: the values, and how many bytes the stream took.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, count: Int, allowance: Allowance
    ) throws -> (values: Buffer<Int64>, length: Int) {
        var reader = ByteReader(bytes)
        let blockSize = try small(reader.varint(), "block size")
        let miniblocks = try small(reader.varint(), "miniblock count")
        let total = try reader.varint()
        let first = try reader.zigzag()
        guard miniblocks > 0, blockSize > 0, blockSize % miniblocks == 0, blockSize / miniblocks % 8 == 0 else {
            throw ParquetError.outOfSpec("delta blocks of \(blockSize) values in \(miniblocks) miniblocks")
        }
        guard total == UInt64(count) else {
            throw ParquetError.outOfSpec("\(total) delta-encoded values where the page has \(count)")
        }
        try allowance.check(count, size: 8)
        let output = Buffer<Int64>(uninitialized: count)
        let perMiniblock = blockSize / miniblocks
        guard count > 0 else { return (output, reader.offset) }
        output[0] = first
        var value = first
        var produced = 1
        while produced < count {
            let minimum = try reader.zigzag()
            let widths = try reader.take(miniblocks)
            for index in 0..<miniblocks where produced < count {
                let width = Int(widths[index])
                guard width <= 64 else { throw ParquetError.outOfSpec("a delta of \(width) bits") }
                let wanted = min(perMiniblock, count - produced)
                // The last miniblock is padded; a writer that cuts the padding off is still read.
                let full = perMiniblock / 8 * width
                let packed = try reader.take(min(full, max(reader.remaining, (wanted * width + 7) / 8)))
                value = unpack(packed, width: width, minimum: minimum, count: wanted, from: value, output, produced)
                produced += wanted
            }
        }
        return (output, reader.offset)
    }

    /// Adds up `count` differences starting after `value`; gives the last sum.
    private static func unpack(
        _ packed: UnsafeRawBufferPointer, width: Int, minimum: Int64, count: Int, from value: Int64,
        _ output: Buffer<Int64>, _ start: Int
    ) -> Int64 {
        var value = value
        let target = output.pointer + start
        // A value of up to 57 bits lies within the eight bytes that start at its first one.
        let safe =
            width > 0 && width <= 57 && packed.count >= 8 ? min(count, ((packed.count - 8) * 8 + 7) / width + 1) : 0
        let mask: UInt64 = width == 64 ? .max : 1 << UInt64(width) - 1
        var bit = 0
        for index in 0..<safe {
            let word = UInt64(littleEndian: packed.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self))
            value = value &+ minimum &+ Int64(bitPattern: word >> UInt64(bit & 7) & mask)
            target[index] = value
            bit += width
        }
        for index in safe..<count {
            value = value &+ minimum &+ Int64(bitPattern: BitPacking.bits(packed, at: bit, width: width))
            target[index] = value
            bit += width
        }
        return value
    }

    private static func small(_ number: UInt64, _ what: String) throws -> Int {
        guard number <= 1 << 20 else { throw ParquetError.outOfSpec("a delta \(what) of \(number)") }
        return Int(number)
    }
}
