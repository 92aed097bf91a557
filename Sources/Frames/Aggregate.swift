import Base

/// The functions that make one value out of a group of rows. All but `first`, `last` and `list` skip nulls, and give
/// null for a group without values (`count` and `n_unique` give 0).
public enum Aggregate: String, CaseIterable, Sendable {
    /// Values that are not null, int64.
    case count
    /// int64 for int64 and bool (how many are true), else float64, added in row order.
    case sum
    /// float64, added in row order.
    case mean
    /// float64; the mid-point of the two middle values for an even number of them.
    case median
    case min, max
    /// Sample standard deviation (divided by n - 1), float64, in two passes; null below two values.
    case std
    /// Population standard deviation (divided by n).
    case stdPop = "std_pop"
    /// Distinct values, int64.
    case nUnique = "n_unique"
    /// The value of the group's first row, null if that is null.
    case first
    case last
    /// The group's values in row order, nulls included.
    case list
}

extension Column {
    /// One value per group.
    /// - Throws: `frame.type` when the type has no such aggregate, `frame.overflow` for an int64 sum.
    public func aggregate(_ aggregate: Aggregate, over groups: RowGroups) throws -> Column {
        try Interrupt.check()
        switch aggregate {
        case .count: return .init(.int64(counts(groups)))
        case .sum: return try sums(groups)
        case .mean: return try doubles(aggregate, groups) { try means($0, groups) }
        case .std, .stdPop: return try doubles(aggregate, groups) { try deviations($0, groups, aggregate) }
        case .median: return try doubles(aggregate, groups) { try medians($0, groups) }
        case .min: return take(try extremes(groups) { $0 < 0 })
        case .max: return take(try extremes(groups) { $0 > 0 })
        case .nUnique: return try distinctCounts(groups)
        case .first: return take(groups.firstRows)
        case .last: return take(lastRows(groups))
        case .list:
            let (offsets, rows) = groups.rows(count: count)
            return Column(.list(offsets: offsets, child: take(rows)))
        }
    }

    /// One value for all rows.
    public func aggregate(_ aggregate: Aggregate) throws -> Value {
        if count == 0 { return aggregate == .count || aggregate == .nUnique ? .int(0) : .null }
        return try aggregateColumn(aggregate).value(0)
    }

    /// One value for all rows, of which there is one at least, as a column of one row.
    public func aggregateColumn(_ aggregate: Aggregate) throws -> Column {
        try self.aggregate(aggregate, over: .single(rowCount: count))
    }

    private func counts(_ groups: RowGroups) -> Buffer<Int64> {
        let counts = Buffer<Int64>(repeating: 0, count: groups.count)
        for row in 0..<count where !isNull(row) { counts.pointer[Int(groups.ofRow.pointer[row])] += 1 }
        return counts
    }

    private func sums(_ groups: RowGroups) throws -> Column {
        let counts = counts(groups)
        let valid = present(counts, atLeast: 1)
        switch storage {
        case .int64(let values):
            let sums = Buffer<Int64>(repeating: 0, count: groups.count)
            for row in 0..<count where !isNull(row) {
                let group = Int(groups.ofRow.pointer[row])
                let (sum, overflow) = sums.pointer[group].addingReportingOverflow(values.pointer[row])
                guard !overflow else {
                    throw FrameError(
                        "frame.overflow", "row \(row + 1): the sum does not fit int64; cast the column to float64",
                        details: [("row", .int(Int64(row + 1)))])
                }
                sums.pointer[group] = sum
            }
            return Column(.int64(sums), validity: valid)
        case .bool(let values):
            let sums = Buffer<Int64>(repeating: 0, count: groups.count)
            for row in 0..<count where !isNull(row) {
                sums.pointer[Int(groups.ofRow.pointer[row])] += Int64(values.pointer[row])
            }
            return Column(.int64(sums), validity: valid)
        default:
            return try doubles(.sum, groups) { values in
                (totals(values, groups), valid)
            }
        }
    }

    private func doubles(
        _ aggregate: Aggregate, _ groups: RowGroups,
        _ body: (Lanes<Double>) throws -> (values: Buffer<Double>, validity: Buffer<UInt8>?)
    ) throws -> Column {
        let source = dtype == .bool ? try cast(to: .float64) : self
        try source.requireNumber(aggregate.rawValue)
        let (values, validity) = try body(Operand(source).doubles)
        return Column(.float64(values), validity: validity)
    }

    private func totals(_ values: Lanes<Double>, _ groups: RowGroups) -> Buffer<Double> {
        let sums = Buffer<Double>(repeating: 0, count: groups.count)
        for row in 0..<count where !isNull(row) { sums.pointer[Int(groups.ofRow.pointer[row])] += values[row] }
        return sums
    }

    private func means(_ values: Lanes<Double>, _ groups: RowGroups) throws -> (Buffer<Double>, Buffer<UInt8>?) {
        let counts = counts(groups)
        let means = totals(values, groups)
        for group in 0..<groups.count where counts.pointer[group] > 0 {
            means.pointer[group] /= Double(counts.pointer[group])
        }
        return (means, present(counts, atLeast: 1))
    }

    private func deviations(_ values: Lanes<Double>, _ groups: RowGroups, _ kind: Aggregate) throws
        -> (Buffer<Double>, Buffer<UInt8>?)
    {
        let counts = counts(groups)
        let (means, _) = try means(values, groups)
        let squares = Buffer<Double>(repeating: 0, count: groups.count)
        for row in 0..<count where !isNull(row) {
            let group = Int(groups.ofRow.pointer[row])
            let difference = values[row] - means.pointer[group]
            squares.pointer[group] += difference * difference
        }
        let fewer: Int64 = kind == .std ? 1 : 0
        for group in 0..<groups.count where counts.pointer[group] > fewer {
            squares.pointer[group] = (squares.pointer[group] / Double(counts.pointer[group] - fewer)).squareRoot()
        }
        return (squares, present(counts, atLeast: fewer + 1))
    }

