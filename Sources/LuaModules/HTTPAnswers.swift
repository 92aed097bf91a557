import Base
import LuaHost
import Web

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
