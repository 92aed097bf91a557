import Base
import Glibc
import Synchronization
import Testing

@testable import Web

@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct RetryTests {
    /// What was told before pauses.
    private final class Notices {
        var all: [RetryNotice] = []
    }

    private func client(
        _ server: TestServer, _ change: (inout ClientOptions) -> Void = { _ in }
    ) throws -> (Client, Notices) {
        let notices = Notices()
        let client = try makeClient(server) {
            $0.onRetry = { notices.all.append($0) }
            change(&$0)
        }
        return (client, notices)
    }

    /// Answers `status` until the given request, counted from 1.
    private func failing(_ status: Int, until good: Int, _ headers: [String] = []) -> TestServer {
        let counter = Counter()
        return TestServer { _, connection in
            counter.next() < good
                ? connection.answer(status, headers, "bad") : connection.answer(200, [], "good")
        }
    }

    @Test(arguments: [429, 500, 502, 503, 504])
    func statuses(_ status: Int) throws {
        let server = failing(status, until: 4)
        let (client, notices) = try client(server)
        let response = try client.send(Request("GET", "/x?key=hidden"))
        #expect(text(response) == "good" && response.attempts == 4)
        #expect(server.requests.count == 4 && server.connections == 1)
        #expect(notices.all.map(\.attempt) == [1, 2, 3])
        #expect(notices.all.allSatisfy { $0.status == status && $0.failure == nil && $0.method == "GET" })
        #expect(notices.all.allSatisfy { $0.url == server.url + "/x?key=***" && (0...0.02).contains($0.wait) })
    }

    @Test func theLastAnswerStands() throws {
        let server = failing(503, until: 100)
        let (client, notices) = try client(server) { $0.retry?.attempts = 3 }
        let response = try client.send(Request("GET", "/"))
        #expect(response.status == 503 && text(response) == "bad" && response.attempts == 3)
        #expect(server.requests.count == 3 && notices.all.count == 2)
    }

    @Test(arguments: [400, 401, 404, 409, 413, 501])
    func otherStatusesAreAnswersAtOnce(_ status: Int) throws {
        let server = failing(status, until: 100)
        #expect(try client(server).0.send(Request("GET", "/")).status == status)
        #expect(server.requests.count == 1)
    }

    @Test(arguments: ["503", "close", "reset", "silence"])
    func onlyWhatIsSafeToRepeatIsRepeated(_ failure: String) throws {
        for (method, said, count) in [
            ("POST", nil, 1), ("PATCH", nil, 1), ("POST", true, 3), ("PUT", nil, 3), ("DELETE", nil, 3),
            ("HEAD", nil, 3), ("OPTIONS", nil, 3), ("PUT", false, 1), ("GET", false, 1),
        ] as [(String, Bool?, Int)] {
            let server = TestServer { _, connection in
                switch failure {
                case "503": connection.answer(503)
                case "close": connection.close()
                case "reset": connection.reset()
                default: connection.waitForEnd()
                }
            }
            let (client, _) = try client(server) {
                $0.retry?.attempts = 3
                $0.timeout = failure == "silence" ? 0.3 : 60
            }
            var request = Request(method, "/")
            request.isIdempotent = said
            do {
                let response = try client.send(request)
                #expect(failure == "503" && response.attempts == count)
            } catch let error as WebError {
                #expect(error.code == (failure == "silence" ? "http.timeout" : "http.incomplete"))
                #expect(detail(error, "attempts") == .int(Int64(count)))
            }
            // The last one may have been given up before the server has looked at it.
            #expect(eventually { server.requests.count >= count }, "\(method) \(failure)")
            #expect(server.requests.count == count, "\(method) \(failure)")
        }
    }

    /// libcurl repeats a request by itself when a connection that it kept breaks before the answer.
    @Test func whatLibcurlSendsAgainCounts() throws {
        let counter = Counter()
        let server = TestServer { _, connection in
            counter.next() == 2 ? connection.close() : connection.answer(200, [], "good")
        }
        let (client, notices) = try client(server)
        #expect(try client.send(Request("GET", "/")).attempts == 1)
        #expect(try client.send(Request("GET", "/")).attempts == 2)
        #expect(server.requests.count == 3 && notices.all.isEmpty)
    }

    @Test(arguments: ["GET", "POST"])
    func aRefusedConnectionMayAlwaysBeTriedAgain(_ method: String) throws {
        let notices = Notices()
        let client = try makeClient {
            $0.retry?.attempts = 3
            $0.onRetry = { notices.all.append($0) }
        }
        let port = TestServer.closedPort()
        let error = webError { _ = try client.send(Request(method, "http://user:hidden@127.0.0.1:\(port)/x")) }
        #expect(error?.code == "http.connect")
        #expect(error?.message.contains("hidden") == false && error?.message.hasSuffix("(3 attempts)") == true)
        #expect(detail(error, "attempts") == 3)
        #expect(notices.all.map { $0.failure?.code } == ["http.connect", "http.connect"])
    }

    @Test func hostsWithoutAddress() throws {
        let client = try makeClient { $0.retry?.attempts = 2 }
        let error = webError { _ = try client.send(Request("POST", "http://no-such-host.invalid/")) }
        #expect(error?.code == "http.resolve" && error?.message.contains("no-such-host.invalid") == true)
        #expect(detail(error, "attempts") == 2)
    }

    @Test func retryAfterIsHonoured() throws {
        let server = failing(429, until: 2, ["Retry-After: 0.4"])
        let (client, notices) = try client(server)
        #expect(try seconds { _ = try client.send(Request("GET", "/")) } >= 0.39)
        #expect(server.requests.count == 2)
        #expect(notices.all.map(\.wait) == [0.4])
        // A date, by the server's own clock.
        let dated = failing(
            503, until: 2,
            ["Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: Sun, 06 Nov 1994 08:49:38 GMT"])
        let (second, seen) = try self.client(dated)
        #expect(try seconds { _ = try second.send(Request("GET", "/")) } >= 0.99)
        #expect(seen.all.map(\.wait) == [1])
        // Longer than we are ready to wait.
        let patient = failing(429, until: 2, ["Retry-After: 3600"])
        let (third, _) = try self.client(patient)
        #expect(try third.send(Request("GET", "/")).status == 429)
        #expect(patient.requests.count == 1)
        // Nonsense is as good as none.
        let strange = failing(429, until: 2, ["Retry-After: later"])
        #expect(try self.client(strange).0.send(Request("GET", "/")).attempts == 2)
    }

    @Test func theCallerMayDecide() throws {
        let server = failing(404, until: 3)
        let (client, _) = try client(server)
        var request = Request("POST", "/")
        var seen: [String] = []
        request.retryWhen = { response in
            seen.append("\(response.status) \(text(response))")
            return true
        }
        #expect(text(try client.send(request)) == "good")
        #expect(seen == ["404 bad", "404 bad"])

        let busy = failing(503, until: 3)
        request = Request("GET", "/")
        request.retryWhen = { _ in false }
        #expect(try self.client(busy).0.send(request).status == 503)
        request.retryWhen = { _ in nil }
        #expect(try self.client(busy).0.send(request).status == 200)
        // What it throws ends the request.
        struct Stop: Error {}
        request.retryWhen = { _ in throw Stop() }
        #expect(throws: Stop.self) { try self.client(failing(503, until: 3)).0.send(request) }
        #expect(throws: Stop.self) {
            try self.client(failing(503, until: 3)) { $0.onRetry = { _ in throw Stop() } }.0
                .send(Request("GET", "/"))
        }
    }

    @Test func noRetryIsOneTry() throws {
        let server = failing(503, until: 100)
        var request = Request("GET", "/")
        request.retry = .never
        #expect(try client(server).0.send(request).status == 503)
        #expect(try client(server) { $0.retry = nil }.0.send(Request("GET", "/")).status == 503)
        #expect(server.requests.count == 2)
    }

    @Test(arguments: ["short", "chunk", "reset", "headers"])
    func aShortBodyIsNoAnswer(_ kind: String) throws {
        let counter = Counter()
        let server = TestServer { _, connection in
            if counter.next() > 2 { return connection.answer(200, [], "whole") }
            switch kind {
            case "short": connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart of it")
            case "chunk": connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart of it")
            case "reset":
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart of it")
                usleep(50_000)
                return connection.reset()
            default: connection.write("HTTP/1.1 200 OK\r\nContent-Le")
            }
            connection.close()
        }
        let (client, notices) = try client(server)
        var request = Request("GET", "/")
        request.retry = .never
        let error = webError { _ = try client.send(request) }
        #expect(error?.code == "http.incomplete")
        #expect(error?.message == "GET \(server.url)/: the connection broke before the answer was whole")
        let response = try client.send(Request("GET", "/"))
        #expect(text(response) == "whole" && response.attempts == 2)
        #expect(notices.all.map { $0.failure?.code } == ["http.incomplete"])
    }

    @Test func theClientMayBeUsedFromItsOwnFunctions() throws {
        let server = TestServer { request, connection in
            request.target == "/inner" ? connection.answer(200, [], "inner") : connection.answer(503)
        }
        var client: Client?
        var inner: [String] = []
        client = try makeClient(server) {
            $0.retry?.attempts = 3
            $0.onRetry = { _ in
                inner.append(text(try client!.send(Request("GET", "/inner"))))
            }
        }
        #expect(try client!.send(Request("GET", "/")).status == 503)
        #expect(inner == ["inner", "inner"])
        // It may even be closed there.
        let closing = try makeClient(server) { $0.onRetry = { _ in client!.close() } }
        client = closing
        #expect(webError { _ = try closing.send(Request("GET", "/")) }?.code == "http.closed")
        client = nil
    }
}
