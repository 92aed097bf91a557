import Base

extension Buffer {
    /// The elements at `rows`; a negative row gives `missing`.
    func taking(_ rows: Buffer<Int32>, missing: Element) -> Buffer<Element> {
        let result = Buffer(uninitialized: rows.count)
        Workers.pieces(of: rows.count) { range in
            let (source, target, rows) = (pointer, result.pointer, rows.pointer)
            for index in range { target[index] = rows[index] < 0 ? missing : source[Int(rows[index])] }
        }
        return result
    }

    func slice(_ start: Int, _ length: Int) -> Buffer<Element> {
        let result = Buffer(uninitialized: length)
        if length > 0 { result.pointer.initialize(from: pointer + start, count: length) }
        return result
    }

    public static func concat(_ buffers: [Buffer<Element>]) -> Buffer<Element> {
        let result = Buffer(uninitialized: buffers.reduce(0) { $0 + $1.count })
        var at = 0
        for buffer in buffers where buffer.count > 0 {
            (result.pointer + at).initialize(from: buffer.pointer, count: buffer.count)
            at += buffer.count
        }
        return result
    }
}

extension Buffer where Element == Int32 {
    /// 0, 1, 2 …
    static func counting(to count: Int) -> Buffer {
        let result = Buffer(uninitialized: count)
        for index in 0..<count { result.pointer[index] = Int32(truncatingIfNeeded: index) }
        return result
    }
}

extension Column {
    /// The rows at `rows`, in that order; a negative row gives null. Rows must be below `count`.
    public func take(_ rows: Buffer<Int32>) -> Column {
        var valid: Buffer<UInt8>?
        if let validity {
            valid = validity.taking(rows, missing: 0)
            // Rows chosen for not being null leave a column that says so.
            if !valid!.elements.contains(0) { valid = nil }
        } else if rows.elements.reduce(0, min) < 0 {
            valid = Buffer(uninitialized: rows.count)
            for (index, row) in rows.elements.enumerated() { valid!.pointer[index] = row < 0 ? 0 : 1 }
        }
        let taken: Storage
        switch storage {
        case .int64(let values): taken = .int64(values.taking(rows, missing: 0))
        case .timestamp(let values): taken = .timestamp(values.taking(rows, missing: 0))
        case .float32(let values): taken = .float32(values.taking(rows, missing: 0))
        case .float64(let values): taken = .float64(values.taking(rows, missing: 0))
        case .bool(let values): taken = .bool(values.taking(rows, missing: 0))
        case .uuid(let values): taken = .uuid(values.taking(rows))
        case .string(let codes, let pool): taken = .string(codes: codes.taking(rows, missing: 0), pool: pool)
        case .list(let offsets, let child):
            let starts = Buffer<Int64>(uninitialized: rows.count)
            let newOffsets = Buffer<Int64>(uninitialized: rows.count + 1)
            newOffsets.pointer[0] = 0
            for (index, row) in rows.elements.enumerated() {
                let start = row < 0 ? 0 : offsets.pointer[Int(row)]
                starts.pointer[index] = start
                let length = row < 0 ? 0 : offsets.pointer[Int(row) + 1] - start
                newOffsets.pointer[index + 1] = newOffsets.pointer[index] + length
            }
            taken = .list(offsets: newOffsets, child: child.gather(starts: starts, offsets: newOffsets))
        }
        return Column(taken, validity: valid)
    }

    public func take(indices: [Int32]) -> Column { take(Buffer(indices)) }

    /// Concatenates ranges: range i starts at `starts[i]` and fills `offsets[i]..<offsets[i + 1]` of the result.
    func gather(starts: Buffer<Int64>, offsets: Buffer<Int64>) -> Column {
        func copy<T>(_ values: Buffer<T>) -> Buffer<T> {
            let result = Buffer<T>(uninitialized: Int(offsets.pointer[starts.count]))
            for index in 0..<starts.count {
                let at = Int(offsets.pointer[index])
                let length = Int(offsets.pointer[index + 1]) - at
                if length > 0 {
                    (result.pointer + at).initialize(from: values.pointer + Int(starts.pointer[index]), count: length)
                }
            }
            return result
        }
        let valid = validity.map(copy)
        switch storage {
        case .int64(let values): return Column(.int64(copy(values)), validity: valid)
        case .timestamp(let values): return Column(.timestamp(copy(values)), validity: valid)
        case .float32(let values): return Column(.float32(copy(values)), validity: valid)
        case .float64(let values): return Column(.float64(copy(values)), validity: valid)
        case .bool(let values): return Column(.bool(copy(values)), validity: valid)
        case .uuid(let values):
            return Column(
                .uuid(values.codes.map { values.with(codes: copy($0)) } ?? UUIDs(copy(values.values))), validity: valid)
        case .string(let codes, let pool): return Column(.string(codes: copy(codes), pool: pool), validity: valid)
        case .list(let inner, let child):
            let total = Int(offsets.pointer[starts.count])
            let innerStarts = Buffer<Int64>(uninitialized: total)
            let innerOffsets = Buffer<Int64>(uninitialized: total + 1)
            innerOffsets.pointer[0] = 0
            for index in 0..<starts.count {
                let at = Int(offsets.pointer[index])
                for step in 0..<Int(offsets.pointer[index + 1]) - at {
                    let row = Int(starts.pointer[index]) + step
                    innerStarts.pointer[at + step] = inner.pointer[row]
                    innerOffsets.pointer[at + step + 1] =
                        innerOffsets.pointer[at + step] + inner.pointer[row + 1] - inner.pointer[row]
                }
            }
            return Column(
                .list(offsets: innerOffsets, child: child.gather(starts: innerStarts, offsets: innerOffsets)),
                validity: valid)
        }
    }

