import Base
import CZlib
import Glibc
import Testing

@testable import Web

/// One request at a time.
@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct ClientTests {
    @Test func whatIsSentAndWhatComesBack() throws {
        let server = TestServer { request, connection in
            let headers = ["X-One: a", "x-one: b", "Set-Cookie: a=1, x", "Set-Cookie: b=2", "X-Fold: a", "   b"]
            connection.answer(201, headers, "hello")
        }
        let client = try makeClient(server) {
            $0.headers = [try! Header("X-Client", "c"), try! Header("X-Both", "client")]
            $0.userAgent = "test/1"
        }
        var request = Request("POST", "/p")
        request.query = [("b", "2"), ("a", "x y")]
        request.headers = [try Header("x-both", "request"), try Header("X-Empty", "")]
        request.body = .bytes(Array("body".utf8))
        let response = try client.send(request)
        #expect(response.status == 201 && response.isSuccess)
        #expect(text(response) == "hello")
        #expect(response.url == server.url + "/p?b=2&a=x%20y")
        #expect(response.httpVersion == "1.1" && response.attempts == 1 && response.digest == nil)
        #expect(response.header("x-one") == "a, b")
        #expect(response.header("set-cookie") == "a=1, x\nb=2")
        #expect(response.header("x-fold") == "a b")
        #expect(response.header("x-none") == nil)

        let received = server.requests[0]
        #expect(received.method == "POST" && received.target == "/p?b=2&a=x%20y")
        #expect(received.body == Array("body".utf8))
        #expect(received.header("x-client") == "c" && received.header("x-both") == "request")
        #expect(received.header("x-empty") == "")
        #expect(received.header("user-agent") == "test/1")
        #expect(received.header("content-length") == "4")
        #expect(received.header("content-type") == nil && received.header("expect") == nil)
        #expect(received.header("accept-encoding")?.contains("gzip") == true)
        #expect(server.requests[0].headers.count { $0.name == "x-both" } == 1)
    }

    @Test(arguments: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
    func methods(_ method: String) throws {
        let server = TestServer { request, connection in
            if request.method == "HEAD" {
                connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            } else {
                connection.answer(200, [], request.method)
            }
        }
        let client = try makeClient(server)
        for _ in 0..<2 {
            let response = try client.send(Request(method, "/"))
            #expect(text(response) == (method == "HEAD" ? "" : method))
        }
        #expect(server.requests.map(\.method) == [method, method])
        #expect(server.requests.allSatisfy { $0.header("content-type") == nil && $0.body.isEmpty })
        let lengths = server.requests.map { $0.header("content-length") }
        #expect(lengths == (["POST", "PUT", "PATCH"].contains(method) ? ["0", "0"] : [nil, nil]))
        #expect(server.connections == 1)
    }

    @Test func connectionsAreKept() throws {
        let server = TestServer { request, connection in
            connection.answer(200, [], request.target)
            // One that the server ends without saying so.
            if request.target == "/5" { connection.close() }
        }
        let client = try makeClient(server)
        for i in 1...10 { #expect(text(try client.send(Request("GET", "/\(i)"))) == "/\(i)") }
        #expect(server.connections == 2)
        #expect(server.requests.count == 10)
        client.close()
        #expect(webError { _ = try client.send(Request("GET", "/")) }?.code == "http.closed")
        client.close()
    }

    @Test func bodiesAreDecoded() throws {
        let content = [UInt8](repeating: 120, count: 1_000_000)
        let packed = gzip(content)
        let server = TestServer { request, connection in
            switch request.target {
            case "/gzip": connection.answer(200, ["Content-Encoding: gzip"], packed)
            case "/broken": connection.answer(200, ["Content-Encoding: gzip"], "no gzip at all")
            default:
                connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                connection.write("5\r\nhello\r\n7; x=y\r\n, world\r\n0\r\nX-Trailer: t\r\n\r\n")
            }
        }
        let client = try makeClient(server)
        var request = Request("GET", "/gzip")
        request.wantsDigest = true
        let response = try client.send(request)
        #expect(response.body == content)
        #expect(response.digest == SHA256.hex(content))
        let chunked = try client.send(Request("GET", "/chunked"))
        #expect(text(chunked) == "hello, world" && chunked.header("x-trailer") == nil)
        #expect(webError { _ = try client.send(Request("GET", "/broken")) }?.code == "http.failed")
        // Who asks for an encoding gets it as it is.
        request.headers = [try Header("Accept-Encoding", "gzip")]
        #expect(try client.send(request).body == packed)
    }

    @Test func theLimitCountsDecodedBytes() throws {
        let packed = gzip([UInt8](repeating: 0, count: 50_000_000))
        let server = TestServer { _, connection in connection.answer(200, ["Content-Encoding: gzip"], packed) }
        let client = try makeClient(server) { $0.maximumBody = 1_000_000 }
        let error = webError { _ = try client.send(Request("GET", "/")) }
        #expect(error?.code == "http.too_large")
        #expect(error?.message.hasSuffix("the body of the answer is larger than 1000000 bytes (max_body)") == true)
        #expect(server.requests.count == 1, "not repeated")
        var request = Request("GET", "/")
        request.maximumBody = 50_000_000
        #expect(try client.send(request).body?.count == 50_000_000)
    }

    @Test func endlessHeadersAreRefused() throws {
        let server = TestServer { _, connection in
            connection.write("HTTP/1.1 200 OK\r\n")
            for i in 0..<20_000 { connection.write("X-\(i): \(String(repeating: "y", count: 100))\r\n") }
            connection.answer()
        }
        let error = webError { _ = try makeClient(server).send(Request("GET", "/")) }
        #expect(error?.code == "http.too_large")
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "\r\n\r\n\u{0}",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\n: no name\r\n\tfold\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 99999999999999999999 OK\r\n\r\n",
    ])
    func strangeAnswersDoNotTrap(_ answer: String) throws {
        let server = TestServer { _, connection in
            connection.write(answer)
            connection.close()
        }
        let client = try makeClient(server) { $0.retry = nil }
        do {
            _ = try client.send(Request("GET", "/"))
        } catch let error as WebError {
            #expect(error.code.hasPrefix("http."))
        }
    }

    @Test func damagedAnswersDoNotTrap() throws {
        let packed = gzip(Array("some text that is long enough to be packed, packed, packed".utf8))
        let head = [
            "HTTP/1.1 200 OK", "Content-Encoding: gzip", "Set-Cookie: a=b", "Content-Length: \(packed.count)",
            "Date: x",
            "\r\n",
        ]
        let whole = Array(head.joined(separator: "\r\n").utf8) + packed
        let counter = Counter()
        let server = TestServer { _, connection in
            var random = Random(seed: UInt64(counter.next()))
            var bytes = whole
            for _ in 0...random.below(4) {
                switch random.below(3) {
                case 0: bytes[random.below(bytes.count)] = UInt8(random.below(256))
                case 1: bytes.remove(at: random.below(bytes.count))
                default: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count))
                }
            }
            connection.write(bytes)
            connection.close()
        }
        let client = try makeClient(server) {
            $0.retry = nil
            $0.redirects = 1
        }
        var codes: Set<String> = []
        for _ in 0..<400 {
            do {
                codes.insert("\(try client.send(Request("GET", "/")).status)")
            } catch let error as WebError {
                codes.insert(error.code)
            }
        }
        #expect(codes.contains("200") && codes.contains("http.failed") && codes.contains("http.incomplete"))
    }

    @Test func informationalAnswersAreSkipped() throws {
        let server = TestServer { _, connection in
            connection.write("HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\nHTTP/1.1 103 Early\r\nX-B: 1\r\n\r\n")
            connection.answer(200, ["X-C: 1"], "x")
        }
        let response = try makeClient(server).send(Request("GET", "/"))
        #expect(response.status == 200 && text(response) == "x")
        #expect(response.headers.map(\.name) == ["content-length", "x-c"])
    }

    @Test func bodiesAreRepeatedWhereConnectionsDie() throws {
        // The second request meets a connection that ends once it is read; PUT goes out again, POST does not.
        let server = TestServer { request, connection in
            if connection.number % 2 == 1, request.target == "/second" { return connection.close() }
            connection.answer(200, [], request.body)
        }
        let client = try makeClient(server) { $0.retry = nil }
        _ = try client.send(Request("GET", "/first"))
        var request = Request("PUT", "/second")
        request.body = .bytes(Array("again".utf8))
        #expect(text(try client.send(request)) == "again")
        #expect(server.requests.map(\.method) == ["GET", "PUT", "PUT"])

        for body in [Request.Body.bytes(Array("once".utf8)), .none] {
            let other = try makeClient(server) { $0.retry = nil }
            while server.connections % 2 == 1 { _ = try makeClient(server).send(Request("GET", "/skip")) }
            _ = try other.send(Request("GET", "/first"))
            request.method = "POST"
            request.body = body
            let before = server.requests.count
            #expect(webError { _ = try other.send(request) }?.code == "http.incomplete")
            #expect(server.requests.dropFirst(before).map(\.method) == ["POST"])
        }
    }
}

/// Compressed by zlib in gzip's form.
func gzip(_ content: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(
        &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    var result = [UInt8](repeating: 0, count: content.count + 1000)
    var content = content
    content.withUnsafeMutableBufferPointer { input in
        result.withUnsafeMutableBufferPointer { output in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            stream.next_out = output.baseAddress
            stream.avail_out = UInt32(output.count)
            deflate(&stream, Z_FINISH)
        }
    }
    deflateEnd(&stream)
    return Array(result[..<Int(stream.total_out)])
}
