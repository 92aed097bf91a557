import CCurl

/// How often and after which pauses a request is repeated: exponential backoff with full jitter.
public struct RetryPolicy: Sendable {
    /// All tries together, the first one too.
    public var attempts = 6
    /// Seconds; the upper end of the first pause.
    public var base = 0.5
    /// Seconds; the upper end of every pause.
    public var limit = 30.0
    /// Answers that are worth another try.
    public var statuses: Set<Int> = [429, 500, 502, 503, 504]
    /// Seconds that a server may ask to wait; where it asks for more, its answer is given as it is.
    public var maximumWait = 120.0

    public init() {}

    /// Seconds before the try after `attempt` (from 1).
    func pause(after attempt: Int) -> Double {
        let most = min(limit, base * Double(sign: .plus, exponent: min(attempt - 1, 1000), significand: 1))
        return most > 0 ? Double.random(in: 0...most) : 0
    }

    /// Seconds that a `Retry-After` header asks for: a number, or a date of HTTP's three forms. Nil for other texts.
    /// - Parameter now: what the answer's own `Date` header says, so that clocks need not agree; nil without one.
    static func retryAfter(_ text: String, date: String?, clock: Double) -> Double? {
        if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 46 }) {
            guard let seconds = Double(text), seconds.isFinite else { return nil }
            return seconds
        }
        guard let wanted = instant(text) else { return nil }
        return max(0, wanted - (date.flatMap(instant) ?? clock))
    }

    /// Seconds since 1970 of an HTTP date.
    private static func instant(_ text: String) -> Double? {
        guard text.utf8.count < 64, text.contains(":") else { return nil }
        let seconds = tt_curl_getdate(text, nil)
        return seconds == -1 ? nil : Double(seconds)
    }
}

/// What is told before a pause.
public struct RetryNotice {
    public let method: String
    /// Without secrets.
    public let url: String
    /// The try that failed, from 1.
    public let attempt: Int
    /// Its answer, or the error it ended with.
    public let status: Int?
    public let failure: WebError?
    /// Seconds.
    public let wait: Double
}
