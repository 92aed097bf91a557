import Glibc

/// Numbers as text, without a Swift string per value.
public enum NumberText {
    /// A whole number: digits with an optional sign and nothing else. nil when it is none or does not fit.
    public static func int64(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var at = 0
        var isNegative = false
        guard bytes.count > 0 else { return nil }
        if bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+") {
            isNegative = bytes[0] == UInt8(ascii: "-")
            at = 1
        }
        guard at < bytes.count else { return nil }
        var value: Int64 = 0
        while at < bytes.count {
            let digit = bytes[at] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            // Counting downwards reaches the smallest int64, whose positive twin does not exist.
            let (next, overflowNext) = shifted.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !overflowNext else { return nil }
            value = next
            at += 1
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    /// A whole number however it is written, `12`, `12.0` or `1.2e1`, exactly. nil when it is none or does not fit.
    public static func wholeNumber(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        if let plain = int64(bytes) { return plain }
        guard let value = double(bytes), value.magnitude <= 0x1p63 else { return nil }
        // The digits up to the exponent, then as many zeros more, or fewer, as exponent and point ask for.
        var digits: [UInt8] = []
        var scale = 0
        var at = 0
        var isBehindPoint = false
        while at < bytes.count, bytes[at] | 0x20 != UInt8(ascii: "e") {
            if bytes[at] == UInt8(ascii: ".") {
                isBehindPoint = true
            } else {
                digits.append(bytes[at])
                if isBehindPoint { scale -= 1 }
            }
            at += 1
        }
        if value == 0 { return digits.allSatisfy { !(UInt8(ascii: "1")...UInt8(ascii: "9") ~= $0) } ? 0 : nil }
        if at < bytes.count {
            guard let power = int64(UnsafeBufferPointer(rebasing: bytes[(at + 1)...])) else { return nil }
            scale &+= Int(power)
        }
        while scale < 0, digits.last == UInt8(ascii: "0"), digits.count > 1 {
            digits.removeLast()
            scale += 1
        }
        // The value is in range, so few zeros are missing.
        guard scale >= 0, scale < 20 else { return nil }
        digits += repeatElement(UInt8(ascii: "0"), count: scale)
        return digits.withUnsafeBufferPointer { int64($0) }
    }

    /// A decimal number, with fraction and exponent if it has them, or `nan`, `inf`, `infinity` in any case with an
    /// optional sign. Correctly rounded. nil for anything else.
    public static func double(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
        let count = bytes.count
        var at = 0
        var isNegative = false
        guard count > 0 else { return nil }
        if bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+") {
            isNegative = bytes[0] == UInt8(ascii: "-")
            at = 1
        }
        var mantissa: UInt64 = 0
        var digits = 0
        var significant = 0
        var exponent = 0
        func digit(_ index: Int) -> UInt8? {
            guard index < count else { return nil }
            let value = bytes[index] &- UInt8(ascii: "0")
            return value < 10 ? value : nil
        }
        while let value = digit(at) {
            if significant > 0 || value > 0 { significant += 1 }
            if significant <= 19 { mantissa = mantissa &* 10 &+ UInt64(value) } else { exponent += 1 }
            digits += 1
            at += 1
        }
        if at < count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            while let value = digit(at) {
                if significant > 0 || value > 0 { significant += 1 }
                if significant <= 19 {
                    mantissa = mantissa &* 10 &+ UInt64(value)
                    exponent -= 1
                }
                digits += 1
                at += 1
            }
        }
        guard digits > 0 else { return special(bytes, from: at, isNegative: isNegative) }
        if at < count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            var isNegativePower = false
            if at < count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") {
                isNegativePower = bytes[at] == UInt8(ascii: "-")
                at += 1
            }
            guard digit(at) != nil else { return nil }
            var power = 0
            while let value = digit(at) {
                power = min(power * 10 + Int(value), 100_000)
                at += 1
            }
            exponent += isNegativePower ? -power : power
        }
        guard at == count else { return nil }
        // Exact when both factors are: at most 2^53 and at most 10^22 (Clinger, "How to Read Floating Point Numbers
        // Accurately", 1990).
        if significant <= 19, mantissa <= 1 << 53, abs(exponent) <= 22 {
            let power = powersOfTen[abs(exponent)]
            let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return isNegative ? -value : value
        }
        return slow(bytes) { strtod($0, nil) }
    }

    /// As `double`, rounded once to float32.
    public static func float(_ bytes: UnsafeBufferPointer<UInt8>) -> Float? {
        guard let value = double(bytes) else { return nil }
        // Rounding twice differs from rounding once only when the double lies half-way between two floats; below the
        // normal numbers the half-way points lie elsewhere, and are left to the C library too.
        let isHalfWay = value.bitPattern & 0x1FFF_FFFF == 0x1000_0000
        if value.isFinite, isHalfWay || value.magnitude < Double(Float.leastNormalMagnitude), value != 0 {
            return slow(bytes) { strtof($0, nil) }
        }
        return Float(value)
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    private static func special(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, isNegative: Bool) -> Double? {
        switch String(decoding: bytes[start...], as: UTF8.self).lowercased() {
        case "nan": return .nan
        case "inf", "infinity": return isNegative ? -.infinity : .infinity
        default: return nil
        }
    }

    /// The C library's reader, on text whose form has been checked.
    private static func slow<Number>(
        _ bytes: UnsafeBufferPointer<UInt8>, _ read: (UnsafePointer<CChar>) -> Number
    ) -> Number {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { text in
            for index in 0..<bytes.count { text[index] = CChar(bitPattern: bytes[index]) }
            text[bytes.count] = 0
            return read(text.baseAddress!)
        }
    }

    /// `true`, `t`, `yes`, `1` and their opposites in any case, as PostgreSQL writes and reads them.
    public static func bool(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool? {
        func equals(_ word: StaticString) -> Bool {
            guard bytes.count == word.utf8CodeUnitCount else { return false }
            for index in 0..<bytes.count where bytes[index] | 0x20 != word.utf8Start[index] | 0x20 { return false }
            return true
        }
        switch bytes.count {
        case 1:
            if equals("t") || bytes[0] == UInt8(ascii: "1") { return true }
            if equals("f") || bytes[0] == UInt8(ascii: "0") { return false }
            return nil
        case 2: return equals("no") ? false : nil
        case 3: return equals("yes") ? true : nil
        case 4: return equals("true") ? true : nil
        case 5: return equals("false") ? false : nil
        default: return nil
        }
    }

    /// Calls `body` with the decimal text of `number`.
    public static func with<R>(_ number: Int64, _ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { text in
            var at = 20
            var rest = number.magnitude
            repeat {
                at -= 1
                text[at] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                at -= 1
                text[at] = UInt8(ascii: "-")
            }
            return try body(UnsafeBufferPointer(rebasing: text[at...]))
        }
    }
}
