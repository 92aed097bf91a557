import Base
import Glibc

/// Collects strings and numbers them; equal strings get the same number, their code.
public final class StringPoolBuilder {
    @exclusivity(unchecked) public var bytes: GrowingBuffer<UInt8>
    @exclusivity(unchecked) public var offsets: GrowingBuffer<Int64>
    @usableFromInline let slots: HashSlots
    @exclusivity(unchecked) @usableFromInline var isDistinct = true

    /// - Parameter capacity: distinct strings to come.
    public init(capacity: Int = 0) {
        bytes = GrowingBuffer(capacity: 256)
        offsets = GrowingBuffer(capacity: max(capacity, 63) + 1)
        offsets.append(0)
        slots = HashSlots(capacity: capacity)
    }

    /// Strings so far.
    @inlinable public var count: Int { offsets.count - 1 }

    @inlinable public subscript(bytesAt code: Int) -> UnsafeBufferPointer<UInt8> {
        let start = Int(offsets.pointer[code])
        return UnsafeBufferPointer(start: bytes.pointer + start, count: Int(offsets.pointer[code + 1]) - start)
    }

    /// The code of `text`, new or known. Do not mix with `append`.
    @inlinable public func code(for text: UnsafeBufferPointer<UInt8>) -> Int32 {
        let code = slots.insert(
            ByteHash.hash(text), isKey: { equal($0, text) }, hashOf: { ByteHash.hash(self[bytesAt: $0]) })
        if code == count { _ = append(text, distinct: true) }
        return Int32(truncatingIfNeeded: code)
    }

    /// The code of `text` when it is known.
    public func find(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
        let code = slots.find(ByteHash.hash(text)) { equal($0, text) }
        return code < 0 ? nil : Int32(truncatingIfNeeded: code)
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

    /// The pool; the builder is empty of strings but must not be used on.
    public func finish() -> StringPool {
        StringPool(offsets: offsets.finish(), bytes: bytes.finish(), isDistinct: isDistinct)
    }
}

/// Builds a string column. Equal strings share one pool entry until nearly every string turns out to be new; then the
/// rest is stored as it comes, which is faster and no larger.
public final class StringBuilder: ColumnBuilder {
    public let pool = StringPoolBuilder()
    @exclusivity(unchecked) public var codes: GrowingBuffer<Int32>
    @exclusivity(unchecked) public var validity = GrowingValidity()
    @exclusivity(unchecked) @usableFromInline var encodes = true
    /// The row count at which the share of new strings is looked at next.
    @exclusivity(unchecked) @usableFromInline var nextCheck = 65_536

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

    /// Takes back the rows behind the first `count`.
    func truncate(to count: Int) {
        codes.count = count
        validity.truncate(to: count)
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
