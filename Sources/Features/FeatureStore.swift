import Base
import Frames
import Tensors

/// The features of many entities, computed once: standardised numbers as one dense float32 matrix, and one sparse matrix
/// per bag of tokens. Rows are found by id.
public final class FeatureStore: @unchecked Sendable {
    public let index: RowIndex
    /// Names of the dense columns, in order.
    public let names: [String]
    /// n rows of `names.count` dense columns, followed by the bags in the order they were given.
    public let matrix: FeatureMatrix

    /// - Parameters:
    ///   - ids: distinct uuid, int64 or string ids, n of them.
    ///   - numbers: n rows of numeric columns without nulls. Those the scaler names are standardised, the others go in as
    ///     they are. All arithmetic is float64; the result is rounded to float32 once.
    /// - Throws: `features.not_finite`, naming feature and id, for a value that is not finite before or after scaling.
    public init(ids: Column, numbers: Frame, scaler: Scaler, bags: [TokenBag], index: RowIndex? = nil) throws {
        let index = try index ?? RowIndex(ids)
        guard numbers.rowCount == ids.count, bags.allSatisfy({ $0.offsets.count == ids.count + 1 }) else {
            throw FeatureError(
                "features.length", "\(ids.count) ids go with \(numbers.rowCount) rows of numbers")
        }
        if let missing = scaler.names.first(where: { numbers[$0] == nil }) {
            throw FeatureError(
                "features.length",
                "the scaler knows a feature '\(missing)' that is not among the numbers "
                    + "(\(numbers.names.joined(separator: ", ")))", details: [("feature", .string(missing))])
        }
        let rows = ids.count
        let width = numbers.columns.count
        let dense = Buffer<Float>(uninitialized: rows * width)
        for (position, (name, column)) in zip(numbers.names, numbers.columns).enumerated() {
            try Interrupt.check()
            let values = try column.finiteNumbers(name: name, ids: ids)
            let entry = scaler.names.firstIndex(of: name)
            let mean = entry.map { scaler.means[$0] } ?? 0
            let scale = entry.map { scaler.scales[$0] } ?? 1
            for row in 0..<rows {
                let value = Float((values[row] - mean) / scale)
                guard value.isFinite else {
                    throw notFinite(name, "\(values[row]), scaled \(value)", row: row, ids: ids)
                }
                dense[row * width + position] = value
            }
        }
        self.index = index
        names = numbers.names
        matrix = try FeatureMatrix(
            dense: Tensor(shape: [rows, width], storage: dense),
            parts: bags.map {
                FeatureMatrix.Part(offsets: $0.offsets, codes: $0.codes, values: $0.values, width: $0.width)
            })
    }

    public var count: Int { index.count }
    public var byteCount: Int { matrix.byteCount + index.byteCount }
}
