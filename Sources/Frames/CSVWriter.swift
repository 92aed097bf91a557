import Base

/// Writes a frame as CSV text in pieces.
struct CSVWriter {
    private let frame: Frame
    private let options: CSV.WriteOptions
    private let null: [UInt8]
    /// No number, date or uuid can need quotes.
    private let isPlain: Bool

    init(_ frame: Frame, _ options: CSV.WriteOptions) {
        self.frame = frame
        self.options = options
        null = Array(options.null.utf8)
        isPlain =
            null.isEmpty && [UInt8(ascii: ","), UInt8(ascii: ";"), 0x09, UInt8(ascii: "|")].contains(options.delimiter)
    }

    func write(_ sink: ([UInt8]) throws -> Void) throws {
        var text: [UInt8] = []
        text.reserveCapacity(1 << 17)
        if options.hasHeader {
            for (index, name) in frame.names.enumerated() {
                if index > 0 { text.append(options.delimiter) }
                appendQuotedIfNeeded(Array(name.utf8), to: &text)
            }
            text.append(0x0A)
        }
        let columns = frame.columns
        var field: [UInt8] = []
        for row in 0..<frame.rowCount {
            for (index, column) in columns.enumerated() {
                if index > 0 { text.append(options.delimiter) }
                if column.isNull(row) {
                    text.append(contentsOf: null)
                    continue
                }
                switch column.storage {
                case .int64, .float64, .float32, .bool, .uuid, .timestamp:
                    if isPlain {
                        column.appendText(row, to: &text)
                    } else {
                        fallthrough
                    }
                default:
                    field.removeAll(keepingCapacity: true)
                    column.appendText(row, to: &field)
                    appendQuotedIfNeeded(field, to: &text)
                }
            }
            text.append(0x0A)
            if text.count > 1 << 16 {
                try Interrupt.check()
                try sink(text)
                text.removeAll(keepingCapacity: true)
            }
        }
        try sink(text)
    }

    private func needsQuotes(_ field: [UInt8]) -> Bool {
        for byte in field
        where byte == options.delimiter || byte == UInt8(ascii: "\"") || byte == 0x0A || byte == 0x0D { return true }
        return field.isEmpty || field == null
    }

    private func appendQuotedIfNeeded(_ field: [UInt8], to text: inout [UInt8]) {
        guard needsQuotes(field) else {
            text.append(contentsOf: field)
            return
        }
        text.append(UInt8(ascii: "\""))
        for byte in field {
            if byte == UInt8(ascii: "\"") { text.append(byte) }
            text.append(byte)
        }
        text.append(UInt8(ascii: "\""))
    }
}
