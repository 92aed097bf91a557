/// Where a text cannot be read, as messages and error details tell it.
public struct TextPlace: Sendable {
    /// The file's name; nil for a text without a file.
    public let source: String?
    /// Both from 1, columns in characters.
    public let line: Int
    public let column: Int

    public init(source: String?, line: Int, column: Int) {
        self.source = source
        self.line = line
        self.column = column
    }

    /// The place of a byte of the text.
    public init(source: String?, offset: Int, in text: UnsafeRawBufferPointer) {
        var line = 1
        var lineStart = 0
        let end = min(offset, text.count)
        for index in 0..<end where text[index] == 0x0A {
            line += 1
            lineStart = index + 1
        }
        // Each character has one byte that continues none.
        let column = text[lineStart..<end].count { $0 & 0xC0 != 0x80 }
        self.init(source: source, line: line, column: column + 1)
    }

    /// `file`, `line` and `column` of an error's details.
    public var details: [(String, Value)] {
        (source.map { [("file", Value.string($0))] } ?? [])
            + [("line", .int(Int64(line))), ("column", .int(Int64(column)))]
    }
}

extension TextPlace: CustomStringConvertible {
    /// `data.json:3:7`, or `line 3, column 7` for a text without a file.
    public var description: String {
        source.map { "\($0):\(line):\(column)" } ?? "line \(line), column \(column)"
    }
}
