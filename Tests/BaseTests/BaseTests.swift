import Files
import Glibc
import Testing

@testable import Base

/// A path below Tests/fixtures/base.
func fixture(_ name: String, file: String = #filePath) -> String {
    Path.join(Path.parent(Path.parent(file)), "fixtures/base/\(name)")
}

@Suite struct UUIDTests {
    @Test func readsCanonicalAndOtherSpellings() throws {
        let canonical = "00112233-4455-6677-8899-aabbccddeeff"
        for text in [
            canonical, canonical.uppercased(), "00112233445566778899aabbccddeeff", "{\(canonical)}",
            "0011-2233-4455-6677-8899-aabb-ccdd-eeff",
        ] {
            #expect(UUID(text)?.description == canonical, "\(text)")
        }
    }

    @Test func refusesWhatIsNoUUID() {
        for text in [
            "", "0", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
            "g0112233-4455-6677-8899-aabbccddeeff", "-00112233-4455-6677-8899-aabbccddeeff",
            "0-0112233-4455-6677-8899-aabbccddeeff", "{00112233-4455-6677-8899-aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeeff-",
        ] {
            #expect(UUID(text) == nil, "\(text)")
        }
    }

    @Test func ordersAsItsTextAndKeepsItsBytes() {
        var random = Random(seed: 5)
        let all = (0..<200).map { _ in UUID(high: random.next(), low: random.next()) }
        let sorted = all.sorted().map(\.description)
        #expect(sorted == all.map(\.description).sorted(by: Files.bytewise))
        for uuid in all {
            var bytes = [UInt8](repeating: 0, count: 16)
            bytes.withUnsafeMutableBytes { uuid.writeBigEndian(to: $0.baseAddress!) }
            #expect(bytes.withUnsafeBytes { UUID(bigEndian: $0.baseAddress!) } == uuid)
        }
    }
}

@Suite struct RandomTests {
    /// Source: the reference vectors of xoshiro256starstar.c for state 1, 2, 3, 4 (as used by rand_xoshiro).
    @Test func followsTheReference() {
        var random = Random(state: (1, 2, 3, 4))
        let expected: [UInt64] = [
            11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360, 607_988_272_756_665_600,
            16_172_922_978_634_559_625, 8_476_171_486_693_032_832, 10_595_114_339_597_558_777,
            2_904_607_092_377_533_576,
        ]
        #expect(expected.map { _ in random.next() } == expected)
    }

    /// Source: splitmix64.c with seed 1234567.
    @Test func seedsThroughSplitMix() {
        var mix = SplitMix64(state: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ]
        #expect(expected.map { _ in mix.next() } == expected)
    }

    @Test func streamsOfOneSeedDiffer() {
        var a = Random(seed: 42)
        var b = Random(seed: 42, stream: 1)
        var again = Random(seed: 42)
        let first = (0..<4).map { _ in a.next() }
        #expect(first == (0..<4).map { _ in again.next() })
        #expect(first != (0..<4).map { _ in b.next() })
    }

    @Test func drawsInRange() {
        var random = Random(seed: 1)
        var counts = [Int](repeating: 0, count: 7)
        var sum = 0.0
        var squares = 0.0
        for _ in 0..<70_000 {
            counts[random.below(7)] += 1
            let uniform = random.uniform()
            #expect((0..<1).contains(uniform))
            let normal = random.normal()
            sum += normal
            squares += normal * normal
        }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
        #expect(abs(sum / 70_000) < 0.02 && abs(squares / 70_000 - 1) < 0.03)
        var items = Array(0..<100)
        random.shuffle(&items)
        #expect(items != Array(0..<100) && items.sorted() == Array(0..<100))
    }
}

@Suite struct BytesTests {
    @Test func roundTripsNumbers() throws {
        var writer = ByteWriter()
        writer.littleEndian(UInt32(0x0102_0304))
        writer.bigEndian(Int64(-2))
        let numbers: [UInt64] = [0, 1, 127, 128, 300, 1 << 35, .max]
        for number in numbers { writer.varint(number) }
        let signed: [Int64] = [0, -1, 1, 63, -64, .min, .max]
        for number in signed { writer.zigzag(number) }
        try writer.bytes.withUnsafeBytes { (bytes) throws in
            var reader = ByteReader(bytes)
            #expect(try reader.littleEndian(UInt32.self) == 0x0102_0304)
            #expect(try reader.bigEndian(Int64.self) == -2)
            for number in numbers { #expect(try reader.varint() == number) }
            for number in signed { #expect(try reader.zigzag() == number) }
            #expect(reader.remaining == 0)
        }
    }

    @Test func throwsInsteadOfTrapping() {
        let bytes: [UInt8] = [0x80, 0x80, 0x80]
        bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            #expect(throws: BaseError.self) { try reader.take(4) }
            #expect(throws: BaseError.self) { try reader.take(-1) }
            #expect(throws: BaseError.self) { try reader.take(.max) }
            #expect(throws: BaseError.self) { try reader.skip(.min) }
            #expect(throws: BaseError.self) { try reader.seek(4) }
            #expect(throws: BaseError.self) { try reader.seek(-1) }
            #expect(throws: BaseError.self) { let _: UInt64 = try reader.bigEndian() }
            #expect(throws: BaseError.self) { try reader.varint() }
        }
        let tooLong = [UInt8](repeating: 0xFF, count: 12)
        tooLong.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            #expect(throws: BaseError.self) { try reader.varint() }
        }
    }
}

@Suite struct SuggestionTests {
    @Test func findsTheNearestName() {
        #expect(Suggestion.nearest(to: "page-sise", in: ["config", "page-size", "page"]) == "page-size")
        #expect(Suggestion.nearest(to: "epcohs", in: ["epochs", "batch_size"]) == "epochs")
        #expect(Suggestion.nearest(to: "qqqqqq", in: ["epochs", "batch_size"]) == nil)
        #expect(Suggestion.nearest(to: "x", in: []) == nil)
        #expect(Suggestion.nearest(to: "", in: ["a"]) == nil)
        #expect(Suggestion.nearest(to: "c", in: ["a", "b"]) == nil)
    }
}

@Suite struct SHA256Tests {
    /// Source: FIPS 180-4 examples, and Python's hashlib for the million.
    @Test func matchesKnownDigests() {
        #expect(SHA256.hex([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(SHA256.hex(million) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        let pieces = SHA256()
        for start in stride(from: 0, to: million.count, by: 999) {
            million[start..<min(start + 999, million.count)].withUnsafeBytes { pieces.update($0) }
        }
        #expect(pieces.finishHex() == SHA256.hex(million))
        #expect(pieces.finishHex() == SHA256.hex([]), "a finished hash starts over")
    }

    @Test func hashesManyMessages() throws {
        let messages = ["", "abc", "42:00000000-0000-4000-8000-000000000001:00000000-0000-4000-8000-00000000000a"]
            .map { Array($0.utf8) }
        let buffers = messages.map { Buffer($0) }
        let hex = try SHA256.hexDigests(count: messages.count) { UnsafeRawBufferPointer(buffers[$0].elements) }
        let text = withExtendedLifetime(hex) { String(decoding: hex.elements, as: UTF8.self) }
        #expect(text == messages.map { SHA256.hex($0) }.joined())
        #expect(text.suffix(64).hasPrefix("0a982373325d0a7c"))
    }
}

@Suite struct ClockTests {
    @Test func clocksRun() throws {
        let start = Clock.monotonic()
        try Clock.sleep(seconds: 0.02)
        #expect(Clock.monotonic() - start >= 0.02)
        #expect(Clock.now() > 1_700_000_000_000_000)
    }
}
