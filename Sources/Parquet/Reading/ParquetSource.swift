import Base
import Files

/// Where the bytes of a Parquet file come from.
enum ParquetSource {
    case file(InputFile)
    case memory(PageBytes)

    var count: Int {
        switch self {
        case .file(let file): file.count
        case .memory(let bytes): bytes.bytes.count
        }
    }

    /// - Parameter range: lies in 0..<`count`.
    func bytes(in range: Range<Int>) throws -> PageBytes {
        switch self {
        case .file(let file):
            let buffer = try file.read(range)
            return PageBytes(bytes: UnsafeRawBufferPointer(buffer.elements), owner: buffer)
        case .memory(let bytes): return bytes.slice(range)
        }
    }
}
