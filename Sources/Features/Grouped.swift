import Base

/// Numbers by their group: a counting sort that leaves out pairs with a negative member.
struct Grouped {
    let groupCount: Int
    /// Those that were given, when they stood in this order already.
    let values: Buffer<Int32>
    private let starts: Buffer<Int>

    init(_ groups: Buffer<Int32>, _ numbers: Buffer<Int32>, groups count: Int) {
        groupCount = count
        starts = Buffer(repeating: 0, count: count + 1)
        var last: Int32 = 0
        var isInOrder = true
        for row in 0..<groups.count {
            let (group, number) = (groups.pointer[row], numbers.pointer[row])
            // A negative one is below the last.
            isInOrder = isInOrder && group >= last && number >= 0
            last = group
            if group >= 0, number >= 0 { starts.pointer[Int(group) + 1] += 1 }
        }
        for group in 0..<count { starts[group + 1] += starts[group] }
        if isInOrder {
            values = numbers
            return
        }
        values = Buffer(uninitialized: starts[count])
        let next = Buffer<Int>(uninitialized: count)
        next.pointer.update(from: starts.pointer, count: count)
        for row in 0..<groups.count where groups[row] >= 0 && numbers[row] >= 0 {
            let group = Int(groups[row])
            values[next[group]] = numbers[row]
            next[group] += 1
        }
    }

    func places(of group: Int) -> Range<Int> { starts[group]..<starts[group + 1] }

    func isAscending(_ group: Int) -> Bool {
        let own = self[group]
        return (1..<max(own.count, 1)).allSatisfy { own[$0 - 1] < own[$0] }
    }

    /// With values of its own.
    func copy() -> Grouped {
        let copied = Buffer<Int32>(uninitialized: values.count)
        copied.pointer.update(from: values.pointer, count: values.count)
        return Grouped(groupCount: groupCount, values: copied, starts: starts)
    }

    private init(groupCount: Int, values: Buffer<Int32>, starts: Buffer<Int>) {
        self.groupCount = groupCount
        self.values = values
        self.starts = starts
    }

    @inline(__always) subscript(group: Int) -> UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(start: values.pointer + starts[group], count: starts[group + 1] - starts[group])
    }
}

/// The distinct items that each group has, ascending.
public final class TakenItems: @unchecked Sendable {
    /// Items are 0..<population.
    let population: Int
    private let items: Grouped
    /// How many of a group's items are distinct; they stand in front.
    private let counts: Buffer<Int32>

    /// - Parameters: pairs of a group and an item it has; repeats and pairs with a negative member count for nothing.
    /// - Throws: `features.range` for a group or item that is out of range, and for counts that 32 bits do not hold;
    ///   `memory`.
    public init(groups: Buffer<Int32>, items: Buffer<Int32>, groupCount: Int, population: Int) throws {
        guard groups.count == items.count else {
            throw FeatureError("features.length", "\(groups.count) groups go with \(items.count) items")
        }
        let allowed = 0...Int(Int32.max)
        guard allowed.contains(groupCount), allowed.contains(population) else {
            throw FeatureError(
                "features.range", "\(groupCount) groups, \(population) items: 0 to \(Int32.max) of each expected")
        }
        try Memory.check(groupCount, of: 2 * MemoryLayout<Int>.stride, for: "taken: \(groupCount) groups")
        for row in 0..<groups.count where Int(groups[row]) >= groupCount || Int(items[row]) >= population {
            guard groups[row] < 0 || items[row] < 0 else {
                throw FeatureError(
                    "features.range",
                    "row \(row + 1): group \(oneBased(groups[row])) of \(groupCount), item \(oneBased(items[row])) of "
                        + "\(population)"
                )
            }
        }
        self.population = population
        let grouped = Grouped(groups, items, groups: groupCount)
        counts = Buffer(uninitialized: groupCount)
        // They often come in order, each once.
        var ordered = 0
        while ordered < groupCount, grouped.isAscending(ordered) {
            counts[ordered] = Int32(grouped[ordered].count)
            ordered += 1
        }
        self.items = ordered < groupCount && grouped.values === items ? grouped.copy() : grouped
        for group in ordered..<groupCount {
            let own = UnsafeMutableBufferPointer(rebasing: self.items.values.mutable[self.items.places(of: group)])
            if self.items.isAscending(group) {
                counts[group] = Int32(own.count)
                continue
            }
            SmallSort.sort(own)
            var kept = 0
            for position in 0..<own.count where position == 0 || own[position] != own[kept - 1] {
                own[kept] = own[position]
                kept += 1
            }
            counts[group] = Int32(kept)
        }
    }

    public var groupCount: Int { items.groupCount }
    public var byteCount: Int { items.values.byteCount + counts.byteCount + 8 * groupCount }

    func items(of group: Int) -> UnsafeBufferPointer<Int32> {
        UnsafeBufferPointer(rebasing: items[group][..<Int(counts[group])])
    }
}
