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
