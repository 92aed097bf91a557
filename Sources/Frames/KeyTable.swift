import Base

/// A key of a fixed size.
public protocol TableKey: BitwiseCopyable, Equatable {
    var tableHash: UInt64 { get }
}

extension UInt64: TableKey {
    @inlinable @inline(__always) public var tableHash: UInt64 { ByteHash.hash(self) }
}

extension Int64: TableKey {
    @inlinable @inline(__always) public var tableHash: UInt64 { ByteHash.hash(UInt64(bitPattern: self)) }
}

extension UUID: TableKey {
    @inlinable @inline(__always) public var tableHash: UInt64 { ByteHash.hash(high, low) }
}

/// Numbers distinct keys 0, 1, 2 … in order of appearance.
public final class KeyTable<Key: TableKey> {
    @exclusivity(unchecked) @usableFromInline var keys: GrowingBuffer<Key>
    @usableFromInline let slots: HashSlots

    public init(capacity: Int) {
        slots = HashSlots(capacity: max(capacity, 128))
        keys = GrowingBuffer(capacity: max(capacity, 128))
    }

    @inlinable public var count: Int { keys.count }

    @inlinable public subscript(number: Int) -> Key { keys.pointer[number] }

    /// The number of `key`, which is added when it is new.
    @inlinable @inline(__always) public func code(for key: Key) -> Int32 {
        let known = keys.pointer
        let number = slots.insert(
            key.tableHash, isKey: { known[$0] == key }, hashOf: { known[$0].tableHash })
        if number == keys.count { keys.append(key) }
        return Int32(truncatingIfNeeded: number)
    }

    /// The number of `key`; -1 when it is not there.
    @inlinable @inline(__always) public func find(_ key: Key) -> Int32 {
        let known = keys.pointer
        return Int32(truncatingIfNeeded: slots.find(key.tableHash) { known[$0] == key })
    }

    /// The numbers of many keys, new ones added.
    func codes(for sought: UnsafePointer<Key>, count: Int, into target: UnsafeMutablePointer<Int32>) {
        each(sought, count, into: target) { key, _ in code(for: key) }
    }

    /// What `find` gives for many keys.
    func find(_ sought: UnsafePointer<Key>, count: Int, into target: UnsafeMutablePointer<Int32>) {
        each(sought, count, into: target) { key, isAbsent in isAbsent ? -1 : find(key) }
    }

    @inline(__always)
    private func each(
        _ sought: UnsafePointer<Key>, _ count: Int, into target: UnsafeMutablePointer<Int32>,
        search: (_ key: Key, _ isAbsent: Bool) -> Int32
    ) {
        slots.find(
            count: count, into: target, hash: { sought[$0].tableHash },
            isKey: { self[$0] == sought[$1] }, other: { search(sought[$0], $1) })
    }

    /// The keys by their numbers.
    func distinct() -> Buffer<Key> {
        let result = Buffer<Key>(uninitialized: count)
        result.pointer.update(from: keys.pointer, count: count)
        return result
    }
}
