import Base
import CCurl
import Glibc

/// A request under way: its attempts, and the redirects of each.
final class Transfer {
    enum State {
        case new
        /// In the hands of libcurl.
        case running
        /// libcurl is done with it; what comes next is not decided yet.
        case ended(CURLcode)
        /// Pausing before the next attempt, until this moment of the monotonic clock.
        case pausing(Double)
        case done(Result<Response, any Error>)
    }

    let request: Request
    let policy: RetryPolicy?
    let options: ClientOptions
    let firstAddress: Address
    var state = State.new
    /// Attempts begun.
    var attempts = 0
    /// Where the result is awaited, told when it is there.
    var whenDone: (() -> Void)?

    // Of one attempt.
    var beganAt = 0.0
    /// On the client's clock, which stands still while nobody waits for answers.
    var startedAt = 0.0
    var timeAway = 0.0
    var redirectsLeft = 0
    /// Thrown by a function that libcurl called.
    var thrown: (any Error)?
    /// The time limit that was reached.
    var expired: Failure?
    var sink: BodySink?

    // Of one request of an attempt.
    var method = ""
    var address: Address
    var headers: [Header] = []
    var hasBody = true
    var easy: UnsafeMutableRawPointer?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    var source: BodySource?
    let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    /// Times that a connection was ready for the request.
    var connections = 0
    var lastActivity = 0.0
    let answer = AnswerHead()
    let clock: () -> Double

    init(_ request: Request, options: ClientOptions, clock: @escaping () -> Double) throws {
        self.request = request
        self.options = options
        self.clock = clock
        policy =
            switch request.retry {
            case nil: options.retry
            case .never: nil
            case .policy(let policy): policy
            }
        let url = Address.add(query: request.query, to: Address.join(options.baseURL, request.url))
        firstAddress = try Address(url)
        address = firstAddress
    }

    deinit {
        release()
        reason.deallocate()
    }

    var isDone: Bool { if case .done = state { true } else { false } }

    // MARK: Attempts

    /// The first request of an attempt.
    func beginAttempt(away: Double) throws {
        beganAt = Clock.monotonic()
        startedAt = clock()
        timeAway = away
        redirectsLeft = redirectsLimit
        thrown = nil
        expired = nil
        method = request.method
        address = firstAddress
        headers = Header.merge(options.headers, request.headers)
        hasBody = true
        sink = try BodySink(
            path: request.savePath, limit: request.maximumBody ?? options.maximumBody, wantsDigest: request.wantsDigest)
    }

    /// Readies `easy` for the next request of this attempt.
    func prepare(_ easy: UnsafeMutableRawPointer) throws {
        self.easy = easy
        source = nil
        if hasBody {
            switch request.body {
            case .none: break
            case .bytes(let bytes): source = BodySource(bytes)
            case .file(let path, let offset, let length):
                source = try BodySource(path: path, offset: offset, length: length)
            }
        }
        connections = 0
        lastActivity = clock()
        reason.pointee = 0
        answer.reset()
        configure(easy, headers: makeList())
    }

    /// Takes the handle away; libcurl no longer knows this transfer.
    @discardableResult
    func release() -> UnsafeMutableRawPointer? {
        defer {
            easy = nil
            headerList = nil
        }
        tt_list_free(headerList)
        return easy
    }

    /// Whether the other side cannot have seen the request.
    var sentNothing: Bool {
        guard let easy, redirectsLeft == redirectsLimit else { return false }
        return connections == 0 || tt_curl_get_long(easy, CURLINFO_REQUEST_SIZE) == 0
    }

    private func makeList() -> UnsafeMutablePointer<curl_slist>? {
        var lines: [String] = []
        // A body of one megabyte would wait a second for a go-ahead that most servers never give.
        if !headers.contains(where: { $0.has(name: "expect") }) { lines.append("Expect:") }
        if source == nil, !headers.contains(where: { $0.has(name: "content-type") }) { lines.append("Content-Type:") }
        // libcurl takes `Name:` for a header to leave out, and `Name;` for an empty one.
        for header in headers {
            lines.append(header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        for line in lines { headerList = tt_curl_slist_append(headerList, line) ?? headerList }
        return headerList
    }

    // MARK: Redirects

    /// Where the answer sends us, when that is to be followed.
    var redirect: String? {
        guard redirectsLimit > 0, [301, 302, 303, 307, 308].contains(answer.status) else { return nil }
        return answer.location
    }

    private var redirectsLimit: Int { request.redirects ?? options.redirects }

    /// Turns to the place a redirect names.
    /// - Parameter target: absolute, as libcurl resolved it.
    func follow(to target: String?) throws {
        guard redirectsLeft > 0 else {
            throw failure("http.redirect", "more than \(redirectsLimit) redirects")
        }
        redirectsLeft -= 1
        guard let target, let next = try? Address(target) else {
            throw failure("http.redirect", "it is redirected to what is no usable http or https URL")
        }
        let status = answer.status
        if status == 303 && method != "HEAD" || (status == 301 || status == 302) && method == "POST" {
            method = "GET"
            hasBody = false
            headers.removeAll { $0.name.lowercased().hasPrefix("content-") }
        }
        // Whatever the caller wrote may be a credential, so another origin gets only what is surely none.
        if next.origin != address.origin {
            headers = request.headers.filter { given in
                given.mayTravel && headers.contains { $0.has(name: given.name) }
            }
        }
        address = next
    }

    // MARK: Results

    func finish(_ result: Result<Response, any Error>) {
        state = .done(result)
        sink = nil
        source = nil
        let told = whenDone
        whenDone = nil
        told?()
    }

    /// The answer that has arrived.
    func response() throws -> Response {
        if !(200...299).contains(answer.status) { sink?.keepInMemory() }
        let digest = try sink?.finish()
        let version =
            switch easy.map({ tt_curl_get_long($0, CURLINFO_HTTP_VERSION) }) {
            case Int(CURL_HTTP_VERSION_1_0): "1.0"
            case Int(CURL_HTTP_VERSION_2_0): "2"
            case Int(CURL_HTTP_VERSION_3): "3"
            default: "1.1"
            }
        return Response(
            status: answer.status, headers: answer.headers, body: sink?.bytes, url: address.textWithoutUser,
            httpVersion: version, seconds: Clock.monotonic() - beganAt, attempts: attempts, digest: digest)
    }

    /// An error of this request: names method, URL and how often it was tried.
    func failure(_ code: String, _ text: String) -> WebError {
        let tried = attempts > 1 ? " (\(attempts) attempts)" : ""
        return WebError(
            code, "\(request.method) \(address.shown): \(text)\(tried)",
            details: [
                ("method", .string(request.method)), ("url", .string(address.shown)),
                ("attempts", .int(Int64(attempts))),
            ])
    }
}

private func tt_list_free(_ list: UnsafeMutablePointer<curl_slist>?) {
    if let list { tt_curl_slist_free_all(list) }
}
