import Base
import Frames
import Glibc
import Testing

@testable import SQL

@Suite struct SQLiteTests {
    private func open() throws -> Database { try TestDatabase.sqlite.open() }

    @Test func declaredTypes() {
        func dtype(_ declaration: String) -> String? { SQLiteType(declaration: declaration).dtype?.name }
        #expect(dtype("varchar(20)") == "string")
        #expect(dtype("Timestamp(6) with time zone") == "timestamp")
        #expect(dtype("datetime") == "timestamp")
        #expect(dtype("NUMERIC(10, 2)") == "float64")
        #expect(dtype("double  precision") == "float64")
        #expect(dtype("bigint") == "int64")
        #expect(dtype("text[]") == "string")
        #expect(dtype("INTERVAL") == nil)
        #expect(dtype("POINT") == nil)
        #expect(dtype("") == nil)
    }

    @Test func listsHoldNumbersThatAreFinite() throws {
        let database = try open()
        for (dtype, number) in [(DType.float64, "1e999"), (.float32, "1e39"), (.float32, "-1e39")] {
            let types = [(name: "x", dtype: DType.list(dtype))]
            let error = sqlError { _ = try database.query("SELECT '[1, \(number)]' AS x", types: types) }
            #expect(error.message.contains("is not a JSON array of \(dtype.name)"))
        }
    }

