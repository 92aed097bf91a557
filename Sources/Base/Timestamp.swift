/// Instants as int64 microseconds since 1970-01-01T00:00:00Z, and their texts.
public enum Timestamp {
    public static let microsecondsPerDay: Int64 = 86_400_000_000
    public static let microsecondsPerHour: Int64 = 3_600_000_000

    /// Days since 1970-01-01 of a proleptic Gregorian date.
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    public static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Year, month and day of a day number; the inverse of `days`.
    public static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted + (shifted < 10 ? 3 : -9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    /// An instant taken apart, in UTC. Weekdays run from 1, Monday, to 7.
    public struct Parts: Sendable, Equatable {
        public let year, month, day, hour, minute, second, microsecond, weekday: Int64
    }

    public static func parts(_ microseconds: Int64) -> Parts {
        // Not day * microsecondsPerDay, which leaves int64 near its lower end.
        let remainder = microseconds % microsecondsPerDay
        let inDay = remainder < 0 ? remainder + microsecondsPerDay : remainder
        let day = floorDivide(microseconds, microsecondsPerDay)
        let date = civil(days: day)
        let seconds = inDay / 1_000_000
        // Day 0 was a Thursday.
        let weekday = (day % 7 + 7 + 3) % 7 + 1
        return Parts(
            year: date.year, month: date.month, day: date.day, hour: seconds / 3600, minute: seconds / 60 % 60,
            second: seconds % 60, microsecond: inDay % 1_000_000, weekday: weekday)
    }

    /// `2025-01-31T12:00:00Z`, or with six fractional digits when the microseconds are not zero.
    public static func text(_ microseconds: Int64, separator: Character = "T", zone: String = "Z") -> String {
        let parts = parts(microseconds)
        var text = parts.year < 0 ? "-" : ""
        text += padded(abs(parts.year), 4) + "-" + padded(parts.month, 2) + "-" + padded(parts.day, 2)
        text.append(separator)
        text += padded(parts.hour, 2) + ":" + padded(parts.minute, 2) + ":" + padded(parts.second, 2)
        if parts.microsecond != 0 { text += "." + padded(parts.microsecond, 6) }
        return text + zone
    }

    /// Reads ISO 8601 / RFC 3339 as PostgreSQL and Python write it: a date alone, `T` or a space, optional seconds,
    /// fraction (rounded half up to microseconds), and zone `Z`, `+09`, `+09:00`, `+0900`. Without a zone it is UTC.
    /// Years have four to six digits, as `text` writes them.
    /// - Returns: nil for anything else, for impossible dates, for instants outside of int64, and for `infinity`.
    public static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var scanner = Scanner(bytes: bytes)
        scanner.skipSpaces()
        guard let year = scanner.year(), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), (1...12).contains(month), day >= 1,
            day <= daysInMonth(year: year, month: month)
        else { return nil }
        // The year 294246 is the last whole one in int64; one year less leaves room for the time and the zone.
        guard year < 294_246 else { return nil }
        var total = days(year: year, month: month, day: day) * microsecondsPerDay
        if scanner.take("T") || scanner.take("t") || scanner.takeSpaceBeforeDigit() {
            guard let hour = scanner.digits(2), hour <= 24, scanner.take(":"), let minute = scanner.digits(2),
                minute < 60
            else { return nil }
            var second: Int64 = 0
            var fraction: Int64 = 0
            if scanner.take(":") {
                guard let whole = scanner.digits(2), whole <= 60 else { return nil }
                second = whole
                if scanner.take(".") || scanner.take(",") {
                    guard let part = scanner.fraction() else { return nil }
                    fraction = part
                }
            }
            if hour == 24 && (minute > 0 || second > 0 || fraction > 0) { return nil }
            total += ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
            guard let offset = scanner.zone() else { return nil }
            total -= offset * 1_000_000
        }
        scanner.skipSpaces()
        return scanner.atEnd ? total : nil
    }

    public static func parse(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { parse($0) }
    }

    static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }

    static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return digits.count >= width ? digits : String(repeating: "0", count: width - digits.count) + digits
    }

    @inlinable public static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let quotient = a / b
        return a % b < 0 ? quotient - 1 : quotient
    }

    struct Scanner {
        let bytes: UnsafeBufferPointer<UInt8>
        var at = 0
        init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

        var atEnd: Bool { at == bytes.count }
        var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func skipSpaces() {
            while next == UInt8(ascii: " ") { at += 1 }
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard next == UInt8(ascii: character) else { return false }
            at += 1
            return true
        }

        mutating func takeSpaceBeforeDigit() -> Bool {
            guard next == UInt8(ascii: " "), at + 1 < bytes.count, isDigit(bytes[at + 1]) else { return false }
            at += 1
            return true
        }

        mutating func digits(_ count: Int) -> Int64? {
            guard at + count <= bytes.count else { return nil }
            var number: Int64 = 0
            for _ in 0..<count {
                guard isDigit(bytes[at]) else { return nil }
                number = number * 10 + Int64(bytes[at] - UInt8(ascii: "0"))
                at += 1
            }
            return number
        }

        mutating func year() -> Int64? {
            guard var number = digits(4) else { return nil }
            for _ in 0..<2 {
                guard let byte = next, isDigit(byte) else { break }
                number = number * 10 + Int64(byte - UInt8(ascii: "0"))
                at += 1
            }
            return number
        }

        mutating func fraction() -> Int64? {
            var number: Int64 = 0
            var count = 0
            var roundUp = false
            while let byte = next, isDigit(byte) {
                let digit = Int64(byte - UInt8(ascii: "0"))
                if count < 6 { number = number * 10 + digit } else if count == 6 { roundUp = digit >= 5 }
                count += 1
                at += 1
            }
            guard count > 0 else { return nil }
            for _ in min(count, 6)..<6 { number *= 10 }
            return roundUp ? number + 1 : number
        }

        /// Seconds east of UTC.
        mutating func zone() -> Int64? {
            skipSpaces()
            if take("Z") || take("z") || atEnd { return 0 }
            let sign: Int64
            if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
            guard let hours = digits(2), hours < 24 else { return nil }
            var minutes: Int64 = 0
            var seconds: Int64 = 0
            if take(":") || next.map(isDigit) == true {
                guard let part = digits(2), part < 60 else { return nil }
                minutes = part
                if take(":") {
                    guard let part = digits(2), part < 60 else { return nil }
                    seconds = part
                }
            }
            return sign * ((hours * 60 + minutes) * 60 + seconds)
        }

        func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    }
}
