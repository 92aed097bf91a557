import Base
import JSON
import LuaHost
import Web

/// The names of options, and how they are read.
enum HTTPOptions {
    static let client = [
        "base_url", "headers", "timeout_s", "connect_timeout_s", "idle_timeout_s", "max_body", "redirects", "retry",
        "on_retry", "http2", "user_agent", "ca_file", "proxy",
    ]
    /// Those of a request by `get` and its like.
    static let verb = [
        "query", "headers", "body", "json", "form", "file", "file_offset", "file_length", "save", "sha256", "timeout_s",
        "idle_timeout_s", "max_body", "redirects", "retry", "idempotent", "retry_when", "tag",
    ]
    static let request = ["method", "url"] + verb
    /// Those of a client that a request without one may have too.
    static let once = ["connect_timeout_s", "on_retry", "http2", "user_agent", "ca_file", "proxy"]
}

extension Argument {
    func clientOptions() throws -> ClientOptions {
        var options = ClientOptions()
        options.userAgent = try field("user_agent").optional?.string() ?? "tt/\(ttVersion)"
        options.baseURL = try field("base_url").optional?.string()
        options.headers = try field("headers").headers()
        options.timeout = try field("timeout_s").seconds() ?? options.timeout
        options.connectTimeout = try field("connect_timeout_s").seconds() ?? options.connectTimeout
        options.idleTimeout = try field("idle_timeout_s").seconds() ?? options.idleTimeout
        options.maximumBody = try field("max_body").optional?.size() ?? options.maximumBody
        options.redirects = try field("redirects").redirects() ?? options.redirects
        options.http2 = try field("http2").optional?.bool() ?? true
        options.caFile = try field("ca_file").optional?.string()
        options.proxy = try field("proxy").optional?.string()
        switch try field("retry").retry(over: nil) {
        case nil: break
        case .never: options.retry = nil
        case .policy(let policy): options.retry = policy
        }
        _ = try Header("User-Agent", options.userAgent)
        return options
    }

    /// A request, from a table whose names were checked.
    func request(in client: HTTPClient, _ givenMethod: String? = nil, _ givenURL: String? = nil) throws -> Request {
        var request = Request(try givenMethod ?? method(), try givenURL ?? field("url").string())
        request.query = try field("query").optional?.queryPairs() ?? []
        request.headers = try field("headers").headers()
        try readBody(into: &request)
        request.savePath = try field("save").optional?.string()
        request.wantsDigest = try field("sha256").optional?.bool() ?? false
        request.timeout = try field("timeout_s").seconds()
        request.idleTimeout = try field("idle_timeout_s").seconds()
        request.maximumBody = try field("max_body").optional?.size()
        request.redirects = try field("redirects").redirects()
        request.retry = try field("retry").retry(over: client.client.options.retry)
        request.isIdempotent = try field("idempotent").optional?.bool()
        if let function = try field("retry_when").optional?.function() {
            request.retryWhen = { [weak client] response in try client?.ask(function, response) }
        }
        return request
    }

    private func method() throws -> String {
        let field = try field("method")
        guard let name = try field.optional?.string() else { return "GET" }
        let isName = !name.isEmpty && name.utf8.allSatisfy { (65...90).contains($0) || $0 == 45 }
        guard isName, name.utf8.count <= 32, name != "CONNECT" else {
            throw field.error("a method such as 'GET' or 'POST' expected, got '\(name)'")
        }
        return name
    }

    private func readBody(into request: inout Request) throws {
        let names = ["body", "json", "form", "file"]
        let given = try names.filter { try !field($0).isNil }
        guard given.count <= 1 else { throw error("only one of \(given.joined(separator: ", ")) can be the body") }
        for name in ["file_offset", "file_length"] where given != ["file"] {
            guard try field(name).isNil else { throw try field(name).error("it goes with 'file'") }
        }
        guard let name = given.first else { return }
        guard request.method != "GET", request.method != "HEAD" else {
            throw try field(name).error("a \(request.method) request has no body")
        }
        switch name {
        case "body": request.body = .bytes(try field("body").bytes())
        case "json":
            request.body = .bytes(Array(try JSON.encode(field("json").value()).utf8))
            try request.describe(body: "application/json")
        case "form":
            request.body = .bytes(Array(Escaping.query(try field("form").queryPairs()).utf8))
            try request.describe(body: "application/x-www-form-urlencoded")
        default:
            request.body = .file(
                path: try field("file").string(), offset: try field("file_offset").optional?.size() ?? 0,
                length: try field("file_length").optional?.size())
        }
    }

    // MARK: Single options

    /// Pairs of a query: a list of them, in its order, or a table by name. Numbers and booleans are written as Lua does.
    func queryPairs() throws -> [(name: String, value: String)] {
        guard kind == .table else { throw error("pairs expected, as in {{'a', '1'}} or {a = 1}") }
        var result: [(name: String, value: String)] = []
        if try length() > 0 {
            try forEach { _, pair in
                guard pair.kind == .table else { throw pair.error("a pair expected, as in {'a', '1'}") }
                result.append((try pair.element(1).plainText(), try pair.element(2).plainText()))
            }
        } else {
            for (name, value) in try fields() { result.append((name, try value.plainText())) }
        }
        return result
    }

    private func plainText() throws -> String {
        switch kind {
        case .string: return try string()
        case .int, .float, .bool: return String(decoding: try text(), as: UTF8.self)
        default: throw error("string, number or boolean expected")
        }
    }

    fileprivate func headers() throws -> [Header] {
        guard !isNil else { return [] }
        return try fields().map { name, value in try Header(name, try value.plainText()) }
    }

    fileprivate func seconds() throws -> Double? {
        guard let number = try optional?.double() else { return nil }
        guard number > 0, number < 2_000_000 else { throw error("seconds between 0 and 2000000 expected") }
        return number
    }

    fileprivate func redirects() throws -> Int? { try optional?.int(in: 0...100) }

    /// `false`, or a table of what differs from `policy`, or from the default where there is none.
    fileprivate func retry(over policy: RetryPolicy?) throws -> Request.Retry? {
        if isNil { return nil }
        if kind == .bool {
            guard try bool() else { return .never }
            return .policy(policy ?? RetryPolicy())
        }
        guard kind == .table else { throw error("a table or false expected") }
        let given = try options(["attempts", "base_s", "max_s", "statuses", "max_wait_s"])
        var result = policy ?? RetryPolicy()
        func pause(_ name: String) throws -> Double? {
            let field = try given.field(name)
            guard let number = try field.optional?.double() else { return nil }
            guard number >= 0, number < 2_000_000 else { throw field.error("seconds from 0 to 2000000 expected") }
            return number
        }
        result.attempts = try given.field("attempts").optional?.int(in: 1...1000) ?? result.attempts
        result.base = try pause("base_s") ?? result.base
        result.limit = try pause("max_s") ?? result.limit
        result.maximumWait = try pause("max_wait_s") ?? result.maximumWait
        if let statuses = try given.field("statuses").optional?.ints() { result.statuses = Set(statuses) }
        return .policy(result)
    }
}

extension Request {
    /// Says what the body is, where the caller did not.
    fileprivate mutating func describe(body type: String) throws {
        if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            headers.append(try Header("Content-Type", type))
        }
    }
}
