import Base
import CCurl

/// Makes HTTP requests over connections that it keeps and shares. All transfers are driven by whoever waits for one of
/// them, on one thread.
public final class Client {
    public let options: ClientOptions
    private var multi: UnsafeMutableRawPointer?
    /// Handles without a transfer, to use again.
    private var idle: [UnsafeMutableRawPointer] = []
    private var running: [UnsafeMutableRawPointer: Transfer] = [:]
    private var pausing: [Transfer] = []
    private var ended: [Transfer] = []
    private let clock = WaitingClock()

    public var isOpen: Bool { multi != nil }

    /// Loads libcurl, which happens once in a process.
    public init(_ options: ClientOptions) throws {
        if let reason = tt_curl_load() { throw WebError("http.library", String(cString: reason)) }
        if let base = options.baseURL { _ = try Address(base) }
        guard let multi = tt_curl_multi_init() else { throw WebError("http.failed", "libcurl is out of memory") }
        self.options = options
        self.multi = multi
        tt_curl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        tt_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 64)
    }

    deinit { close() }

    /// Aborts what is under way and closes all connections. Closing twice is fine.
    public func close() {
        guard let multi else { return }
        let transfers = Array(running.values) + pausing + ended
        for transfer in transfers {
            cancel(transfer)
            transfer.finish(.failure(WebError.closed))
        }
        for easy in idle { tt_curl_easy_cleanup(easy) }
        idle = []
        self.multi = nil
        tt_curl_multi_cleanup(multi)
    }

    /// Makes one request and waits for its answer, retries included. A status is never an error.
    public func send(_ request: Request) throws -> Response {
        let transfer = try start(request)
        defer { cancel(transfer) }
        try run { transfer.isDone }
        guard case .done(let result) = transfer.state else { throw WebError.closed }
        return try result.get()
    }

    // MARK: Transfers

    func start(_ request: Request) throws -> Transfer {
        guard isOpen else { throw WebError.closed }
        let clock = clock
        let transfer = try Transfer(request, options: options) { clock.now }
        attempt(transfer)
        return transfer
    }

    /// Lets go of a transfer, in whatever state it is; it is not tried again.
    func cancel(_ transfer: Transfer) {
        if !transfer.isDone { transfer.state = .done(.failure(WebError.closed)) }
        pausing.removeAll { $0 === transfer }
        ended.removeAll { $0 === transfer }
        stop(transfer)
        transfer.sink = nil
        transfer.source = nil
    }

    private func attempt(_ transfer: Transfer) {
        transfer.attempts += 1
        do {
            try transfer.beginAttempt(away: clock.away)
            try perform(transfer)
        } catch {
            stop(transfer)
            transfer.finish(.failure(error))
        }
    }

    private func perform(_ transfer: Transfer) throws {
        guard let multi else { throw WebError.closed }
        guard let easy = idle.popLast() ?? tt_curl_easy_init() else {
            throw WebError("http.failed", "libcurl is out of memory")
        }
        do {
            try transfer.prepare(easy)
        } catch {
            transfer.release()
            recycle(easy)
            throw error
        }
        let code = tt_curl_multi_add_handle(multi, easy)
        guard code == CURLM_OK else {
            transfer.release()
            recycle(easy)
            throw WebError("http.failed", "libcurl: \(String(cString: tt_curl_multi_strerror(code)))")
        }
        running[easy] = transfer
        transfer.state = .running
    }

    /// Takes a transfer out of libcurl's hands.
    private func stop(_ transfer: Transfer) {
        guard let easy = transfer.easy else { return }
        if running.removeValue(forKey: easy) != nil, let multi { tt_curl_multi_remove_handle(multi, easy) }
        transfer.release()
        recycle(easy)
    }

    private func recycle(_ easy: UnsafeMutableRawPointer) {
        if idle.count < 16, isOpen {
            tt_curl_easy_reset(easy)
            idle.append(easy)
        } else {
            tt_curl_easy_cleanup(easy)
        }
    }

    // MARK: The loop

    /// Drives all transfers until `isDone`. Ctrl-C throws `Interrupted`.
    func run(until isDone: () -> Bool) throws {
        clock.start()
        defer { clock.stop() }
        while !isDone() {
            try step(wait: true)
        }
    }

    /// Moves all transfers on, once.
    /// - Parameter wait: until there is something to do, at most a tenth of a second.
    func step(wait: Bool) throws {
        clock.start()
        defer { clock.stop() }
        try Interrupt.check()
        guard let multi else { throw WebError.closed }
        let now = Clock.monotonic()
        for transfer in pausing where transfer.isDue(now) {
            pausing.removeAll { $0 === transfer }
            attempt(transfer)
        }
        var count: Int32 = 0
        let code = tt_curl_multi_perform(multi, &count)
        guard code == CURLM_OK else {
            throw WebError("http.failed", "libcurl: \(String(cString: tt_curl_multi_strerror(code)))")
        }
        collect(multi)
        checkTimeouts()
        var decided = false
        while let transfer = ended.first {
            ended.removeFirst()
            decided = true
            decide(transfer)
        }
        guard wait, !decided else { return }
        guard !running.isEmpty || !pausing.isEmpty else {
            throw WebError("http.failed", "a function that a request calls cannot wait for that request")
        }
        tt_curl_multi_poll(multi, nil, 0, pause(), nil)
    }

    /// Milliseconds until something is due; Ctrl-C is seen at least ten times a second.
    private func pause() -> Int32 {
        let now = Clock.monotonic()
        var seconds = 0.1
        for transfer in pausing { seconds = min(seconds, transfer.due - now) }
        for transfer in running.values { seconds = min(seconds, transfer.patience) }
        return Int32(max(0, (seconds * 1000).rounded(.up)))
    }

    private func collect(_ multi: UnsafeMutableRawPointer) {
        var left: Int32 = 0
        while let message = tt_curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            // The message is gone once its handle is removed.
            let code = message.pointee.data.result
            guard let transfer = running.removeValue(forKey: easy) else { continue }
            tt_curl_multi_remove_handle(multi, easy)
            transfer.state = .ended(code)
            ended.append(transfer)
        }
    }

    private func checkTimeouts() {
        for (easy, transfer) in running where transfer.patience <= 0 {
            running.removeValue(forKey: easy)
            if let multi { tt_curl_multi_remove_handle(multi, easy) }
            transfer.expired = transfer.isOverdue ? transfer.timedOut : transfer.idled
            transfer.state = .ended(CURLE_OPERATION_TIMEDOUT)
            ended.append(transfer)
        }
    }

    // MARK: What comes after an attempt

    private func decide(_ transfer: Transfer) {
        guard case .ended(let code) = transfer.state else { return }
        do {
            if code == CURLE_OK, transfer.expired == nil { try answered(transfer) } else { try failed(transfer, code) }
        } catch {
            stop(transfer)
            transfer.finish(.failure(error))
        }
    }

    private func answered(_ transfer: Transfer) throws {
        // libcurl takes a connection that ends among the headers for an answer without a body.
        guard transfer.answer.hasBegun, transfer.answer.isComplete else {
            return try failed(transfer, CURLE_PARTIAL_FILE)
        }
        // Nobody asked for another protocol, and an announcement is no answer.
        guard transfer.answer.status >= 200 else {
            throw transfer.failure(
                "http.failed", "what came is no HTTP answer: its status is \(transfer.answer.status)")
        }
        if transfer.redirect != nil {
            let target = transfer.easy.flatMap { tt_curl_get_text($0, CURLINFO_REDIRECT_URL) }
            try transfer.follow(to: target.map { String(cString: $0) })
            stop(transfer)
            return try perform(transfer)
        }
        let response = try transfer.response()
        stop(transfer)
        if !response.isSuccess, let wait = try pause(before: transfer, after: response) {
            let notice = transfer.notice(status: response.status, failure: nil, wait: wait)
            return try retry(transfer, notice)
        }
        // A function of the caller may have closed the client.
        if !transfer.isDone { transfer.finish(.success(response)) }
    }

    /// Seconds to wait before the request is repeated; nil where its answer stands.
    private func pause(before transfer: Transfer, after response: Response) throws -> Double? {
        guard let policy = transfer.policy, transfer.attempts < policy.attempts else { return nil }
        var asked: Bool?
        if let retryWhen = transfer.request.retryWhen {
            asked = try clock.outside { try retryWhen(response) }
        }
        guard asked ?? (policy.statuses.contains(response.status) && transfer.request.isRepeatable) else { return nil }
        let now = Double(Clock.now()) * 1e-6
        guard let text = response.header("retry-after"),
            let wanted = RetryPolicy.retryAfter(text, date: response.header("date"), clock: now)
        else { return policy.pause(after: transfer.attempts) }
        return wanted <= policy.maximumWait ? wanted : nil
    }

    private func failed(_ transfer: Transfer, _ code: CURLcode) throws {
        let failure = transfer.expired ?? transfer.classify(code)
        let mayRepeat = transfer.mayRepeat(failure)
        let wasAway = clock.away > transfer.timeAway && code == CURLE_OPERATION_TIMEDOUT && transfer.expired == nil
        transfer.expired = nil
        stop(transfer)
        if wasAway {
            // Nobody drove the connection while its time ran out; that was not the other side's fault.
            transfer.attempts -= 1
            return attempt(transfer)
        }
        guard let policy = transfer.policy, mayRepeat, transfer.attempts < policy.attempts,
            let error = failure.error as? WebError
        else { throw failure.error }
        try retry(
            transfer, transfer.notice(status: nil, failure: error, wait: policy.pause(after: transfer.attempts)))
    }

    private func retry(_ transfer: Transfer, _ notice: RetryNotice) throws {
        transfer.sink = nil
        if let onRetry = options.onRetry { try clock.outside { try onRetry(notice) } }
        guard isOpen, !transfer.isDone else { throw WebError.closed }
        transfer.state = .pausing(Clock.monotonic() + notice.wait)
        pausing.append(transfer)
    }
}
