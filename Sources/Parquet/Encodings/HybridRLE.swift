import Base

/// RLE: runs of one value, and groups of eight bit-packed values, mixed. Levels and dictionary indices use it.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
enum HybridRLE {
    /// Decodes exactly `count` values of `bitWidth` bits (0 to 32, and no wider than `T`) into `output`.
    static func decode<T: FixedWidthInteger & UnsignedInteger>(
        _ bytes: UnsafeRawBufferPointer, bitWidth: Int, count: Int, into output: UnsafeMutablePointer<T>
    ) throws {
        guard bitWidth > 0 else {
            output.update(repeating: 0, count: count)
            return
        }
        var at = 0
        var produced = 0
        while produced < count {
            let header = try runHeader(bytes, &at)
            let wanted = count - produced
            if header & 1 == 0 {
                let size = (bitWidth + 7) / 8
                guard bytes.count - at >= size else { throw ParquetError.outOfSpec("a run ends within its value") }
                var value: UInt64 = 0
                for index in 0..<size { value |= UInt64(bytes[at + index]) << UInt64(8 * index) }
                at += size
                guard value >> UInt64(bitWidth) == 0 else {
                    throw ParquetError.outOfSpec("a run's value \(value) is wider than \(bitWidth) bits")
                }
                let length = min(header >> 1, wanted)
                (output + produced).update(repeating: T(truncatingIfNeeded: value), count: length)
                produced += length
            } else {
                let groups = header >> 1
                let length = min(groups * 8, wanted)
                let available = min(groups * bitWidth, bytes.count - at)
                // Some writers leave out the padding of the last group; only the values asked for must be there.
                guard available >= (length * bitWidth + 7) / 8 else {
                    throw ParquetError.outOfSpec("the page ends within bit-packed values")
                }
                BitPacking.unpack(
                    UnsafeRawBufferPointer(rebasing: bytes[at..<at + available]), bitWidth: bitWidth, count: length,
                    into: output + produced)
                at += available
                produced += length
            }
        }
    }

    /// A run's header, at most 32 bits.
    private static func runHeader(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) throws -> Int {
        var header = 0
        var shift = 0
        while shift < 35 {
            guard at < bytes.count else { throw ParquetError.outOfSpec("the page ends before all its runs") }
            let byte = bytes[at]
            at += 1
            header |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return header }
            shift += 7
        }
        throw ParquetError.outOfSpec("a run header is longer than 32 bits")
    }

    /// Bits needed for values up to `maximum`.
    static func bitWidth(_ maximum: Int) -> Int { Int.bitWidth - maximum.leadingZeroBitCount }
}

/// Appends runs and single values, and picks for each stretch between a run and bit-packed groups.
struct HybridRLEEncoder {
    private let bitWidth: Int
    private(set) var bytes: [UInt8] = []
    private var runValue: UInt32 = 0
    private var runLength = 0
    private var literals: [UInt32] = []

    /// - Parameter bitWidth: 0 to 32; with 0 the only value is 0.
    init(bitWidth: Int) {
        self.bitWidth = bitWidth
        literals.reserveCapacity(512)
    }

    @inline(__always)
    mutating func append(_ value: UInt32, times: Int = 1) {
        if value == runValue {
            runLength += times
        } else if times > 0 {
            endRun()
            runValue = value
            runLength = times
        }
    }

    /// Ends the stream; the last group is padded with zeros.
    mutating func finish() {
        endRun()
        while literals.count % 8 != 0 { literals.append(0) }
        flushLiterals()
    }

    private mutating func endRun() {
        guard runLength > 0 else { return }
        // Complete the group that is open, for runs can only start between groups.
        if literals.count % 8 != 0 {
            let moved = min(8 - literals.count % 8, runLength)
            for _ in 0..<moved { literals.append(runValue) }
            runLength -= moved
        }
        if runLength >= 8 {
            flushLiterals()
            // Run lengths are 31-bit numbers.
            while runLength > 0 {
                let length = min(runLength, 1 << 30)
                header(length << 1)
                for index in 0..<(bitWidth + 7) / 8 {
                    bytes.append(UInt8(truncatingIfNeeded: runValue >> UInt32(8 * index)))
                }
                runLength -= length
            }
        } else {
            for _ in 0..<runLength { literals.append(runValue) }
            runLength = 0
            if literals.count >= 504, literals.count % 8 == 0 { flushLiterals() }
        }
    }

    private mutating func flushLiterals() {
        guard !literals.isEmpty else { return }
        header((literals.count / 8) << 1 | 1)
        var word: UInt64 = 0
        var filled = 0
        for value in literals {
            word |= UInt64(value) << UInt64(filled)
            filled += bitWidth
            while filled >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
                filled -= 8
            }
        }
        literals.removeAll(keepingCapacity: true)
    }

    private mutating func header(_ number: Int) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