    private func medians(_ values: Lanes<Double>, _ groups: RowGroups) throws -> (Buffer<Double>, Buffer<UInt8>?) {
        let (offsets, rows) = groups.rows(count: count)
        let medians = Buffer<Double>(repeating: 0, count: groups.count)
        let valid = Buffer<UInt8>(repeating: 1, count: groups.count)
        let piece = 4096
        Workers.run((groups.count + piece - 1) / piece) { number in
            if Interrupt.isPending { return }
            var group: [Double] = []
            for index in number * piece..<min((number + 1) * piece, groups.count) {
                group.removeAll(keepingCapacity: true)
                for at in Int(offsets.pointer[index])..<Int(offsets.pointer[index + 1]) {
                    let row = Int(rows.pointer[at])
                    if !isNull(row) { group.append(values[row]) }
                }
                if group.isEmpty {
                    valid.pointer[index] = 0
                    continue
                }
                group.sort(by: isOrdered)
                let middle = group.count / 2
                let (low, high) = (group[group.count % 2 == 1 ? middle : middle - 1], group[middle])
                medians.pointer[index] = low == high ? low : low / 2 + high / 2
            }
        }
        try Interrupt.check()
        return (medians, valid)
    }

    /// The row of each group's least value by `wins(compare(candidate, best))`; -1 where there is none.
    private func extremes(_ groups: RowGroups, _ wins: (Int) -> Bool) throws -> Buffer<Int32> {
        let best = Buffer<Int32>(repeating: -1, count: groups.count)
        func scan(_ compare: (Int, Int) -> Int) {
            for row in 0..<count where !isNull(row) {
                let group = Int(groups.ofRow.pointer[row])
                let known = Int(best.pointer[group])
                if known < 0 || wins(compare(row, known)) { best.pointer[group] = Int32(truncatingIfNeeded: row) }
            }
        }
        func order<T: Comparable>(_ values: Buffer<T>) {
            scan { a, b in
                let (x, y) = (values.pointer[a], values.pointer[b])
                return x < y ? -1 : x == y ? 0 : 1
            }
        }
        switch storage {
        case .int64(let values), .timestamp(let values): order(values)
        case .bool(let values): order(values)
        case .uuid(let values): order(values.plain)
        case .float32, .float64:
            let values = Operand(self).doubles
            scan { a, b in isOrdered(values[a], values[b]) ? -1 : isOrdered(values[b], values[a]) ? 1 : 0 }
        case .string: scan { compareBytes(stringBytes($0), stringBytes($1)) }
        case .list: throw FrameError("frame.type", "min and max do not work on \(dtype.name) columns")
        }
        return best
    }

    private func distinctCounts(_ groups: RowGroups) throws -> Column {
        let codes = try RowGroups.of([self], rowCount: count)
        let table = KeyTable<UInt64>(capacity: codes.count)
        let counts = Buffer<Int64>(repeating: 0, count: groups.count)
        for row in 0..<count where !isNull(row) {
            let group = groups.ofRow.pointer[row]
            let known = table.count
            _ = table.code(
                for: UInt64(UInt32(bitPattern: group)) << 32 | UInt64(UInt32(bitPattern: codes.ofRow.pointer[row])))
            if table.count > known { counts.pointer[Int(group)] += 1 }
        }
        return Column(.int64(counts))
    }

    private func lastRows(_ groups: RowGroups) -> Buffer<Int32> {
        let rows = Buffer<Int32>(repeating: -1, count: groups.count)
        for row in 0..<count { rows.pointer[Int(groups.ofRow.pointer[row])] = Int32(truncatingIfNeeded: row) }
        return rows
    }

    private func present(_ counts: Buffer<Int64>, atLeast least: Int64) -> Buffer<UInt8>? {
        guard counts.elements.contains(where: { $0 < least }) else { return nil }
        let valid = Buffer<UInt8>(uninitialized: counts.count)
        for index in 0..<counts.count { valid.pointer[index] = counts.pointer[index] >= least ? 1 : 0 }
        return valid
    }
}

/// The order of floats in a frame: NaN after everything else.
@inline(__always) func isOrdered(_ a: Double, _ b: Double) -> Bool { a < b || (b.isNaN && !a.isNaN) }

extension RowGroups {
    /// All rows, group after group, each group's in row order.
    public func rows() -> Buffer<Int32> { rows(count: ofRow.count).rows }

    /// The rows of every group, in row order: group g has `rows[offsets[g]..<offsets[g + 1]]`.
    func rows(count rowCount: Int) -> (offsets: Buffer<Int64>, rows: Buffer<Int32>) {
        let offsets = Buffer<Int64>(repeating: 0, count: count + 1)
        for group in ofRow.elements { offsets.pointer[Int(group) + 1] += 1 }
        for group in 0..<count { offsets.pointer[group + 1] += offsets.pointer[group] }
        let next = offsets.slice(0, count)
        let rows = Buffer<Int32>(uninitialized: rowCount)
        for row in 0..<rowCount {
            let group = Int(ofRow.pointer[row])
            rows.pointer[Int(next.pointer[group])] = Int32(truncatingIfNeeded: row)
            next.pointer[group] += 1
        }
        return (offsets, rows)
    }
}
