import Base

extension Operand {
    /// The operands with one common type: int64 with floats gives float64, text literals and untyped nulls take the
    /// type of the others.
    static func unify(_ name: String, _ operands: [Operand]) throws -> [Operand] {
        guard
            let typed = operands.first(where: { !$0.isUntyped && !($0.isScalar && $0.dtype == .string) })
                ?? operands.first(where: { !$0.isUntyped })
        else { return operands.map { _ in Operand(scalar: .nulls(.bool, count: 1)) } }
        var adapted = try operands.map { try $0.adapted(to: typed) }
        let types = Set(adapted.map(\.dtype))
        if types.count > 1, types.allSatisfy(\.isNumeric) {
            adapted = try adapted.map {
                $0.dtype == .float64 ? $0 : Operand($0, cast: try $0.column.cast(to: .float64))
            }
        }
        for operand in adapted where operand.dtype != adapted[0].dtype {
            throw FrameError(
                "frame.type", "\(name) cannot mix \(adapted[0].dtype.name) and \(operand.dtype.name); cast one of them")
        }
        return adapted
    }

    /// Where `condition` is true `yes`, elsewhere (also where it is null) `no`.
    public static func choose(_ condition: Operand, _ yes: Operand, _ no: Operand) throws -> Operand {
        guard condition.dtype == .bool else {
            throw FrameError("frame.type", "'if' needs a bool condition, not \(condition.typeName)")
        }
        let sides = try unify("if", [yes, no])
        let isScalar = condition.isScalar && yes.isScalar && no.isScalar
        let widest = [condition, yes, no].first { !$0.isScalar } ?? condition
        let count = widest.column.count
        for side in [condition, yes, no] { _ = try rowCount(widest, side) }
        let flags = Lanes(condition.column.boolValues, isScalar: condition.isScalar)
        let known = Lanes(
            condition.column.validity ?? Buffer(repeating: 1, count: 1),
            isScalar: condition.isScalar || condition.column.validity == nil)
        let base = sides[0].column.count
        let rows = Buffer<Int32>(uninitialized: count)
        for row in 0..<count {
            let taken = flags[row] & known[row] != 0
            let at = (taken ? sides[0] : sides[1]).isScalar ? 0 : row
            rows.pointer[row] = Int32(truncatingIfNeeded: taken ? at : base + at)
        }
        let column = try Column.concat(sides.map(\.column)).take(rows)
        return isScalar ? Operand(scalar: column) : Operand(column)
    }

    /// The first operand that is not null, row by row.
    public static func coalesce(_ operands: [Operand]) throws -> Operand {
        guard var result = operands.first else { throw FrameError("frame.value", "coalesce needs a value") }
        let unified = try unify("coalesce", operands)
        result = unified[0]
        for next in unified.dropFirst() {
            if result.column.validity == nil { break }
            result = try choose(Operand.not(result.isNull), result, next)
        }
        // The first column gives the length even when a scalar after it ended the search.
        if result.isScalar, let column = unified.first(where: { !$0.isScalar }) {
            return Operand(try result.broadcast(column.column.count))
        }
        return result
    }

    /// The smaller (or larger) of the operands that are not null; null where all are.
    public static func extreme(_ op: Comparison, _ name: String, _ operands: [Operand]) throws -> Operand {
        guard operands.count > 0 else { throw FrameError("frame.value", "\(name) needs a value") }
        var unified = try unify(name, operands)
        var result = unified.removeFirst()
        for next in unified {
            let keep = try or(compare(op, result, next), next.isNull)
            result = try choose(try and(keep, not(result.isNull)), result, next)
        }
        return result
    }

    /// A bool that is never null.
    public var isNull: Operand {
        let flags = column.isNull()
        return isScalar ? Operand(scalar: flags) : Operand(flags)
    }

    /// Whether each row equals one of `values`; as in SQL null where the row is null, or where there is no match and
    /// one of `values` is null.
    public func isIn(_ values: [Operand]) throws -> Operand {
        let known = try values.filter { !$0.isUntyped && !$0.column.isNull(0) }.map { try $0.adapted(to: self) }
        let hasNull = known.count < values.count
        let found: Column
        if isUntyped || known.isEmpty {
            found = Column(.bool(Buffer(repeating: 0, count: column.count)), validity: column.validity)
        } else {
            for value in known where value.dtype != dtype && !(value.dtype.isNumeric && dtype.isNumeric) {
                throw FrameError(
                    "frame.type", "a \(dtype.name) column cannot hold the \(value.dtype.name) values of 'in'")
            }
            found = Column(.bool(try column.matches(known)), validity: column.validity)
        }
        guard hasNull else { return Operand(self, cast: found) }
        let valid = Buffer<UInt8>(uninitialized: column.count)
        for row in 0..<column.count { valid.pointer[row] = column.isNull(row) ? 0 : found.boolValues.pointer[row] }
        return Operand(self, cast: found.with(validity: valid))
    }
}

