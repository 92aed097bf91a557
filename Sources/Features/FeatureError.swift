import Base

/// The error type of `Features`.
///
/// Codes: `features.type` (a column of the wrong type), `features.length`, `features.duplicate_id`, `features.null_id`,
/// `features.unknown_id`, `features.not_finite`, `features.range`, `features.token`.
public struct FeatureError: TTError {
    public let code: String
    public let message: String
    public let details: [(String, Value)]

    public init(_ code: String, _ message: String, details: [(String, Value)] = []) {
        self.code = code
        self.message = message
        self.details = details
    }
}
