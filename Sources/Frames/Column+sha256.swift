import Base

extension Column {
    /// The SHA-256 of every row's text as 64 hexadecimal digits; uuids count as their canonical text, null stays null.
    ///
    /// A text that is shared by many rows is hashed once.
    /// - Throws: `FrameError` `frame.type` for any other type.
    public func sha256() throws -> Column {
        switch storage {
        case .string(let codes, let pool):
            guard pool.count > count else {
                let digests = try SHA256.hexDigests(count: pool.count) { UnsafeRawBufferPointer(pool[bytesAt: $0]) }
                let hashed = Self.digestPool(digests, isDistinct: pool.isDistinct)
                return Column(.string(codes: codes, pool: hashed), validity: validity)
            }
            let digests = try SHA256.hexDigests(count: count) { row in
                isNull(row) ? UnsafeRawBufferPointer(start: nil, count: 0) : UnsafeRawBufferPointer(stringBytes(row))
            }
            return digestColumn(digests)
        case .uuid(let values):
            let text = Buffer<UInt8>(uninitialized: 36)
            let digests = try SHA256.hexDigests(count: count) { row in
                values[row].write(to: text.pointer)
                return UnsafeRawBufferPointer(text.elements)
            }
            return digestColumn(digests)
        default:
            throw FrameError("frame.type", "SHA-256 is of string and uuid columns, not of \(dtype.name); cast it first")
        }
    }

    /// One digest a row.
    private func digestColumn(_ digests: Buffer<UInt8>) -> Column {
        let codes = Buffer<Int32>(uninitialized: count)
        for row in 0..<count { codes.pointer[row] = Int32(row) }
        return Column(.string(codes: codes, pool: Self.digestPool(digests, isDistinct: false)), validity: validity)
    }

    private static func digestPool(_ digests: Buffer<UInt8>, isDistinct: Bool) -> StringPool {
        let width = 2 * SHA256.byteCount
        let offsets = Buffer<Int64>(uninitialized: digests.count / width + 1)
        for index in 0..<offsets.count { offsets.pointer[index] = Int64(index * width) }
        return StringPool(offsets: offsets, bytes: digests, isDistinct: isDistinct)
    }
}
