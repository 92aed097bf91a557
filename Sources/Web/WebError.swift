import Base

/// The error type of `Web`. A status is no error; these are for requests that got no answer. Never carries header values,
/// a URL's user and password, or the values of query keys that name secrets.
///
/// Codes: `http.library` (libcurl is missing), `http.url` (the URL cannot be used), `http.header` (a header cannot be
/// sent), `http.file` (a file to send does not hold what is to be sent), `http.closed` (the client is closed),
/// `http.resolve` (the host has no address), `http.connect`, `http.tls` (certificates, protocol), `http.timeout`,
/// `http.incomplete` (the connection broke before the answer was whole), `http.too_large`, `http.redirect`,
/// `http.no_body` (it was saved to a file), `http.failed` (everything else).
public typealias WebError = ErrorOf<Client>

extension WebError {
    static var closed: WebError { WebError("http.closed", "the HTTP client is closed") }
}
