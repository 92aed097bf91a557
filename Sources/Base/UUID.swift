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
        var at = 0
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 {
                target[at] = UInt8(ascii: "-")
                at += 1
            }
            let word = index < 8 ? high : low
            let byte = UInt8(truncatingIfNeeded: word >> UInt64(8 * (7 - index % 8)))
            target[at] = hexDigit(byte >> 4)
            target[at + 1] = hexDigit(byte & 15)
            at += 2
        }
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

@inline(__always) func hexDigit(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble
}
