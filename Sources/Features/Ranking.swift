import Base

/// How well scores order labels.
public enum Ranking {
    /// The area under the ROC curve: the chance that a row labelled 1 scores above a row labelled 0, ties counting half.
    /// - Parameters:
    ///   - scores: finite numbers, one per row.
    ///   - labels: above 0.5 is positive.
    /// - Returns: nil when all labels are equal.
    /// - Throws: `features.length`, `features.not_finite`.
    public static func auc(scores: Buffer<Double>, labels: Buffer<Double>) throws -> Double? {
        guard scores.count == labels.count else {
            throw FeatureError("features.length", "\(scores.count) scores go with \(labels.count) labels")
        }
        if let row = scores.elements.firstIndex(where: { !$0.isFinite }) {
            throw FeatureError("features.not_finite", "the score in row \(row + 1) is \(scores[row])")
        }
        var pairs = (0..<scores.count).map { (score: scores[$0], positive: labels[$0] > 0.5) }
        try Interrupt.check()
        pairs.sort { $0.score < $1.score }
        // Twice the number of (positive, negative) pairs in the right order, in whole numbers so that it is exact.
        var doubled = 0
        var negatives = 0
        var positives = 0
        var start = 0
        while start < pairs.count {
            var end = start
            var tiedPositives = 0
            while end < pairs.count, pairs[end].score == pairs[start].score {
                tiedPositives += pairs[end].positive ? 1 : 0
                end += 1
            }
            let tiedNegatives = end - start - tiedPositives
            doubled += tiedPositives * (2 * negatives + tiedNegatives)
            negatives += tiedNegatives
            positives += tiedPositives
            start = end
        }
        guard positives > 0, negatives > 0 else { return nil }
        return Double(doubled) / 2 / Double(positives) / Double(negatives)
    }
}
