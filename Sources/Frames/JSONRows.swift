import Base
import JSON

/// Reads the rows of a JSON array into columns, in one pass over the text.
///
/// Rows mostly have the same names in the same order. Those of the row before are kept as they stood in the text, and
/// while a row goes along with them its names cost one comparison each.
struct JSONRows: ~Copyable {
    var scanner: JSONScanner
    private let columns: [JSONColumn]
    private let cells: [JSONCells]
    /// The first names of the columns' paths, and the columns of each.
    private let names = StringPoolBuilder()
    private var targets: [Target] = []
    private var row = 0

    /// What becomes of a member of a row.
    private enum Target {
        case skip
        /// The whole member is the value of one column.
        case column(Int)
        /// Several columns, or values further inside.
        case inside([Int])
    }

    private struct Name {
        let raw: JSONScanner.RawString
        let target: Target
    }

    private var shape: [Name] = []
    /// Columns that a row of this shape gives no value.
    private var absent: [Int] = []

    init(_ bytes: UnsafeRawBufferPointer, _ columns: [JSONColumn]) {
        scanner = JSONScanner(bytes)
        self.columns = columns
        cells = columns.map { JSONCells($0) }
        var members: [[Int]] = []
        for (index, column) in columns.enumerated() {
            guard case .member(let name) = column.steps[0] else { preconditionFailure("a path starts with a name") }
            let code = Int(name.withUnsafeBufferPointer { names.code(for: $0) })
            if code == members.count { members.append([]) }
            members[code].append(index)
        }
        targets = members.map { indices in
            indices.count == 1 && columns[indices[0]].steps.count == 1 ? .column(indices[0]) : .inside(indices)
        }
        absent = Array(columns.indices)
    }

    mutating func read() throws -> Frame {
        guard try scanner.kind() == .array else { throw notRows("an array of objects expected, got \(try found())") }
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) {
            if row & 0xFF == 0 { try Interrupt.check() }
            guard try scanner.kind() == .object else {
                throw notRows("row \(row + 1): an object expected, got \(try found())", row: row + 1)
            }
            try readRow()
            row += 1
        }
        try scanner.end()
        return try Frame(zip(columns, cells).map { ($0.name, $1.finish()) }, rowCount: row)
    }

    private mutating func readRow() throws {
        try scanner.beginMembers()
        var isFirst = true
        var at = 0
        var isNew = false
        while try scanner.nextMember(&isFirst) {
            if isNew || at == shape.count || !scanner.take(name: shape[at].raw) {
                if !isNew {
                    shape.removeSubrange(at...)
                    isNew = true
                }
                shape.append(try newName())
            }
            try scanner.colon()
            let target = shape[at].target
            at += 1
            switch target {
            case .skip: try scanner.skip()
            case .column(let index):
                if try scanner.kind() == .null {
                    try scanner.null()
                    cells[index].appendNull()
                } else if try !cells[index].append(&scanner) {
                    throw unreadable(index)
                }
            case .inside(let indices):
                _ = try scanner.kind()
                let start = scanner.position
                for index in indices {
                    scanner.position = start
                    if try !extract(index, step: 1) { cells[index].appendNull() }
                }
            }
        }
        if isNew || at < shape.count { try adopt(shape.prefix(at)) }
        for index in absent { cells[index].appendNull() }
    }

    private mutating func newName() throws -> Name {
        let raw = try scanner.rawString()
        let name = scanner.decoded(raw)
        let target = names.find(name).map { targets[Int($0)] } ?? .skip
        return Name(raw: raw, target: target)
    }

    /// Makes the names of this row the ones to expect.
    private mutating func adopt(_ names: ArraySlice<Name>) throws {
        shape = Array(names)
        try scanner.checkNames(shape.map(\.raw))
        var isAbsent = [Bool](repeating: true, count: columns.count)
        for name in shape {
            switch name.target {
            case .skip: break
            case .column(let index): isAbsent[index] = false
            case .inside(let indices): for index in indices { isAbsent[index] = false }
            }
        }
        absent = isAbsent.indices.filter { isAbsent[$0] }
    }

    // MARK: - Values further inside

    /// Follows a column's path from `step` on and appends what is there.
    /// - Returns: false when nothing is there, with nothing appended.
    private mutating func extract(_ index: Int, step: Int) throws -> Bool {
        let steps = columns[index].steps
        let gives = try follow(index, steps, step)
        if gives, steps.contains(.each) { cells[index].endList() }
        return gives
    }

    private mutating func follow(_ index: Int, _ steps: [JSONColumn.Step], _ step: Int) throws -> Bool {
        let kind = try scanner.kind()
        if kind == .null {
            try scanner.null()
            return false
        }
        guard step < steps.count else {
            let isElement = steps.contains(.each)
            guard try isElement ? cells[index].appendElement(&scanner) : cells[index].append(&scanner) else {
                throw unreadable(index)
            }
            return true
        }
        switch steps[step] {
        case .member(let name):
            guard kind == .object else { throw unreadable(index, "object") }
            var members = try scanner.beginObject()
            var gives = false
            while let found = try scanner.nextName(&members) {
                if found.elementsEqual(name) { gives = try follow(index, steps, step + 1) } else { try scanner.skip() }
            }
            return gives
        case .each:
            guard kind == .array else { throw unreadable(index, "array") }
            try scanner.beginArray()
            var isFirst = true
            while try scanner.nextElement(&isFirst) { _ = try follow(index, steps, step + 1) }
            return true
        }
    }

    // MARK: - Errors

    /// What to say when `error` stopped the reading: first of all that the text is no JSON, where it is none.
    mutating func failure(_ error: FrameError) -> any Error {
        do {
            try scanner.check()
            return error
        } catch {
            return error
        }
    }

    private mutating func found() throws -> String {
        switch try scanner.kind() {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    private func notRows(_ message: String, row: Int? = nil) -> FrameError {
        FrameError("json.rows", message, details: row.map { [("row", .int(Int64($0)))] } ?? [])
    }

    private func unreadable(_ index: Int, _ expected: String? = nil) -> FrameError {
        let column = columns[index]
        let problem =
            expected.map { "the path '\(column.path)' goes through a value that is no \($0)" }
            ?? "the value is no \(column.expected)"
        return FrameError(
            "json.column", "row \(row + 1), column '\(column.name)': \(problem)",
            details: [
                ("row", .int(Int64(row + 1))), ("column", .string(column.name)),
                ("expected", .string(expected ?? column.expected)),
            ])
    }
}
