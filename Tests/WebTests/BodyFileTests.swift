import Base
import Files
import Glibc
import Testing

@testable import Web

/// Bodies from and to files.
@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct BodyFileTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder(prefix: "tt web") }

    private func path(_ name: String) -> String { Path.join(folder.path, name) }

    private func write(_ bytes: [UInt8], to name: String) throws {
        try bytes.withUnsafeBytes { try AtomicFile.write($0, to: path(name)) }
    }

    private let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    @Test func partsOfAFileAreSent() throws {
        try write(content, to: "a")
        let server = TestServer { request, connection in connection.answer(200, [], SHA256.hex(request.body)) }
        let client = try makeClient(server)
        for (offset, length) in [(0, nil), (1_000_000, nil), (0, 10), (123, 2_000_000), (3_000_000, nil), (5, 0)]
            as [(Int, Int?)]
        {
            var request = Request("PATCH", "/")
            request.body = .file(path: path("a"), offset: offset, length: length)
            let part = content[offset..<(length.map { offset + $0 } ?? content.count)]
            #expect(text(try client.send(request)) == SHA256.hex(Array(part)))
            #expect(server.requests.last?.header("content-length") == "\(part.count)")
        }
        for (offset, length) in [(3_000_001, nil), (0, 3_000_001), (2_999_999, 2), (Int.max, Int.max)] as [(Int, Int?)]
        {
            var request = Request("PUT", "/")
            request.body = .file(path: path("a"), offset: offset, length: length)
            let error = webError { _ = try client.send(request) }
            #expect(error?.code == "http.file" && error?.message.contains("has 3000000 bytes") == true)
        }
        var request = Request("PUT", "/")
        request.body = .file(path: path("none"), offset: 0, length: nil)
        #expect(throws: FileError.self) { try client.send(request) }
        request.body = .file(path: folder.path, offset: 0, length: nil)
        #expect(throws: FileError.self) { try client.send(request) }
        #expect(server.requests.count == 6)
    }

    @Test func aRetrySendsTheFileFromItsStart() throws {
        try write(content, to: "a")
        let counter = Counter()
        let server = TestServer { request, connection in
            switch counter.next() {
            case 1: connection.reset()
            case 2: connection.answer(503)
            case 3: connection.answer(307, ["Location: /there"])
            default: connection.answer(200, [], SHA256.hex(request.body))
            }
        }
        var request = Request("PUT", "/")
        request.body = .file(path: path("a"), offset: 1000, length: 2_000_000)
        let response = try makeClient(server).send(request)
        #expect(text(response) == SHA256.hex(Array(content[1000..<2_001_000])))
        #expect(response.attempts == 3 && server.requests.last?.target == "/there")
    }

    @Test func aFileThatShrinksIsNoticed() throws {
        try write([UInt8](repeating: 1, count: 100_000_000), to: "a")
        let name = path("a")
        // It reads so slowly that most of the file is still to be sent when it is cut.
        let server = TestServer(pause: 1_000) { _, connection in connection.answer() }
        let client = try makeClient(server)
        let shrinking = try makeClient(server) { $0.onRetry = { _ in } }
        var request = Request("PUT", "/")
        request.body = .file(path: name, offset: 0, length: nil)
        // The file is cut while its first bytes are on their way.
        TestServer.thread {
            eventually { server.connections > 0 }
            truncate(name, 1000)
        }
        let error = webError { _ = try shrinking.send(request) }
        #expect(error?.code == "http.file" && error?.message.contains("became shorter") == true)
        request.body = .file(path: name, offset: 0, length: nil)
        #expect(try client.send(request).status == 200)
    }

    @Test func answersAreSaved() throws {
        let bytes = content
        let server = TestServer { request, connection in
            switch request.target {
            case "/missing": connection.answer(404, [], "no such thing")
            case "/empty": connection.answer(204)
            case "/moved": connection.answer(302, ["Location: /whole"], "elsewhere")
            default: connection.answer(200, ["Content-Encoding: gzip"], gzip(bytes))
            }
        }
        let client = try makeClient(server) { $0.maximumBody = 1000 }
        var request = Request("GET", "/whole")
        request.savePath = path("a")
        request.wantsDigest = true
        for target in ["/whole", "/moved"] {
            request.url = target
            let response = try client.send(request)
            #expect(response.body == nil && response.digest == SHA256.hex(content))
            #expect(try Files.read(path("a")) == content)
            #expect(try Files.list(folder.path) == ["a"])
            #expect(webError { _ = try response.json() }?.code == "http.no_body")
        }
        // No 2xx, no file; the old one stays.
        request.url = "/missing"
        let missing = try client.send(request)
        #expect(text(missing) == "no such thing" && missing.digest == SHA256.hex(Array("no such thing".utf8)))
        #expect(try Files.read(path("a")) == content)
        request.url = "/empty"
        _ = try client.send(request)
        #expect(try Files.read(path("a")).isEmpty)
        #expect(try Files.list(folder.path) == ["a"])
    }

    @Test func nothingIsLeftOfAFailure() throws {
        try write(Array("old".utf8), to: "a")
        let server = TestServer { request, connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            connection.write([UInt8](repeating: 1, count: 500_000))
            request.target == "/hang" ? connection.waitForEnd() : connection.close()
        }
        let client = try makeClient(server) {
            $0.retry?.attempts = 3
        }
        var request = Request("GET", "/short")
        request.savePath = path("a")
        #expect(webError { _ = try client.send(request) }?.code == "http.incomplete")
        #expect(server.requests.count == 3)
        request.url = "/hang"
        request.timeout = 0.3
        #expect(webError { _ = try client.send(request) }?.code == "http.timeout")
        #expect(try Files.read(path("a")) == Array("old".utf8))
        #expect(try Files.list(folder.path) == ["a"])
        // A place that cannot be written to is known before anything is sent.
        let before = server.requests.count
        request.savePath = path("none/a")
        #expect(throws: FileError.self) { try client.send(request) }
        #expect(server.requests.count == before)
    }
}
