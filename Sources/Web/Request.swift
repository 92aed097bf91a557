/// One request as the caller describes it.
public struct Request {
    public enum Body {
        case none
        case bytes([UInt8])
        /// Part of a file; without a length, up to its end.
        case file(path: String, offset: Int, length: Int?)
    }

    public var method = "GET"
    /// Absolute, or behind the client's base URL.
    public var url: String
    public var query: [(name: String, value: String)] = []
    public var headers: [Header] = []
    public var body = Body.none
    /// Where the body of a 2xx answer goes, instead of into memory.
    public var savePath: String?
    public var wantsDigest = false
    /// Nil: the client's.
    public var timeout: Double?
    public var idleTimeout: Double?
    public var maximumBody: Int?
    public var redirects: Int?
    /// Nil: the client's policy.
    public var retry: Retry?
    /// Whether repeating it does no harm; nil: what the method says.
    public var isIdempotent: Bool?
    /// Asked about each answer that is not 2xx and could be repeated: repeat it? Nil: the policy decides.
    public var retryWhen: ((Response) throws -> Bool?)?
    /// The caller's own; not looked at.
    public var tag: AnyObject?

    public enum Retry {
        case never
        case policy(RetryPolicy)
    }

    public init(_ method: String = "GET", _ url: String) {
        self.method = method
        self.url = url
    }

    /// Whether the request may be sent again after it may have been received.
    var isRepeatable: Bool { isIdempotent ?? ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].contains(method) }
}
