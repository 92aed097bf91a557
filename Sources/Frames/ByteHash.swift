/// A fast hash of a few bytes or words, for tables that live in memory only. Not for anything stored or hostile-proof
/// beyond a per-process constant: collisions cost time, never correctness.
public enum ByteHash {
    @inlinable @inline(__always) static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    @inlinable @inline(__always) public static func hash(_ word: UInt64) -> UInt64 {
        mix(word ^ 0x2D35_8DCC_AA6C_78A5, 0x9E37_79B9_7F4A_7C15)
    }

    @inlinable @inline(__always) public static func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
        mix(a ^ 0x2D35_8DCC_AA6C_78A5, b ^ 0x8BB8_4B93_962E_ACC9)
    }

    /// Sixteen bytes a step; the tail is read overlapping, so no byte loop is left.
    @inlinable public static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        guard let base = bytes.baseAddress else { return hash(0) }
        let start = UnsafeRawPointer(base)
        let count = bytes.count
        var seed: UInt64 = 0x4B33_A62E_D433_D4A3 ^ UInt64(truncatingIfNeeded: count)
        var at = 0
        while count - at > 16 {
            seed = mix(
                (start + at).loadUnaligned(as: UInt64.self) ^ 0x2D35_8DCC_AA6C_78A5,
                (start + at + 8).loadUnaligned(as: UInt64.self) ^ seed)
            at += 16
        }
        let rest = count - at
        var a: UInt64 = 0
        var b: UInt64 = 0
        if rest >= 8 {
            a = (start + at).loadUnaligned(as: UInt64.self)
            b = (start + count - 8).loadUnaligned(as: UInt64.self)
        } else if rest >= 4 {
            a = UInt64((start + at).loadUnaligned(as: UInt32.self))
            b = UInt64((start + count - 4).loadUnaligned(as: UInt32.self))
        } else if rest > 0 {
            a = UInt64(base[at]) << 16 | UInt64(base[at + rest >> 1]) << 8 | UInt64(base[count - 1])
        }
        return mix(a ^ 0x8BB8_4B93_962E_ACC9, b ^ seed)
    }
}
