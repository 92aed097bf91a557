import Base
import Glibc

/// PostgreSQL's binary `numeric`: digits in base 10000 with a weight, a sign and a display scale.
enum PostgresNumeric {
    private static let negative: UInt16 = 0x4000
    private static let notANumber: UInt16 = 0xC000
    private static let positiveInfinity: UInt16 = 0xD000
    private static let negativeInfinity: UInt16 = 0xF000
    private static let powers: [Double] = (0...22).map { Double("1e\($0)")! }

    /// The nearest double. `NaN` and the infinities stay what they are.
    static func double(_ bytes: UnsafeRawBufferPointer) throws -> Double {
        guard bytes.count >= 8 else { throw PostgresFormatError("is not a numeric") }
        func word(_ index: Int) -> UInt16 {
            UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        }
        let count = Int(word(0))
        let weight = Int(Int16(bitPattern: word(1)))
        let sign = word(2)
        switch sign {
        case notANumber: return .nan
        case positiveInfinity: return .infinity
        case negativeInfinity: return -.infinity
        default: break
        }
        guard bytes.count == 8 + 2 * count else { throw PostgresFormatError("is not a numeric") }
        if count == 0 { return 0 }
        // Up to four groups fit into 53 bits; with a power of ten that is exact itself, one division rounds correctly.
        let exponent = 4 * (weight - count + 1)
        var mantissa: UInt64 = 0
        for index in 0..<min(count, 4) { mantissa = mantissa &* 10_000 &+ UInt64(word(4 + index)) }
        var magnitude: Double
        if count <= 4, mantissa < 1 << 53, abs(exponent) <= 22 {
            magnitude = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
        } else {
            magnitude = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4 * count + 16) { text in
                for index in 0..<count {
                    var group = Int(word(4 + index)) % 10_000
                    for place in stride(from: 3, through: 0, by: -1) {
                        text[4 * index + place] = CChar(UInt8(ascii: "0")) + CChar(group % 10)
                        group /= 10
                    }
                }
                var at = 4 * count
                for byte in "e\(exponent)".utf8CString {
                    text[at] = byte
                    at += 1
                }
                return strtod(text.baseAddress!, nil)
            }
        }
        if sign == negative { magnitude.negate() }
        return magnitude
    }

    /// Appends the binary form of a decimal text such as `-12.50`, `1e-7`, `NaN`; false when it is none.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to target: inout ByteWriter) -> Bool {
        if let special = special(text) {
            for word in [0, 0, special, 0] { target.bigEndian(word) }
            return true
        }
        guard let decimal = Decimal(text) else { return false }
        // `point` digits stand before the decimal point; groups of four are counted from there.
        var digits = decimal.digits[...]
        var point = decimal.point
        let leading = digits.prefix { $0 == 0 }.count
        digits = digits.dropFirst(leading)
        point -= leading
        while digits.last == 0 { digits.removeLast() }
        if digits.isEmpty { point = 0 }
        let weight = Int((Double(point) / 4).rounded(.up)) - 1
        var groups: [UInt16] = []
        let padding = digits.isEmpty ? 0 : (weight + 1) * 4 - point
        var group = 0
        var filled = padding
        for digit in digits {
            group = group * 10 + Int(digit)
            filled += 1
            if filled == 4 {
                groups.append(UInt16(group))
                (group, filled) = (0, 0)
            }
        }
        if filled > 0, !digits.isEmpty {
            for _ in filled..<4 { group *= 10 }
            groups.append(UInt16(group))
        }
        let scale = max(0, decimal.digits.count - decimal.point)
        guard groups.count <= 32_767, abs(weight) <= 32_767, scale <= 16_383 else { return false }
        target.bigEndian(UInt16(groups.count))
        target.bigEndian(Int16(groups.isEmpty ? 0 : weight))
        target.bigEndian(decimal.isNegative && !groups.isEmpty ? negative : 0)
        target.bigEndian(UInt16(scale))
        for group in groups { target.bigEndian(group) }
        return true
    }

    private static func special(_ text: UnsafeBufferPointer<UInt8>) -> UInt16? {
        guard text.count <= 9 else { return nil }
        switch String(decoding: text, as: UTF8.self).lowercased() {
        case "nan": return notANumber
        case "infinity", "inf", "+infinity", "+inf": return positiveInfinity
        case "-infinity", "-inf": return negativeInfinity
        default: return nil
        }
    }

    /// A decimal number as its digits; the value is 0.d1d2d3… times ten to the `point`.
    private struct Decimal {
        var digits: [UInt8] = []
        var point = 0
        var isNegative = false

        init?(_ text: UnsafeBufferPointer<UInt8>) {
            var at = 0
            func peek() -> UInt8 { at < text.count ? text[at] : 0 }
            func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
            if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") {
                isNegative = peek() == UInt8(ascii: "-")
                at += 1
            }
            while isDigit(peek()) {
                digits.append(peek() - UInt8(ascii: "0"))
                at += 1
            }
            point = digits.count
            if peek() == UInt8(ascii: ".") {
                at += 1
                while isDigit(peek()) {
                    digits.append(peek() - UInt8(ascii: "0"))
                    at += 1
                }
            }
            guard !digits.isEmpty else { return nil }
            if peek() | 0x20 == UInt8(ascii: "e") {
                at += 1
                var sign = 1
                if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") {
                    sign = peek() == UInt8(ascii: "-") ? -1 : 1
                    at += 1
                }
                var exponent = 0
                guard isDigit(peek()) else { return nil }
                while isDigit(peek()), exponent < 1_000_000 {
                    exponent = exponent * 10 + Int(peek() - UInt8(ascii: "0"))
                    at += 1
                }
                point += sign * exponent
            }
            guard at == text.count else { return nil }
        }
    }
}

/// Times of day and intervals as text, as PostgreSQL prints them.
enum PostgresTime {
    /// 2000-01-01 in microseconds since 1970-01-01.
    static let epoch: Int64 = 946_684_800_000_000

    /// `04:05:06.789`.
    static func time(_ microseconds: Int64) -> String {
        let magnitude = microseconds.magnitude
        let seconds = magnitude / 1_000_000
        var text = two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60)
        var fraction = String(magnitude % 1_000_000)
        if fraction != "0" {
            fraction = String(repeating: "0", count: 6 - fraction.count) + fraction
            while fraction.last == "0" { fraction.removeLast() }
            text += "." + fraction
        }
        return text
    }

    /// `1 year 2 mons -3 days +04:05:06`, the style `postgres`.
    static func interval(microseconds: Int64, days: Int32, months: Int32) -> String {
        var parts: [String] = []
        var isNegativeBefore = false
        func add(_ count: Int32, _ unit: String) {
            guard count != 0 else { return }
            let sign = isNegativeBefore && count > 0 ? "+" : ""
            parts.append("\(sign)\(count) \(unit)\(count == 1 ? "" : "s")")
            isNegativeBefore = count < 0
        }
        add(months / 12, "year")
        add(months % 12, "mon")
        add(days, "day")
        if microseconds != 0 || parts.isEmpty {
            let sign = microseconds < 0 ? "-" : isNegativeBefore ? "+" : ""
            parts.append(sign + time(microseconds))
        }
        return parts.joined(separator: " ")
    }

    private static func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : String(number) }
}
