/// An error a script can read: every target throws one type that conforms to this.
///
/// `code` is stable (`sql.connect`, `parquet.out_of_spec`) and what callers match on; `message` is for people and says
/// what to do; `details` carries the facts (file, row, column, option) as plain values, never secrets.
public protocol TTError: Error, CustomStringConvertible {
    var code: String { get }
    var message: String { get }
    var details: [(String, Value)] { get }
    var cause: (any Error)? { get }
}

extension TTError {
    public var details: [(String, Value)] { [] }
    public var cause: (any Error)? { nil }
    public var description: String { message }
}

/// An error of code, message and details, whose type tells the target it comes from: each names its own, as in
/// `typealias FrameError = ErrorOf<Frame>`, so that a `catch` takes one target's errors and lets the others pass.
public struct ErrorOf<Subject>: TTError {
    public let code: String
    public let message: String
    public let details: [(String, Value)]
    public let cause: (any Error)?

    public init(_ code: String, _ message: String, details: [(String, Value)] = [], cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.details = details
        self.cause = cause
    }
}

/// What no target has to itself: `base.short_read`, `base.bad_varint`, `memory`.
public typealias BaseError = ErrorOf<Void>
