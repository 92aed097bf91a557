import Base

protocol TableKey: BitwiseCopyable, Equatable {
    var tableHash: UInt64 { get }
}

extension UInt64: TableKey {
    @inline(__always) var tableHash: UInt64 { ByteHash.hash(self) }
}

extension UUID: TableKey {
    @inline(__always) var tableHash: UInt64 { ByteHash.hash(high, low) }
}

/// Numbers distinct keys 0, 1, 2 … in order of appearance.
final class KeyTable<Key: TableKey> {
    private var keys: UnsafeMutablePointer<Key>
    /// The upper half of a key's hash and its number + 1; 0 is empty. Keys that differ are told apart by it, nearly always
    /// without a look at the key, which lies somewhere else in memory.
    private var slots: UnsafeMutablePointer<UInt64>
    private var mask: Int
    private(set) var count = 0

    private static var upper: UInt64 { 0xFFFF_FFFF_0000_0000 }
    private static var block: Int { 256 }

    init(capacity: Int) {
        var size = 256
        while size < capacity * 2 { size *= 2 }
        mask = size - 1
        slots = Buffer<UInt64>.allocate(size)
        slots.initialize(repeating: 0, count: size)
        keys = Buffer<Key>.allocate(size / 2 + 1)
    }

    deinit {
        Buffer<UInt64>.free(slots)
        Buffer<Key>.free(keys)
    }

    /// The number of `key`, which is added when it is new.
    @inline(__always) func code(for key: Key) -> Int32 {
        let hash = key.tableHash
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = slots[slot]
            if entry == 0 { return insert(key, slot, hash) }
            if (entry ^ hash) & Self.upper == 0, keys[Self.number(entry)] == key {
                return Int32(truncatingIfNeeded: Self.number(entry))
            }
            slot = (slot &+ 1) & mask
        }
    }

    /// The number of `key`; -1 when it is not there.
    @inline(__always) func find(_ key: Key) -> Int32 {
        let hash = key.tableHash
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = slots[slot]
            if entry == 0 { return -1 }
            if (entry ^ hash) & Self.upper == 0, keys[Self.number(entry)] == key {
                return Int32(truncatingIfNeeded: Self.number(entry))
            }
            slot = (slot &+ 1) & mask
        }
    }

    /// The numbers of many keys, new ones added.
    func codes(for sought: UnsafePointer<Key>, count: Int, into target: UnsafeMutablePointer<Int32>) {
        each(sought, count, into: target) { key, _ in code(for: key) }
    }

    /// What `find` gives for many keys.
    func find(_ sought: UnsafePointer<Key>, count: Int, into target: UnsafeMutablePointer<Int32>) {
        each(sought, count, into: target) { key, isAbsent in isAbsent ? -1 : find(key) }
    }

    /// One look-up is two loads from anywhere in the table; here all first loads are under way together, then all second
    /// ones. What that does not find is left to `search`.
    @inline(__always)
    private func each(
        _ sought: UnsafePointer<Key>, _ count: Int, into target: UnsafeMutablePointer<Int32>,
        search: (_ key: Key, _ isAbsent: Bool) -> Int32
    ) {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * Self.block) { scratch in
            let hashes = scratch.baseAddress!
            let entries = hashes + Self.block
            for first in stride(from: 0, to: count, by: Self.block) {
                let block = min(Self.block, count - first)
                let (sought, target, slots, keys, mask) = (sought + first, target + first, slots, keys, mask)
                for index in 0..<block {
                    let hash = sought[index].tableHash
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
                // A new key may move all others, so no search before all are compared.
                for index in 0..<block where target[index] >= 0 && keys[Int(target[index])] != sought[index] {
                    target[index] = -2
                }
                for index in 0..<block where target[index] < 0 {
                    target[index] = search(sought[index], target[index] == -1)
                }
            }
        }
    }

    /// The keys by their numbers.
    func distinct() -> Buffer<Key> {
        let result = Buffer<Key>(uninitialized: count)
        result.pointer.update(from: keys, count: count)
        return result
    }

    /// -1 of an empty slot.
    @inline(__always) private static func number(_ entry: UInt64) -> Int {
        Int(truncatingIfNeeded: entry & ~upper) &- 1
    }

    @inline(never) private func insert(_ key: Key, _ slot: Int, _ hash: UInt64) -> Int32 {
        let code = Int32(truncatingIfNeeded: count)
        slots[slot] = hash & Self.upper | UInt64(count + 1)
        keys[count] = key
        count += 1
        if count > mask >> 1 { grow() }
        return code
    }

    private func grow() {
        let size = (mask + 1) * 4
        let moved = Buffer<Key>.allocate(size / 2 + 1)
        moved.update(from: keys, count: count)
        Buffer<Key>.free(keys)
        keys = moved
        Buffer<UInt64>.free(slots)
        slots = Buffer<UInt64>.allocate(size)
        slots.initialize(repeating: 0, count: size)
        mask = size - 1
        for code in 0..<count {
            let hash = keys[code].tableHash
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = hash & Self.upper | UInt64(code + 1)
        }
    }
}
