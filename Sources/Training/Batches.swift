import Base
import Tensors

/// A field of a data set, with rows that batches gather.
public enum BatchField {
    case tensor(Tensor)
    case indices(Indices)
    case rows(Rows)

    var count: Int {
        switch self {
        case .tensor(let tensor): tensor.shape.first ?? 0
        case .indices(let indices): indices.count
        case .rows(let rows): rows.count
        }
    }

    func rows(_ places: Indices) throws -> BatchField {
        switch self {
        case .tensor(let tensor): .tensor(try Gradients.off { try tensor.rows(places) })
        case .indices(let indices): .indices(try indices.rows(places))
        case .rows(let rows): .rows(try rows.matrix.rows(rows.indices.rows(places)))
        }
    }
}

/// Batches of samples: fields of equal length, gathered in one shuffled order; the last batch may be shorter.
public final class Batches {
    public let fields: [(name: String, field: BatchField)]
    public let size: Int
    /// Samples.
    public let count: Int
    private let order: Indices
    private var next = 0

    /// - Parameters:
    ///   - seed, epoch: determine the order.
    ///   - shuffle: false keeps the order of the samples.
    public init(
        fields: [(name: String, field: BatchField)], size: Int, seed: UInt64 = 0, epoch: UInt64 = 0,
        shuffle: Bool = true
    ) throws {
        guard size > 0 else { throw TrainingError("train.value", "batches: size \(size) is not positive") }
        guard let first = fields.first else { throw TrainingError("train.value", "batches: no fields given") }
        for (name, field) in fields {
            if case .tensor(let tensor) = field, tensor.rank == 0 {
                throw TrainingError("train.value", "batches: field \"\(name)\" is a scalar")
            }
            guard field.count == first.field.count else {
                throw TrainingError(
                    "train.value",
                    "batches: \"\(name)\" has \(field.count) rows, \"\(first.name)\" has \(first.field.count)")
            }
        }
        count = first.field.count
        guard count <= Int(Int32.max) else { throw TrainingError("train.value", "batches: \(count) rows are too many") }
        self.fields = fields
        // No larger than the data, so that sums with it do not overflow.
        self.size = min(size, max(count, 1))
        order = try Indices(range: 0..<count)
        if shuffle, count > 1 {
            // Fisher-Yates, in place.
            var random = Random(seed: seed, stream: epoch &+ 1)
            for last in stride(from: count - 1, to: 0, by: -1) {
                let other = random.below(last + 1)
                let value = order.pointer[last]
                order.pointer[last] = order.pointer[other]
                order.pointer[other] = value
            }
        }
    }

    /// The total number of batches.
    public var batchCount: Int { (count + size - 1) / size }

    /// The next batch, in the order of the fields; nil at the end.
    public func nextBatch() throws -> (fields: [(name: String, field: BatchField)], count: Int)? {
        guard next < count else { return nil }
        let places = try order.slice(start: next, length: min(size, count - next))
        next += places.count
        return (try fields.map { ($0.name, try $0.field.rows(places)) }, places.count)
    }
}
