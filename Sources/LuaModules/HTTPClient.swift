import Base
import LuaHost
import Web

/// A client as Lua holds it, with the function it calls and the call that function runs in.
final class HTTPClient {
    private(set) var client: Client
    private var onRetry: LuaFunction?
    /// The innermost native call that waits for this client.
    private(set) var call: Call?

    init(_ given: Argument) throws {
        var options = try given.clientOptions()
        onRetry = try given.field("on_retry").optional?.function()
        let border = Border()
        if onRetry != nil { options.onRetry = { notice in try border.client?.tell(notice) } }
        client = try Client(options)
        border.client = self
    }

    /// The client's way to its owner, which does not keep it alive.
    private final class Border {
        weak var client: HTTPClient?
    }

    func close() {
        onRetry = nil
        client.close()
    }

    func send(_ request: Request, _ call: Call) throws -> Response {
        try within(call) { try client.send(request) }
    }

    /// Runs `body`, in which functions of the script are called from `call`.
    func within<Result>(_ call: Call, _ body: () throws -> Result) rethrows -> Result {
        let outer = self.call
        self.call = call
        defer { self.call = outer }
        return try body()
    }

    private func tell(_ notice: RetryNotice) throws {
        guard let call, let onRetry else { return }
        try call.scope {
            _ = try call.invoke(
                onRetry,
                LuaTable([
                    ("method", notice.method), ("url", notice.url), ("attempt", notice.attempt),
                    ("status", notice.status), ("code", notice.failure?.code), ("message", notice.failure?.message),
                    ("wait_s", notice.wait),
                ]))
        }
    }

    /// Asks a request's `retry_when`.
    func ask(_ function: LuaFunction, _ response: Response) throws -> Bool? {
        guard let call else { return nil }
        return try call.scope { try call.invoke(function, LuaObject(response)).first?.optional?.bool() }
    }
}

/// Requests under way at once, as Lua iterates over their answers.
final class HTTPAnswers {
    private let client: HTTPClient
    private let transfers: Transfers
    private let source: RequestSource

    init(_ client: HTTPClient, limit: Int, next: @escaping (Call) throws -> LuaReference?) {
        self.client = client
        let source = RequestSource(client, next)
        self.source = source
        transfers = Transfers(client.client, limit: limit) { try source.next() }
    }

    func next(_ call: Call) throws -> (request: LuaReference?, response: Response)? {
        let answer = try client.within(call) { try transfers.nextAnswer() }
        return answer.map { ($0.request.tag as? LuaReference, $0.response) }
    }

    func close() {
        transfers.close()
        source.close()
    }
}

/// Reads requests as a loop needs them.
private final class RequestSource {
    private let client: HTTPClient
    private var give: ((Call) throws -> LuaReference?)?
    private var count = 0

    init(_ client: HTTPClient, _ give: @escaping (Call) throws -> LuaReference?) {
        self.client = client
        self.give = give
    }

    func close() { give = nil }

    func next() throws -> Request? {
        guard let give, let call = client.call else { return nil }
        count += 1
        return try call.scope {
            guard let table = try give(call) else { return nil }
            do {
                let given = try call.value(of: table)
                guard given.kind == .table else { throw given.error("a request is a table, as in {url = '/x'}") }
                var request = try given.options(HTTPOptions.request).request(in: client)
                request.tag = table
                return request
            } catch let error as ArgumentError {
                throw WebError("argument", "request \(count): \(Self.inner(error.message))")
            }
        }
    }

    /// `bad result of a function (field 'url': string expected)` without the words around it.
    private static func inner(_ message: String) -> String {
        guard let start = message.firstIndex(of: "("), message.hasSuffix(")") else { return message }
        return String(message[message.index(after: start)...].dropLast())
    }
}
