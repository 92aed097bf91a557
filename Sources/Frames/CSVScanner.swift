import Base

/// Cuts CSV text into fields, front to back, without copying those that need no change.
struct CSVScanner {
    enum End { case field, row, file }

    let bytes: UnsafeBufferPointer<UInt8>
    let delimiter: UInt8
    let source: String
    private(set) var at: Int
    /// The line that `at` is on, from 1; a quoted field may span several.
    private(set) var line: Int
    /// The last field: a range of the text, or the text of `unescaped` when quotes had to be undone.
    private(set) var start = 0
    private(set) var length = 0
    private(set) var isQuoted = false
    /// The line that the last field began on.
    private(set) var fieldLine = 1
    private var isUnescaped = false
    private var unescaped: [UInt8] = []

    init(_ bytes: UnsafeBufferPointer<UInt8>, at: Int = 0, line: Int = 1, delimiter: UInt8, source: String) {
        self.bytes = bytes
        self.at = at
        self.line = line
        self.delimiter = delimiter
        self.source = source
    }

    var atEnd: Bool { at >= bytes.count }

    /// True at a line without a single character.
    var atBlankLine: Bool { at < bytes.count && (bytes[at] == 0x0A || bytes[at] == 0x0D) }

    @inline(__always) func withField<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        if isUnescaped { return try unescaped.withUnsafeBufferPointer(body) }
        return try body(UnsafeBufferPointer(rebasing: bytes[start..<start + length]))
    }

    /// Reads one field and what ends it.
    mutating func next() throws -> End {
        isUnescaped = false
        fieldLine = line
        if at < bytes.count, bytes[at] == UInt8(ascii: "\"") { return try quoted() }
        isQuoted = false
        start = at
        let base = bytes.baseAddress
        var index = at
        let count = bytes.count
        while index < count {
            let byte = base.unsafelyUnwrapped[index]
            if byte == delimiter {
                length = index - start
                at = index + 1
                return .field
            }
            if byte == 0x0A || byte == 0x0D { break }
            index += 1
        }
        length = index - start
        at = index
        return endOfLine()
    }

    /// Passes a blank line.
    mutating func skipBlankLine() { _ = endOfLine() }

    private mutating func endOfLine() -> End {
        guard at < bytes.count else { return .file }
        at += bytes[at] == 0x0D && at + 1 < bytes.count && bytes[at + 1] == 0x0A ? 2 : 1
        line += 1
        return .row
    }

    private mutating func quoted() throws -> End {
        let opened = line
        isQuoted = true
        at += 1
        start = at
        while at < bytes.count {
            let byte = bytes[at]
            if byte == 0x0A { line += 1 }
            if byte == UInt8(ascii: "\"") {
                if at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "\"") {
                    if !isUnescaped {
                        isUnescaped = true
                        unescaped.removeAll(keepingCapacity: true)
                        unescaped.append(contentsOf: bytes[start..<at])
                    }
                    unescaped.append(byte)
                    at += 2
                    continue
                }
                length = at - start
                at += 1
                if at < bytes.count, bytes[at] == delimiter {
                    at += 1
                    return .field
                }
                guard at == bytes.count || bytes[at] == 0x0A || bytes[at] == 0x0D else {
                    throw CSVError(
                        "syntax", "text after a closing quote; a quote inside of a quoted field is written twice",
                        source: source, line: line)
                }
                return endOfLine()
            }
            if isUnescaped { unescaped.append(byte) }
            at += 1
        }
        throw CSVError("syntax", "a quoted field starts here and is never closed", source: source, line: opened)
    }
}
