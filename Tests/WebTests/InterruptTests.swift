import Base
import CSystem
import Files
import Glibc
import Testing

@testable import Web

/// Ctrl-C, which the whole process shares, so each test has a process of its own.
@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct InterruptTests {
    @Test func transfersAndPausesStopAtOnce() async {
        await #expect(processExitsWith: .success) {
            let server = TestServer { request, connection in
                if request.target == "/busy" { return connection.answer(503, ["Retry-After: 60"]) }
                if request.target == "/half" { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx") }
                connection.waitForEnd()
            }
            let folder = try TemporaryFolder()
            let client = try makeClient(server)
            for target in ["/silent", "/busy", "/half"] {
                let before = server.requests.count
                TestServer.thread {
                    eventually { server.requests.count > before }
                    tt_interrupt_set(1)
                }
                var request = Request("GET", target)
                request.savePath = Path.join(folder.path, "saved")
                let taken = seconds {
                    do {
                        _ = try client.send(request)
                        exit(1)
                    } catch is Interrupted {
                    } catch { exit(2) }
                }
                tt_interrupt_set(0)
                guard taken < 20, try Files.list(folder.path).isEmpty else { exit(3) }
            }
            let transfers = Transfers(client, limit: 3) { Request("GET", "/silent") }
            tt_interrupt_set(1)
            do {
                _ = try transfers.nextAnswer()
                exit(4)
            } catch is Interrupted {}
            tt_interrupt_set(0)
            guard try transfers.nextAnswer() == nil else { exit(5) }
            exit(0)
        }
    }
}
