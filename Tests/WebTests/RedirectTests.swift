import Base
import Testing

@testable import Web

@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct RedirectTests {
    private func redirecting(_ status: Int, to location: @escaping @Sendable (Received) -> String?) -> TestServer {
        TestServer { request, connection in
            guard let target = location(request) else { return connection.answer(200, [], "here") }
            connection.answer(status, ["Location: \(target)"], "elsewhere")
        }
    }

    private func request(_ method: String, body: Bool) throws -> Request {
        var request = Request(method, "/start")
        request.headers = [
            try Header("Authorization", "Bearer own"), try Header("Cookie", "c=1"), try Header("X-Own", "1"),
            try Header("Accept", "text/plain"), try Header("Host", "spoofed"),
        ]
        if body {
            request.body = .bytes(Array("content".utf8))
            request.headers.append(try Header("Content-Type", "text/plain"))
        }
        return request
    }

    private func client(_ server: TestServer, _ change: (inout ClientOptions) -> Void = { _ in }) throws -> Client {
        try makeClient(server) {
            $0.headers = [try! Header("apikey", "secret"), try! Header("Accept-Language", "ja")]
            change(&$0)
        }
    }

    @Test(arguments: [301, 302, 303, 307, 308], ["GET", "HEAD", "POST", "PUT"])
    func methodsAndBodies(_ status: Int, _ method: String) throws {
        let server = redirecting(status) { $0.target == "/start" ? "/end?x=1" : nil }
        let hasBody = method == "POST" || method == "PUT"
        let response = try client(server).send(try request(method, body: hasBody))
        #expect(response.status == 200 && response.url == server.url + "/end?x=1")
        #expect(text(response) == (method == "HEAD" ? "" : "here"), "the redirect's own body is left out")
        let last = server.requests[1]
        let turnsToGet = hasBody && (status == 303 || status < 303 && method == "POST")
        #expect(last.method == (turnsToGet ? "GET" : method))
        #expect(last.body == (hasBody && !turnsToGet ? Array("content".utf8) : []))
        #expect(last.header("content-type") == (hasBody && !turnsToGet ? "text/plain" : nil))
        // The same origin keeps all.
        #expect(last.header("apikey") == "secret" && last.header("authorization") == "Bearer own")
        #expect(last.header("x-own") == "1" && last.header("host") == "spoofed")
    }

    @Test(arguments: ["absolute", "without scheme"])
    func anotherOriginGetsNoCredentials(_ form: String) throws {
        let other = TestServer { _, connection in connection.answer(200, [], "other") }
        let place = form == "absolute" ? "http://127.0.0.1:\(other.port)/x" : "//127.0.0.1:\(other.port)/x"
        let server = redirecting(307) { _ in place }
        let client = try client(server) { $0.baseURL = "http://user:password@127.0.0.1:\(server.port)" }
        let response = try client.send(try request("POST", body: true))
        #expect(text(response) == "other" && response.url == "\(other.url)/x")
        #expect(server.requests[0].header("authorization") == "Bearer own")
        let received = other.requests[0]
        #expect(received.body == Array("content".utf8))
        #expect(
            received.headers.map(\.name).sorted() == [
                "accept", "accept-encoding", "content-length", "content-type", "host", "user-agent",
            ])
        #expect(received.header("accept") == "text/plain")
        #expect(received.header("host") == "127.0.0.1:\(other.port)")
    }

    @Test func aWayBackDoesNotBringCredentialsBack() throws {
        let server = TestServer { request, connection in
            let places = ["/start": "localhost:\(connection.port)/b", "/b": "127.0.0.1:\(connection.port)/c"]
            guard let place = places[request.target] else { return connection.answer(200, [], "end") }
            connection.answer(302, ["Location: http://\(place)"])
        }
        let response = try client(server).send(try request("GET", body: false))
        #expect(text(response) == "end")
        #expect(server.requests.map { $0.header("apikey") } == ["secret", nil, nil])
    }

    @Test func userOfTheURLStaysWithTheOrigin() throws {
        let server = redirecting(302) { $0.target == "/start" ? "/end" : nil }
        let client = try makeClient { $0.baseURL = "http://user:pass@127.0.0.1:\(server.port)" }
        let response = try client.send(Request("GET", "/start"))
        #expect(server.requests.allSatisfy { $0.header("authorization") == "Basic dXNlcjpwYXNz" })
        #expect(response.url == server.url + "/end", "shown without user")
    }

    @Test func theirNumberIsLimited() throws {
        let server = redirecting(302) { _ in "/again?token=hidden" }
        let error = webError { _ = try client(server).send(Request("GET", "/start")) }
        #expect(error?.code == "http.redirect")
        #expect(error?.message == "GET \(server.url)/again?token=***: more than 5 redirects")
        #expect(server.requests.count == 6)
        var request = Request("GET", "/start")
        request.redirects = 0
        let response = try client(server).send(request)
        #expect(response.status == 302 && text(response) == "elsewhere")
        #expect(response.header("location") == "/again?token=hidden")
    }

    @Test(arguments: ["ftp://h/x", "file:///etc/passwd", "gopher://h", "http://", "http://h:0/", "dict://h/"])
    func onlyHTTPIsFollowed(_ location: String) throws {
        let server = redirecting(302) { _ in location }
        let error = webError { _ = try client(server).send(Request("GET", "/start")) }
        #expect(error?.code == "http.redirect" || error?.code == "http.failed", "\(error?.message ?? "-")")
        #expect(server.requests.count == 1)
    }

    @Test func withoutALocationItIsAnAnswer() throws {
        let server = TestServer { _, connection in connection.answer(302, [], "nowhere") }
        #expect(text(try client(server).send(Request("GET", "/"))) == "nowhere")
    }
}
