import Base
import CMath

/// Makes columns of random numbers from a seed; the same calls on the same seed give the same columns on every machine.
public final class RandomColumns {
    @exclusivity(unchecked) private var random: Random

    public init(seed: UInt64, stream: UInt64 = 0) { random = Random(seed: seed, stream: stream) }

    /// float64, uniform in low..<high.
    public func uniform(_ count: Int, low: Double, high: Double) throws -> Column {
        Column(.float64(try fill(count) { low + (high - low) * $0.uniform() }))
    }

    /// float64, normal.
    public func normal(_ count: Int, mean: Double, deviation: Double) throws -> Column {
        Column(.float64(try fill(count) { mean + deviation * $0.normal() }))
    }

    /// int64, uniform in low...high.
    public func integers(_ count: Int, low: Int64, high: Int64) throws -> Column {
        let (span, overflow) = high.subtractingReportingOverflow(low)
        guard low <= high, !overflow, span < Int64.max else {
            throw FrameError("frame.range", "cannot draw whole numbers from \(low) to \(high)")
        }
        return Column(.int64(try fill(count) { low + Int64($0.below(Int(span) + 1)) }))
    }

    /// bool, true with the given probability.
    public func bools(_ count: Int, probability: Double) throws -> Column {
        Column(.bool(try fill(count) { $0.uniform() < probability ? 1 : 0 }))
    }

    /// uuid, version 4.
    public func uuids(_ count: Int) throws -> Column {
        Column(
            .uuid(
                UUIDs(
                    try fill(count) { random in
                        let high = random.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
                        let low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
                        return Base.UUID(high: high, low: low)
                    })))
    }

    /// int64 in 1...weights.count, each with a probability in proportion to its weight (Walker's alias method; Vose,
    /// "A linear algorithm for generating random numbers with a given distribution", 1991).
    public func weighted(_ count: Int, weights: [Double]) throws -> Column {
        try Self.check(count)
        let total = weights.reduce(0, +)
        guard total > 0, total.isFinite, weights.allSatisfy({ $0 >= 0 }), weights.count < Int(Int32.max) else {
            throw FrameError("frame.range", "weights must be finite and not negative, and one must be positive")
        }
        let size = weights.count
        var share = weights.map { $0 / total * Double(size) }
        var alias = Array(0..<size)
        var small = share.indices.filter { share[$0] < 1 }
        var large = share.indices.filter { share[$0] >= 1 }
        while let low = small.popLast(), let high = large.last {
            alias[low] = high
            share[high] -= 1 - share[low]
            if share[high] < 1 { small.append(large.removeLast()) }
        }
        // What is left over differs from 1 by rounding only.
        for slot in small + large where alias[slot] == slot { share[slot] = 1 }
        return Column(
            .int64(
                try fill(count) { random in
                    let slot = random.below(size)
                    return Int64(random.uniform() < share[slot] ? slot : alias[slot]) + 1
                }))
    }

    /// int64 in 1...size where k has a weight of 1 / k^exponent.
    public func zipf(_ count: Int, size: Int, exponent: Double) throws -> Column {
        guard size > 0, size < Int(Int32.max) else { throw FrameError("frame.range", "zipf over \(size) values") }
        // The weights, and what is worked out of them.
        try Memory.check(size, of: 5 * MemoryLayout<Double>.stride, for: "zipf: \(size) values")
        return try weighted(count, weights: (1...size).map { tt_pow(Double($0), -exponent) })
    }

    /// int64: the numbers 1...count in random order.
    public func permutation(_ count: Int) throws -> Column {
        try Self.check(count)
        try Memory.check(count, of: 2 * MemoryLayout<Int64>.stride, for: "permutation: \(count) rows")
        var numbers = (0..<count).map { Int64($0) + 1 }
        random.shuffle(&numbers)
        return Column(.int64(Buffer(numbers)))
    }

    private func fill<T>(_ count: Int, _ next: (inout Random) -> T) throws -> Buffer<T> {
        try Self.check(count)
        try Memory.check(count, of: MemoryLayout<T>.stride, for: "random: \(count) rows")
        let buffer = Buffer<T>(uninitialized: count)
        for row in 0..<count {
            if row & 0xFFFF == 0 { try Interrupt.check() }
            (buffer.pointer + row).initialize(to: next(&random))
        }
        return buffer
    }

    private static func check(_ count: Int) throws {
        guard count >= 0, count < Int(Int32.max) else {
            throw FrameError("frame.range", "cannot make a column of \(count) rows")
        }
    }
}
