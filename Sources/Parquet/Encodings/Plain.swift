import Base

/// PLAIN: values one after another, little endian; byte arrays after a 4-byte length; booleans as bits.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#PLAIN
enum Plain {
    static func fixed(_ page: PageBytes, width: Int, count: Int) throws -> PageValues {
        let (needed, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, needed <= page.bytes.count else {
            throw ParquetError.outOfSpec("\(count) values of \(width) bytes do not fit \(page.bytes.count) bytes")
        }
        return .fixed(page.slice(0..<needed), width: width, count: count)
    }

    static func byteArrays(_ page: PageBytes, count: Int) throws -> PageValues {
        let bytes = page.bytes
        guard count <= bytes.count / 4 else {
            throw ParquetError.outOfSpec("\(count) byte arrays do not fit \(bytes.count) bytes")
        }
        let slices = Buffer<ByteSlices.Slice>(uninitialized: count)
        var at = 0
        for index in 0..<count {
            guard bytes.count - at >= 4 else { throw ParquetError.outOfSpec("the page ends within a length") }
            let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
            at += 4
            guard length <= bytes.count - at else {
                throw ParquetError.outOfSpec("a byte array of \(length) bytes does not fit its page")
            }
            slices[index] = ByteSlices.Slice(start: at, count: length)
            at += length
        }
        return .slices(ByteSlices(bytes: page, slices: slices, byteCount: at - 4 * count))
    }

    /// Bits, least significant first, to one byte a value.
    static func booleans(_ page: PageBytes, count: Int) throws -> PageValues {
        let bytes = page.bytes
        guard (count + 7) / 8 <= bytes.count else {
            throw ParquetError.outOfSpec("\(count) booleans do not fit \(bytes.count) bytes")
        }
        let output = Buffer<UInt8>(uninitialized: count)
        for index in 0..<count { output[index] = bytes[index >> 3] >> UInt8(index & 7) & 1 }
        return .fixed(
            PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output), width: 1, count: count)
    }

    /// One byte a value to bits, least significant first.
    static func packBooleans(_ values: [UInt8], into page: inout [UInt8]) {
        var byte: UInt8 = 0
        for index in values.indices {
            byte |= (values[index] & 1) << UInt8(index & 7)
            if index & 7 == 7 {
                page.append(byte)
                byte = 0
            }
        }
        if values.count & 7 != 0 { page.append(byte) }
    }
}
