import Base
import Glibc
import Synchronization
import Testing

@testable import Web

/// Several requests at once.
@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct TransfersTests {
    /// How many handlers run at once, at most.
    private final class Gauge: Sendable {
        private let state = Mutex((now: 0, most: 0))
        var most: Int { state.withLock { $0.most } }
        func enter() { state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func leave() { state.withLock { $0.now -= 1 } }
    }

    private func all(_ transfers: Transfers) throws -> [String] {
        var result: [String] = []
        while let answer = try transfers.nextAnswer() {
            #expect(answer.request.url == text(answer.response))
            result.append(text(answer.response))
        }
        return result
    }

    @Test(arguments: [1, 4, 10])
    func asManyAsAllowedAreUnderWay(_ limit: Int) throws {
        let gauge = Gauge()
        let server = TestServer { request, connection in
            gauge.enter()
            eventually { gauge.most >= limit }
            // One more than allowed would come now.
            usleep(50_000)
            gauge.leave()
            connection.answer(200, [], request.target)
        }
        let client = try makeClient(server)
        var next = 0
        let transfers = Transfers(client, limit: limit) {
            next += 1
            return next > 20 ? nil : Request("GET", "/\(next)")
        }
        let answers = try all(transfers)
        #expect(answers.sorted() == (1...20).map { "/\($0)" }.sorted())
        if limit == 1 { #expect(answers == (1...20).map { "/\($0)" }) }
        #expect(gauge.most == limit)
        #expect(server.connections == limit)
        #expect(try transfers.nextAnswer() == nil)
    }

    @Test func theyAreReadWhenThereIsRoom() throws {
        let server = TestServer { request, connection in connection.answer(200, [], request.target) }
        var next = 0
        let transfers = Transfers(try makeClient(server), limit: 3) {
            next += 1
            return Request("GET", "/\(next)")
        }
        #expect(next == 0)
        for i in 1...5 {
            _ = try transfers.nextAnswer()
            #expect(next >= i && next <= i + 3)
        }
        transfers.close()
        #expect(try transfers.nextAnswer() == nil)
    }

    @Test func retriesDoNotHoldTheOthersUp() throws {
        let counter = Counter()
        let server = TestServer { request, connection in
            if request.target == "/1", counter.next() == 1 {
                return connection.answer(503, ["Retry-After: 2"])
            }
            connection.answer(200, [], request.target)
        }
        var next = 0
        let transfers = Transfers(try makeClient(server), limit: 2) {
            next += 1
            return next > 5 ? nil : Request("GET", "/\(next)")
        }
        #expect(try all(transfers) == ["/2", "/3", "/4", "/5", "/1"])
    }

    @Test func anErrorEndsAll() throws {
        let server = TestServer { request, connection in
            if request.target == "/2" { return connection.close() }
            connection.waitForEnd()
        }
        var next = 0
        let client = try makeClient(server) { $0.retry = nil }
        let transfers = Transfers(client, limit: 3) {
            next += 1
            return Request("GET", "/\(next)")
        }
        let error = webError { _ = try transfers.nextAnswer() }
        #expect(error?.code == "http.incomplete" && detail(error, "url") == .string("\(server.url)/2"))
        #expect(try transfers.nextAnswer() == nil)
        // What the source throws ends all too.
        struct Stop: Error {}
        let stopping = Transfers(client, limit: 3) { throw Stop() }
        #expect(throws: Stop.self) { try stopping.nextAnswer() }
        #expect(try stopping.nextAnswer() == nil)
    }

    @Test func closingAbortsAndTheClientGoesOn() throws {
        let here = Counter()
        let left = Counter()
        let server = TestServer { request, connection in
            if request.target == "/hang" {
                here.next()
                connection.waitForEnd()
                left.next()
            } else {
                eventually { here.count == 2 }
                connection.answer(200, [], request.target)
            }
        }
        let client = try makeClient(server)
        var urls = ["/hang", "/hang", "/first"]
        let transfers = Transfers(client, limit: 3) { urls.popLast().map { Request("GET", $0) } }
        #expect(try transfers.nextAnswer().map { text($0.response) } == "/first")
        transfers.close()
        transfers.close()
        #expect(text(try client.send(Request("GET", "/next"))) == "/next")
        // The server sees that nobody waits any more.
        #expect(eventually { left.count == 2 })
    }

    @Test func oneClientServesSeveralLoops() throws {
        let server = TestServer { request, connection in connection.answer(200, [], request.target) }
        let client = try makeClient(server)
        func loop(_ name: String) -> Transfers {
            var next = 0
            return Transfers(client, limit: 2) {
                next += 1
                return next > 4 ? nil : Request("GET", "/\(name)\(next)")
            }
        }
        let a = loop("a")
        let b = loop("b")
        var seen: [String] = []
        for _ in 0..<4 {
            for transfers in [a, b] { seen.append(try transfers.nextAnswer().map { text($0.response) } ?? "-") }
            seen.append(text(try client.send(Request("GET", "/c"))))
        }
        let expected = ["a", "b"].flatMap { name in (1...4).map { "/\(name)\($0)" } }
        #expect(seen.sorted() == expected + Array(repeating: "/c", count: 4))
        #expect(try a.nextAnswer() == nil && b.nextAnswer() == nil)
    }
}
