import Base

extension JSON {
    /// Appends `text` as a JSON string: quotes, backslashes and control characters escaped, all else as it is.
    /// - Returns: false when the text is not UTF-8, and what was appended therefore no JSON.
    @discardableResult
    public static func appendQuoted(_ text: UnsafeBufferPointer<UInt8>, to target: inout [UInt8]) -> Bool {
        var isUTF8 = true
        target.append(UInt8(ascii: "\""))
        if let start = text.baseAddress {
            var at = 0
            while at < text.count {
                var clean = plainASCIICount(start + at, text.count - at)
                while at + clean < text.count, start[at + clean] >= 0x80 {
                    let length = UTF8Check.sequenceLength(start + at + clean, text.count - at - clean)
                    if length == 0 { isUTF8 = false }
                    clean += max(length, 1)
                }
                target.append(contentsOf: UnsafeBufferPointer(start: start + at, count: clean))
                at += clean
                if at < text.count, start[at] < 0x80, needsEscape(start[at]) {
                    appendEscaped(start[at], to: &target)
                    at += 1
                }
            }
        }
        target.append(UInt8(ascii: "\""))
        return isUTF8
    }

    /// Appends JSON text without its spaces.
    /// - Returns: false when it is not one JSON value; what was appended of it is then of no use.
    public static func appendCompact(_ text: UnsafeRawBufferPointer, to target: inout [UInt8]) -> Bool {
        var scanner = JSONScanner(text)
        do {
            try scanner.compact(into: &target)
            try scanner.end()
            return true
        } catch {
            return false
        }
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func appendEscaped(_ byte: UInt8, to target: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""): target.append(contentsOf: "\\\"".utf8)
        case UInt8(ascii: "\\"): target.append(contentsOf: "\\\\".utf8)
        case 0x08: target.append(contentsOf: "\\b".utf8)
        case 0x09: target.append(contentsOf: "\\t".utf8)
        case 0x0A: target.append(contentsOf: "\\n".utf8)
        case 0x0C: target.append(contentsOf: "\\f".utf8)
        case 0x0D: target.append(contentsOf: "\\r".utf8)
        default:
            target.append(contentsOf: "\\u00".utf8)
            target.append(hexDigit(byte >> 4))
            target.append(hexDigit(byte & 15))
        }
    }
}
