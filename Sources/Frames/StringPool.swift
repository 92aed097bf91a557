import Base

/// An immutable table of strings (bytes that are meant to be UTF-8), addressed by int32 codes.
public final class StringPool: @unchecked Sendable {
    /// `offsets[i]..<offsets[i + 1]` are the bytes of string i; count + 1 entries.
    public let offsets: Buffer<Int64>
    public let bytes: Buffer<UInt8>
    /// True when no two entries are equal, so that equal codes and equal strings are the same thing.
    public let isDistinct: Bool

    public init(offsets: Buffer<Int64>, bytes: Buffer<UInt8>, isDistinct: Bool) {
        self.offsets = offsets
        self.bytes = bytes
        self.isDistinct = isDistinct
    }

    @inlinable public var count: Int { offsets.count - 1 }

    @inlinable public subscript(bytesAt code: Int) -> UnsafeBufferPointer<UInt8> {
        let start = Int(offsets.pointer[code])
        return UnsafeBufferPointer(start: bytes.pointer + start, count: Int(offsets.pointer[code + 1]) - start)
    }

    public subscript(code: Int) -> String { String(decoding: self[bytesAt: code], as: UTF8.self) }
}
