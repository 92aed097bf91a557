import Base
import JSON

/// An answer, of any status.
public final class Response {
    public let status: Int
    /// Names in lower case; lines of one name are one header, joined by `, `, those of `set-cookie` by line breaks.
    public let headers: [(name: String, value: [UInt8])]
    /// Decoded; nil when it went to a file.
    public let body: [UInt8]?
    /// Of the last request, after redirects.
    public let url: String
    /// `1.0`, `1.1` or `2`.
    public let httpVersion: String
    /// What the last attempt took.
    public let seconds: Double
    public let attempts: Int
    /// SHA-256 of the decoded body in hexadecimal, when it was asked for.
    public let digest: String?

    public var isSuccess: Bool { (200...299).contains(status) }

    init(
        status: Int, headers: [(name: String, value: [UInt8])], body: [UInt8]?, url: String, httpVersion: String,
        seconds: Double, attempts: Int, digest: String?
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.url = url
        self.httpVersion = httpVersion
        self.seconds = seconds
        self.attempts = attempts
        self.digest = digest
    }

    /// The value of a header, with malformed UTF-8 repaired.
    public func header(_ name: String) -> String? {
        headers.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// The body as JSON.
    public func json() throws -> Value {
        guard let body else {
            throw WebError("http.no_body", "the body of \(Secrets.hide(inURL: url)) was saved to a file")
        }
        return try body.withUnsafeBytes { try JSON.decode($0, source: Secrets.hide(inURL: url)) }
    }
}
