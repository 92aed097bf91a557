import Base

/// What can go wrong with a checkpoint file. The kinds are few and stable; the message names the entry, tensor or value.
public struct CheckpointError: TTError {
    public enum Kind: String, Sendable {
        /// The bytes break the format: truncated, overlapping, a wrong checksum, an impossible size.
        case outOfSpec = "checkpoint.out_of_spec"
        /// Well formed, but of a kind that is not read here; the message says what to save instead.
        case notSupported = "checkpoint.not_supported"
        /// The pickle names something outside the short list of harmless globals. Nothing was run.
        case refused = "checkpoint.refused"
        /// Reading would take far more memory than the file justifies.
        case tooLarge = "checkpoint.too_large"
        /// A value that this file cannot hold.
        case badValue = "checkpoint.bad_value"
    }

    public let kind: Kind
    public let message: String
    public let details: [(String, Value)]

    public var code: String { kind.rawValue }

    init(_ kind: Kind, _ message: String, details: [(String, Value)] = []) {
        self.kind = kind
        self.message = message
        self.details = details
    }

    /// Runs `body` and adds the file to whatever it throws, so that inner readers need not know it.
    static func naming<Result>(_ verb: String, _ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as CheckpointError {
            let message = "cannot \(verb) '\(path)': \(error.message)"
            throw CheckpointError(error.kind, message, details: [("path", .string(path))] + error.details)
        } catch let error as BaseError where error.code == "base.short_read" {
            let message = "cannot \(verb) '\(path)': the file is cut short or damaged (\(error.message))"
            throw CheckpointError(.outOfSpec, message, details: [("path", .string(path))])
        }
    }
}
