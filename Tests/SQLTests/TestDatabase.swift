import Base
import CSystem
import Files
import Frames
import Glibc
import Testing

@testable import SQL

/// The databases tests run on: SQLite always, PostgreSQL where `TT_TEST_PG_DSN` names one or one can be started.
enum TestDatabase: String, CaseIterable, CustomTestStringConvertible {
    case sqlite, postgresql

    var testDescription: String { rawValue }

    /// Those that are there. A missing PostgreSQL is told once, by `PostgresServer.dsn`.
    static var available: [TestDatabase] { PostgresServer.dsn == nil ? [.sqlite] : [.sqlite, .postgresql] }

    func open(_ options: OpenOptions = OpenOptions()) throws -> Database {
        switch self {
        case .sqlite: return try Database.open("sqlite::memory:", options)
        case .postgresql:
            let database = try Database.open(PostgresServer.dsn!, options)
            // Each connection sees tables of its own.
            if !options.readOnly { try database.execute("SET search_path TO pg_temp, public") }
            return database
        }
    }
}

enum PostgresServer {
    static let dsn: String? = {
        if let given = getenv("TT_TEST_PG_DSN") { return String(cString: given) }
        let folder = "/tmp/tt-sql-tests-\(getpid())"
        guard let started = shell("'\(script)' start '\(folder)' 2>/dev/null"), !started.isEmpty else {
            print("SQLTests: no PostgreSQL server; tests that need one are skipped")
            return nil
        }
        // Processes of exit tests use the same server.
        setenv("TT_TEST_PG_DSN", started, 1)
        setenv("TT_TEST_PG_FOLDER", folder, 1)
        atexit {
            guard let folder = getenv("TT_TEST_PG_FOLDER"), String(cString: folder).hasSuffix("-\(getpid())") else {
                return
            }
            _ = PostgresServer.shell("'\(PostgresServer.script)' stop '\(String(cString: folder))'")
        }
        return started
    }()

    static let hasVector: Bool = {
        guard let dsn, let database = try? Database.open(dsn) else { return false }
        return (try? database.query("SELECT 1 AS x FROM pg_type WHERE typname = 'vector'").rowCount) == 1
    }()

    /// Whether members of the role `tt_password` have to give one, as on the server that `script` starts.
    static let asksForPasswords: Bool = {
        guard let dsn, let database = try? Database.open(dsn) else { return false }
        return (try? database.query("SELECT 1 AS x FROM pg_roles WHERE rolname = 'tt_password'").rowCount) == 1
    }()

    /// A name that no other run on the same server uses.
    static func ownName(_ label: String) -> String {
        "tt_test_\(String(UInt64.random(in: 0...(.max)), radix: 36))_\(label)"
    }

    static let script = Path.join(
        Path.parent(Path.parent(Path.parent(#filePath))), "Tests/support/postgres")

    /// What a command prints, without the line break; nil when it fails.
    static func shell(_ command: String) -> String? {
        guard let pipe = popen(command, "r") else { return nil }
        var bytes: [UInt8] = []
        while true {
            let byte = fgetc(pipe)
            if byte == EOF { break }
            bytes.append(UInt8(byte))
        }
        guard pclose(pipe) == 0 else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).last.map(String.init)
    }
}

extension Frame {
    /// The values of a column; a missing one is a failure of the test.
    func values(_ name: String) -> [Value] {
        guard let column = self[name] else {
            Issue.record("no column '\(name)'")
            return []
        }
        return column.values
    }

    var types: [String] { columns.map(\.dtype.name) }
}

/// The error of type `SQLError` that `body` throws.
func sqlError(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> SQLError {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as SQLError {
        return error
    } catch {
        Issue.record("\(error) was thrown", sourceLocation: sourceLocation)
    }
    return SQLError("none", "")
}

/// A new folder under /tmp, removed by the caller.
func temporaryFolder() -> String {
    var template = Array("/tmp/tt-sql-XXXXXX".utf8CString)
    return String(cString: mkdtemp(&template))
}

func remove(_ folder: String) { _ = PostgresServer.shell("rm -r '\(folder)'") }

/// Sets the flag of Ctrl-C from another thread. Only in exit tests: the flag is one for the whole process.
func interruptLater(_ microseconds: UInt32) {
    Thread.start {
        usleep(microseconds)
        tt_interrupt_set(1)
    }
}

/// In exit tests, where expectations are not seen outside: ends the process when it does not hold.
func must(_ holds: Bool, line: Int = #line) {
    if holds { return }
    print("line \(line) does not hold")
    exit(1)
}

extension Interrupt {
    static func clearForTests() { tt_interrupt_set(0) }
}

enum Thread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { body in
                Unmanaged<Body>.fromOpaque(body!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(Body(run)).toOpaque())
        pthread_detach(thread)
    }
}
