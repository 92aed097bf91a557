import Base

/// Finds the number of a key by its hash: the one open-addressing table (linear probing, at most half full) behind tables
/// of texts, ids and numbers. The keys are their owner's, numbered 0, 1, 2 … in the order they are inserted.
public final class HashSlots: @unchecked Sendable {
    /// The upper half of a key's hash and its number + 1; 0 is empty. Keys that differ are told apart by it, nearly always
    /// without a look at the key, which lies somewhere else in memory.
    @exclusivity(unchecked) @usableFromInline var slots: UnsafeMutablePointer<UInt64>
    @exclusivity(unchecked) @usableFromInline var mask: Int
    /// Keys so far.
    @exclusivity(unchecked) public private(set) var count = 0

    @usableFromInline static var upper: UInt64 { 0xFFFF_FFFF_0000_0000 }
    @usableFromInline static var block: Int { 256 }

    /// - Parameter capacity: keys that fit without growing.
    public init(capacity: Int = 0) {
        var size = 64
        while size < capacity * 2 { size *= 2 }
        mask = size - 1
        slots = Self.emptySlots(size)
    }

    deinit { Buffer<UInt64>.free(slots) }

    public var byteCount: Int { (mask + 1) * MemoryLayout<UInt64>.stride }

    /// The number of the key with this hash that `isKey` knows; -1 when there is none.
    @inlinable @inline(__always)
    public func find(_ hash: UInt64, isKey: (_ number: Int) -> Bool) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = slots[slot]
            if entry == 0 { return -1 }
            if (entry ^ hash) & Self.upper == 0, isKey(Self.number(entry)) { return Self.number(entry) }
            slot = (slot &+ 1) & mask
        }
    }

    /// The number of the key, which is `count` as it was before when the key is new: then the owner stores it.
    /// - Parameter hashOf: the hash of a stored key, asked for when the table grows.
    @inlinable @inline(__always)
    public func insert(_ hash: UInt64, isKey: (_ number: Int) -> Bool, hashOf: (_ number: Int) -> UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = slots[slot]
            if entry == 0 { break }
            if (entry ^ hash) & Self.upper == 0, isKey(Self.number(entry)) { return Self.number(entry) }
            slot = (slot &+ 1) & mask
        }
        if needsRoom {
            grow(hashOf)
            slot = emptySlot(hash)
        }
        return fill(slot, hash)
    }

    /// Finds many keys. One look-up is two loads from anywhere in memory; here all first loads are under way together, then
    /// all second ones.
    /// - Parameters:
    ///   - target: takes the number of each, or what `other` gives for it.
    ///   - isKey: whether the key at `index` of those sought has a number.
    ///   - other: called for keys that this did not find; `isAbsent` tells that there is no such key, else it was not
    ///     looked for far enough. It may insert.
    @inlinable @inline(__always)
    public func find(
        count: Int, into target: UnsafeMutablePointer<Int32>, hash: (_ index: Int) -> UInt64,
        isKey: (_ number: Int, _ index: Int) -> Bool, other: (_ index: Int, _ isAbsent: Bool) -> Int32
    ) {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * Self.block) { scratch in
            let hashes = scratch.baseAddress!
            let entries = hashes + Self.block
            for first in stride(from: 0, to: count, by: Self.block) {
                let block = min(Self.block, count - first)
                let (target, slots, mask) = (target + first, slots, mask)
                for index in 0..<block {
                    let hash = hash(first + index)
                    hashes[index] = hash
                    entries[index] = slots[Int(truncatingIfNeeded: hash) & mask]
                }
                for index in 0..<block {
                    let hash = hashes[index]
                    var entry = entries[index]
                    if entry != 0, (entry ^ hash) & Self.upper != 0 {
                        // The next slots are mostly in the cache line that has just come.
                        var slot = Int(truncatingIfNeeded: hash)
                        repeat {
                            slot = slot &+ 1
                            entry = slots[slot & mask]
                        } while entry != 0 && (entry ^ hash) & Self.upper != 0
                    }
                    target[index] = Int32(truncatingIfNeeded: Self.number(entry))
                }
                // A new key may move all others, so nothing is inserted before all are compared.
                for index in 0..<block where target[index] >= 0 && !isKey(Int(target[index]), first + index) {
                    target[index] = -2
                }
                for index in 0..<block where target[index] < 0 {
                    target[index] = other(first + index, target[index] == -1)
                }
            }
        }
    }

    /// -1 of an empty slot.
    @inlinable @inline(__always) static func number(_ entry: UInt64) -> Int {
        Int(truncatingIfNeeded: entry & ~upper) &- 1
    }

    @usableFromInline var needsRoom: Bool { count > mask >> 1 }

    @usableFromInline func emptySlot(_ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 { slot = (slot &+ 1) & mask }
        return slot
    }

    @usableFromInline func fill(_ slot: Int, _ hash: UInt64) -> Int {
        let number = count
        slots[slot] = hash & Self.upper | UInt64(number + 1)
        count += 1
        return number
    }

    @usableFromInline @inline(never) func grow(_ hashOf: (_ number: Int) -> UInt64) {
        Buffer<UInt64>.free(slots)
        let size = (mask + 1) * 4
        slots = Self.emptySlots(size)
        mask = size - 1
        for number in 0..<count {
            let hash = hashOf(number)
            slots[emptySlot(hash)] = hash & Self.upper | UInt64(number + 1)
        }
    }

    private static func emptySlots(_ size: Int) -> UnsafeMutablePointer<UInt64> {
        let slots = Buffer<UInt64>.allocate(size)
        slots.initialize(repeating: 0, count: size)
        return slots
    }
}
