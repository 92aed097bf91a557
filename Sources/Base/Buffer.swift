/// A fixed-size block of plain elements, shared by reference and not changed once it has been handed on. Weights are the
/// exception: each change of theirs counts in `version`.
///
/// Columns, tensors and readers pass these around instead of copying arrays. Elements must be trivial types.
public final class Buffer<Element>: @unchecked Sendable {
    public let pointer: UnsafeMutablePointer<Element>
    public let count: Int
    /// How often the elements were changed in place since the buffer was handed on.
    public var version = 0
    /// Takes the memory back; nil for memory of our own.
    @usableFromInline let release: Release?

    public typealias Release = @Sendable (_ memory: UnsafeMutableRawPointer, _ byteCount: Int) -> Void

    /// Memory from elsewhere (a pool, a mapping), handed to `release` with its size in bytes when the last user is gone.
    @inlinable public init(adopting pointer: UnsafeMutablePointer<Element>, count: Int, release: @escaping Release) {
        precondition(count >= 0)
        self.pointer = pointer
        self.count = count
        self.release = release
    }

    /// Uninitialised memory, aligned to 64 bytes so that vector loops start on a cache line.
    @inlinable public init(uninitialized count: Int) {
        precondition(count >= 0)
        self.count = count
        release = nil
        pointer = Self.allocate(count)
    }

    @inlinable public convenience init(repeating value: Element, count: Int) {
        self.init(uninitialized: count)
        pointer.initialize(repeating: value, count: count)
    }

    @inlinable public convenience init(_ elements: [Element]) {
        self.init(uninitialized: elements.count)
        elements.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { pointer.initialize(from: base, count: source.count) }
        }
    }

    /// Takes over memory from `allocate`, of which the first `count` elements are in use; the buffer frees it.
    @inlinable public init(adopting pointer: UnsafeMutablePointer<Element>, count: Int) {
        self.pointer = pointer
        self.count = count
        release = nil
    }

    /// Memory for a buffer that grows before it is adopted, aligned as every buffer is.
    @inlinable public static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Element> {
        let bytes = max(capacity * MemoryLayout<Element>.stride, 1)
        let memory =
            bytes < LargePages.worthwhile
            ? UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64) : LargePages.allocate(bytes)
        return memory.bindMemory(to: Element.self, capacity: capacity)
    }

    /// Memory that is still to grow: a large one gets room for eight times as much, which costs nothing until it is used.
    @inlinable public static func growing(_ capacity: Int) -> (pointer: UnsafeMutablePointer<Element>, capacity: Int) {
        let stride = MemoryLayout<Element>.stride
        guard capacity * stride >= LargePages.worthwhile else { return (allocate(capacity), capacity) }
        let (memory, bytes) = LargePages.reserve(8 * capacity * stride, least: capacity * stride)
        return (memory.bindMemory(to: Element.self, capacity: bytes / stride), bytes / stride)
    }

    /// Ends the growth of memory from `growing`. False when it is small, and keeps its size.
    @inlinable public static func trim(
        _ pointer: UnsafeMutablePointer<Element>, capacity: Int, to count: Int
    ) -> Bool {
        guard capacity * MemoryLayout<Element>.stride >= LargePages.worthwhile, LargePages.mayOwn(pointer) else {
            return false
        }
        return LargePages.trim(pointer, to: count * MemoryLayout<Element>.stride)
    }

    /// Gives memory from `allocate` back.
    @inlinable public static func free(_ pointer: UnsafeMutablePointer<Element>) {
        if LargePages.mayOwn(pointer) { LargePages.deallocate(pointer) } else { pointer.deallocate() }
    }

    @inlinable deinit {
        if let release { release(pointer, byteCount) } else { Self.free(pointer) }
    }

    @inlinable public subscript(index: Int) -> Element {
        get { pointer[index] }
        set { pointer[index] = newValue }
    }

    @inlinable public var elements: UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(start: pointer, count: count)
    }

    @inlinable public var byteCount: Int { count * MemoryLayout<Element>.stride }
}
