import Base

/// An n-dimensional array of float32, row-major and contiguous. Rank 0 is a scalar.
///
/// Operations make new tensors. In-place changes (`copy`, optimizers) are for leaves, tensors that no operation made,
/// and must call `changedInPlace`. Not thread-safe.
public final class Tensor: @unchecked Sendable {
    public let shape: [Int]
    public let storage: Buffer<Float>
    /// True for parameters and for all tensors computed from them while gradients are recorded.
    public internal(set) var requiresGrad: Bool
    /// The gradient of a leaf after `backward`, of the same shape.
    public var grad: Tensor?
    /// The operation that made this tensor; nil for leaves.
    var node: Node?
    /// Which result of `node` this is.
    var output = 0
    /// True if a layer's ReLU made it. Products without gradients then always skip its zeros: a choice by density would
    /// make a row depend on the others of its block.
    var isRectified = false

    /// - Precondition: `storage` holds exactly the elements of `shape`.
    public init(shape: [Int], storage: Buffer<Float>, requiresGrad: Bool = false) {
        precondition(Tensor.elements(shape) == storage.count)
        self.shape = shape
        self.storage = storage
        self.requiresGrad = requiresGrad
    }

    /// Uninitialised.
    public convenience init(uninitialized shape: [Int]) {
        self.init(shape: shape, storage: StoragePool.buffer(count: Tensor.elements(shape)))
    }

    public convenience init(shape: [Int], repeating value: Float) {
        self.init(uninitialized: shape)
        storage.pointer.initialize(repeating: value, count: count)
    }

    public convenience init(zeros shape: [Int]) { self.init(shape: shape, repeating: 0) }

    public convenience init(scalar value: Float) { self.init(shape: [], repeating: value) }

    /// - Throws: `tensor.shape` unless `values` has as many elements as `shape`.
    public convenience init(shape: [Int], values: [Float]) throws {
        guard try Tensor.checkedElements(shape, "tensor") == values.count else {
            throw TensorError.shape("tensor", shape, "\(values.count) values given")
        }
        self.init(uninitialized: shape)
        values.withUnsafeBufferPointer { if let base = $0.baseAddress { pointer.update(from: base, count: count) } }
    }

    /// Uniform in low..<high, from one stream of a seed.
    public static func uniform(_ shape: [Int], low: Double, high: Double, seed: UInt64, stream: UInt64 = 0) -> Tensor {
        var random = Random(seed: seed, stream: stream)
        let result = Tensor(uninitialized: shape)
        for index in 0..<result.count { result.pointer[index] = Float(low + (high - low) * random.uniform()) }
        return result
    }

    /// Standard normal, from one stream of a seed.
    public static func normal(_ shape: [Int], seed: UInt64, stream: UInt64 = 0) -> Tensor {
        var random = Random(seed: seed, stream: stream)
        let result = Tensor(uninitialized: shape)
        for index in 0..<result.count { result.pointer[index] = Float(random.normal()) }
        return result
    }

    public var pointer: UnsafeMutablePointer<Float> { storage.pointer }
    public var count: Int { storage.count }
    public var rank: Int { shape.count }
    public var byteCount: Int { storage.byteCount }
    public var isLeaf: Bool { node == nil }
    /// The elements in row-major order.
    public var values: [Float] { Array(storage.elements) }

    /// The only element.
    public func item() throws -> Float {
        guard count == 1 else { throw TensorError.shape("item", shape, "not a single element") }
        return pointer[0]
    }

    /// A copy outside the graph.
    public func clone() -> Tensor {
        let result = Tensor(uninitialized: shape)
        result.pointer.update(from: pointer, count: count)
        return result
    }

    /// The same memory outside the graph.
    public func detach() -> Tensor { Tensor(shape: shape, storage: storage) }

    /// Makes a leaf collect a gradient, or stop doing so.
    @discardableResult public func requireGrad(_ required: Bool = true) throws -> Tensor {
        guard isLeaf else {
            throw TensorError(
                "tensor.grad", "requires_grad: this tensor is the result of \(node!.operation); detach it first")
        }
        requiresGrad = required
        if !required { grad = nil }
        return self
    }

    /// Overwrites the elements of a leaf.
    public func copy(from other: Tensor) throws {
        guard isLeaf else { throw TensorError("tensor.grad", "copy: cannot overwrite the result of an operation") }
        guard other.shape == shape else { throw TensorError.shape("copy", shape, other.shape, "shapes differ") }
        pointer.update(from: other.pointer, count: count)
        changedInPlace()
    }

    /// Records an in-place change, so that a `backward` that needs the old elements throws. Call it after changing a
    /// tensor that others may hold.
    public func changedInPlace() { storage.version += 1 }

    /// The number of elements of a valid shape.
    @inlinable public static func elements(_ shape: [Int]) -> Int { shape.reduce(1, *) }

    /// The limit of NumPy and PyTorch.
    public static let maximumRank = 64

    /// The number of elements of an unchecked shape: sizes must not be negative, and the elements must fit in memory,
    /// even if sizes of 0 were 1. A failed allocation would end the process; this error names the operation instead.
    ///
    /// - Throws: `tensor.shape`, `memory`.
    public static func checkedElements(_ shape: [Int], _ operation: String) throws -> Int {
        let total = try elements(shape, operation)
        let stored = shape.contains(0) ? product(shape.map { Swift.max($0, 1) }) : total
        try Memory.check(
            stored, of: MemoryLayout<Float>.stride, for: "\(operation): \(TensorError.describe(shape))")
        return total
    }

    /// The number of elements of a shape, `Int.max` on overflow.
    static func elements(_ shape: [Int], _ operation: String) throws -> Int {
        guard shape.count <= maximumRank else {
            throw TensorError("tensor.shape", "\(operation): \(shape.count) dimensions, of at most \(maximumRank)")
        }
        guard shape.allSatisfy({ $0 >= 0 }) else { throw TensorError.shape(operation, shape, "a size is negative") }
        return shape.contains(0) ? 0 : product(shape)
    }

    private static func product(_ sizes: [Int]) -> Int {
        sizes.reduce(1) { total, size in
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            return overflow ? .max : product
        }
    }

    /// The axis of `dimension` in 0..<rank; negative dimensions count from the end.
    func axis(_ dimension: Int, _ operation: String) throws -> Int {
        let axis = dimension < 0 ? dimension + rank : dimension
        guard axis >= 0, axis < rank else {
            throw TensorError.shape(operation, shape, "there is no dimension \(dimension)")
        }
        return axis
    }

    /// Sizes before, at and after `axis`.
    func split(at axis: Int) -> (outer: Int, size: Int, inner: Int) {
        (Tensor.elements(Array(shape[..<axis])), shape[axis], Tensor.elements(Array(shape[(axis + 1)...])))
    }
}
