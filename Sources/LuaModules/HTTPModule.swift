import Base
import LuaHost
import Web

/// `tt.http`: requests over HTTP.
enum HTTPModule {
    static let methods = ["get", "head", "post", "put", "patch", "delete"]

    static var module: LuaModule {
        var functions: [String: LuaBody] = [
            // http.client(opts) -> tt.HTTPClient
            "client": { call in
                let given = try call[1].options(HTTPOptions.client)
                return call.push(object: try HTTPClient(given))
            },
            // http.request(spec) -> tt.HTTPResponse
            "request": { call in
                try once(call, try call[1].options(HTTPOptions.request + HTTPOptions.once)) { try $0.request(in: $1) }
            },
            // http.escape(text) -> string
            "escape": { call in call.push(try call[1].withBytes { Escaping.escape($0) }) },
            // http.query(pairs) -> string
            "query": { call in call.push(Escaping.query(try call[1].queryPairs())) },
        ]
        for method in methods {
            // http.get(url, opts) -> tt.HTTPResponse
            functions[method] = { call in
                let url = try call[1].string()
                let given = try call[2].options(HTTPOptions.verb + HTTPOptions.once)
                return try once(call, given) { try $0.request(in: $1, method.uppercased(), url) }
            }
        }
        return LuaModule("tt.http", functions: functions, classes: [client, response, answers])
    }

    /// A request by a client of its own.
    private static func once(
        _ call: Call, _ given: Argument, _ read: (Argument, HTTPClient) throws -> Request
    ) throws -> Int32 {
        let client = try HTTPClient(given)
        defer { client.close() }
        return call.push(object: try client.send(try read(given, client), call))
    }

    private static var client: LuaClass {
        var bodies: [String: LuaBody] = [
            // client:request(spec) -> tt.HTTPResponse
            "request": { call in
                let client = try call[1].object(HTTPClient.self)
                let request = try call[2].options(HTTPOptions.request).request(in: client)
                return call.push(object: try client.send(request, call))
            },
            // client:each(requests, {parallel}) -> tt.HTTPAnswers, nil, nil, tt.HTTPAnswers
            "each": { call in
                let client = try call[1].object(HTTPClient.self)
                let parallel = try call[3].options(["parallel"]).field("parallel").optional?.int(in: 1...256) ?? 4
                let answers = HTTPAnswers(client, limit: parallel, next: try requests(call[2]))
                // The fourth value of a generic `for` is closed when the loop is left.
                return call.push(object: answers) + call.push(nil) + call.push(nil) + call.push(object: answers)
            },
            // client:close()
            "close": { call in
                try call[1].object(HTTPClient.self).close()
                return 0
            },
        ]
        for method in methods {
            // client:get(url, opts) -> tt.HTTPResponse
            bodies[method] = { call in
                let client = try call[1].object(HTTPClient.self)
                let given = try call[3].options(HTTPOptions.verb)
                let request = try given.request(in: client, method.uppercased(), try call[2].string())
                return call.push(object: try client.send(request, call))
            }
        }
        return LuaClass(
            HTTPClient.self, "tt.HTTPClient", methods: bodies,
            metamethods: [
                "__tostring": { call in
                    let isOpen = try call[1].object(HTTPClient.self).client.isOpen
                    return call.push("tt.HTTPClient\(isOpen ? "" : " (closed)")")
                }
            ], close: { $0.close() })
    }

    private static var response: LuaClass {
        LuaClass(
            Response.self, "tt.HTTPResponse",
            methods: [
                // response:json() -> value
                "json": { call in JSONModule.push(try call[1].object(Response.self).json(), call) }
            ],
            metamethods: [
                "__tostring": { call in
                    let response = try call[1].object(Response.self)
                    let size = response.body.map { ", \($0.count) bytes" } ?? ""
                    return call.push("tt.HTTPResponse (\(response.status)\(size))")
                }
            ],
            index: { call in
                // response.status, .ok, .headers, .body, …
                let response = try call[1].object(Response.self)
                switch try? call[2].string() {
                case "status": return call.push(response.status)
                case "ok": return call.push(response.isSuccess)
                case "url": return call.push(response.url)
                case "http_version": return call.push(response.httpVersion)
                case "seconds": return call.push(response.seconds)
                case "attempts": return call.push(response.attempts)
                case "sha256": return call.push(response.digest)
                case "headers":
                    return call.pushTable(fields: response.headers.map { ($0.name, LuaBytes($0.value)) })
                case "body":
                    guard let body = response.body else { return call.push(nil) }
                    return try body.withUnsafeBytes { try call.pushLarge($0) }
                default: return call.push(nil)
                }
            },
            byteCount: { $0.body?.count ?? 0 })
    }

    private static var answers: LuaClass {
        LuaClass(
            HTTPAnswers.self, "tt.HTTPAnswers",
            methods: [
                // answers:close()
                "close": { call in
                    try call[1].object(HTTPAnswers.self).close()
                    return 0
                }
            ],
            metamethods: [
                // for request, response in answers do
                "__call": { call in
                    guard let answer = try call[1].object(HTTPAnswers.self).next(call) else { return call.push(nil) }
                    return call.push(answer.request) + call.push(object: answer.response)
                }
            ], close: { $0.close() })
    }

    /// What gives the table of the next request: a function, or a list.
    private static func requests(_ given: Argument) throws -> (Call) throws -> LuaReference? {
        if given.kind == .function {
            let function = try given.function()
            return { call in try call.invoke(function).first?.optional?.reference() }
        }
        guard given.kind == .table else { throw given.error("list of requests or function expected") }
        let list = try given.reference()
        var index = 0
        return { call in
            index += 1
            return try call.value(of: list).element(index).optional?.reference()
        }
    }
}
