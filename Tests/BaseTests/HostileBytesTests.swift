import Testing

@testable import Base

/// Whatever the bytes are, readers answer or throw; they never trap.
@Suite struct HostileBytesTests {
    @Test func damagedTextsNeverTrap() throws {
        let texts = [
            #"{"a": [1, -2.5e3, "x\u00e9\n", null, true], "b": {"c": {}}, "d": 12345678901234567890}"#,
            "a: &x [1, 2.5e3, 'q', \"d\\n\"]\nb: *x\nc: |\n  text\n  more\nd: {e: ~, f: !t 0x1F}\n? g\n: - h\n  - .inf\n",
            "2025-01-31T12:30:59.123456789+09:30", "00112233-4455-6677-8899-aabbccddeeff",
        ]
        var random = Random(seed: 11)
        for text in texts {
            for _ in 0..<4000 {
                var bytes = Array(text.utf8)
                for _ in 0...random.below(3) where !bytes.isEmpty {
                    let at = random.below(bytes.count)
                    switch random.below(4) {
                    case 0: bytes[at] = UInt8(random.below(256))
                    case 1: bytes.remove(at: at)
                    case 2: bytes.insert(bytes[random.below(bytes.count)], at: at)
                    default: bytes.removeLast(random.below(bytes.count))
                    }
                }
                bytes.withUnsafeBytes { raw in
                    _ = try? JSON.decode(raw)
                    _ = try? YAML.decode(raw)
                    _ = try? YAML.lines(raw)
                }
                bytes.withUnsafeBufferPointer {
                    _ = Timestamp.parse($0)
                    _ = UUID($0)
                }
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
