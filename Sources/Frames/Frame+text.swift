import Base

extension Frame {
    /// An aligned table: names, types, the first and last rows, and the shape.
    ///
    ///     id     name
    ///     int64  string
    ///     -----  ------
    ///         1  あい
    ///         2  null
    ///     2 rows × 2 columns
    ///
    /// - Parameters:
    ///   - maxRows: rows shown; of more, the first and last halves with `…` between.
    ///   - width: cells a line may take; columns that do not fit are counted at the end.
    public func table(maxRows: Int = 20, width: Int = 120) -> String {
        let halves = rowCount <= maxRows ? rowCount : max(maxRows / 2, 1)
        var rows = Array(0..<halves)
        if rowCount > maxRows { rows += Array((rowCount - halves)..<rowCount) }
        var blocks: [[String]] = []
        var used = 0
        for (name, column) in pairs {
            let cells = column.cells(rows)
            let limit = max(min(40, width), 8)
            var texts = [name, column.dtype.name].map { DisplayWidth.cut($0, to: limit) }
            texts += cells.map { DisplayWidth.cut($0, to: limit) }
            let wide = texts.map(DisplayWidth.of).max() ?? 0
            if !blocks.isEmpty, used + 2 + wide > width { break }
            used += (blocks.isEmpty ? 0 : 2) + wide
            let right = column.dtype.isNumeric
            var lines = texts.map { padded($0, wide, right: right) }
            lines.insert(String(repeating: "-", count: wide), at: 2)
            if rowCount > maxRows { lines.insert(padded("…", wide, right: right), at: 3 + halves) }
            blocks.append(lines)
        }
        var result = ""
        for line in 0..<(blocks.first?.count ?? 0) {
            let text = blocks.map { $0[line] }.joined(separator: "  ")
            result += String(text.reversed().drop { $0 == " " }.reversed()) + "\n"
        }
        result += "\(rowCount) row\(rowCount == 1 ? "" : "s") × \(columns.count) column\(columns.count == 1 ? "" : "s")"
        if blocks.count < columns.count {
            result += "; not shown: " + names[blocks.count...].joined(separator: ", ")
        }
        return result
    }

    private func padded(_ text: String, _ width: Int, right: Bool) -> String {
        let blanks = String(repeating: " ", count: max(width - DisplayWidth.of(text), 0))
        return right ? blanks + text : text + blanks
    }
}

extension Column {
    /// The type, length and first values, on one line.
    public func summary(maxValues: Int = 10) -> String {
        let shown = cells(Array(0..<min(count, maxValues)))
        let rest = count > maxValues ? ", …" : ""
        return "\(dtype.name)[\(count)] {\(shown.map { DisplayWidth.cut($0, to: 40) }.joined(separator: ", "))\(rest)}"
    }

    /// What a table shows of `rows`: control characters escaped, floats with six significant digits that are needed.
    func cells(_ rows: [Int]) -> [String] {
        rows.map { row in
            if isNull(row) { return "null" }
            switch storage {
            case .float32(let values): return Column.readable(Double(values.pointer[row]))
            case .float64(let values): return Column.readable(values.pointer[row])
            case .list(let offsets, let child):
                let first = Int(offsets.pointer[row])
                let size = Int(offsets.pointer[row + 1]) - first
                // Enough for any cell; a vector of thousands is not formatted whole.
                let parts = child.cells(Array(first..<first + min(size, 20)))
                return "[" + parts.joined(separator: ", ") + (size > 20 ? ", …]" : "]")
            default:
                var text: [UInt8] = []
                appendText(row, to: &text)
                // A cell shows 40 characters at most; a long text is not looked at further.
                if text.count > 400 { text.removeLast(text.count - 400) }
                return Column.escaped(String(decoding: text, as: UTF8.self))
            }
        }
    }

    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F: result += "\\x" + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// At most six significant digits: 0.1, 1234.57, 1.5e-09, 12345678.
    static func readable(_ value: Double) -> String {
        guard value.isFinite else { return value.description }
        let shortest = value.description
        if shortest.utf8.count <= 8 { return shortest }
        let size = Swift.abs(value)
        if size >= 1e15 || size < 1e-4 {
            var exponent = 0
            var scaled = size
            while scaled >= 10 {
                scaled /= 10
                exponent += 1
            }
            while scaled > 0 && scaled < 1 {
                scaled *= 10
                exponent -= 1
            }
            return (value < 0 ? "-" : "") + trimmed(scaled, digits: 5) + "e\(exponent)"
        }
        var whole = 1
        var limit = 10.0
        while size >= limit {
            whole += 1
            limit *= 10
        }
        var leading = 0
        var lowest = 1.0
        while size < lowest && leading < 4 {
            leading += 1
            lowest /= 10
        }
        return (value < 0 ? "-" : "") + trimmed(size, digits: max(6 - whole + leading, 1))
    }

    /// Fixed decimals without trailing zeros, but one.
    private static func trimmed(_ value: Double, digits: Int) -> String {
        let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
        let total = UInt64((value * scale).rounded())
        let unit = UInt64(scale)
        var fraction = String(total % unit)
        fraction = String(repeating: "0", count: digits - fraction.count) + fraction
        while fraction.count > 1, fraction.last == "0" { fraction.removeLast() }
        return "\(total / unit).\(fraction)"
    }
}
