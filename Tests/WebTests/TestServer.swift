import Glibc
import Synchronization

/// A request as it came over the wire.
struct Received: Sendable {
    let method: String
    let target: String
    /// Names in lower case.
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    /// Counts the server's connections from 1.
    let connection: Int

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// One connection of a server: reads requests, writes whatever a test wants.
final class Connection: @unchecked Sendable {
    let number: Int
    /// The server's.
    let port: UInt16
    private let descriptor: Int32
    private var pending: [UInt8] = []
    private(set) var isOpen = true
    /// Microseconds that it waits before it reads on.
    private let pause: UInt32

    init(_ descriptor: Int32, number: Int, port: UInt16, pause: UInt32) {
        self.pause = pause
        self.descriptor = descriptor
        self.number = number
        self.port = port
    }

    /// Nil when the client has left.
    func receive() -> Received? {
        var end: Int?
        while end == nil {
            end = pending.indices.dropLast(3).first { pending[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) }
            if end == nil, !fill() { return nil }
        }
        let lines = String(decoding: pending[..<end!], as: UTF8.self).split(separator: "\r\n")
        pending.removeFirst(end! + 4)
        let words = lines[0].split(separator: " ")
        let headers = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":")!
            return (
                name: line[..<colon].lowercased(),
                value: String(line[line.index(after: colon)...].drop(while: { $0 == " " }))
            )
        }
        let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
        while pending.count < length { if !fill() { return nil } }
        let body = Array(pending[..<length])
        pending.removeFirst(length)
        return Received(
            method: String(words[0]), target: String(words[1]), headers: headers, body: body, connection: number)
    }

    private func fill() -> Bool {
        if pause > 0 { usleep(pause) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        pending += buffer[..<count]
        return true
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    /// A whole answer.
    func answer(_ status: Int = 200, _ headers: [String] = [], _ body: [UInt8] = []) {
        let head = ["HTTP/1.1 \(status) Whatever", "Content-Length: \(body.count)"] + headers
        write(Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
    }

    func answer(_ status: Int = 200, _ headers: [String] = [], _ body: String) {
        answer(status, headers, Array(body.utf8))
    }

    /// Ends it in good order.
    func close() {
        guard isOpen else { return }
        isOpen = false
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
    }

    /// Ends it with a reset.
    func reset() {
        guard isOpen else { return }
        isOpen = false
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
        Glibc.close(descriptor)
    }

    /// Waits until the client has left; what it sends meanwhile is lost.
    func waitForEnd() { while fill() { pending = [] } }
}

/// A web server on the loopback interface that answers as a test wants, each connection on a thread of its own.
final class TestServer: @unchecked Sendable {
    typealias Handler = @Sendable (Received, Connection) -> Void

    let port: UInt16
    private let listener: Int32
    private let handler: Handler
    private let log = Mutex<[Received]>([])
    private let connectionCount = Mutex(0)

    /// - Parameters:
    ///   - pause: microseconds that go by before each reading; 0 reads as fast as it goes, with room for what comes.
    ///   - handler: called for each request; a connection it leaves open is read again.
    init(pause: UInt32 = 0, _ handler: @escaping Handler) {
        self.handler = handler
        (listener, port) = Self.listen()
        if pause > 0 {
            var room: Int32 = 200_000
            setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout.size(ofValue: room)))
        }
        Self.thread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                let number = connectionCount.withLock {
                    $0 += 1
                    return $0
                }
                let connection = Connection(descriptor, number: number, port: port, pause: pause)
                Self.thread { [self] in
                    while connection.isOpen, let request = connection.receive() {
                        log.withLock { $0.append(request) }
                        self.handler(request, connection)
                    }
                    connection.close()
                }
            }
        }
    }

    /// Stops listening; the port refuses connections from then on.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    var url: String { "http://127.0.0.1:\(port)" }
    var requests: [Received] { log.withLock { $0 } }
    var connections: Int { connectionCount.withLock { $0 } }

    /// A port that refuses connections.
    static func closedPort() -> UInt16 {
        let (descriptor, port) = listen()
        Glibc.close(descriptor)
        return port
    }

    private static func listen() -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                precondition(bind(descriptor, generic, size) == 0 && Glibc.listen(descriptor, 64) == 0)
                getsockname(descriptor, generic, &size)
            }
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    static func thread(_ body: @escaping @Sendable () -> Void) {
        final class Box {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { pointer in
                Unmanaged<Box>.fromOpaque(pointer!).takeRetainedValue().body()
                return nil
            }, box)
        pthread_detach(thread)
    }
}

/// Waits until something holds; false when it does not after a minute.
@discardableResult func eventually(_ holds: () -> Bool) -> Bool {
    for _ in 0..<6000 {
        if holds() { return true }
        usleep(10_000)
    }
    return holds()
}

/// A number that threads may count up.
final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    @discardableResult func next() -> Int {
        value.withLock {
            $0 += 1
            return $0
        }
    }
}