extension Column {
    /// A bool column, never null: true where this one is null.
    public func isNull() -> Column {
        let flags = Buffer<UInt8>(repeating: 0, count: count)
        if let validity {
            for row in 0..<count { flags.pointer[row] = 1 - validity.pointer[row] }
        }
        return Column(.bool(flags))
    }

    /// Whether each row equals one of the rows of `other`, a column of the same type; null as in `Operand.isIn`.
    public func isIn(_ other: Column) throws -> Column {
        guard dtype == other.dtype else {
            throw FrameError(
                "frame.type", "cannot look for \(dtype.name) values in a \(other.dtype.name) column; cast one of them")
        }
        // Ids that are stored as codes are looked for once each.
        if case .uuid(let ids) = storage, let codes = ids.codes, validity == nil, other.validity == nil {
            let found = try Column(.uuid(UUIDs(ids.values))).isIn(other).boolValues
            let flags = Buffer<UInt8>(uninitialized: count)
            Workers.pieces(of: count) { [from = codes.pointer, found = found.pointer, to = flags.pointer] rows in
                for row in rows { to[row] = found[Int(from[row])] }
            }
            return Column(.bool(flags))
        }
        let keys = try JoinKeys(self, other)
        // Whether a number occurs on the right; place 0 is that of -1.
        let known = Buffer<UInt8>(repeating: 0, count: keys.limit + 1)
        for key in keys.right.elements where key >= 0 { known.pointer[Int(key) + 1] = 1 }
        let flags = Buffer<UInt8>(uninitialized: count)
        for (row, key) in keys.left.elements.enumerated() { flags.pointer[row] = known.pointer[Int(key) + 1] }
        let hasNull = other.nullCount > 0
        guard validity != nil || hasNull else { return Column(.bool(flags)) }
        let valid = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count {
            valid.pointer[row] = isNull(row) || (hasNull && flags.pointer[row] == 0) ? 0 : 1
        }
        return Column(.bool(flags), validity: valid)
    }

    /// Nulls replaced by `value`, a scalar or a column of the same length and a type that fits.
    public func fillNull(_ value: Operand) throws -> Column {
        guard validity != nil else { return self }
        let adapted = try value.adapted(to: Operand(self))
        if adapted.dtype == dtype { return try Operand.coalesce([Operand(self), adapted]).broadcast(count) }
        // A whole-number literal fits a float column, and a float column keeps its width.
        if dtype.isNumeric, adapted.dtype.isNumeric, adapted.isScalar {
            let cast = Operand(scalar: try adapted.column.cast(to: dtype))
            return try Operand.coalesce([Operand(self), cast]).broadcast(count)
        }
        throw FrameError("frame.type", "cannot fill a \(dtype.name) column with \(adapted.typeName); cast one of them")
    }

    /// Whether each row equals one of the scalars, which are not null and of this type, or all numbers.
    fileprivate func matches(_ values: [Operand]) throws -> Buffer<UInt8> {
        switch storage {
        case .string:
            let set = StringPoolBuilder()
            for value in values { _ = set.code(for: value.column.stringBytes(0)) }
            return mapStrings { set.find($0) != nil ? 1 : 0 }
        case .uuid(let rows):
            let set = Set(values.map { $0.column.uuidValues[0] })
            return map(rows.plain) { set.contains($0) }
        case .timestamp(let rows):
            let set = Set(values.map { $0.column.int64Values.pointer[0] })
            return map(rows) { set.contains($0) }
        case .int64(let rows) where values.allSatisfy { $0.dtype == .int64 }:
            let set = Set(values.map { $0.column.int64Values.pointer[0] })
            return map(rows) { set.contains($0) }
        case .int64, .float32, .float64:
            let set = Set(values.map { $0.doubles[0] })
            return map(Operand(self).doubles.buffer) { set.contains($0) }
        case .bool(let rows):
            let set = Set(values.map { $0.column.boolValues.pointer[0] })
            return map(rows) { set.contains($0) }
        case .list: throw FrameError("frame.type", "'in' does not work on \(dtype.name) columns")
        }
    }

    private func map<T>(_ rows: Buffer<T>, _ test: (T) -> Bool) -> Buffer<UInt8> {
        let flags = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count { flags.pointer[row] = test(rows.pointer[row]) ? 1 : 0 }
        return flags
    }
}
