import Base
import Glibc
import Testing

@testable import Web

@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct TimeoutTests {
    private let silent = TestServer { _, connection in connection.waitForEnd() }

    @Test func theWholeTransfer() throws {
        let client = try makeClient(silent) {
            $0.timeout = 0.3
            $0.retry = nil
        }
        var error: WebError?
        let taken = seconds { error = webError { _ = try client.send(Request("GET", "/x?apikey=hidden")) } }
        #expect(error?.code == "http.timeout")
        #expect(error?.message == "GET \(silent.url)/x?apikey=***: no answer within 0.3 s (timeout_s)")
        #expect(detail(error, "method") == "GET" && detail(error, "attempts") == 1)
        #expect(detail(error, "url") == .string("\(silent.url)/x?apikey=***"))
        #expect((0.28...20).contains(taken))
        // A request's own limit goes before the client's.
        var request = Request("GET", "/")
        request.timeout = 0.6
        #expect(seconds { error = webError { _ = try client.send(request) } } > 0.55)
    }

    @Test func withoutAByte() throws {
        // Bytes keep it alive; silence ends it.
        let server = TestServer { _, connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in 0..<9 {
                connection.write("x")
                usleep(200_000)
            }
            connection.waitForEnd()
        }
        let client = try makeClient(server) {
            $0.idleTimeout = 1.4
            $0.retry = nil
        }
        var error: WebError?
        let taken = seconds { error = webError { _ = try client.send(Request("GET", "/")) } }
        #expect(error?.code == "http.timeout")
        #expect(error?.message.hasSuffix("no byte for 1.4 s (idle_timeout_s)") == true)
        #expect((3.0...30).contains(taken))
    }

    @Test func aConnection() throws {
        // A listener whose queue is full takes no more connections, and says nothing.
        let (descriptor, port) = fullListener()
        defer { close(descriptor) }
        let client = try makeClient {
            $0.connectTimeout = 0.3
            $0.retry?.attempts = 2
        }
        var error: WebError?
        let taken = seconds {
            error = webError { _ = try client.send(Request("POST", "http://127.0.0.1:\(port)/")) }
        }
        #expect(error?.code == "http.timeout")
        #expect(error?.message.hasSuffix("no connection within 0.3 s (connect_timeout_s) (2 attempts)") == true)
        #expect((0.55...20).contains(taken))
    }

    @Test func sendingKeepsItAlive() throws {
        // A slow reader; the kernel must not take all at once, or nothing would be seen to leave.
        let server = TestServer(pause: 100_000) { request, connection in
            if request.target == "/silent" { return connection.waitForEnd() }
            connection.answer(200, [], "\(request.body.count)")
        }
        let client = try makeClient(server) {
            $0.idleTimeout = 1.8
            $0.retry = nil
        }
        var request = Request("PUT", "/")
        request.body = .bytes([UInt8](repeating: 7, count: 3_000_000))
        var response: Response?
        let taken = try seconds { response = try client.send(request) }
        #expect(response.map(text) == "3000000")
        #expect(taken > 3.6, "slower than the limit")
        // Once all has left, silence is silence.
        request = Request("PUT", "/silent")
        request.body = .bytes([1, 2, 3])
        var error: WebError?
        #expect(seconds { error = webError { _ = try client.send(request) } } < 20)
        #expect(error?.message.hasSuffix("no byte for 1.8 s (idle_timeout_s)") == true)
    }

    @Test func noLimitRunsWhileTheCallerIsAway() throws {
        let server = TestServer { request, connection in
            if request.target == "/slow" { usleep(200_000) }
            connection.answer(200, [], request.target)
        }
        let client = try makeClient(server) {
            $0.timeout = 1.5
            $0.idleTimeout = 1.5
            $0.retry = nil
        }
        var requests = [Request("GET", "/fast"), Request("GET", "/slow")]
        let transfers = Transfers(client, limit: 2) { requests.isEmpty ? nil : requests.removeFirst() }
        let first = try transfers.nextAnswer()
        #expect(first.map { text($0.response) } == "/fast")
        usleep(2_000_000)
        #expect(try transfers.nextAnswer().map { text($0.response) } == "/slow")
        #expect(try transfers.nextAnswer() == nil)
    }

    private func fullListener() -> (Int32, UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                precondition(bind(descriptor, generic, size) == 0 && listen(descriptor, 0) == 0)
                getsockname(descriptor, generic, &size)
                for _ in 0..<4 {
                    let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
                    connect(filler, generic, size)
                }
            }
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
