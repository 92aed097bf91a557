/// Bytes that should be UTF-8.
public enum UTF8Check {
    /// Whether they are well-formed: a text that Unicode has, and nothing else.
    public static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = bytes.baseAddress else { return true }
        let raw = UnsafeRawPointer(start)
        var at = 0
        while at < bytes.count {
            if at + 8 <= bytes.count,
                raw.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                at += 8
            } else if start[at] < 0x80 {
                at += 1
            } else {
                let length = sequenceLength(start + at, bytes.count - at)
                if length == 0 { return false }
                at += length
            }
        }
        return true
    }

    /// The length of the well-formed sequence of two to four bytes at `start`, of which `available` can be read; 0 when
    /// it is ill-formed (Unicode, table 3-7: nothing overlong, no surrogates, nothing above U+10FFFF).
    @inlinable @inline(__always)
    public static func sequenceLength(_ start: UnsafePointer<UInt8>, _ available: Int) -> Int {
        @inline(__always) func follows(_ index: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
            index < available && start[index] >= low && start[index] <= high
        }
        switch start[0] {
        case 0xC2...0xDF: return follows(1) ? 2 : 0
        case 0xE0: return follows(1, 0xA0) && follows(2) ? 3 : 0
        case 0xE1...0xEC, 0xEE...0xEF: return follows(1) && follows(2) ? 3 : 0
        case 0xED: return follows(1, 0x80, 0x9F) && follows(2) ? 3 : 0
        case 0xF0: return follows(1, 0x90) && follows(2) && follows(3) ? 4 : 0
        case 0xF1...0xF3: return follows(1) && follows(2) && follows(3) ? 4 : 0
        case 0xF4: return follows(1, 0x80, 0x8F) && follows(2) && follows(3) ? 4 : 0
        default: return 0
        }
    }
}