    /// Rows `start..<start + length`, clipped to the column.
    public func slice(_ start: Int, _ length: Int) -> Column {
        let start = min(max(start, 0), count)
        let length = min(max(length, 0), count - start)
        if start == 0 && length == count { return self }
        let valid = validity?.slice(start, length)
        switch storage {
        case .int64(let values): return Column(.int64(values.slice(start, length)), validity: valid)
        case .timestamp(let values): return Column(.timestamp(values.slice(start, length)), validity: valid)
        case .float32(let values): return Column(.float32(values.slice(start, length)), validity: valid)
        case .float64(let values): return Column(.float64(values.slice(start, length)), validity: valid)
        case .bool(let values): return Column(.bool(values.slice(start, length)), validity: valid)
        case .uuid(let values): return Column(.uuid(values.slice(start, length)), validity: valid)
        case .string(let codes, let pool):
            return Column(.string(codes: codes.slice(start, length), pool: pool), validity: valid)
        case .list(let offsets, let child):
            let first = offsets.pointer[start]
            let moved = Buffer<Int64>(uninitialized: length + 1)
            for index in 0...length { moved.pointer[index] = offsets.pointer[start + index] - first }
            return Column(
                .list(offsets: moved, child: child.slice(Int(first), Int(moved.pointer[length]))), validity: valid)
        }
    }

    /// A column of `count` nulls.
    public static func nulls(_ dtype: DType, count: Int) -> Column {
        let builder = dtype.builder(capacity: count)
        for _ in 0..<count { builder.appendNull() }
        return builder.finish()
    }

    /// The rows of all columns, one column after the other.
    /// - Throws: `frame.type` when the types differ.
    public static func concat(_ columns: [Column]) throws -> Column {
        guard let first = columns.first else { throw FrameError("frame.empty", "there is nothing to concatenate") }
        if columns.count == 1 { return first }
        let total = columns.reduce(0) { $0 + $1.count }
        guard total <= Int(Int32.max) else {
            throw FrameError("frame.length", "a column holds at most \(Int32.max) rows, not \(total)")
        }
        // One column may be there many times.
        try Memory.check(total, of: MemoryLayout<Int64>.stride, for: "concat: \(total) rows")
        for column in columns where column.dtype != first.dtype {
            throw FrameError(
                "frame.type",
                "cannot concatenate \(first.dtype.name) and \(column.dtype.name) columns; cast one of them first")
        }
        var valid: Buffer<UInt8>?
        if columns.contains(where: { $0.validity != nil }) {
            valid = .concat(columns.map { $0.validity ?? Buffer(repeating: 1, count: $0.count) })
        }
        switch first.storage {
        case .int64: return Column(.int64(.concat(columns.map(\.int64Values))), validity: valid)
        case .timestamp: return Column(.timestamp(.concat(columns.map(\.int64Values))), validity: valid)
        case .float32: return Column(.float32(.concat(columns.map(\.float32Values))), validity: valid)
        case .float64: return Column(.float64(.concat(columns.map(\.float64Values))), validity: valid)
        case .bool: return Column(.bool(.concat(columns.map(\.boolValues))), validity: valid)
        case .uuid: return Column(.uuid(.concat(columns.map(\.uuidValues))), validity: valid)
        case .string: return concatStrings(columns, valid)
        case .list:
            let lists = columns.map(\.listParts)
            let total = columns.reduce(0) { $0 + $1.count }
            let offsets = Buffer<Int64>(uninitialized: total + 1)
            offsets.pointer[0] = 0
            var row = 0
            var children: [Column] = []
            for (source, child) in lists {
                let base = offsets.pointer[row] - source.pointer[0]
                for index in 1..<source.count { offsets.pointer[row + index] = source.pointer[index] + base }
                row += source.count - 1
                children.append(
                    child.slice(
                        Int(source.pointer[0]), Int(source.pointer[source.count - 1] - source.pointer[0])))
            }
            return Column(.list(offsets: offsets, child: try concat(children)), validity: valid)
        }
    }

    /// Distinct pools merge through a table, so the result is distinct again; others are laid end to end.
    private static func concatStrings(_ columns: [Column], _ valid: Buffer<UInt8>?) -> Column {
        let parts = columns.map(\.stringParts)
        if parts.allSatisfy({ $0.pool === parts[0].pool }) {
            return Column(.string(codes: .concat(parts.map(\.codes)), pool: parts[0].pool), validity: valid)
        }
        let codes = Buffer<Int32>(uninitialized: columns.reduce(0) { $0 + $1.count })
        let merged = StringPoolBuilder()
        let distinct = parts.allSatisfy { $0.pool.isDistinct }
        var mappings: [ObjectIdentifier: Buffer<Int32>] = [:]
        var at = 0
        for (source, pool) in parts {
            let mapping = mappings[ObjectIdentifier(pool)] ?? Buffer<Int32>(uninitialized: pool.count)
            if mappings.updateValue(mapping, forKey: ObjectIdentifier(pool)) == nil {
                for code in 0..<pool.count {
                    let text = pool[bytesAt: code]
                    mapping.pointer[code] = distinct ? merged.code(for: text) : merged.append(text)
                }
            }
            for code in source.elements {
                codes.pointer[at] = Int(code) < mapping.count ? mapping.pointer[Int(code)] : 0
                at += 1
            }
        }
        return Column(.string(codes: codes, pool: merged.finish()), validity: valid)
    }
}
