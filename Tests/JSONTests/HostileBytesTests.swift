import Base
import TestSupport
import Testing

@testable import JSON

/// Whatever the bytes are, the reader answers or throws; it never traps.
@Suite struct HostileBytesTests {
    @Test func damagedTextsNeverTrap() {
        let text = #"{"a": [1, -2.5e3, "x\u00e9\n", null, true], "b": {"c": {}}, "d": 12345678901234567890}"#
        var random = Random(seed: 11)
        for _ in 0..<4000 {
            random.damaged(text).withUnsafeBytes { _ = try? JSON.decode($0) }
        }
    }
}
