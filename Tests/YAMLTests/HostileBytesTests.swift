import Base
import JSON
import TestSupport
import Testing

@testable import YAML

/// Whatever the bytes are, the reader answers or throws; it never traps.
@Suite struct HostileBytesTests {
    @Test func damagedTextsNeverTrap() {
        let text =
            "a: &x [1, 2.5e3, 'q', \"d\\n\"]\nb: *x\nc: |\n  text\n  more\nd: {e: ~, f: !t 0x1F}\n? g\n: - h\n  - .inf\n"
        var random = Random(seed: 11)
        for _ in 0..<4000 {
            random.damaged(text).withUnsafeBytes {
                _ = try? YAML.decode($0)
                _ = try? YAML.lines($0)
            }
        }
    }

    /// What is written from what was read is read again as the same value.
    @Test func damagedTextsRoundTripWhenTheyAreRead() throws {
        let text = "a: [1, 2.5e3, 'q', \"d\\n\"]\nc: |\n  text\n  more\nd: {e: ~, f: 0x1F}\ng:\n- h\n- -1.5\n"
        var random = Random(seed: 12)
        for _ in 0..<4000 {
            var bytes = Array(text.utf8)
            bytes[random.below(bytes.count)] = bytes[random.below(bytes.count)]
            bytes[random.below(bytes.count)] = UInt8(random.below(128))
            guard let value = try? bytes.withUnsafeBytes({ try YAML.decode($0) }) else { continue }
            #expect(try YAML.decode(YAML.encode(value)) == value, "\(bytes)")
            #expect(try JSON.decode(JSON.encode(value)) == value, "\(bytes)")
        }
    }
}
