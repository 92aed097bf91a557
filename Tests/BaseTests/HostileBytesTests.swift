import TestSupport
import Testing

@testable import Base

/// Whatever the bytes are, readers answer or throw; they never trap.
@Suite struct HostileBytesTests {
    @Test func damagedTextsNeverTrap() {
        let texts = ["2025-01-31T12:30:59.123456789+09:30", "00112233-4455-6677-8899-aabbccddeeff"]
        var random = Random(seed: 11)
        for text in texts {
            for _ in 0..<4000 {
                random.damaged(text).withUnsafeBufferPointer {
                    _ = Timestamp.parse($0)
                    _ = UUID($0)
                }
            }
        }
    }
}
