import Base
import Frames
import Testing

@testable import SQL

/// What both databases do alike.
@Suite struct SharedTests {
    static let table = """
        CREATE TABLE items (id UUID PRIMARY KEY, name TEXT, price NUMERIC, stock INTEGER, weight REAL, ok BOOLEAN,
            born TIMESTAMP WITH TIME ZONE, day DATE, tags JSON)
        """
    static let ids = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000a"]

    private func filled(_ kind: TestDatabase) throws -> Database {
        let database = try kind.open()
        try database.execute(Self.table)
        let values: [Parameter] = [
            .string(Self.ids[0]), .string("tea 茶 'q'"), .double(1980.5), .int(3), .double(0.25), .bool(true),
            .string("2025-01-31T21:00:00.123456+09:00"), .string("2024-02-29"), .string(#"["a","b"]"#),
        ]
        #expect(try database.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values) == 1)
        #expect(try database.execute("INSERT INTO items (id) VALUES ($1)", [.string(Self.ids[1])]) == 1)
        return database
    }

    @Test(arguments: TestDatabase.available) func types(_ kind: TestDatabase) throws {
        let database = try filled(kind)
        for frame in [
            try database.query("SELECT * FROM items ORDER BY id"), try database.read("items"),
            try database.read("SELECT * FROM items ORDER BY id; -- all of them"),
        ] {
            #expect(frame.names == ["id", "name", "price", "stock", "weight", "ok", "born", "day", "tags"])
            let weight = kind == .sqlite ? "float64" : "float32"
            #expect(
                frame.types == [
                    "uuid", "string", "float64", "int64", weight, "bool", "timestamp", "timestamp", "string",
                ])
            #expect(frame.values("id") == Self.ids.map { .string($0) })
            #expect(frame.values("name") == ["tea 茶 'q'", nil])
            #expect(frame.values("price") == [1980.5, nil])
            #expect(frame.values("stock") == [3, nil])
            #expect(frame.values("weight") == [kind == .sqlite ? .double(0.25) : .float(0.25), nil])
            #expect(frame.values("ok") == [true, nil])
            #expect(frame.values("born") == [.int(Timestamp.parse("2025-01-31T12:00:00.123456Z")!), nil])
            #expect(frame.values("day") == [.int(Timestamp.parse("2024-02-29")!), nil])
            #expect(frame.values("tags") == [#"["a","b"]"#, nil])
        }
    }

    @Test(arguments: TestDatabase.available) func emptyResultsKeepTheirTypes(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute(Self.table)
        let frames = [
            try database.query("SELECT id, price, ok, born FROM items WHERE name = ?", [.string("x")]),
            try database.read("SELECT id, price, ok, born FROM items"),
            try #require(try database.chunks("SELECT id, price, ok, born FROM items").next()),
        ]
        for frame in frames {
            #expect(frame.rowCount == 0)
            #expect(frame.types == ["uuid", "float64", "bool", "timestamp"])
        }
    }

