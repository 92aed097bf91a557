import Base

public enum JoinKind: String, CaseIterable, Sendable { case inner, left, anti, semi }

extension Frame {
    /// Rows of this frame combined with the rows of `other` that have equal keys.
    ///
    /// - `inner`: one row for every matching pair; duplicates multiply as in SQL.
    /// - `left`: the same, and rows without a match once, with nulls on the right.
    /// - `semi` / `anti`: rows of this frame that have / have not a match, once each, with this frame's columns only.
    ///
    /// Null keys match nothing. Rows come in the order of this frame, matches of one row in the order of `other`.
    /// The columns are this frame's, then those of `other` without its keys; one whose name is taken gets `suffix`.
    /// - Throws: `frame.no_column`, `frame.type` when key types differ, `frame.duplicate` when a suffixed name is taken.
    public func join(
        _ other: Frame, leftOn: [String], rightOn: [String], how: JoinKind = .inner, suffix: String = "_right"
    ) throws -> Frame {
        guard !leftOn.isEmpty, leftOn.count == rightOn.count else {
            throw FrameError(
                "frame.value",
                "a join needs as many keys left as right, at least one; got \(leftOn.count) and \(rightOn.count)")
        }
        let left = try leftOn.map { try column($0) }
        let right = try rightOn.map { try other.column($0) }
        for (index, pair) in zip(left, right).enumerated() where pair.0.dtype != pair.1.dtype {
            throw FrameError(
                "frame.type",
                "join key '\(leftOn[index])' is \(pair.0.dtype.name) on the left and \(pair.1.dtype.name) on the right; "
                    + "cast one of them")
        }
        let matches = try Matches(left: left, right: right, leftCount: rowCount, rightCount: other.rowCount)
        switch how {
        case .semi: return try keep(matches.leftRows { $0 > 0 })
        case .anti: return try keep(matches.leftRows { $0 == 0 })
        case .inner, .left: break
        }
        let (leftRows, rightRows) = try matches.pairs(keepUnmatched: how == .left)
        let width = columns.count + other.columns.count
        try Memory.check(
            leftRows.count, of: width * MemoryLayout<Int64>.stride,
            for: "join: \(leftRows.count) rows of \(width) columns")
        var pairs = try take(leftRows).pairs
        for (name, column) in other.pairs where !rightOn.contains(name) {
            try Interrupt.check()
            pairs.append((self[name] == nil ? name : name + suffix, column.take(rightRows)))
        }
        return try Frame(pairs, rowCount: leftRows.count)
    }

    /// Distinct rows in their order; all of them are this frame.
    func keep(_ rows: Buffer<Int32>) throws -> Frame { rows.count == rowCount ? self : try take(rows) }
}

/// The rows of the right side by key, found from the left side.
private struct Matches {
    /// Each left row's key number, -1 when a key is null.
    let keyOfLeft: Buffer<Int32>
    /// Right rows with key k are `rows[offsets[k]..<offsets[k + 1]]`, in row order.
    let offsets: Buffer<Int32>
    let rows: Buffer<Int32>

    init(left: [Column], right: [Column], leftCount: Int, rightCount: Int) throws {
        guard leftCount + rightCount <= Int(Int32.max) else {
            throw FrameError("frame.length", "a join works on at most \(Int32.max) rows of both sides together")
        }
        let numbers = try JoinKeys(left: left, right: right)
        let keys = numbers.right.pointer
        let counts = Buffer<Int32>(repeating: 0, count: numbers.limit + 1)
        for row in 0..<rightCount where keys[row] >= 0 { counts.pointer[Int(keys[row]) + 1] += 1 }
        for key in 0..<numbers.limit { counts.pointer[key + 1] += counts.pointer[key] }
        let next = counts.slice(0, numbers.limit)
        rows = Buffer(uninitialized: Int(counts.pointer[numbers.limit]))
        for row in 0..<rightCount where keys[row] >= 0 {
            let key = Int(keys[row])
            rows.pointer[Int(next.pointer[key])] = Int32(truncatingIfNeeded: row)
            next.pointer[key] += 1
        }
        offsets = counts
        keyOfLeft = numbers.left
    }

    @inline(__always) private func range(_ row: Int) -> Range<Int> {
        let key = Int(keyOfLeft.pointer[row])
        return key < 0 ? 0..<0 : Int(offsets.pointer[key])..<Int(offsets.pointer[key + 1])
    }

    func leftRows(where test: (Int) -> Bool) -> Buffer<Int32> {
        var result = GrowingBuffer<Int32>(capacity: keyOfLeft.count)
        for row in 0..<keyOfLeft.count where test(range(row).count) { result.append(Int32(truncatingIfNeeded: row)) }
        return result.finish()
    }

    func pairs(keepUnmatched: Bool) throws -> (left: Buffer<Int32>, right: Buffer<Int32>) {
        var total = 0
        for row in 0..<keyOfLeft.count { total += max(range(row).count, keepUnmatched ? 1 : 0) }
        guard total <= Int(Int32.max) else {
            throw FrameError(
                "frame.length", "the join would have \(total) rows, more than \(Int32.max); remove duplicate keys first"
            )
        }
        try Memory.check(total, of: 2 * MemoryLayout<Int32>.stride, for: "join: \(total) rows")
        let left = Buffer<Int32>(uninitialized: total)
        let right = Buffer<Int32>(uninitialized: total)
        var at = 0
        for row in 0..<keyOfLeft.count {
            if row % 65_536 == 0 { try Interrupt.check() }
            let matched = range(row)
            for index in matched {
                left.pointer[at] = Int32(truncatingIfNeeded: row)
                right.pointer[at] = rows.pointer[index]
                at += 1
            }
            if matched.isEmpty && keepUnmatched {
                left.pointer[at] = Int32(truncatingIfNeeded: row)
                right.pointer[at] = -1
                at += 1
            }
        }
        return (left, right)
    }
}
