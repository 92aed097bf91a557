import Base

/// Appends values one by one and ends as a column. Builders are not reused after `finish()`.
///
/// The typed `append` of each builder is inlinable: filling millions of rows from another module costs no call and no
/// allocation per value.
public protocol ColumnBuilder: AnyObject {
    /// Rows so far.
    var count: Int { get }
    func appendNull()
    func finish() -> Column
}

extension DType {
    /// An empty builder for this type: a `FixedBuilder`, `StringBuilder` or `ListBuilder`.
    public func builder(capacity: Int = 0) -> any ColumnBuilder {
        switch self {
        case .int64: FixedBuilder<Int64>.int64(capacity: capacity)
        case .timestamp: FixedBuilder<Int64>.timestamp(capacity: capacity)
        case .float32: FixedBuilder<Float>.float32(capacity: capacity)
        case .float64: FixedBuilder<Double>.float64(capacity: capacity)
        case .bool: FixedBuilder<UInt8>.bool(capacity: capacity)
        case .uuid: FixedBuilder<UUID>.uuid(capacity: capacity)
        case .string: StringBuilder(capacity: capacity)
        case .list(let element): ListBuilder(element.builder(), capacity: capacity)
        }
    }
}

/// Growing memory that becomes a `Buffer` without a copy.
@frozen public struct GrowingBuffer<Element: BitwiseCopyable>: ~Copyable {
    public var pointer: UnsafeMutablePointer<Element>
    public var count = 0
    public var capacity: Int

    @inlinable public init(capacity: Int = 0) {
        self.capacity = max(capacity, 16)
        pointer = Buffer<Element>.allocate(self.capacity)
    }

    deinit { Buffer<Element>.free(pointer) }

    @inlinable @inline(__always) public mutating func append(_ value: Element) {
        if count == capacity { grow(to: count + 1) }
        pointer[count] = value
        count += 1
    }

    @inlinable public mutating func append(_ values: UnsafeBufferPointer<Element>) {
        guard let base = values.baseAddress, values.count > 0 else { return }
        if count + values.count > capacity { grow(to: count + values.count) }
        (pointer + count).update(from: base, count: values.count)
        count += values.count
    }

    @inlinable public mutating func append(repeating value: Element, count more: Int) {
        if count + more > capacity { grow(to: count + more) }
        (pointer + count).update(repeating: value, count: more)
        count += more
    }

    /// Makes room for `more` elements.
    @inlinable public mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(to: count + more) }
    }

    @inlinable @inline(never) public mutating func grow(to needed: Int) {
        let larger = max(needed, capacity * 2)
        let moved = Buffer<Element>.growing(larger)
        moved.pointer.update(from: pointer, count: count)
        Buffer<Element>.free(pointer)
        (pointer, capacity) = (moved.pointer, moved.capacity)
    }

    /// The content as a buffer; leaves this one empty. Copies only when much of the memory is unused.
    @inlinable public mutating func finish() -> Buffer<Element> {
        let result: Buffer<Element>
        if Buffer<Element>.trim(pointer, capacity: capacity, to: count) {
            result = Buffer(adopting: pointer, count: count)
        } else if capacity > 64, count < capacity / 4 * 3 {
            result = Buffer(uninitialized: count)
            result.pointer.update(from: pointer, count: count)
            Buffer<Element>.free(pointer)
        } else {
            result = Buffer(adopting: pointer, count: count)
        }
        capacity = 16
        count = 0
        pointer = Buffer<Element>.allocate(capacity)
        return result
    }
}

/// The validity bytes of a growing column: nothing is stored until the first null.
@frozen public struct GrowingValidity: ~Copyable {
    public var hasNulls = false
    public var bytes = GrowingBuffer<UInt8>()

    @inlinable public init() {}

    /// Notes one value after `count` rows.
    @inlinable @inline(__always) public mutating func value() {
        if hasNulls { bytes.append(1) }
    }

    @inlinable public mutating func values(_ more: Int) {
        if hasNulls { bytes.append(repeating: 1, count: more) }
    }

    /// Notes one null after `count` rows.
    @inlinable public mutating func null(after count: Int) {
        if !hasNulls {
            hasNulls = true
            bytes.append(repeating: 1, count: count)
        }
        bytes.append(0)
    }

