import Base
import Frames
import Tensors

/// The road between columns and tensors.
public enum ColumnTensor {
    /// A numeric or bool column of n rows as a tensor [n]; a `list<float32>` or `list<float64>` column whose rows all hold
    /// d numbers as a tensor [n, d].
    /// - Parameter rows: zeros follow the numbers up to so many; not for lists.
    /// - Throws: `features.type`; `features.not_finite` for null, NaN and infinity; `features.length` for lists of
    ///   different lengths and for more numbers than `rows`.
    public static func tensor(_ column: Column, name: String = "column", rows: Int? = nil) throws -> Tensor {
        guard case .list(let offsets, let child) = column.storage else {
            let floats = try floats(column, name: name, rows: rows ?? column.count)
            return Tensor(shape: [floats.count], storage: floats)
        }
        let width = column.count == 0 ? 0 : Int(offsets[1] - offsets[0])
        for row in 0..<column.count where column.isNull(row) || Int(offsets[row + 1] - offsets[row]) != width {
            throw FeatureError(
                "features.length",
                column.isNull(row)
                    ? "'\(name)' is null in row \(row + 1)"
                    : "'\(name)' holds \(width) numbers in row 1 and \(offsets[row + 1] - offsets[row]) in row \(row + 1)",
                details: [("row", .int(Int64(row) + 1))])
        }
        let all = try floats(child, name: name)
        let start = column.count == 0 ? 0 : Int(offsets[0])
        let buffer = Buffer<Float>(uninitialized: column.count * width)
        buffer.pointer.update(from: all.pointer + start, count: buffer.count)
        return Tensor(shape: [column.count, width], storage: buffer)
    }

    /// The columns of a frame side by side: n rows of d columns as a tensor [n, d].
    public static func tensor(_ frame: Frame) throws -> Tensor {
        let width = frame.columns.count
        let buffer = Buffer<Float>(uninitialized: frame.rowCount * width)
        for (position, (name, column)) in zip(frame.names, frame.columns).enumerated() {
            let numbers = try floats(column, name: name)
            for row in 0..<frame.rowCount { buffer[row * width + position] = numbers[row] }
        }
        return Tensor(shape: [frame.rowCount, width], storage: buffer)
    }

    /// A tensor [n] as a float32 column, [n, d] as a `list<float32>` column.
    public static func column(_ tensor: Tensor) throws -> Column {
        let values = tensor.storage
        guard (tensor.shape.first ?? 0) <= Int(Int32.max), values.count <= Int(Int32.max) else {
            throw FeatureError(
                "features.length",
                "to_column: a tensor of \(TensorError.describe(tensor.shape)) is too large for a column")
        }
        switch tensor.shape.count {
        case 1: return Column(.float32(values))
        case 2:
            let offsets = Buffer<Int64>(uninitialized: tensor.shape[0] + 1)
            for row in 0...tensor.shape[0] { offsets[row] = Int64(row * tensor.shape[1]) }
            return Column(.list(offsets: offsets, child: Column(.float32(values))))
        default:
            throw FeatureError(
                "features.type", "a tensor of \(tensor.shape.count) dimensions is no column; reshape it to one or two")
        }
    }

    private static func floats(_ column: Column, name: String, rows: Int? = nil) throws -> Buffer<Float> {
        let rows = rows ?? column.count
        guard rows >= column.count else {
            throw FeatureError("features.length", "'\(name)' has \(column.count) rows, more than \(rows)")
        }
        if case .float32(let numbers) = column.storage, column.nullCount == 0, rows == column.count,
            numbers.elements.allSatisfy(\.isFinite)
        {
            return numbers
        }
        try Memory.check(rows, of: MemoryLayout<Float>.stride, for: "to_tensor: \(rows) rows")
        let result = Buffer<Float>(uninitialized: rows)
        (result.pointer + column.count).update(repeating: 0, count: rows - column.count)
        if case .bool(let flags) = column.storage, column.nullCount == 0 {
            for row in 0..<flags.count { result.pointer[row] = Float(flags.pointer[row]) }
            return result
        }
        let numbers = try column.finiteNumbers(name: name)
        for row in 0..<numbers.count { result[row] = Float(numbers[row]) }
        return result
    }
}
