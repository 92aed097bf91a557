import Base
import Tensors

/// Draws, for each group, distinct items that the group does not have yet: uniform, without replacement.
public enum ComplementSampler {
    /// - Parameters:
    ///   - wanted: how many items to draw for group g; a group with fewer left gets all of them.
    ///   - taken: what the groups have.
    ///   - before: pairs to put before those that are drawn.
    ///   - seed: with the group's number it fixes the group's draw, whatever other groups ask for.
    ///   - stream: separates several draws of one seed.
    /// - Returns: the pairs drawn, by group and then by item ascending.
    /// - Throws: `features.range` for a negative count, `features.length` for a count of groups that differs, `memory`.
    public static func sample(
        wanted: Buffer<Int64>, taken: TakenItems, before: (groups: Buffer<Int32>, items: Buffer<Int32>)? = nil,
        seed: UInt64, stream: UInt64 = 0
    ) throws -> (groups: Buffer<Int32>, items: Buffer<Int32>) {
        let first = before?.groups.count ?? 0
        guard wanted.count == taken.groupCount, before?.items.count ?? 0 == first else {
            throw FeatureError(
                "features.length",
                "\(wanted.count) counts go with \(taken.groupCount) groups; before the draw stand \(first) groups and "
                    + "\(before?.items.count ?? 0) items")
        }
        // Where each group's draw begins in the result.
        let starts = Buffer<Int>(uninitialized: wanted.count + 1)
        starts[0] = first
        for group in 0..<wanted.count {
            guard wanted[group] >= 0 else {
                throw FeatureError("features.range", "group \(group + 1) wants \(wanted[group]) items")
            }
            let free = taken.population - taken.items(of: group).count
            starts[group + 1] = starts[group] + min(Int(clamping: wanted[group]), free)
        }
        // Both are counts of 32 bits, so no sum leaves an Int.
        try Memory.check(starts[wanted.count], of: 8, for: "sample_without: \(starts[wanted.count]) pairs")
        let most = (0..<wanted.count).reduce(0) { max($0, starts[$1 + 1] - starts[$1]) }
        try Memory.check(most, of: SeenRanks.bytesPerDraw, for: "sample_without: \(most) items for one group")
        let groups = Buffer<Int32>(uninitialized: starts[wanted.count])
        let items = Buffer<Int32>(uninitialized: starts[wanted.count])
        if let before {
            groups.pointer.update(from: before.groups.pointer, count: first)
            items.pointer.update(from: before.items.pointer, count: first)
        }
        let pieces = 16
        try Threads.run(pieces) { piece in
            let range = wanted.count * piece / pieces..<wanted.count * (piece + 1) / pieces
            guard starts[range.upperBound] > starts[range.lowerBound] else { return }
            var seen = SeenRanks()
            for group in range where starts[group + 1] > starts[group] {
                if group & 0xFF == 0 { try Interrupt.check() }
                (groups.pointer + starts[group]).update(
                    repeating: Int32(group), count: starts[group + 1] - starts[group])
                var random = Random(seed: seed ^ SplitMix64.mix(UInt64(group) &+ 1), stream: stream)
                let drawn = UnsafeMutableBufferPointer(rebasing: items.mutable[starts[group]..<starts[group + 1]])
                draw(drawn, besides: taken.items(of: group), of: taken.population, &seen, &random)
            }
        }
        return (groups, items)
    }

    private static func draw(
        _ drawn: UnsafeMutableBufferPointer<Int32>, besides own: UnsafeBufferPointer<Int32>, of population: Int,
        _ seen: inout SeenRanks, _ random: inout Random
    ) {
        // Floyd's algorithm over the ranks of the free items: exactly as many random numbers as draws, each subset as
        // likely.
        let free = population - own.count
        seen.clear(room: drawn.count)
        for position in 0..<drawn.count {
            let limit = free - drawn.count + position
            let rank = random.below(limit + 1)
            // The limit is larger than all before it.
            let pick = seen.insert(rank) ? rank : limit
            if pick != rank { _ = seen.insert(limit) }
            drawn[position] = Int32(truncatingIfNeeded: pick)
        }
        SmallSort.sort(drawn)
        // From ascending ranks to items: each item the group has below the rank moves it up by one.
        var passed = 0
        for position in 0..<drawn.count {
            while passed < own.count, Int(own[passed]) <= Int(drawn[position]) + passed { passed += 1 }
            drawn[position] += Int32(truncatingIfNeeded: passed)
        }
    }
}

/// The ranks that were drawn for a group: a table no larger than they need, which stays in the processor's cache where a
/// mark for every item would not.
private struct SeenRanks: ~Copyable {
    /// The round in the upper half, the rank in the lower; what is of an earlier round is empty.
    private var slots = Buffer<UInt64>(repeating: 0, count: 256)
    private var round: UInt64 = 0
    private var mask = 255

    /// A table has at least four times as many slots as draws, less than eight times.
    static let bytesPerDraw = 8 * MemoryLayout<UInt64>.stride

    /// - Parameter room: ranks to come at most.
    mutating func clear(room: Int) {
        var size = 256
        while size < room * 4 { size *= 2 }
        if size > slots.count || round == UInt64(UInt32.max) {
            slots = Buffer(repeating: 0, count: size)
            round = 0
        }
        mask = size - 1
        round += 1
    }

    /// False when it is there already.
    mutating func insert(_ rank: Int) -> Bool {
        let entry = round << 32 | UInt64(truncatingIfNeeded: rank)
        // Multiplied by a large odd number, as ranks of small populations are dense.
        var slot = Int(truncatingIfNeeded: (UInt64(truncatingIfNeeded: rank) &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while slots.pointer[slot] >> 32 == round {
            if slots.pointer[slot] == entry { return false }
            slot = (slot + 1) & mask
        }
        slots.pointer[slot] = entry
        return true
    }
}

extension Buffer {
    var mutable: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: pointer, count: count) }
}

/// Sorts of a few numbers, of which there are very many.
enum SmallSort {
    static func sort(_ values: UnsafeMutableBufferPointer<Int32>) {
        guard values.count <= 48 else {
            var values = values
            values.sort()
            return
        }
        for index in stride(from: 1, to: values.count, by: 1) {
            let value = values[index]
            var at = index
            while at > 0, values[at - 1] > value {
                values[at] = values[at - 1]
                at -= 1
            }
            values[at] = value
        }
    }
}
