import Files
import Testing

@testable import Base

@Suite struct TimestampTests {
    @Test func readsWhatPythonWrites() throws {
        let text = String(decoding: try Files.read(fixture("timestamps.tsv")), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines.count > 300)
        for line in lines {
            let parts = line.split(separator: "\t")
            let expected = Int64(parts[1])!
            #expect(Timestamp.parse(String(parts[0])) == expected, "\(line)")
            #expect(Timestamp.parse(Timestamp.text(expected)) == expected, "\(line)")
        }
    }

    @Test func writesKnownTexts() {
        #expect(Timestamp.text(0) == "1970-01-01T00:00:00Z")
        #expect(Timestamp.text(-1) == "1969-12-31T23:59:59.999999Z")
        #expect(Timestamp.text(1_738_324_800_000_000) == "2025-01-31T12:00:00Z")
        #expect(Timestamp.text(1_738_324_800_000_001) == "2025-01-31T12:00:00.000001Z")
        #expect(Timestamp.text(1_738_324_800_120_000, separator: " ", zone: "+00") == "2025-01-31 12:00:00.120000+00")
    }

    @Test func readsEveryUsualSpelling() {
        let noon: Int64 = 1_738_324_800_000_000
        for text in [
            "2025-01-31T12:00:00Z", "2025-01-31t12:00:00z", "2025-01-31 12:00:00", "2025-01-31T12:00",
            "2025-01-31 12:00:00+00",
            "2025-01-31T21:00:00+09:00", "2025-01-31 21:00:00+0900", "2025-01-31 21:00:00+09",
            "2025-01-31T08:30:00-03:30",
            "2025-01-31 12:00:00.000", "2025-01-31 12:00:00,000Z", "  2025-01-31 21:00:00+09  ",
            "2025-01-31T12:00:00 Z",
            "2025-01-31T12:00:00 +00:00", "2025-01-31 21:18:59+09:18:59", "2025-01-31T11:59:60Z",
        ] {
            #expect(Timestamp.parse(text) == noon, "\(text)")
        }
        #expect(Timestamp.parse("2025-01-31") == noon - 12 * Timestamp.microsecondsPerHour)
        #expect(Timestamp.parse("2025-01-30T24:00:00Z") == noon - 12 * Timestamp.microsecondsPerHour)
        #expect(Timestamp.parse("12025-01-31") != nil)
    }

    @Test func roundsTheFraction() {
        #expect(Timestamp.parse("1970-01-01T00:00:00.1Z") == 100_000)
        #expect(Timestamp.parse("1970-01-01T00:00:00.0000004Z") == 0)
        #expect(Timestamp.parse("1970-01-01T00:00:00.0000005Z") == 1)
        #expect(Timestamp.parse("1970-01-01T00:00:00.9999995Z") == 1_000_000)
        #expect(Timestamp.parse("1969-12-31T23:59:59.999999Z") == -1)
    }

    @Test func refusesTheRest() {
        for text in [
            "", " ", "infinity", "-infinity", "2025", "2025-01", "2025-1-31", "2025-13-01", "2025-00-01", "2025-02-29",
            "2025-01-32", "2025-01-00", "1900-02-29", "2025-01-31T", "2025-01-31T1:00", "2025-01-31T25:00:00",
            "2025-01-31T24:00:01", "2025-01-31T12:60:00", "2025-01-31T12:00:61", "2025-01-31T12:00:00.Z",
            "2025-01-31T12:00:00X", "2025-01-31T12:00:00+24", "2025-01-31T12:00:00+09:6", "2025-01-31T12:00:00+09:60",
            "2025-01-31 12:00:00 BC", "20250131", "31.01.2025", "2025-01-31T12:00:00ZZ", "294246-01-01", "999999-12-31",
            "1234567-01-01", "２０２５-01-31",
        ] {
            #expect(Timestamp.parse(text) == nil, "\(text)")
        }
    }

    @Test func takesInstantsApart() {
        let parts = Timestamp.parts(1_738_328_645_000_007)
        #expect(
            parts
                == Timestamp.Parts(
                    year: 2025, month: 1, day: 31, hour: 13, minute: 4, second: 5, microsecond: 7, weekday: 5))
        #expect(Timestamp.parts(0).weekday == 4 && Timestamp.parts(-1).weekday == 3)
    }

    @Test func survivesTheEndsOfInt64() {
        #expect(Timestamp.text(.max) == "294247-01-10T04:00:54.775807Z")
        #expect(Timestamp.text(.min) == "-290308-12-21T19:59:05.224192Z")
        #expect(Timestamp.parse("294245-12-31T23:59:60.9999999-23:59:59") != nil)
    }

    @Test func daysAndDatesAreInverse() {
        for day in stride(from: Int64(-1_000_000), to: 4_000_000, by: 997) {
            let date = Timestamp.civil(days: day)
            #expect(Timestamp.days(year: date.year, month: date.month, day: date.day) == day)
        }
    }
}
