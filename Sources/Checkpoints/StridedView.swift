import Base
import Tensors

/// Which elements of a storage a tensor shows: `offset + Σ index·stride`, all in elements, checked against the storage
/// when made.
struct StridedView {
    let offset: Int
    let shape: [Int]
    let strides: [Int]
    /// Product of the shape.
    let count: Int

    /// All of a storage.
    init(contiguous shape: [Int], count: Int) {
        offset = 0
        self.shape = shape
        strides = Self.contiguousStrides(shape)
        self.count = count
    }

    /// - Parameter storageCount: elements in the storage.
    /// - Throws: `checkpoint.out_of_spec` when any index could leave the storage.
    init(offset: Int64, shape: [Int64], strides: [Int64], storageCount: Int) throws {
        let impossible = CheckpointError(
            .outOfSpec, "the pickle describes a tensor of shape \(shape) that does not fit its storage")
        guard shape.count == strides.count, shape.count <= Tensor.maximumRank, offset >= 0,
            shape.allSatisfy({ $0 >= 0 }),
            strides.allSatisfy({ $0 >= 0 })
        else { throw impossible }
        var last = Int(offset)
        for (length, stride) in zip(shape, strides) where length > 1 {
            let (reach, overflow) = (Int(length) - 1).multipliedReportingOverflow(by: Int(stride))
            let (sum, overflow2) = last.addingReportingOverflow(reach)
            guard !overflow, !overflow2 else { throw impossible }
            last = sum
        }
        guard let count = Self.product(shape), count == 0 || last < storageCount else { throw impossible }
        self.offset = Int(offset)
        self.shape = shape.map { Int($0) }
        // The stride of an axis of length 1 is never walked and may be any number.
        self.strides = zip(shape, strides).map { length, stride in length > 1 ? Int(stride) : 0 }
        self.count = count
    }

    var isContiguous: Bool {
        var expected = 1
        for (length, stride) in zip(shape, strides).reversed() where length != 1 {
            if stride != expected { return false }
            expected &*= length
        }
        return true
    }

    /// The number of elements of a shape, or nil when the product exceeds an Int, axes of length 0 aside: the shape of
    /// an empty tensor must be one that can be computed with, too.
    static func product(_ shape: [Int64]) -> Int? {
        var count = 1
        for length in shape where length > 1 {
            let (product, overflow) = count.multipliedReportingOverflow(by: Int(length))
            if overflow { return nil }
            count = product
        }
        return shape.contains(0) ? 0 : count
    }

    static func contiguousStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1) }
        return strides
    }

    /// Calls `body(start, stride, count, position)` for each run along the last axis, in row-major order: the run's
    /// first element in the storage, the distance between elements, how many, and the row-major position of the first.
    @inline(__always)
    func forEachRow(_ body: (Int, Int, Int, Int) throws -> Void) throws {
        if count == 0 { return }
        let width = shape.last ?? 1
        let step = strides.last ?? 1
        var index = [Int](repeating: 0, count: max(shape.count - 1, 0))
        var start = offset
        var position = 0
        while true {
            if position & 0x3FFF < width { try Interrupt.check() }
            try body(start, step, width, position)
            position += width
            var axis = index.count - 1
            while axis >= 0 {
                index[axis] += 1
                start += strides[axis]
                if index[axis] < shape[axis] { break }
                start -= index[axis] * strides[axis]
                index[axis] = 0
                axis -= 1
            }
            if axis < 0 { return }
        }
    }
}
