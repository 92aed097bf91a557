import Base
import CCodecs

/// A page compression this target can read.
enum Codec: Int32 {
    case none = 0
    case snappy = 1
    case gzip = 2
    case zstd = 6
    case lz4Raw = 7

    var name: String {
        switch self {
        case .none: "none"
        case .snappy: "snappy"
        case .gzip: "gzip"
        case .zstd: "zstd"
        case .lz4Raw: "lz4_raw"
        }
    }

    /// - Throws: `unsupported`, naming the codec.
    init(number: Int32) throws {
        if let codec = Codec(rawValue: number) {
            self = codec
            return
        }
        let name =
            switch number {
            case 3: "LZO"
            case 4: "Brotli"
            case 5: "the deprecated LZ4 framing of Hadoop"
            default: "codec number \(number)"
            }
        throw ParquetError.unsupported(
            "compressed with \(name), which cannot be read; write it with none, snappy, gzip, zstd or lz4_raw")
    }

    /// A generous bound on how much one byte can expand, to refuse absurd claims before allocating for them.
    private var expansion: Int {
        switch self {
        case .none: 1
        case .snappy: 64
        case .gzip: 1100
        case .lz4Raw: 256
        case .zstd: 65536
        }
    }

    /// Expands a block into exactly `size` bytes. Uncompressed blocks are passed through without a copy.
    func decompress(_ input: UnsafeRawBufferPointer, size: Int, allowance: Allowance) throws -> PageBytes {
        if self == .none {
            guard input.count == size else {
                throw ParquetError.outOfSpec("the page has \(input.count) bytes, its header says \(size)")
            }
            return PageBytes(bytes: input, owner: nil)
        }
        if size == 0 { return PageBytes(bytes: UnsafeRawBufferPointer(start: nil, count: 0), owner: nil) }
        let stated: Int64 =
            switch self {
            case .snappy: tt_snappy_size(input.baseAddress, input.count)
            case .zstd: tt_zstd_size(input.baseAddress, input.count)
            default: -1
            }
        // A zstd block may be several frames, of which only the first one is asked.
        let fits = stated < 0 || (self == .zstd ? stated <= Int64(size) : stated == Int64(size))
        guard fits, size / expansion <= input.count + 64 else {
            throw ParquetError.outOfSpec("\(input.count) bytes of \(name) cannot expand to the \(size) of the header")
        }
        try allowance.check(size, size: 1)
        let output = Buffer<UInt8>(uninitialized: size)
        let written: Int64 =
            switch self {
            case .none: -1
            case .snappy: tt_snappy_decompress(input.baseAddress, input.count, output.pointer, size)
            case .gzip: tt_gzip_decompress(input.baseAddress, input.count, output.pointer, size)
            case .zstd: tt_zstd_decompress(input.baseAddress, input.count, output.pointer, size)
            case .lz4Raw: tt_lz4_decompress(input.baseAddress, input.count, output.pointer, size)
            }
        guard written == Int64(size) else {
            throw ParquetError.outOfSpec("the page's \(name) data is damaged")
        }
        return PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output)
    }

    /// Compresses `input` into `output`, which grows as needed.
    /// - Returns: the number of bytes written.
    func compress(_ input: UnsafeRawBufferPointer, into output: inout [UInt8], level: Int32) throws -> Int {
        let bound = self == .snappy ? tt_snappy_bound(input.count) : tt_zstd_bound(input.count)
        if output.count < bound { output = [UInt8](repeating: 0, count: bound) }
        let written: Int64 = output.withUnsafeMutableBytes { target in
            self == .snappy
                ? tt_snappy_compress(input.baseAddress, input.count, target.baseAddress, target.count)
                : tt_zstd_compress(input.baseAddress, input.count, target.baseAddress, target.count, level)
        }
        guard written >= 0 else { throw ParquetError.badParameter("\(name) could not compress a page") }
        return Int(written)
    }
}

/// Bytes with whatever keeps them alive; nil where the caller does.
struct PageBytes {
    let bytes: UnsafeRawBufferPointer
    let owner: AnyObject?

    func slice(_ range: Range<Int>) -> PageBytes {
        PageBytes(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]), owner: owner)
    }
}
