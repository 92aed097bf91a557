import Base
import CCurl
import Glibc

extension Transfer {
    /// Sets all that libcurl has to know for the next request.
    func configure(_ easy: UnsafeMutableRawPointer, headers: UnsafeMutablePointer<curl_slist>?) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        func set(_ option: CURLoption, _ value: Int) { tt_curl_set_long(easy, option, value) }
        func set(_ option: CURLoption, _ value: String?) { tt_curl_set_text(easy, option, value) }

        set(CURLOPT_URL, address.text)
        set(CURLOPT_PROTOCOLS, Int(CURLPROTO_HTTP | CURLPROTO_HTTPS))
        set(CURLOPT_NOSIGNAL, 1)
        // Without it, leaving would wait for a name server that does not answer. Unknown before 7.87.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_HTTP_VERSION, options.http2 ? Int(CURL_HTTP_VERSION_2TLS) : Int(CURL_HTTP_VERSION_1_1))
        // Requests to one host wait for its first connection, in case it takes them all at once.
        set(CURLOPT_PIPEWAIT, options.http2 && address.scheme == "https" ? 1 : 0)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(options.connectTimeout))
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_BUFFERSIZE, 1 << 17)
        tt_curl_prepare_sockets(easy)
        set(CURLOPT_USERAGENT, options.userAgent)
        if let proxy = options.proxy { set(CURLOPT_PROXY, proxy) }
        if let certificates = options.certificates {
            if let file = certificates.file { set(CURLOPT_CAINFO, file) }
            // Where only a file is named, it is the only one.
            set(CURLOPT_CAPATH, certificates.folder)
        }
        if !self.headers.contains(where: { $0.has(name: "accept-encoding") }) { set(CURLOPT_ACCEPT_ENCODING, "") }

        configureMethod(easy)
        tt_curl_set_list(easy, CURLOPT_HTTPHEADER, headers)
        tt_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, reason)
        tt_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        tt_curl_set_bytes_function(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Transfer.at(context).receive(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        tt_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        tt_curl_set_bytes_function(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Transfer.at(context).receive(header: UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        tt_curl_set_pointer(easy, CURLOPT_PREREQDATA, context)
        tt_curl_set_prerequest_function(easy) { context, _, _, _, _ in Transfer.at(context).connected() }
    }

    private func configureMethod(_ easy: UnsafeMutableRawPointer) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        switch method {
        case "GET" where source == nil: tt_curl_set_long(easy, CURLOPT_HTTPGET, 1)
        case "HEAD": tt_curl_set_long(easy, CURLOPT_NOBODY, 1)
        default:
            // Methods that usually have a body say so when there is none.
            let bodied = source != nil || ["POST", "PUT", "PATCH"].contains(method)
            if bodied {
                tt_curl_set_long(easy, CURLOPT_UPLOAD, 1)
                tt_curl_set_size(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(source?.count ?? 0))
                tt_curl_set_pointer(easy, CURLOPT_READDATA, context)
                tt_curl_set_bytes_function(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
                    Transfer.at(context).send(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
                }
                tt_curl_set_pointer(easy, CURLOPT_SEEKDATA, context)
                tt_curl_set_seek_function(easy) { context, offset, origin in
                    Transfer.at(context).rewind(to: Int(offset), origin)
                }
            }
            tt_curl_set_text(easy, CURLOPT_CUSTOMREQUEST, method)
        }
    }

    private static func milliseconds(_ seconds: Double) -> Int { Int(min(max(seconds * 1000, 1), 2_000_000_000)) }

    private static func at(_ context: UnsafeMutableRawPointer?) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
    }

    // MARK: What libcurl tells and asks, while it works

    /// A connection is ready and the request goes out next.
    private func connected() -> Int32 {
        lastActivity = clock()
        connections += 1
        // libcurl sends a request again when a connection it kept turns out dead; the first one may have been received.
        if connections > 1, let easy, tt_curl_get_long(easy, CURLINFO_REQUEST_SIZE) > 0 {
            guard request.isRepeatable else {
                thrown = brokenOff
                return CURL_PREREQFUNC_ABORT
            }
            attempts += 1
        }
        return CURL_PREREQFUNC_OK
    }

    private func send(_ target: UnsafeMutableRawBufferPointer) -> Int {
        lastActivity = clock()
        do {
            return try source?.read(into: target) ?? 0
        } catch {
            thrown = error
            return Int(CURL_READFUNC_ABORT)
        }
    }

    private func rewind(to offset: Int, _ origin: Int32) -> Int32 {
        guard origin == SEEK_SET, source?.seek(to: offset) ?? (offset == 0) else { return CURL_SEEKFUNC_FAIL }
        return CURL_SEEKFUNC_OK
    }

    private func receive(header line: UnsafeRawBufferPointer) -> Int {
        lastActivity = clock()
        guard answer.take(line) else {
            thrown = failure("http.too_large", "the headers of the answer are more than \(AnswerHead.limit) bytes")
            return 0
        }
        return line.count
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
        lastActivity = clock()
        guard bytes.count > 0, redirect == nil, let sink else { return bytes.count }
        do {
            if !(200...299).contains(answer.status) { sink.keepInMemory() }
            guard try sink.write(bytes) else {
                throw failure(
                    "http.too_large", "the body of the answer is larger than \(sink.limit) bytes (max_body)")
            }
            return bytes.count
        } catch {
            thrown = error
            return 0
        }
    }
}
