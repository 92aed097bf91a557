import Base

extension Frame {
    /// The rows where `mask`, a bool column, is true; null counts as false.
    /// - Throws: `frame.type`, `frame.length`.
    public func filter(_ mask: Column) throws -> Frame {
        guard case .bool(let flags) = mask.storage else {
            throw FrameError("frame.type", "filter needs a bool column, not \(mask.dtype.name); compare first")
        }
        guard mask.count == rowCount else {
            throw FrameError("frame.length", "the filter has \(mask.count) rows, the frame has \(rowCount)")
        }
        let (wanted, valid) = (flags.pointer, mask.validity?.pointer ?? flags.pointer)
        // How many rows of each piece are kept, then how many of those before it.
        let size = 1 << 16
        let starts = Buffer<Int>(repeating: 0, count: (rowCount + size - 1) / size + 1)
        func piece(_ number: Int) -> Range<Int> { number * size..<min((number + 1) * size, rowCount) }
        Workers.run(starts.count - 1) { number in
            var kept = 0
            for row in piece(number) { kept += Int(wanted[row] & valid[row]) }
            starts[number + 1] = kept
        }
        for number in 1..<starts.count { starts[number] += starts[number - 1] }
        let kept = starts[starts.count - 1]
        if kept == rowCount { return self }
        let rows = Buffer<Int32>(uninitialized: kept)
        Workers.run(starts.count - 1) { number in
            var (row, at) = (number * size, starts[number])
            // A row that is not kept is written too, and then overwritten.
            while at < starts[number + 1] {
                rows.pointer[at] = Int32(truncatingIfNeeded: row)
                at += Int(wanted[row] & valid[row])
                row += 1
            }
        }
        return try take(rows)
    }

    public func filter(_ expression: Expression) throws -> Frame { try filter(expression.evaluate(self)) }

    /// `n` different rows drawn at random, in row order. The same seed and row count give the same rows.
    public func sample(_ n: Int, seed: UInt64) throws -> Frame {
        guard n >= 0, n <= rowCount else {
            throw FrameError("frame.value", "cannot sample \(n) of \(rowCount) rows")
        }
        // Selection sampling (Knuth, "The Art of Computer Programming" 2, algorithm S): one pass, already in order.
        var random = Random(seed: seed, stream: 0x73616D706C65)
        let rows = Buffer<Int32>(uninitialized: n)
        var chosen = 0
        var row = 0
        while chosen < n {
            if random.below(rowCount - row) < n - chosen {
                rows.pointer[chosen] = Int32(truncatingIfNeeded: row)
                chosen += 1
            }
            row += 1
        }
        return try take(rows)
    }

    /// One row per element of the list column `name`, the other columns repeated. A null or empty list gives one row
    /// with null.
    public func explode(_ name: String) throws -> Frame {
        let source = try column(name)
        guard case .list(let offsets, let child) = source.storage else {
            throw FrameError("frame.type", "explode needs a list column; '\(name)' is \(source.dtype.name)")
        }
        let lengths = (0..<rowCount).reduce(0) { $0 + max(Int(offsets.pointer[$1 + 1] - offsets.pointer[$1]), 1) }
        guard lengths <= Int(Int32.max), child.count <= Int(Int32.max) else {
            throw FrameError("frame.length", "exploded, '\(name)' would give \(lengths) rows, more than \(Int32.max)")
        }
        let rows = Buffer<Int32>(uninitialized: lengths)
        let elements = Buffer<Int32>(uninitialized: lengths)
        var at = 0
        for row in 0..<rowCount {
            let range = offsets.pointer[row]..<offsets.pointer[row + 1]
            for element in range {
                rows.pointer[at] = Int32(truncatingIfNeeded: row)
                elements.pointer[at] = Int32(truncatingIfNeeded: element)
                at += 1
            }
            if range.isEmpty {
                rows.pointer[at] = Int32(truncatingIfNeeded: row)
                elements.pointer[at] = -1
                at += 1
            }
        }
        return try Frame(
            pairs.map { ($0.name, $0.name == name ? child.take(elements) : $0.column.take(rows)) }, rowCount: lengths)
    }

    /// One row per column: `column`, `type`, `count` (values that are not null), `nulls`, `n_unique`, `mean`, `std`,
    /// `min`, `median`, `max`. The statistics are null where a type has none; `min` and `max` are text.
    public func describe() throws -> Frame {
        var rows: [String: [Value]] = [:]
        let order = ["column", "type", "count", "nulls", "n_unique", "mean", "std", "min", "median", "max"]
        let types: [DType] = [.string, .string, .int64, .int64, .int64, .float64, .float64, .string, .float64, .string]
        for (name, column) in pairs {
            try Interrupt.check()
            func statistic(_ aggregate: Aggregate, if possible: Bool) throws -> Value {
                possible ? try column.aggregate(aggregate) : .null
            }
            func text(_ aggregate: Aggregate, if possible: Bool) throws -> Value {
                guard possible, column.count > 0 else { return .null }
                return try column.aggregate(aggregate, over: .single(rowCount: column.count)).cast(to: .string).value(0)
            }
            var isList = false
            if case .list = column.dtype { isList = true }
            let isNumber = column.dtype.isNumeric
            let values: [Value] = [
                .string(name), .string(column.dtype.name), .int(Int64(column.count - column.nullCount)),
                .int(Int64(column.nullCount)), try statistic(.nUnique, if: !isList),
                try statistic(.mean, if: isNumber || column.dtype == .bool), try statistic(.std, if: isNumber),
                try text(.min, if: !isList), try statistic(.median, if: isNumber), try text(.max, if: !isList),
            ]
            for (key, value) in zip(order, values) { rows[key, default: []].append(value) }
        }
        return try Frame(
            zip(order, types).map { ($0, try Column.from(rows[$0] ?? [], dtype: $1)) }, rowCount: columns.count)
    }

    /// Each named column as another type.
    /// - Throws: `frame.cast` naming column and row.
    public func cast(_ types: [(name: String, dtype: DType)], strict: Bool = true) throws -> Frame {
        try types.reduce(self) { frame, change in
            try frame.with(
                change.name, named(change.name) { try frame.column(change.name).cast(to: change.dtype, strict: strict) }
            )
        }
    }

    /// Nulls of each named column replaced by a value.
    public func fillNull(_ fills: [(name: String, value: Operand)]) throws -> Frame {
        try fills.reduce(self) { frame, fill in
            try frame.with(fill.name, named(fill.name) { try frame.column(fill.name).fillNull(fill.value) })
        }
    }

    private func named(_ name: String, _ body: () throws -> Column) throws -> Column {
        do {
            return try body()
        } catch let error as FrameError where error.code != "frame.no_column" {
            throw FrameError(
                error.code, "column '\(name)', \(error.message)", details: error.details + [("column", .string(name))])
        }
    }
}
