/// A UUID as its 16 bytes, in two words that compare in the order of the canonical text.
@frozen public struct UUID: Hashable, Comparable, Sendable {
    public var high: UInt64
    public var low: UInt64

    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    @inlinable public static func < (a: UUID, b: UUID) -> Bool {
        a.high != b.high ? a.high < b.high : a.low < b.low
    }

    /// Reads 16 big-endian bytes, the order PostgreSQL sends and the text shows.
    @inlinable public init(bigEndian bytes: UnsafeRawPointer) {
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Reads 32 hexadecimal digits, with hyphens anywhere between bytes and optional braces, as PostgreSQL does.
    public init?(_ text: UnsafeBufferPointer<UInt8>) {
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        var bytes = text[...]
        if bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count >= 2 {
            bytes = bytes.dropFirst().dropLast()
        }
        for byte in bytes {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte &- UInt8(ascii: "A") &+ 10
            case UInt8(ascii: "-") where digits % 2 == 0 && digits > 0 && digits < 32: continue
            default: return nil
            }
            if digits < 16 {
                words.0 = words.0 << 4 | UInt64(digit)
            } else if digits < 32 {
                words.1 = words.1 << 4 | UInt64(digit)
            }
            digits += 1
        }
        guard digits == 32 else { return nil }
        (high, low) = words
    }

    public init?(_ text: String) {
        var text = text
        guard let uuid = text.withUTF8({ UUID($0) }) else { return nil }
        self = uuid
    }

    /// Writes the 36 bytes of the canonical lower-case text.
    public func write(to target: UnsafeMutablePointer<UInt8>) {
        let raw = UnsafeMutableRawPointer(target)
        let dash = UInt8(ascii: "-")
        raw.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: high >> 32)), as: UInt64.self)
        let middle = Self.digits(UInt32(truncatingIfNeeded: high))
        target[8] = dash
        raw.storeBytes(of: UInt32(truncatingIfNeeded: middle), toByteOffset: 9, as: UInt32.self)
        target[13] = dash
        raw.storeBytes(of: UInt32(truncatingIfNeeded: middle >> 32), toByteOffset: 14, as: UInt32.self)
        let last = Self.digits(UInt32(truncatingIfNeeded: low >> 32))
        target[18] = dash
        raw.storeBytes(of: UInt32(truncatingIfNeeded: last), toByteOffset: 19, as: UInt32.self)
        target[23] = dash
        raw.storeBytes(of: UInt32(truncatingIfNeeded: last >> 32), toByteOffset: 24, as: UInt32.self)
        raw.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: low)), toByteOffset: 28, as: UInt64.self)
    }

    /// The eight hexadecimal digits of a word, the first in the lowest byte.
    @inline(__always) private static func digits(_ word: UInt32) -> UInt64 {
        // A nibble to a byte, halving the distance each time.
        var spread = UInt64(word.byteSwapped)
        spread = (spread | spread &<< 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread &<< 8) & 0x00FF_00FF_00FF_00FF
        spread = (spread &>> 4 | spread &<< 8) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in each byte that needs a letter.
        let letters = (spread &+ 0x0606_0606_0606_0606) &>> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// Writes the 16 bytes in the order of the text.
    @inlinable public func writeBigEndian(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: high.bigEndian, as: UInt64.self)
        target.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
}

extension UUID: CustomStringConvertible {
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { target in
            write(to: target.baseAddress!)
            return 36
        }
    }
}

/// The lower-case digit of 0…15.
@inlinable @inline(__always) public func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble
}
