/// Reads a byte buffer front to back; a short read throws, never traps.
public struct ByteReader {
    public let bytes: UnsafeRawBufferPointer
    public private(set) var offset: Int

    public init(_ bytes: UnsafeRawBufferPointer, offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    public var remaining: Int { bytes.count - offset }

    /// The next `count` bytes, without copying.
    public mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw BaseError("base.short_read", "needs \(count) bytes at offset \(offset), has \(remaining)")
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    public mutating func skip(_ count: Int) throws { _ = try take(count) }

    public mutating func seek(_ position: Int) throws {
        guard position >= 0, position <= bytes.count else {
            throw BaseError("base.short_read", "offset \(position) is outside of \(bytes.count) bytes")
        }
        offset = position
    }

    public mutating func littleEndian<T: FixedWidthInteger>(_: T.Type = T.self) throws -> T {
        T(littleEndian: try take(MemoryLayout<T>.size).loadUnaligned(as: T.self))
    }

    public mutating func bigEndian<T: FixedWidthInteger>(_: T.Type = T.self) throws -> T {
        T(bigEndian: try take(MemoryLayout<T>.size).loadUnaligned(as: T.self))
    }

    /// Unsigned LEB128, at most 64 bits.
    public mutating func varint() throws -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte: UInt8 = try littleEndian()
            guard shift < 63 || byte < 2 else { throw BaseError("base.bad_varint", "varint is longer than 64 bits") }
            result |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return result }
            shift += 7
            guard shift < 70 else { throw BaseError("base.bad_varint", "varint is longer than 64 bits") }
        }
    }

    /// Signed, zigzag-encoded LEB128.
    public mutating func zigzag() throws -> Int64 {
        let raw = try varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }
}

/// Appends to a growing byte array.
public struct ByteWriter {
    public var bytes: [UInt8] = []
    public init() {}

    public var count: Int { bytes.count }

    public mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
    public mutating func append(_ byte: UInt8) { bytes.append(byte) }

    public mutating func littleEndian(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    public mutating func bigEndian(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    public mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    public mutating func zigzag(_ number: Int64) {
        varint(UInt64(bitPattern: number << 1 ^ number >> 63))
    }
}
