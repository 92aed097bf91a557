import Base

/// Reads CSV text into columns.
///
/// Types are guessed from the first rows and the text is read once with them. A field that does not fit its guess
/// turns the rest of that pass into a search for types that fit everything, and a second pass reads with those.
struct CSVReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let source: String
    private let options: CSV.ReadOptions
    private let nulls: [[UInt8]]
    private static let sampleRows = 1000

    init(_ bytes: UnsafeRawBufferPointer, source: String, _ options: CSV.ReadOptions) {
        self.bytes = bytes.bindMemory(to: UInt8.self)
        self.source = source
        self.options = options
        nulls = options.nulls.map { Array($0.utf8) }
    }

    func read() throws -> Frame {
        var scanner = CSVScanner(bytes, delimiter: options.delimiter, source: source)
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw CSVError("syntax", "the file is UTF-16; save it as UTF-8", source: source)
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            scanner = CSVScanner(bytes, at: 3, delimiter: options.delimiter, source: source)
        }
        let names = try columnNames(&scanner)
        if names.isEmpty { return try Frame([], rowCount: 0) }
        let kept = try keptColumns(names)
        let given = try givenTypes(names)
        var guesses = names.map { given[$0] == nil ? TypeGuess() : nil }
        for index in guesses.indices where !kept.contains(index) { guesses[index] = nil }
        try guess(scanner, names, &guesses, rows: Self.sampleRows)
        while true {
            let types = names.indices.map { given[names[$0]] ?? guesses[$0]?.dtype ?? .string }
            if let columns = try readRows(scanner, names, types, kept, &guesses) {
                let frame = try Frame(kept.map { (names[$0], columns[$0]!) })
                return try options.columns.map { try frame.select($0) } ?? frame
            }
        }
    }

    /// The names, with the scanner left at the first data row.
    private func columnNames(_ scanner: inout CSVScanner) throws -> [String] {
        while scanner.atBlankLine && options.hasHeader { scanner.skipBlankLine() }
        let line = scanner.line
        var probe = scanner
        var fields: [String] = []
        if !scanner.atEnd {
            var end = CSVScanner.End.field
            while end == .field {
                end = try probe.next()
                fields.append(probe.withField { String(decoding: $0, as: UTF8.self) })
            }
        }
        if options.hasHeader { scanner = probe }
        if !options.hasHeader { fields = fields.indices.map { "column_\($0 + 1)" } }
        if let names = options.names {
            guard fields.isEmpty || names.count == fields.count else {
                throw CSVError(
                    "header", "\(names.count) names are given, the file has \(fields.count) columns", source: source)
            }
            fields = names
        }
        // An unnamed index column is common enough to be given a name.
        for index in fields.indices where fields[index].isEmpty { fields[index] = "column_\(index + 1)" }
        var seen = Set<String>()
        for name in fields where !seen.insert(name).inserted {
            throw CSVError(
                "header", "two columns are named '\(name)'; give 'names' to rename them", source: source, line: line)
        }
        return fields
    }

    private func unknown(_ name: String, _ names: [String], _ option: String) -> CSVError {
        let hint = Suggestion.nearest(to: name, in: names).map { "; did you mean '\($0)'?" } ?? ""
        return CSVError("column", "'\(option)' names '\(name)', which is no column\(hint)", source: source)
    }

    private func keptColumns(_ names: [String]) throws -> [Int] {
        guard let columns = options.columns else { return Array(names.indices) }
        for name in columns where !names.contains(name) { throw unknown(name, names, "columns") }
        return names.indices.filter { columns.contains(names[$0]) }
    }

    private func givenTypes(_ names: [String]) throws -> [String: DType] {
        var types: [String: DType] = [:]
        for (name, dtype) in options.types {
            guard names.contains(name) else { throw unknown(name, names, "types") }
            types[name] = dtype
        }
        return types
    }

    /// Calls `body` with every field of every row; stops when it returns false.
    private func rows(
        _ scanner: inout CSVScanner, _ names: [String], limit: Int = .max,
        _ body: (_ column: Int, _ scanner: borrowing CSVScanner) throws -> Bool
    ) throws {
        var row = 0
        while !scanner.atEnd && row < limit {
            if row % 4096 == 0 { try Interrupt.check() }
            if names.count > 1 && scanner.atBlankLine {
                scanner.skipBlankLine()
                continue
            }
            let line = scanner.line
            guard row < Int(Int32.max) else {
                throw CSVError("fields", "more than \(Int32.max) rows; split the file", source: source, line: line)
            }
            var column = 0
            var end = CSVScanner.End.field
            while end == .field {
                end = try scanner.next()
                if column < names.count, try !body(column, scanner) { return }
                column += 1
            }
            guard column == names.count else {
                throw CSVError(
                    "fields", "the row has \(column) field\(column == 1 ? "" : "s"), expected \(names.count)",
                    source: source,
                    line: line)
            }
            row += 1
        }
    }

    private func isNull(_ scanner: borrowing CSVScanner) -> Bool {
        if scanner.isQuoted { return false }
        return scanner.withField { field in
            for null in nulls where null.count == field.count && null.elementsEqual(field) { return true }
            return false
        }
    }

    private func guess(_ start: CSVScanner, _ names: [String], _ guesses: inout [TypeGuess?], rows limit: Int) throws {
        var scanner = start
        try rows(&scanner, names, limit: limit) { column, scanner in
            if guesses[column] != nil, !isNull(scanner) { scanner.withField { guesses[column]!.see($0) } }
            return true
        }
    }

    /// One pass with `types`; nil when a guess was wrong, and then `guesses` fit the whole text.
    private func readRows(
        _ start: CSVScanner, _ names: [String], _ types: [DType], _ kept: [Int], _ guesses: inout [TypeGuess?]
    ) throws -> [Column?]? {
        var scanner = start
        var builders = [FieldBuilder?](repeating: nil, count: names.count)
        for index in kept { builders[index] = FieldBuilder(types[index]) }
        var wasWrong = false
        try rows(&scanner, names) { column, scanner in
            guard let builder = builders[column] else { return true }
            if isNull(scanner) {
                builder.appendNull()
            } else if !scanner.withField({ builder.append($0, isGuess: guesses[column] != nil) }) {
                if scanner.isQuoted && scanner.withField({ $0.isEmpty }) {
                    builder.appendNull()
                } else if guesses[column] != nil {
                    wasWrong = true
                    return false
                } else {
                    throw CSVError(
                        "value",
                        "\(scanner.withField(shortened)) is not \(types[column].article) \(types[column].name)",
                        source: source, line: scanner.fieldLine, column: names[column])
                }
            }
            return true
        }
        if wasWrong {
            try guess(start, names, &guesses, rows: .max)
            return nil
        }
        var columns = [Column?](repeating: nil, count: names.count)
        for index in kept {
            do {
                columns[index] = try builders[index]!.finish(types[index])
            } catch let error as FrameError {
                throw CSVError("value", error.message, source: source, column: names[index])
            }
        }
        return columns
    }
}

private func shortened(_ field: UnsafeBufferPointer<UInt8>) -> String {
    let text = String(decoding: field.prefix(200), as: UTF8.self)
    return "'" + (text.count > 60 ? text.prefix(57) + "..." : text) + "'"
}
