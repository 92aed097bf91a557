import Base
import Glibc

/// DELTA_LENGTH_BYTE_ARRAY: all lengths first (delta packed), then all bytes.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTALENGTH
enum DeltaLengthByteArray {
    static func decode(_ page: PageBytes, count: Int, allowance: Allowance) throws -> ByteSlices {
        let (lengths, used) = try DeltaBinaryPacked.decode(page.bytes, count: count, allowance: allowance)
        try allowance.check(count, size: MemoryLayout<ByteSlices.Slice>.stride)
        let slices = Buffer<ByteSlices.Slice>(uninitialized: count)
        var at = used
        for index in 0..<count {
            let length = lengths[index]
            guard length >= 0, length <= Int64(page.bytes.count - at) else {
                throw ParquetError.outOfSpec("a byte array of \(length) bytes does not fit its page")
            }
            slices[index] = ByteSlices.Slice(start: at, count: Int(length))
            at += Int(length)
        }
        return ByteSlices(bytes: page, slices: slices, byteCount: at - used)
    }
}

/// DELTA_BYTE_ARRAY: each value shares a prefix with the one before it; prefix lengths, then suffixes.
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTASTRING
enum DeltaByteArray {
    static func decode(_ page: PageBytes, count: Int, allowance: Allowance) throws -> ByteSlices {
        let (prefixes, used) = try DeltaBinaryPacked.decode(page.bytes, count: count, allowance: allowance)
        let suffixes = try DeltaLengthByteArray.decode(
            page.slice(used..<page.bytes.count), count: count, allowance: allowance)
        // Prefixes can make a small page very large: add up before allocating.
        var total = 0
        var previous = 0
        for index in 0..<count {
            let prefix = prefixes[index]
            guard prefix >= 0, prefix <= Int64(previous) else {
                throw ParquetError.outOfSpec("a shared prefix of \(prefix) bytes after a value of \(previous)")
            }
            previous = Int(prefix) + suffixes.slices[index].count
            total += previous
            if index & 0xFFFF == 0 { try allowance.check(total, size: 1) }
        }
        try allowance.check(total, size: 1)
        let output = Buffer<UInt8>(uninitialized: total)
        let slices = Buffer<ByteSlices.Slice>(uninitialized: count)
        var at = 0
        var last = 0
        for index in 0..<count {
            let prefix = Int(prefixes[index])
            let suffix = suffixes[index]
            if prefix > 0 { memcpy(output.pointer + at, output.pointer + last, prefix) }
            if let base = suffix.baseAddress { memcpy(output.pointer + at + prefix, base, suffix.count) }
            slices[index] = ByteSlices.Slice(start: at, count: prefix + suffix.count)
            last = at
            at += prefix + suffix.count
        }
        return ByteSlices(
            bytes: PageBytes(bytes: UnsafeRawBufferPointer(output.elements), owner: output), slices: slices,
            byteCount: total)
    }
}
