import Base
import CKernels

/// 0-based positions of 32 bits, by which rows are gathered.
public final class Indices: @unchecked Sendable {
    public let shape: [Int]
    public let storage: Buffer<Int32>

    public init(shape: [Int], storage: Buffer<Int32>) {
        precondition(Tensor.elements(shape) == storage.count)
        self.shape = shape
        self.storage = storage
    }

    public convenience init(_ storage: Buffer<Int32>) { self.init(shape: [storage.count], storage: storage) }

    /// - Throws: `tensor.value` for a number out of range.
    public convenience init(_ values: [Int]) throws {
        let storage = Buffer<Int32>(uninitialized: values.count)
        for (position, value) in values.enumerated() {
            guard let small = Int32(exactly: value), small >= 0, small < Int32.max else {
                throw TensorError(
                    "tensor.value", "indices: \(oneBased(value)) at place \(position + 1) is not a position")
            }
            storage[position] = small
        }
        self.init(storage)
    }

    /// - Precondition: `range` lies in 0..<Int32.max.
    /// - Throws: `memory`.
    public convenience init(range: Range<Int>) throws {
        try Memory.check(range.count, of: MemoryLayout<Int32>.stride, for: "range: \(range.count) positions")
        let storage = Buffer<Int32>(uninitialized: range.count)
        for (position, value) in range.enumerated() { storage[position] = Int32(value) }
        self.init(storage)
    }

    public var count: Int { storage.count }
    public var pointer: UnsafeMutablePointer<Int32> { storage.pointer }
    public var byteCount: Int { storage.byteCount }
    public subscript(index: Int) -> Int { Int(storage[index]) }

    /// - Throws: `tensor.value` unless every position is in 0..<limit.
    func check(below limit: Int, _ operation: String) throws {
        for place in 0..<count where pointer[place] < 0 || Int(pointer[place]) >= limit {
            throw TensorError(
                "tensor.value", "\(operation): position \(oneBased(pointer[place])) is outside 1 to \(limit)",
                details: [("place", .int(Int64(place + 1)))])
        }
    }

    /// The positions at `places`.
    public func rows(_ places: Indices) throws -> Indices {
        try places.check(below: count, "rows")
        let result = StoragePool.buffer(Int32.self, count: places.count)
        for place in 0..<places.count { result[place] = pointer[Int(places.pointer[place])] }
        return Indices(result)
    }

    /// The positions, each shifted by `distance`.
    ///
    /// - Throws: `tensor.value` when one leaves the valid range.
    public func shifted(by distance: Int) throws -> Indices {
        let result = StoragePool.buffer(Int32.self, count: count)
        for place in 0..<count {
            let (moved, overflow) = Int(pointer[place]).addingReportingOverflow(distance)
            guard !overflow, moved >= 0, moved < Int(Int32.max) else {
                throw TensorError(
                    "tensor.value",
                    "shift: position \(oneBased(pointer[place])) at place \(place + 1) moved by \(distance) is not a position"
                )
            }
            result[place] = Int32(moved)
        }
        return Indices(result)
    }

    public func slice(start: Int, length: Int) throws -> Indices {
        guard start >= 0, length >= 0, start <= count - length else {
            throw TensorError.shape(
                "slice", shape, "places \(oneBased(start, length: length)) are outside 1 to \(count)")
        }
        let result = StoragePool.buffer(Int32.self, count: length)
        result.pointer.update(from: pointer + start, count: length)
        return Indices(result)
    }
}
