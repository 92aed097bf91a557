import CPostgres
import Glibc

@testable import SQL

/// Stands between a client and the server of the tests, hands one connection on and lets all others wait.
enum OneConnection {
    /// The DSN of the stand-in, whose socket lies in `folder`; nil when the server has no Unix socket.
    static func open(in folder: String, to dsn: String) throws -> String? {
        guard tt_pq_load() == nil else { return nil }
        var options = try PostgresAddress(dsn).options.filter { $0.keyword != "port" }
        let port = try PostgresAddress(dsn).options.first { $0.keyword == "port" }?.value ?? "5432"
        guard let place = options.firstIndex(where: { $0.keyword == "host" }), options[place].value.hasPrefix("/")
        else {
            return nil
        }
        let server = end(options[place].value + "/.s.PGSQL.\(port)", connect)
        let listener = end(folder + "/.s.PGSQL.5432", bind)
        guard server >= 0, listener >= 0, listen(listener, 8) == 0 else { return nil }
        pump(listener, server)
        options[place].value = folder
        return options.map { "\($0.keyword)='\($0.value)'" }.joined(separator: " ")
    }

    private static func end(
        _ path: String, _ attach: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                attach(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 ? descriptor : -1
    }

    private static func pump(_ listener: Int32, _ server: Int32) {
        Thread.start {
            let client = accept(listener, nil, nil)
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while true {
                var ends = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                guard poll(&ends, 2, -1) > 0 else { continue }
                for (from, to) in [(0, server), (1, client)] where ends[from].revents != 0 {
                    let count = read(ends[from].fd, &bytes, bytes.count)
                    guard count > 0, write(to, bytes, count) == count else { return }
                }
            }
        }
    }
}
