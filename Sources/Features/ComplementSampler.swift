import Base

/// Draws, for each group, distinct items that the group does not have yet: uniform, without replacement.
public enum ComplementSampler {
    /// - Parameters:
    ///   - wanted: how many items to draw for group g; a group with fewer left gets all of them.
    ///   - population: items are 0..<population.
    ///   - taken: pairs of a group and an item it has; repeats and pairs with a negative member count for nothing.
    ///   - seed: with the group's number it fixes the group's draw, whatever other groups ask for.
    ///   - stream: separates several draws of one seed.
    /// - Returns: the pairs drawn, by group and then by item ascending.
    /// - Throws: `features.range` for a group or item that is out of range or a negative count.
    public static func sample(
        wanted: Buffer<Int64>, population: Int, taken: (groups: Buffer<Int32>, items: Buffer<Int32>), seed: UInt64,
        stream: UInt64 = 0
    ) throws -> (groups: [Int32], items: [Int32]) {
        let had = try GroupedItems(taken.groups, taken.items, groupCount: wanted.count, population: population)
        var groups: [Int32] = []
        var items: [Int32] = []
        // Round marks instead of clearing a flag per item for every group.
        var marks = [Int32](repeating: -1, count: population)
        for group in 0..<wanted.count {
            if group & 0xFF == 0 { try Interrupt.check() }
            guard wanted[group] >= 0 else {
                throw FeatureError("features.range", "group \(group + 1) wants \(wanted[group]) items")
            }
            let own = had.items(of: group)
            let free = population - own.count
            let count = min(Int(clamping: wanted[group]), free)
            guard count > 0 else { continue }
            var random = Random(seed: seed ^ SplitMix64.mix(UInt64(group) &+ 1), stream: stream)
            let first = items.count
            // Floyd's algorithm over the ranks of the free items: exactly `count` random numbers, each subset as likely.
            for limit in (free - count)..<free {
                let rank = random.below(limit + 1)
                let pick = marks[rank] == Int32(group) ? limit : rank
                marks[pick] = Int32(group)
                items.append(Int32(pick))
                groups.append(Int32(group))
            }
            items[first...].sort()
            // From ascending ranks to items: each item the group has below the rank moves it up by one.
            var passed = 0
            for position in first..<items.count {
                while passed < own.count, Int(own[passed]) <= Int(items[position]) + passed { passed += 1 }
                items[position] += Int32(passed)
            }
        }
        return (groups, items)
    }
}

/// The distinct items of each group, ascending.
private struct GroupedItems {
    private var starts: [Int]
    private var sorted: [Int32]
    private var counts: [Int]

    init(_ groups: Buffer<Int32>, _ items: Buffer<Int32>, groupCount: Int, population: Int) throws {
        guard groups.count == items.count else {
            throw FeatureError("features.length", "\(groups.count) groups go with \(items.count) items")
        }
        starts = [Int](repeating: 0, count: groupCount + 1)
        for row in 0..<groups.count where groups[row] >= 0 && items[row] >= 0 {
            guard Int(groups[row]) < groupCount, Int(items[row]) < population else {
                throw FeatureError(
                    "features.range",
                    "row \(row + 1): group \(groups[row] + 1) of \(groupCount), item \(items[row] + 1) of \(population)"
                )
            }
            starts[Int(groups[row]) + 1] += 1
        }
        for group in 0..<groupCount { starts[group + 1] += starts[group] }
        sorted = [Int32](repeating: 0, count: starts[groupCount])
        var next = starts
        for row in 0..<groups.count where groups[row] >= 0 && items[row] >= 0 {
            sorted[next[Int(groups[row])]] = items[row]
            next[Int(groups[row])] += 1
        }
        counts = [Int](repeating: 0, count: groupCount)
        for group in 0..<groupCount {
            sorted[starts[group]..<starts[group + 1]].sort()
            var kept = starts[group]
            for position in starts[group]..<starts[group + 1]
            where position == starts[group] || sorted[position] != sorted[kept - 1] {
                sorted[kept] = sorted[position]
                kept += 1
            }
            counts[group] = kept - starts[group]
        }
    }

    func items(of group: Int) -> [Int32] { Array(sorted[starts[group]..<starts[group] + counts[group]]) }
}