    @Test(arguments: TestDatabase.available) func requestedTypes(_ kind: TestDatabase) throws {
        let database = try filled(kind)
        let wanted: [(name: String, dtype: DType)] = [("tags", .list(.string)), ("stock", .float64), ("id", .string)]
        let frame = try database.query("SELECT id, tags, stock FROM items ORDER BY id", types: wanted)
        #expect(frame.types == ["string", "list<string>", "float64"])
        #expect(frame.values("tags") == [.array(["a", "b"]), nil])
        #expect(try database.read("items", types: wanted).values("tags") == [.array(["a", "b"]), nil])
        #expect(
            sqlError { _ = try database.query("SELECT name FROM items", types: [("name", .list(.int64))]) }.message
                == "the value of column 'name' in row 1 is not JSON")
    }

    @Test(arguments: TestDatabase.available) func parametersNeverBecomeText(_ kind: TestDatabase) throws {
        let database = try filled(kind)
        let hostile = "'; DROP TABLE items; --"
        try database.execute("UPDATE items SET name = ? WHERE id = ?", [.string(hostile), .string(Self.ids[0])])
        #expect(try database.query("SELECT name FROM items WHERE name = $1", [.string(hostile)]).rowCount == 1)
        #expect(try database.query("SELECT name FROM items WHERE stock = ?", [.null]).rowCount == 0)
        #expect(
            try database.query("SELECT id FROM items WHERE stock > ? AND price < ?", [.int(1), .double(2e3)]).rowCount
                == 1)
    }

    @Test(arguments: TestDatabase.available) func severalStatements(_ kind: TestDatabase) throws {
        let database = try kind.open()
        let changed = try database.execute(
            "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1), (2); UPDATE a SET x = x + 1; SELECT * FROM a; -- end"
        )
        #expect(changed == 4)
        #expect(try database.query("SELECT sum(x) AS s FROM a").values("s") == [5])
        #expect(try database.query("DELETE FROM a").columns.isEmpty)
    }

    @Test(arguments: TestDatabase.available) func errorsNameThePlace(_ kind: TestDatabase) throws {
        let database = try filled(kind)
        let unknown = sqlError { _ = try database.query("SELECT id\nFROM items\nWHERE ? = nowhere", [.int(1)]) }
        #expect(unknown.code == "sql.query")
        #expect(unknown.detail("statement") == "SELECT id\nFROM items\nWHERE ? = nowhere")
        #expect(unknown.message.contains("line 3, column 11: WHERE ? = nowhere"))
        let clash = sqlError {
            try database.execute("INSERT INTO items (id, name) VALUES (?, 'x')", [.string(Self.ids[0])])
        }
        #expect(clash.code == "sql.constraint")
        #expect(!clash.message.contains(Self.ids[0]))
        #expect(!clash.details.contains { "\($0.1)".contains(Self.ids[0]) })
        let twice = sqlError { _ = try database.query("SELECT id, id FROM items") }
        #expect(twice.message == "the result has two columns named 'id'; rename one with AS")
        let missing = sqlError { _ = try database.read("itms") }
        #expect(missing.code == "sql.query")
        // The connection goes on working.
        #expect(try database.query("SELECT count(*) AS n FROM items").values("n") == [2])
    }

    @Test(arguments: TestDatabase.available) func closed(_ kind: TestDatabase) throws {
        let database = try kind.open()
        database.close()
        database.close()
        #expect(!database.isOpen)
        #expect(sqlError { _ = try database.query("SELECT 1") }.code == "sql.closed")
        #expect(sqlError { try database.transaction {} }.code == "sql.closed")
    }

    @Test(arguments: TestDatabase.available) func chunks(_ kind: TestDatabase) throws {
        let database = try kind.open()
        let series =
            kind == .sqlite
            ? "WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 1000) SELECT x, 'n' || x AS t FROM s"
            : "SELECT x::bigint, 'n' || x AS t FROM generate_series(1, 1000) AS x"
        func sizes(_ rows: Int) throws -> [Int] {
            let chunks = try database.chunks(series, rows: rows)
            var sizes: [Int] = []
            var next: Int64 = 1
            while let frame = try chunks.next() {
                sizes.append(frame.rowCount)
                #expect(frame.values("x") == (next..<next + Int64(frame.rowCount)).map { .int($0) })
                next += Int64(frame.rowCount)
            }
            #expect(try chunks.next() == nil)
            return sizes
        }
        #expect(try sizes(300) == [300, 300, 300, 100])
        #expect(try sizes(500) == [500, 500])
        #expect(try sizes(5000) == [1000])
        try database.transaction { () throws in
            #expect(try sizes(300) == [300, 300, 300, 100])
            #expect(try sizes(500) == [500, 500])
        }
        // Left early, and left by an error.
        let chunks = try database.chunks(series, rows: 10)
        _ = try chunks.next()
        chunks.close()
        #expect(try chunks.next() == nil)
        do { _ = try database.chunks(series, rows: 10).next() }
        #expect(try database.query("SELECT 1 AS one").rowCount == 1)
        #expect(sqlError { _ = try database.chunks("SELECT nowhere").next() }.code == "sql.query")
        #expect(try database.query("SELECT 1 AS one").rowCount == 1)
        #expect(sqlError { _ = try database.chunks(series, rows: 0) }.code == "sql.usage")
    }

    @Test(arguments: TestDatabase.available) func tablesAndColumns(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute(
            "CREATE TABLE odd_one (a INTEGER NOT NULL, \"b c\" TEXT DEFAULT 'x', d BOOLEAN, PRIMARY KEY (d, a))")
        #expect(try database.tables().contains("odd_one"))
        let columns = try database.columns(of: "odd_one")
        #expect(columns.map(\.name) == ["a", "b c", "d"])
        #expect(columns.map(\.dtype) == [.int64, .string, .bool])
        #expect(columns.map(\.isNullable) == [false, true, false])
        #expect(columns.map(\.isKey) == [true, false, true])
        #expect(columns[1].defaultValue?.hasPrefix("'x'") == true)
        #expect(sqlError { _ = try database.columns(of: "odd_on") }.message.contains("did you mean 'odd_one'?"))
    }

    @Test(arguments: TestDatabase.available) func timeouts(_ kind: TestDatabase) throws {
        let database = try kind.open(OpenOptions(timeout: 1))
        let slow =
            kind == .sqlite
            ? "WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s) SELECT count(*) AS n FROM s"
            : "SELECT pg_sleep(20)"
        let start = Deadline.now
        #expect(sqlError { _ = try database.query(slow) }.code == "sql.timeout")
        #expect(Deadline.now - start < 15_000_000_000)
        #expect(try database.query("SELECT 1 AS one").rowCount == 1)
    }

    @Test(arguments: TestDatabase.available) func readOnly(_ kind: TestDatabase) throws {
        guard kind == .postgresql else {
            let folder = temporaryFolder()
            defer { remove(folder) }
            let path = folder + "/x.sqlite"
            try Database.open("sqlite:" + path).execute("CREATE TABLE a (x INTEGER)")
            let database = try Database.open("sqlite:" + path, OpenOptions(readOnly: true))
            #expect(try database.read("a").rowCount == 0)
            #expect(sqlError { try database.execute("INSERT INTO a VALUES (1)") }.code == "sql.query")
            return
        }
        let database = try kind.open(OpenOptions(readOnly: true))
        #expect(
            sqlError { try database.execute("CREATE TABLE public.read_only_a (x int)") }.detail("sqlstate") == "25006")
    }
}
