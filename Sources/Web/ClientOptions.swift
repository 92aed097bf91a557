import Glibc

/// How a client talks.
public struct ClientOptions {
    /// Goes before URLs that are not absolute.
    public var baseURL: String?
    /// Sent with every request; dropped when a redirect leads to another origin.
    public var headers: [Header] = []
    /// Seconds for one attempt from start to end, for its connection, and without a byte either way.
    public var timeout = 60.0
    public var connectTimeout = 10.0
    public var idleTimeout = 30.0
    /// Bytes of a decoded body in memory.
    public var maximumBody = 256 << 20
    /// Redirects that are followed; 0 gives them as answers.
    public var redirects = 5
    /// Nil: nothing is repeated.
    public var retry: RetryPolicy? = RetryPolicy()
    /// Called before the pause that goes before another try.
    public var onRetry: ((RetryNotice) throws -> Void)?
    /// Offer HTTP/2 over TLS.
    public var http2 = true
    public var userAgent = "tt"
    /// Certificates to trust, in place of the system's and those of the environment.
    public var caFile: String?
    /// In place of those of the environment; empty: none.
    public var proxy: String?

    public init() {}

    /// Certificates as options, `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR` name them, in this order. Nil where
    /// nothing is named, which leaves libcurl's own.
    var certificates: (file: String?, folder: String?)? {
        if let file = caFile ?? environment("CURL_CA_BUNDLE") { return (file, nil) }
        let file = environment("SSL_CERT_FILE")
        let folder = environment("SSL_CERT_DIR")
        return file == nil && folder == nil ? nil : (file, folder)
    }

    private func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
