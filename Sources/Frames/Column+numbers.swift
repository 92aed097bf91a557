import Base
import CMath

extension Column {
    func requireNumber(_ name: String) throws {
        guard dtype.isNumeric else {
            throw FrameError("frame.type", "\(name) needs a numeric column, not \(dtype.name)")
        }
    }

    /// float64 results of a function of numbers; null stays null. Outside of a function's domain the result is NaN or
    /// infinite, as in IEEE arithmetic.
    func mapDoubles(_ name: String, _ body: (Double) -> Double) throws -> Column {
        try requireNumber(name)
        let source = Operand(self).doubles
        let values = Buffer<Double>(uninitialized: count)
        for row in 0..<count { values.pointer[row] = body(source[row]) }
        return Column(.float64(values), validity: validity)
    }

    public func log() throws -> Column { try mapDoubles("log") { tt_log($0) } }
    public func log1p() throws -> Column { try mapDoubles("log1p") { tt_log1p($0) } }
    public func exp() throws -> Column { try mapDoubles("exp") { tt_exp($0) } }
    public func sqrt() throws -> Column { try mapDoubles("sqrt") { $0.squareRoot() } }

    /// Whether each number is neither NaN nor infinite; null stays null.
    public func isfinite() throws -> Column {
        try requireNumber("isfinite")
        let source = Operand(self).doubles
        let values = Buffer<UInt8>(uninitialized: count)
        for row in 0..<count { values.pointer[row] = source[row].isFinite ? 1 : 0 }
        return Column(.bool(values), validity: validity)
    }

    public enum Rounding: String, Sendable { case floor, ceil, round }

    /// Whole numbers, still float64; int64 stays as it is. `round` takes halves away from zero.
    /// - Throws: `frame.value` for digits of which ten to the power is no double.
    public func rounded(_ rule: Rounding, digits: Int = 0) throws -> Column {
        guard (-300...300).contains(digits) else {
            throw FrameError("frame.value", "\(rule.rawValue): digits is a whole number from -300 to 300")
        }
        if case .int64 = storage, digits >= 0 { return self }
        let mode: FloatingPointRoundingRule =
            switch rule {
            case .floor: .down
            case .ceil: .up
            case .round: .toNearestOrAwayFromZero
            }
        if digits == 0 { return try mapDoubles(rule.rawValue) { $0.rounded(mode) } }
        let scale = Double("1e\(digits)")!
        return try mapDoubles(rule.rawValue) { value in
            let scaled = value * scale
            // Beyond 2^53 there is nothing left to round away.
            return scaled.isFinite && Swift.abs(scaled) < 0x1p53 ? scaled.rounded(mode) / scale : value
        }
    }

    /// - Throws: `frame.overflow` for the smallest int64, which has no positive counterpart.
    public func abs() throws -> Column {
        try requireNumber("abs")
        guard case .int64(let source) = storage else { return try mapDoubles("abs") { Swift.abs($0) } }
        return try negateIntegers(source) { $0 < 0 }
    }

    public func negate() throws -> Column {
        try requireNumber("-")
        guard case .int64(let source) = storage else { return try mapDoubles("-") { -$0 } }
        return try negateIntegers(source) { _ in true }
    }

    private func negateIntegers(_ source: Buffer<Int64>, where test: (Int64) -> Bool) throws -> Column {
        let values = Buffer<Int64>(uninitialized: count)
        for row in 0..<count {
            let value = source.pointer[row]
            if value == .min, !isNull(row) {
                throw FrameError(
                    "frame.overflow", "row \(row + 1): -(\(value)) does not fit int64",
                    details: [("row", .int(Int64(row + 1)))])
            }
            values.pointer[row] = test(value) ? 0 &- value : value
        }
        return Column(.int64(values), validity: validity)
    }

    /// Values below `low` become `low`, above `high` become `high`; a nil bound is open. int64 stays int64 when the
    /// bounds are whole numbers. NaN stays NaN.
    public func clamp(_ low: Double?, _ high: Double?) throws -> Column {
        try requireNumber("clamp")
        if let low, let high, !(low <= high) {
            throw FrameError("frame.value", "clamp needs low <= high, not \(low) and \(high)")
        }
        if case .int64(let source) = storage {
            let lowest = low.map { Int64(exactly: $0) } ?? .some(.min)
            let highest = high.map { Int64(exactly: $0) } ?? .some(.max)
            if let lowest, let highest {
                let values = Buffer<Int64>(uninitialized: count)
                for row in 0..<count { values.pointer[row] = min(max(source.pointer[row], lowest), highest) }
                return Column(.int64(values), validity: validity)
            }
        }
        let (lowest, highest) = (low ?? -.infinity, high ?? .infinity)
        return try mapDoubles("clamp") { $0 < lowest ? lowest : $0 > highest ? highest : $0 }
    }

    /// Parts of a timestamp in UTC, as int64. `weekday` is 1 for Monday to 7 for Sunday.
    public enum DatePart: String, CaseIterable, Sendable { case year, month, day, hour, minute, second, weekday }

    public func part(_ part: DatePart) throws -> Column {
        guard case .timestamp(let source) = storage else {
            throw FrameError(
                "frame.type", "\(part.rawValue) needs a timestamp column, not \(dtype.name); cast it to timestamp first"
            )
        }
        let values = Buffer<Int64>(uninitialized: count)
        for row in 0..<count {
            let instant = source.pointer[row]
            let day = Timestamp.floorDivide(instant, Timestamp.microsecondsPerDay)
            let second = Timestamp.floorDivide(instant, 1_000_000) - day * 86_400
            switch part {
            case .year: values.pointer[row] = Timestamp.civil(days: day).year
            case .month: values.pointer[row] = Timestamp.civil(days: day).month
            case .day: values.pointer[row] = Timestamp.civil(days: day).day
            case .hour: values.pointer[row] = second / 3600
            case .minute: values.pointer[row] = second / 60 % 60
            case .second: values.pointer[row] = second % 60
            case .weekday: values.pointer[row] = ((day + 3) % 7 + 7) % 7 + 1
            }
        }
        return Column(.int64(values), validity: validity)
    }

    /// The start of each timestamp's day in UTC.
    public func date() throws -> Column {
        guard case .timestamp(let source) = storage else {
            throw FrameError("frame.type", "date needs a timestamp column, not \(dtype.name)")
        }
        let values = Buffer<Int64>(uninitialized: count)
        let perDay = Timestamp.microsecondsPerDay
        for row in 0..<count {
            values.pointer[row] = Timestamp.floorDivide(source.pointer[row], perDay) &* perDay
        }
        return Column(.timestamp(values), validity: validity)
    }

    /// A difference in microseconds as a number of days or seconds: exact division, not rounded, signed.
    public func duration(_ name: String, perUnit: Double) throws -> Column {
        if dtype == .timestamp {
            throw FrameError("frame.type", "\(name) needs a difference of two timestamps, as in \(name)(a - b)")
        }
        return try mapDoubles(name) { $0 / perUnit }
    }
}
