import Base

extension Frame {
    /// A frame from rows given as objects; a member that a row lacks is null.
    /// - Parameters:
    ///   - types: types by column name; the others are inferred. A name that no row has gives a column of nulls.
    ///   - order: columns that come first, in this order; the rest follow in order of first appearance.
    /// - Throws: `frame.type` naming column and row, `frame.duplicate` when a row has a name twice.
    public static func from(
        rows: [Value], types: [(name: String, dtype: DType)] = [], order: [String] = []
    ) throws -> Frame {
        var names: [String] = []
        var places: [String: Int] = [:]
        var columns: [[Value]] = []
        func place(_ name: String) -> Int {
            if let known = places[name] { return known }
            places[name] = names.count
            names.append(name)
            columns.append([])
            return names.count - 1
        }
        for name in order { _ = place(name) }
        for (index, row) in rows.enumerated() {
            guard case .object(let members) = row else {
                throw FrameError(
                    "frame.type", "row \(index + 1) is not a table with names",
                    details: [("row", .int(Int64(index + 1)))])
            }
            for member in members {
                let column = place(member.name)
                guard columns[column].count <= index else {
                    // Unicode spells some names in two ways, as `é` and `e` with an accent.
                    throw FrameError(
                        "frame.duplicate", "row \(index + 1) has two values named '\(member.name)'; rename one",
                        details: [("row", .int(Int64(index + 1))), ("column", .string(member.name))])
                }
                // Rows before this one may have lacked the name.
                while columns[column].count < index { columns[column].append(.null) }
                columns[column].append(member.value)
            }
        }
        for (name, _) in types { _ = place(name) }
        let dtypes = Dictionary(types.map { ($0.name, $0.dtype) }, uniquingKeysWith: { $1 })
        var pairs: [(name: String, column: Column)] = []
        for (name, values) in zip(names, columns) {
            let all = values + Array(repeating: .null, count: rows.count - values.count)
            do {
                pairs.append((name, try Column.from(all, dtype: dtypes[name])))
            } catch let error as FrameError {
                throw FrameError(
                    error.code, "column '\(name)', \(error.message)",
                    details: error.details + [("column", .string(name))])
            }
        }
        return try Frame(pairs, rowCount: rows.count)
    }

    /// Whether both have the same names, types and values in the same order; null equals null, NaN equals NaN.
    public func isEqual(to other: Frame) -> Bool {
        names == other.names && rowCount == other.rowCount
            && zip(columns, other.columns).allSatisfy { $0.isEqual(to: $1) }
    }
}

extension Column {
    /// Whether both have the same type and values; null equals null, NaN equals NaN.
    public func isEqual(to other: Column) -> Bool {
        guard dtype == other.dtype, count == other.count else { return false }
        func equal<T>(_ a: Buffer<T>, _ b: Buffer<T>, _ same: (T, T) -> Bool) -> Bool {
            (0..<count).allSatisfy { row in
                isNull(row) == other.isNull(row) && (isNull(row) || same(a.pointer[row], b.pointer[row]))
            }
        }
        switch (storage, other.storage) {
        case (.int64(let a), .int64(let b)), (.timestamp(let a), .timestamp(let b)): return equal(a, b, ==)
        case (.float32(let a), .float32(let b)): return equal(a, b) { $0 == $1 || ($0.isNaN && $1.isNaN) }
        case (.float64(let a), .float64(let b)): return equal(a, b) { $0 == $1 || ($0.isNaN && $1.isNaN) }
        case (.bool(let a), .bool(let b)): return equal(a, b, ==)
        case (.uuid(let a), .uuid(let b)): return equal(a.plain, b.plain, ==)
        case (.string(let a, let poolA), .string(let b, let poolB)):
            return equal(a, b) { compareBytes(poolA[bytesAt: Int($0)], poolB[bytesAt: Int($1)]) == 0 }
        case (.list(let a, let childA), .list(let b, let childB)):
            for row in 0..<count {
                let sizes = (a.pointer[row + 1] - a.pointer[row], b.pointer[row + 1] - b.pointer[row])
                if isNull(row) != other.isNull(row) || sizes.0 != sizes.1 { return false }
            }
            let used = (Int(a.pointer[count] - a.pointer[0]), Int(b.pointer[count] - b.pointer[0]))
            return childA.slice(Int(a.pointer[0]), used.0).isEqual(to: childB.slice(Int(b.pointer[0]), used.1))
        default: return false
        }
    }
}
