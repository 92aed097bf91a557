import Base
import Glibc

/// Collects strings and hands out their codes; equal strings get the same code through an open-addressing table.
public final class StringPoolBuilder {
    public var bytes: GrowingBuffer<UInt8>
    public var offsets: GrowingBuffer<Int64>
    /// Slots hold the upper half of the hash and the code + 1; 0 is empty. Capacity is a power of two, at most half full.
    @usableFromInline var slots: UnsafeMutablePointer<UInt64>
    @usableFromInline var slotCount: Int
    @usableFromInline var isDistinct = true

    public init() {
        bytes = GrowingBuffer(capacity: 256)
        offsets = GrowingBuffer(capacity: 64)
        offsets.append(0)
        slotCount = 64
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
    }

    deinit { slots.deallocate() }

    /// Strings so far.
    @inlinable public var count: Int { offsets.count - 1 }

    @inlinable public subscript(bytesAt code: Int) -> UnsafeBufferPointer<UInt8> {
        let start = Int(offsets.pointer[code])
        return UnsafeBufferPointer(start: bytes.pointer + start, count: Int(offsets.pointer[code + 1]) - start)
    }

    /// The code of `text`, new or known. Do not mix with `append`.
    @inlinable public func code(for text: UnsafeBufferPointer<UInt8>) -> Int32 {
        let hash = ByteHash.hash(text)
        let mask = slotCount &- 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        let tag = hash & 0xFFFF_FFFF_0000_0000
        while true {
            let entry = slots[slot]
            if entry == 0 { break }
            if entry & 0xFFFF_FFFF_0000_0000 == tag {
                let code = Int(entry & 0xFFFF_FFFF) &- 1
                if equal(code, text) { return Int32(truncatingIfNeeded: code) }
            }
            slot = (slot &+ 1) & mask
        }
        let code = append(text, distinct: true)
        slots[slot] = tag | UInt64(UInt32(bitPattern: code) &+ 1)
        if count > slotCount >> 1 { rehash() }
        return code
    }

    /// The code of `text` when it is known.
    public func find(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
        let hash = ByteHash.hash(text)
        let mask = slotCount &- 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry >> 32 == hash >> 32 {
                let code = Int(entry & 0xFFFF_FFFF) - 1
                if equal(code, text) { return Int32(code) }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Adds `text` without looking for an equal one; the pool no longer counts as distinct.
    @inlinable public func append(_ text: UnsafeBufferPointer<UInt8>) -> Int32 { append(text, distinct: false) }

    @inlinable func append(_ text: UnsafeBufferPointer<UInt8>, distinct: Bool) -> Int32 {
        isDistinct = isDistinct && distinct
        let code = Int32(count)
        bytes.append(text)
        offsets.append(Int64(bytes.count))
        return code
    }

    @inlinable @inline(__always) func equal(_ code: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let known = self[bytesAt: code]
        return known.count == text.count
            && (text.count == 0 || memcmp(known.baseAddress!, text.baseAddress!, text.count) == 0)
    }

    @usableFromInline func rehash() {
        slots.deallocate()
        slotCount *= 4
        slots = .allocate(capacity: slotCount)
        slots.initialize(repeating: 0, count: slotCount)
        let mask = slotCount - 1
        for code in 0..<count {
            let hash = ByteHash.hash(self[bytesAt: code])
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(code + 1)
        }
    }

    /// The pool; the builder is empty of strings but must not be used on.
    public func finish() -> StringPool {
        StringPool(offsets: offsets.finish(), bytes: bytes.finish(), isDistinct: isDistinct)
    }
}

/// Builds a string column. Equal strings share one pool entry until nearly every string turns out to be new; then the
/// rest is stored as it comes, which is faster and no larger.
public final class StringBuilder: ColumnBuilder {
    public let pool = StringPoolBuilder()
    public var codes: GrowingBuffer<Int32>
    public var validity = GrowingValidity()
    @usableFromInline var encodes = true
    /// The row count at which the share of new strings is looked at next.
    @usableFromInline var nextCheck = 65_536

    public init(capacity: Int = 0) { codes = GrowingBuffer(capacity: capacity) }

    @inlinable public var count: Int { codes.count }

    @inlinable public func append(_ text: UnsafeBufferPointer<UInt8>) {
        validity.value()
        if encodes {
            codes.append(pool.code(for: text))
            if codes.count >= nextCheck { check() }
        } else {
            codes.append(pool.append(text))
        }
    }

    @inlinable public func append(_ text: UnsafeRawBufferPointer) {
        append(UnsafeBufferPointer(start: text.baseAddress?.assumingMemoryBound(to: UInt8.self), count: text.count))
    }

    public func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// Repeats a string whose code is known from `pool.code(for:)`, as dictionary pages do.
    @inlinable public func append(code: Int32) {
        validity.value()
        codes.append(code)
    }

    @inlinable public func appendNull() {
        validity.null(after: codes.count)
        codes.append(0)
    }

    @usableFromInline func check() {
        nextCheck = codes.count * 2
        if pool.count > codes.count / 8 * 7 { encodes = false }
    }

    public func finish() -> Column {
        // Codes under nulls must be in range even when there is no string at all.
        if pool.count == 0, codes.count > 0 { _ = pool.code(for: UnsafeBufferPointer(start: nil, count: 0)) }
        let valid = validity.finish()
        return Column(.string(codes: codes.finish(), pool: pool.finish()), validity: valid)
    }
}
