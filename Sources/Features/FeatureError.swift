import Base

/// The error type of `Features`.
///
/// Codes: `features.type` (a column of the wrong type), `features.length`, `features.duplicate_id`, `features.null_id`,
/// `features.unknown_id`, `features.not_finite`, `features.range`, `features.token`.
public typealias FeatureError = ErrorOf<FeatureStore>
