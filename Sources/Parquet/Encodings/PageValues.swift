import Base
import Glibc

/// The decoded values of one page (without nulls), still in their physical form.
enum PageValues {
    /// `count` values of `width` bytes each, little endian, one after another. A boolean is one byte.
    case fixed(PageBytes, width: Int, count: Int)
    /// Byte arrays of any length.
    case slices(ByteSlices)
}

/// Byte arrays as ranges of a common block.
struct ByteSlices {
    struct Slice {
        var start: Int
        var count: Int
    }

    let bytes: PageBytes
    let slices: Buffer<Slice>
    /// Sum of the lengths.
    let byteCount: Int

    var count: Int { slices.count }

    subscript(index: Int) -> UnsafeRawBufferPointer {
        let slice = slices[index]
        return UnsafeRawBufferPointer(rebasing: bytes.bytes[slice.start..<slice.start + slice.count])
    }

    /// The same values as one block, for byte arrays that must all have `width` bytes.
    func packed(width: Int, allowance: Allowance) throws -> PageValues {
        try allowance.check(count, size: max(width, 1))
        let output = Buffer<UInt8>(uninitialized: count * width)
        for index in 0..<count {
            let slice = self[index]
            guard slice.count == width else {
                throw ParquetError.outOfSpec("a value has \(slice.count) bytes where the type has \(width)")
            }
            if let base = slice.baseAddress { memcpy(output.pointer + index * width, base, width) }
        }
        return .fixed(
            PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output), width: width, count: count)
    }
}
