import Base
import JSON

extension Column {
    /// Appends the text of one row that is not null: what `cast` to string, CSV and printing share. Floats are in
    /// shortest round-trip form, timestamps RFC 3339 in UTC, lists JSON.
    func appendText(_ row: Int, to text: inout [UInt8]) {
        switch storage {
        case .int64(let values): NumberText.with(values.pointer[row]) { text.append(contentsOf: $0) }
        case .float32(let values): text.append(contentsOf: values.pointer[row].description.utf8)
        case .float64(let values): text.append(contentsOf: values.pointer[row].description.utf8)
        case .bool(let values): text.append(contentsOf: (values.pointer[row] != 0 ? "true" : "false").utf8)
        case .timestamp(let values): text.append(contentsOf: Timestamp.text(values.pointer[row]).utf8)
        case .uuid(let values):
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { buffer in
                values[row].write(to: buffer.baseAddress!)
                text.append(contentsOf: UnsafeBufferPointer(buffer))
            }
        case .string(let codes, let pool): text.append(contentsOf: pool[bytesAt: Int(codes.pointer[row])])
        case .list(let offsets, let child):
            text.append(UInt8(ascii: "["))
            let first = Int(offsets.pointer[row])
            for index in first..<Int(offsets.pointer[row + 1]) {
                if index > first { text.append(contentsOf: ", ".utf8) }
                child.appendJSON(index, to: &text)
            }
            text.append(UInt8(ascii: "]"))
        }
    }

    private func appendJSON(_ row: Int, to text: inout [UInt8]) {
        if isNull(row) {
            text.append(contentsOf: "null".utf8)
            return
        }
        switch dtype {
        case .string, .timestamp, .uuid:
            var plain: [UInt8] = []
            appendText(row, to: &plain)
            plain.withUnsafeBufferPointer { _ = JSON.appendQuoted($0, to: &text) }
        default: appendText(row, to: &text)
        }
    }
}