    mutating func truncate(to count: Int) {
        if hasNulls { bytes.count = count }
    }

    @inlinable public mutating func finish() -> Buffer<UInt8>? {
        hasNulls ? bytes.finish() : nil
    }
}

/// Builds a column of int64, timestamp, float32, float64, bool or uuid values.
public final class FixedBuilder<Element: BitwiseCopyable>: ColumnBuilder {
    @exclusivity(unchecked) public var values: GrowingBuffer<Element>
    @exclusivity(unchecked) public var validity = GrowingValidity()
    /// What stands in the value buffer under a null.
    public let zero: Element
    let storage: (Buffer<Element>) -> Column.Storage

    init(zero: Element, capacity: Int, storage: @escaping (Buffer<Element>) -> Column.Storage) {
        self.zero = zero
        self.storage = storage
        values = GrowingBuffer(capacity: capacity)
    }

    @inlinable public var count: Int { values.count }

    @inlinable @inline(__always) public func append(_ value: Element) {
        validity.value()
        values.append(value)
    }

    @inlinable public func append(_ value: Element?) {
        if let value { append(value) } else { appendNull() }
    }

    /// Appends many values, none of them null.
    @inlinable public func append(_ more: UnsafeBufferPointer<Element>) {
        validity.values(more.count)
        values.append(more)
    }

    @inlinable public func appendNull() {
        validity.null(after: values.count)
        values.append(zero)
    }

    /// Takes back the rows behind the first `count`.
    func truncate(to count: Int) {
        values.count = count
        validity.truncate(to: count)
    }

    public func finish() -> Column {
        let valid = validity.finish()
        return Column(storage(values.finish()), validity: valid)
    }
}

extension FixedBuilder where Element == Int64 {
    public static func int64(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: 0, capacity: capacity) { .int64($0) }
    }

    /// Values are microseconds since 1970-01-01T00:00:00Z.
    public static func timestamp(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: 0, capacity: capacity) { .timestamp($0) }
    }
}

extension FixedBuilder where Element == Float {
    public static func float32(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: 0, capacity: capacity) { .float32($0) }
    }
}

extension FixedBuilder where Element == Double {
    public static func float64(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: 0, capacity: capacity) { .float64($0) }
    }
}

extension FixedBuilder where Element == UInt8 {
    /// Values are 0 or 1.
    public static func bool(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: 0, capacity: capacity) { .bool($0) }
    }
}

extension FixedBuilder where Element == UUID {
    public static func uuid(capacity: Int = 0) -> FixedBuilder {
        FixedBuilder(zero: UUID(high: 0, low: 0), capacity: capacity) { .uuid(UUIDs($0)) }
    }
}

/// Builds a column of lists: append the elements to `child`, then close the row with `endList()`.
public final class ListBuilder<Child>: ColumnBuilder {
    public let child: Child
    public let elements: any ColumnBuilder
    @exclusivity(unchecked) public var offsets: GrowingBuffer<Int64>
    @exclusivity(unchecked) public var validity = GrowingValidity()

    /// - Parameter child: the builder of the elements, empty; kept by its own type so that appending needs no cast.
    public init(_ child: Child, capacity: Int = 0) where Child: ColumnBuilder {
        self.child = child
        elements = child
        offsets = GrowingBuffer(capacity: capacity + 1)
        offsets.append(0)
    }

    /// A list whose element type is known only at run time.
    public init(_ child: any ColumnBuilder, capacity: Int = 0) where Child == any ColumnBuilder {
        self.child = child
        elements = child
        offsets = GrowingBuffer(capacity: capacity + 1)
        offsets.append(0)
    }

    public var count: Int { offsets.count - 1 }

    /// Everything appended to the child since the last row becomes this row.
    public func endList() {
        validity.value()
        offsets.append(Int64(elements.count))
    }

    public func appendNull() {
        validity.null(after: count)
        offsets.append(offsets.pointer[offsets.count - 1])
    }

    /// Takes back the rows behind the first `count`; their elements are the caller's to take back.
    func truncate(to count: Int) {
        offsets.count = count + 1
        validity.truncate(to: count)
    }

    public func finish() -> Column {
        let valid = validity.finish()
        return Column(.list(offsets: offsets.finish(), child: elements.finish()), validity: valid)
    }
}
