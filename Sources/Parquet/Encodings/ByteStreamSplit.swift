import Base

/// BYTE_STREAM_SPLIT: the first bytes of all values, then all second bytes, and so on; compresses floats better.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#BYTESTREAMSPLIT
enum ByteStreamSplit {
    static func decode(_ page: PageBytes, width: Int, count: Int) throws -> PageValues {
        let (needed, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, needed == page.bytes.count else {
            throw ParquetError.outOfSpec("\(count) values of \(width) bytes in \(page.bytes.count) bytes of streams")
        }
        let output = Buffer<UInt8>(uninitialized: needed)
        if let base = page.bytes.baseAddress {
            transpose(base.assumingMemoryBound(to: UInt8.self), rows: width, columns: count, into: output.pointer)
        }
        return .fixed(
            PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output), width: width, count: count)
    }

    /// Splits `bytes`, which are values of `width` bytes, onto the end of `page`.
    static func encode(_ bytes: UnsafeRawBufferPointer, width: Int, into page: inout [UInt8]) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        let start = page.count
        page.append(contentsOf: repeatElement(0, count: bytes.count))
        page.withUnsafeMutableBufferPointer { target in
            transpose(
                base.assumingMemoryBound(to: UInt8.self), rows: bytes.count / width, columns: width,
                into: target.baseAddress! + start)
        }
    }

    /// The bytes of a rows x columns matrix, columns first. One of the two sides is a value's width.
    private static func transpose(
        _ source: UnsafePointer<UInt8>, rows: Int, columns: Int, into target: UnsafeMutablePointer<UInt8>
    ) {
        if rows == 4 {
            for column in 0..<columns {
                let word =
                    UInt32(source[column]) | UInt32(source[columns + column]) << 8
                    | UInt32(source[2 * columns + column]) << 16 | UInt32(source[3 * columns + column]) << 24
                UnsafeMutableRawPointer(target).storeBytes(
                    of: word.littleEndian, toByteOffset: 4 * column, as: UInt32.self)
            }
        } else if columns == 4 {
            for row in 0..<rows {
                let word = UInt32(
                    littleEndian: UnsafeRawPointer(source).loadUnaligned(fromByteOffset: 4 * row, as: UInt32.self))
                target[row] = UInt8(truncatingIfNeeded: word)
                target[rows + row] = UInt8(truncatingIfNeeded: word >> 8)
                target[2 * rows + row] = UInt8(truncatingIfNeeded: word >> 16)
                target[3 * rows + row] = UInt8(truncatingIfNeeded: word >> 24)
            }
        } else {
            for row in 0..<rows {
                for column in 0..<columns { target[column * rows + row] = source[row * columns + column] }
            }
        }
    }
}
