import Base
import Frames

/// Standardises numbers: (x - mean) / scale per named column, in float64.
public final class Scaler: @unchecked Sendable {
    public let names: [String]
    public let means: [Double]
    /// Standard deviations, with 1 in place of those that are next to nothing.
    public let scales: [Double]

    /// - Throws: `features.length` when the lists differ in length, `features.range` for a figure that is not finite or a
    ///   scale that is not positive, `features.token` for a name that occurs twice.
    public init(names: [String], means: [Double], scales: [Double]) throws {
        guard names.count == means.count, names.count == scales.count else {
            throw FeatureError(
                "features.length", "\(names.count) names, \(means.count) means and \(scales.count) scales do not match")
        }
        for index in names.indices {
            guard means[index].isFinite, scales[index].isFinite, scales[index] > 0 else {
                throw FeatureError(
                    "features.range",
                    "scaler of '\(names[index])': mean \(means[index]), scale \(scales[index]); both must be finite and "
                        + "the scale positive")
            }
            guard !names[..<index].contains(names[index]) else {
                throw FeatureError("features.token", "the scaler names '\(names[index])' twice")
            }
        }
        self.names = names
        self.means = means
        self.scales = scales
    }

    /// Fits every column of `frame`: mean, then population standard deviation around it (divided by n). A deviation of at
    /// most 1e-9 * max(1, |mean|) is stored as 1. No rows give mean 0 and scale 1.
    /// - Throws: `features.type` for a column that is not numeric, `features.not_finite` with column and row.
    public static func fit(_ frame: Frame) throws -> Scaler {
        var means: [Double] = []
        var scales: [Double] = []
        for (name, column) in zip(frame.names, frame.columns) {
            let numbers = try column.finiteNumbers(name: name)
            let count = Double(max(numbers.count, 1))
            var sum = 0.0
            for row in 0..<numbers.count { sum += numbers[row] }
            let mean = sum / count
            var squares = 0.0
            for row in 0..<numbers.count { squares += (numbers[row] - mean) * (numbers[row] - mean) }
            let deviation = (squares / count).squareRoot()
            means.append(mean)
            scales.append(deviation <= 1e-9 * max(1, abs(mean)) ? 1 : deviation)
            try Interrupt.check()
        }
        return try Scaler(names: frame.names, means: means, scales: scales)
    }

    /// The standardised columns named by this scaler, as float64; other columns stay as they are.
    public func transform(_ frame: Frame) throws -> Frame {
        try Frame(
            zip(frame.names, frame.columns).map { name, column in
                guard let index = names.firstIndex(of: name) else { return (name, column) }
                let numbers = try column.finiteNumbers(name: name)
                let result = Buffer<Double>(uninitialized: numbers.count)
                for row in 0..<numbers.count { result[row] = (numbers[row] - means[index]) / scales[index] }
                return (name, Column(.float64(result)))
            }, rowCount: frame.rowCount)
    }
}

extension Column {
    /// The column as float64, without copying when it is float64 already. Booleans read as 0 and 1; rows under null hold
    /// a meaningless number.
    /// - Throws: `features.type`.
    public func float64(name: String) throws -> Buffer<Double> {
        if case .float64(let numbers) = storage { return numbers }
        let result = Buffer<Double>(uninitialized: count)
        switch storage {
        case .int64(let numbers): for row in 0..<count { result[row] = Double(numbers[row]) }
        case .float32(let numbers): for row in 0..<count { result[row] = Double(numbers[row]) }
        case .bool(let bits): for row in 0..<count { result[row] = Double(bits[row]) }
        default:
            throw FeatureError(
                "features.type", "'\(name)' must be a column of numbers, it is \(dtype.name)",
                details: [("column", .string(name))])
        }
        return result
    }

    /// - Throws: `features.type`; `features.not_finite` for null, NaN and infinity, with the row.
    func finiteNumbers(name: String, ids: Column? = nil) throws -> Buffer<Double> {
        let numbers = try float64(name: name)
        for row in 0..<count where isNull(row) || !numbers[row].isFinite {
            throw notFinite(name, isNull(row) ? "null" : "\(numbers[row])", row: row, ids: ids)
        }
        return numbers
    }
}

/// A feature value that no model can be given, with the feature and the id (or row) it belongs to.
func notFinite(_ name: String, _ value: String, row: Int, ids: Column?) -> FeatureError {
    let owner = ids.map { "of id \($0.idText(row))" } ?? "in row \(row + 1)"
    return FeatureError(
        "features.not_finite", "feature '\(name)' \(owner) is \(value); give it a finite value or a default",
        details: [("feature", .string(name)), ("row", .int(Int64(row) + 1))]
            + (ids.map { [("id", .string($0.idText(row)))] } ?? []))
}
