import Base
import Frames
import JSON

/// Lists as JSON text: how SQLite holds them, and how `json` columns do.
enum JSONText {
    /// Rows of a column as a JSON array.
    /// - Throws: `sql.type` for numbers JSON cannot hold.
    static func appendList(_ column: Column, _ rows: Range<Int>, to text: inout [UInt8]) throws {
        switch column.storage {
        case .float32(let values):
            try refuseNonFinite(rows.allSatisfy { column.isNull($0) || values.pointer[$0].isFinite })
        case .float64(let values):
            try refuseNonFinite(rows.allSatisfy { column.isNull($0) || values.pointer[$0].isFinite })
        case .list(let offsets, let child) where !rows.isEmpty:
            text.append(UInt8(ascii: "["))
            for row in rows {
                if row > rows.lowerBound { text.append(UInt8(ascii: ",")) }
                if column.isNull(row) {
                    text += "null".utf8
                } else {
                    try appendList(child, Int(offsets.pointer[row])..<Int(offsets.pointer[row + 1]), to: &text)
                }
            }
            text.append(UInt8(ascii: "]"))
            return
        default: break
        }
        appendElements(column, rows, to: &text)
    }

    private static func refuseNonFinite(_ finite: Bool) throws {
        if !finite { throw SQLError("sql.type", "JSON cannot hold NaN or an infinity") }
    }

    static func appendElements(_ column: Column, _ rows: Range<Int>, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "["))
        var item: [UInt8] = []
        for row in rows {
            if row > rows.lowerBound { text.append(UInt8(ascii: ",")) }
            if column.isNull(row) {
                text += "null".utf8
                continue
            }
            switch column.storage {
            case .string: JSON.appendQuoted(column.stringBytes(row), to: &text)
            case .timestamp, .uuid:
                item.removeAll(keepingCapacity: true)
                ValueText.append(column, row, to: &item)
                item.withUnsafeBufferPointer { _ = JSON.appendQuoted($0, to: &text) }
            default: ValueText.append(column, row, to: &text)
            }
        }
        text.append(UInt8(ascii: "]"))
    }
}