    @Test func expressionsTakeTheTypeOfTheirValues() throws {
        let database = try open()
        func column(_ values: String) throws -> Frame {
            try database.query("SELECT column1 AS x FROM (VALUES \(values))")
        }
        #expect(try column("(NULL), (1), (2)").types == ["int64"])
        let mixed = try column("(NULL), (1), (NULL), (2.5), (3)")
        #expect(mixed.types == ["float64"])
        #expect(mixed.values("x") == [nil, 1.0, nil, 2.5, 3.0])
        #expect(try column("('a'), (NULL)").types == ["string"])
        #expect(try column("(NULL)").types == ["string"])
        let error = sqlError { _ = try column("(1), ('a')") }
        #expect(
            error.message
                == "the value of column 'x' in row 2 is text, unlike those before it; give the column one type with "
                + "CAST in the statement, or with the option types")
        #expect(try database.query("SELECT NULL AS x", types: [("x", .float64)]).types == ["float64"])
        #expect(
            try database.query("SELECT '2025-01-01' AS x", types: [("x", .timestamp)]).values("x") == [
                .int(1_735_689_600_000_000)
            ])
        #expect(try database.query("SELECT x'00' AS x").values("x") == ["\0"])
    }

    @Test func valuesAgainstTheirDeclaration() throws {
        let database = try open()
        try database.execute(
            "CREATE TABLE v (i INTEGER, f REAL, n NUMERIC, b BOOLEAN, u UUID, t TIMESTAMP, d DATE, s TEXT)")
        func read(_ column: String, _ value: String) throws -> Value? {
            try database.execute("DELETE FROM v; INSERT INTO v (\(column)) VALUES (NULL), (\(value))")
            return try database.query("SELECT \(column) AS x FROM v").values("x").last
        }
        #expect(try read("n", "'12.50'") == 12.5)
        #expect(try read("n", "'Infinity'") == .double(.infinity))
        #expect(try read("b", "'true'") == true)
        #expect(try read("u", "x'0000000000000000000000000000000F'") == "00000000-0000-0000-0000-00000000000f")
        #expect(try read("t", "'infinity'") == .null)
        #expect(try read("t", "'2025-01-31 12:00:00.5'") == .int(1_738_324_800_500_000))
        #expect(try read("s", "5") == "5")
        for (column, value, found) in [
            ("i", "'secret'", "is text that is no integer"), ("i", "2.5", "is a fraction that is no integer"),
            ("f", "'secret'", "is text that is no number"), ("b", "2", "is an integer that is no boolean"),
            ("u", "'secret'", "is text that is no uuid"), ("t", "'secret'", "is text that is no ISO 8601 time"),
            ("t", "1700000000", "is an integer that is no ISO 8601 time"),
            ("d", "x'00'", "is a blob that is no ISO 8601 date"),
        ] {
            let error = sqlError { _ = try read(column, value) }
            #expect(error.message == "the value of column 'x' in row 2 \(found)")
            #expect(error.code == "sql.type")
        }
    }

    @Test func files() throws {
        let folder = temporaryFolder()
        defer { remove(folder) }
        let path = folder + "/a b.sqlite"
        #expect(
            sqlError { _ = try Database.open("sqlite:\(path)", OpenOptions(create: false)) }.message
                == "there is no SQLite database '\(path)'")
        #expect(sqlError { _ = try Database.open("sqlite:\(path)", OpenOptions(readOnly: true)) }.code == "sql.connect")
        try Database.open("sqlite:\(path)").execute("CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)")
        #expect(try Database.open("sqlite:\(path)", OpenOptions(create: false)).read("a").rowCount == 1)
        let foreign = folder + "/text"
        _ = PostgresServer.shell("printf 'this is no database, but it is long enough to be looked at' > '\(foreign)'")
        #expect(
            sqlError { _ = try Database.open("sqlite:\(foreign)") }.message == "'\(foreign)' is not a SQLite database")
        #expect(sqlError { _ = try Database.open("sqlite:\(folder)/no/such.sqlite") }.code == "sql.connect")
        #expect(sqlError { _ = try Database.open("sqlite:\(folder)") }.code == "sql.connect")
        #expect(sqlError { _ = try Database.open("sqlite:") }.code == "sql.dsn")
        #expect(sqlError { _ = try Database.open("sqlite://x/y") }.code == "sql.dsn")
    }

    @Test func listsAndSeveralStatements() throws {
        let database = try open()
        let list = Parameter.list([.int(1), .null, .string("a\"b"), .double(0.5), .bool(true)])
        #expect(try database.query("SELECT ? AS x", [list]).values("x") == [#"[1,null,"a\"b",0.5,true]"#])
        let builder = FixedBuilder<Int64>.int64()
        for number in [2, 3] { builder.append(Int64(number)) }
        #expect(
            try database.query("SELECT value AS x FROM json_each(?)", [.column(builder.finish())]).values("x") == [
                2, 3,
            ])
        #expect(sqlError { _ = try database.query("SELECT 1; SELECT 2") }.code == "sql.usage")
        #expect(try database.query("SELECT 1 AS x; -- done\n /* really */ ;").rowCount == 1)
        #expect(sqlError { try database.execute("INSERT INTO a VALUES (:x)") }.code == "sql.query")
        #expect(sqlError { _ = try database.query("SELECT :x") }.code == "sql.usage")
        #expect(sqlError { _ = try database.query("  ") }.code == "sql.usage")
        #expect(sqlError { try database.execute("SELECT 1; SELECT ?", [.int(1)]) }.code == "sql.usage")
    }

    @Test func chunksKeepTheirTypes() throws {
        let database = try open()
        let chunks = try database.chunks("SELECT column1 AS x FROM (VALUES (1), (2), (2.5))", rows: 2)
        #expect(try chunks.next()?.types == ["int64"])
        #expect(sqlError { _ = try chunks.next() }.code == "sql.type")
        let open = try database.chunks("SELECT 1 AS x")
        database.close()
        #expect(sqlError { _ = try open.next() }.code == "sql.closed")
    }

    @Test func nanSurvives() throws {
        let database = try open()
        try database.execute("CREATE TABLE n (x REAL)")
        let builder = FixedBuilder<Double>.float64()
        for number in [Double.nan, -.infinity, 1e300] { builder.append(number) }
        try database.write(Frame([("x", builder.finish())]), to: "n")
        let back = try database.read("n")["x"]!.float64Values
        #expect(back[0].isNaN && back[1] == -.infinity && back[2] == 1e300)
    }

    @Test func timestampsSortAsText() throws {
        let database = try open()
        try database.execute("CREATE TABLE s (t TIMESTAMP)")
        let builder = FixedBuilder<Int64>.timestamp()
        for time in [1_000_000, 1_500_000, 1_000_001, 0] as [Int64] { builder.append(time) }
        try database.write(Frame([("t", builder.finish())]), to: "s")
        #expect(
            try database.query("SELECT t || '' AS x FROM s ORDER BY rowid LIMIT 2").values("x") == [
                "1970-01-01T00:00:01+00:00", "1970-01-01T00:00:01.500000+00:00",
            ])
        #expect(try database.query("SELECT t FROM s ORDER BY t").values("t") == [0, 1_000_000, 1_000_001, 1_500_000])
    }

    @Test func interruptsStopStatements() async {
        await #expect(processExitsWith: .success) {
            let database = try Database.open("sqlite::memory:")
            let endless = "WITH RECURSIVE s(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s) SELECT count(*) AS n FROM s"
            try database.execute("CREATE TABLE a (x INTEGER)")
            for inTransaction in [false, true] {
                interruptLater(100_000)
                do {
                    if inTransaction {
                        try database.transaction {
                            try database.execute("INSERT INTO a VALUES (1)")
                            _ = try database.query(endless)
                        }
                    } else {
                        _ = try database.query(endless)
                    }
                    exit(1)
                } catch is Interrupted {}
                // Nothing runs until the interrupt has been dealt with.
                do {
                    _ = try database.query("SELECT 1 AS x")
                    exit(2)
                } catch is Interrupted {}
                Interrupt.clearForTests()
                try must(database.read("a").rowCount == 0)
            }
        }
    }
}
