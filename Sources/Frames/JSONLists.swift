import Base
import JSON

/// Builds a list column from JSON texts, one array a row. Elements are read as `Frame.fromJSON` reads them.
public struct JSONLists {
    private let cells: JSONCells

    /// - Parameter element: the type of the elements, which may be lists again.
    public init(of element: DType, capacity: Int = 0) {
        cells = JSONCells(.list(element), capacity: capacity)
    }

    /// Appends a row; a JSON null is a null.
    /// - Returns: false when the text is no array of such elements; nothing is appended then.
    /// - Throws: `JSONError` when the text is no JSON; nothing is appended then.
    public func append(_ text: UnsafeBufferPointer<UInt8>) throws -> Bool {
        let rows = cells.count
        var scanner = JSONScanner(UnsafeRawBufferPointer(text))
        do {
            if try scanner.kind() == .null {
                try scanner.null()
                try scanner.end()
                cells.appendNull()
                return true
            }
            if try cells.append(&scanner) {
                try scanner.end()
                return true
            }
            cells.truncate(to: rows)
            try scanner.check()
            return false
        } catch {
            cells.truncate(to: rows)
            throw error
        }
    }

    public func appendNull() { cells.appendNull() }

    public func finish() -> Column { cells.finish() }
}
