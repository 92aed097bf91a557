import Base
import Frames
import Testing

@testable import SQL

/// Binary forms, without a server.
@Suite struct PostgresFormTests {
    private func roundTrip(_ text: String) -> Double? {
        var writer = ByteWriter()
        let bytes = Array(text.utf8)
        guard bytes.withUnsafeBufferPointer({ PostgresNumeric.append($0, to: &writer) }) else { return nil }
        return try? writer.bytes.withUnsafeBytes { try PostgresNumeric.double($0) }
    }

    @Test(arguments: [
        "0", "1", "-1", "10000", "9999", "12345.6789", "-0.0001", "0.00012345", "123456789012345678901234567890",
        "1e-7",
        "1.5e300", "2.2250738585072014e-308", "5e-324", "0.1", "99999999999999.99", "1980.50", "-000.500", "1e22",
        "17e18",
    ])
    func numericsRoundTrip(_ text: String) throws {
        #expect(roundTrip(text) == Double(text))
    }

    @Test func specialNumerics() {
        #expect(roundTrip("NaN")?.isNaN == true)
        #expect(roundTrip("Infinity") == .infinity)
        #expect(roundTrip("-inf") == -.infinity)
        for text in ["", ".", "-", "1e", "abc", "1.2.3", "1 ", "1e9999999"] { #expect(roundTrip(text) == nil) }
    }

    @Test func randomDoublesRoundTrip() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let value = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &generator))
            guard value.isFinite else { continue }
            #expect(roundTrip(value.description) == value)
        }
    }

    @Test func hostileBytesNeverTrap() {
        let forms: [PostgresForm] = [
            .bool, .int2, .int4, .int8, .oid, .float4, .float8, .numeric, .text, .versionedText, .bytea, .uuid,
            .timestamp,
            .date, .time, .interval, .vector, .array(element: .int4, elementType: 23),
            .array(element: .text, elementType: 25), .array(element: .numeric, elementType: 1700), .other,
        ]
        var generator = SystemRandomNumberGenerator()
        for form in forms {
            for count in 0..<40 {
                for fill in [0, 1, 0x7F, 0x80, 0xFF, nil] as [UInt8?] {
                    let bytes = (0..<count).map { _ in fill ?? UInt8.random(in: 0...255, using: &generator) }
                    let decoder = PostgresDecoder(form)
                    _ = try? bytes.withUnsafeBytes { try decoder.append($0) }
                }
            }
        }
    }

    @Test func copyInPieces() throws {
        var writer = ByteWriter()
        for number in 0..<100 {
            writer.bigEndian(Int16(2))
            writer.bigEndian(Int32(8))
            writer.bigEndian(Int64(number))
            writer.bigEndian(Int32(-1))
        }
        writer.bigEndian(Int16(-1))
        for piece in [1, 7, 19, 4000] {
            let result = PostgresResult([
                .init(name: "a", type: 20, form: .int8), .init(name: "b", type: 25, form: .text),
            ])
            var rest: [UInt8] = []
            var at = 0
            while at < writer.count {
                rest += writer.bytes[at..<min(at + piece, writer.count)]
                at += piece
                let used = try rest.withUnsafeBytes { try result.append(copy: $0) }
                rest.removeFirst(used)
            }
            let frame = try result.finish(nil)
            #expect(frame.values("a") == (0..<100).map { .int($0) })
            #expect(frame["b"]!.nullCount == 100)
        }
    }

    @Test func datesHaveNoTimeOfDay() throws {
        let target = PostgresTable.Column(name: "d", type: "date", form: .date)
        func date(_ value: Int64) throws -> [UInt8] {
            var writer = ByteWriter()
            try PostgresEncoder(.timestamp([value]), into: target, name: "d").append(0, to: &writer)
            return writer.bytes
        }
        #expect(try date(PostgresTime.epoch - Timestamp.microsecondsPerDay) == [0, 0, 0, 4, 255, 255, 255, 255])
        for value in [1, -1, .min, .max] as [Int64] {
            #expect(sqlError { _ = try date(value) }.message.contains("time of day"))
        }
    }

    @Test func intervals() {
        #expect(PostgresTime.interval(microseconds: 0, days: 0, months: 0) == "00:00:00")
        #expect(
            PostgresTime.interval(microseconds: 14_706_789_000, days: 3, months: 14)
                == "1 year 2 mons 3 days 04:05:06.789")
        #expect(PostgresTime.interval(microseconds: 1_000_000, days: -1, months: 0) == "-1 days +00:00:01")
        #expect(PostgresTime.interval(microseconds: -60_000_000, days: 0, months: -13) == "-1 years -1 mons -00:01:00")
    }
}
