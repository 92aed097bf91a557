import Base
import Frames
import Glibc
import Testing

@testable import SQL

@Suite(.enabled(if: PostgresServer.dsn != nil, "no PostgreSQL server")) struct PostgresTests {
    private func open() throws -> Database { try TestDatabase.postgresql.open() }

    /// Expressions of every type with one value, and what they are read as.
    static let expressions: [(sql: String, type: String, value: Value)] = [
        ("true", "bool", true), ("7::int2", "int64", 7), ("-8::int4", "int64", -8),
        ("9223372036854775807::int8", "int64", .int(.max)), ("4000000000::oid", "int64", 4_000_000_000),
        ("0.1::float4", "float32", .float(0.1)), ("0.1::float8", "float64", 0.1),
        ("12345678901234567890.5::numeric", "float64", 12345678901234567890.5), ("0::numeric", "float64", 0.0),
        ("'Infinity'::numeric", "float64", .double(.infinity)), ("'-inf'::float8", "float64", .double(-.infinity)),
        ("'é'::text", "string", "é"), ("'x'::varchar(3)", "string", "x"), ("'x'::char(3)", "string", "x  "),
        ("'x'::name", "string", "x"), ("'x'", "string", "x"), ("'x'::\"char\"", "string", "x"),
        ("'{\"a\": [1]}'::json", "string", "{\"a\": [1]}"), ("'{\"a\":[1]}'::jsonb", "string", "{\"a\": [1]}"),
        ("'\\xC3A9'::bytea", "string", "é"),
        ("'0A000000-0000-4000-8000-00000000000B'::uuid", "uuid", "0a000000-0000-4000-8000-00000000000b"),
        ("'2025-01-31 21:00+09'::timestamptz", "timestamp", .int(1_738_324_800_000_000)),
        ("'2025-01-31 12:00'::timestamp", "timestamp", .int(1_738_324_800_000_000)),
        ("'1969-12-31 23:59:59.999999+00'::timestamptz", "timestamp", -1),
        ("'infinity'::timestamptz", "timestamp", nil), ("'-infinity'::timestamp", "timestamp", nil),
        ("'2025-01-31'::date", "timestamp", .int(1_738_281_600_000_000)), ("'infinity'::date", "timestamp", nil),
        ("'04:05:06.7'::time", "string", "04:05:06.7"), ("'24:00'::time", "string", "24:00:00"),
        ("'1 year -3 days 4 hours'::interval", "string", "1 year -3 days +04:00:00"),
        ("array['a', null, 'b\"c']", "list<string>", .array(["a", nil, "b\"c"])),
        ("array[1, 2]::int4[]", "list<int64>", .array([1, 2])), ("'{}'::text[]", "list<string>", .array([])),
        ("array[0.5]::float4[]", "list<float32>", .array([.float(0.5)])),
        ("array[0.5, null]::numeric[]", "list<float64>", .array([0.5, nil])),
        ("array[true]", "list<bool>", .array([true])),
        ("array['2025-01-31']::date[]", "list<timestamp>", .array([.int(1_738_281_600_000_000)])),
        ("'[2:3]={5,6}'::int2[]", "list<int64>", .array([5, 6])),
        (
            "array['0A000000-0000-4000-8000-00000000000B'::uuid]", "list<uuid>",
            .array(["0a000000-0000-4000-8000-00000000000b"])
        ),
        // Read through the server's text form.
        ("'10.0.0.1/8'::inet", "string", "10.0.0.1/8"), ("point(1, 2)", "string", "(1,2)"),
        ("'12:30+09'::timetz", "string", "12:30:00+09"), ("int4range(1, 5)", "string", "[1,5)"),
        ("array[point(1, 2)]", "string", "{\"(1,2)\"}"), ("B'101'", "string", "101"),
        ("'pg_class'::regclass", "string", "pg_class"),
        ("null::inet", "string", nil), ("null", "string", nil),
    ]

    @Test func everyType() throws {
        let database = try open()
        // Between a null and a null, so that both are read too.
        let list = Self.expressions.enumerated().map { "CASE WHEN i = 1 THEN \($1.sql) END AS c\($0)" }
        let sql = "SELECT i, \(list.joined(separator: ", ")) FROM generate_series(0, 2) AS i ORDER BY i"
        func check(_ frame: Frame, _ road: String) {
            for (index, (sql, type, value)) in Self.expressions.enumerated() {
                let column = frame["c\(index)"]!
                #expect(column.dtype.name == type, "\(sql) by \(road)")
                #expect(column.values == [nil, value, nil], "\(sql) by \(road)")
            }
        }
        check(try database.query(sql), "query")
        check(try database.query(sql), "query, types known")
        check(try database.read(sql), "read")
        try database.transaction { check(try database.chunks(sql).next()!, "cursor") }
    }

    @Test func typesOfUsersAndExtensions() throws {
        let database = try open()
        try database.execute(
            """
            CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN pg_temp.age AS int4 CHECK (VALUE > 0);
            CREATE DOMAIN pg_temp.older AS pg_temp.age; CREATE TYPE pg_temp.pair AS (a int4, b text)
            """)
        let sql = """
            SELECT 'ok'::pg_temp.mood AS m, array['sad', null]::pg_temp.mood[] AS ms, 5::pg_temp.older AS a,
                array[6]::pg_temp.older[] AS aa, row(1, 'x')::pg_temp.pair AS p
            """
        for frame in [try database.query(sql), try database.read(sql)] {
            #expect(frame.types == ["string", "list<string>", "int64", "list<int64>", "string"])
            #expect(frame.values("m") == ["ok"])
            #expect(frame.values("ms") == [.array(["sad", nil])])
            #expect(frame.values("aa") == [.array([6])])
            #expect(frame.values("p") == ["(1,x)"])
        }
        let streamed = try database.chunks("SELECT 'ok'::pg_temp.mood AS m, array[6]::pg_temp.older[] AS aa").next()!
        #expect(streamed.types == ["string", "list<int64>"])
        #expect(
            sqlError { _ = try database.chunks("SELECT '::1'::inet AS i").next() }.message.contains("cast it to text"))
        #expect(sqlError { _ = try database.query("SELECT row(1, 2) AS r") }.detail("column") == "r")
        #expect(
            sqlError { _ = try database.query("SELECT array[[1], [2]] AS a") }.message
                == "the value of column 'a' in row 1 is an array of 2 dimensions; only one can be read (cast it to text)"
        )
        #expect(try database.query("SELECT 1 AS one").rowCount == 1)
    }

    @Test(.enabled(if: PostgresServer.hasVector, "no pgvector")) func vectors() throws {
        let database = try open()
        for frame in [
            try database.query("SELECT '[1,2.5]'::vector AS v"), try database.read("SELECT '[1,2.5]'::vector AS v"),
        ] {
            #expect(frame.types == ["list<float32>"])
            #expect(frame.values("v") == [.array([.float(1), .float(2.5)])])
        }
        try database.execute("CREATE TABLE v (v vector(2))")
        let lists = ListBuilder(FixedBuilder<Float>.float32())
        lists.child.append(1)
        lists.endList()
        let error = sqlError { try database.write(Frame([("v", lists.finish())]), to: "v") }
        #expect(error.message.hasPrefix("expected 2 dimensions, not 1"))
    }

    @Test func sessionIsInUTC() throws {
        let database = try open()
        let frame = try database.query(
            "SELECT extract(hour FROM '2025-01-01 23:30+00'::timestamptz)::int AS h, '2025-01-01 00:00+00'::timestamptz::text AS t"
        )
        #expect(frame.values("h") == [23])
        #expect(frame.values("t") == ["2025-01-01 00:00:00+00"])
    }

    @Test func parametersTakeTheTypeOfTheirPlace() throws {
        let database = try open()
        #expect(try database.query("SELECT ?::int + 1 AS x", [.string("4")]).values("x") == [5])
        let list = Parameter.list([.string("a\"\\,{}"), .null, .string("")])
        #expect(
            try database.query("SELECT $1::text[] AS x", [list]).values("x") == [.array(["a\"\\,{}", nil, ""])])
        let builder = FixedBuilder<UUID>.uuid()
        builder.append(UUID(high: 0, low: 1))
        builder.appendNull()
        let ids = Parameter.column(builder.finish())
        #expect(
            try database.query("SELECT '00000000-0000-0000-0000-000000000001'::uuid = ANY(?) AS x", [ids]).values("x")
                == [true])
        #expect(try database.query("SELECT ?::bool AS x", [.bool(false)]).values("x") == [false])
        #expect(
            try database.query("SELECT $1::float8 AS x", [.double(-.infinity)]).values("x") == [.double(-.infinity)])
        #expect(sqlError { _ = try database.query("SELECT ?::text", [.string("a\0b")]) }.code == "sql.type")
        #expect(try database.query("SELECT '{\"k\":1}'::jsonb ? 'k' AS x").values("x") == [true])
    }

    @Test func messagesHoldNoValues() throws {
        let database = try open()
        try database.execute("CREATE TABLE m (n int, t varchar(3), j jsonb, CHECK (n < 10))")
        for (sql, parameters) in [
            ("SELECT ?::int", ["zecret"]), ("SELECT ?::date", ["zecret"]), ("SELECT ?::uuid", ["ze\"cret"]),
            ("INSERT INTO m (t) VALUES (?)", ["zecret"]), ("INSERT INTO m (j) VALUES (?)", ["{zecret"]),
            ("SELECT ?::text[]", ["{\"zecret"]), ("SELECT ?::numeric", ["zecret"]),
        ] {
            let error = sqlError { _ = try database.query(sql, parameters.map { .string($0) }) }
            #expect(error.detail("sqlstate")?.hasPrefix("22") == true)
            #expect(!error.message.contains("cret"))
            #expect(!error.details.contains { "\($0.1)".contains("cret") })
        }
        let check = sqlError { try database.execute("INSERT INTO m (n) VALUES (?)", [.int(123_456)]) }
        #expect(check.detail("constraint") == "m_n_check")
        #expect(check.detail("table") == "m")
        #expect(!check.details.contains { "\($0.1)".contains("123456") })
    }

    @Test func functionsReportWhereAndNotice() throws {
        let database = try open()
        try database.execute(
            """
            CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                RAISE NOTICE 'careful'; RAISE EXCEPTION 'broken' USING HINT = 'mend it'; END $$
            """)
        let error = sqlError { _ = try database.query("SELECT pg_temp.f()") }
        #expect(error.message == "broken (SQLSTATE P0001) in: SELECT pg_temp.f(); hint: mend it")
        #expect(error.detail("context")?.hasPrefix("PL/pgSQL function") == true)
        #expect(database.notices() == ["NOTICE:  careful"])
        #expect(database.notices().isEmpty)
        let deep = sqlError { _ = try database.read("SELECT 1 AS a,\n  nowhere FROM generate_series(1, 2)") }
        #expect(deep.message.contains("at line 2, column 3: nowhere FROM"))
        #expect(
            sqlError { _ = try database.read("SELECT nowhere") }.message.contains("at line 1, column 8: SELECT nowhere")
        )
        #expect(deep.detail("statement")?.hasPrefix("SELECT 1") == true)
    }

    @Test func copyAndBusyConnections() throws {
        let database = try open()
        #expect(sqlError { try database.execute("COPY (SELECT 1) TO STDOUT") }.code == "sql.usage")
        try database.execute("CREATE TABLE c (x int)")
        #expect(sqlError { try database.execute("COPY c FROM STDIN") }.code == "sql.usage")
        let chunks = try database.chunks("SELECT generate_series(1, 100000) AS x", rows: 10)
        _ = try chunks.next()
        #expect(sqlError { _ = try database.query("SELECT 1") }.message.contains("a chunks() loop still reads"))
        chunks.close()
        #expect(try database.query("SELECT 1 AS x").rowCount == 1)
        try database.transaction {
            let inside = try database.chunks("SELECT generate_series(1, $1::int) AS x", [.int(1000)], rows: 10)
            _ = try inside.next()
            try database.execute("INSERT INTO c VALUES (1)")
            #expect(try inside.next()?.values("x").first == 11)
        }
        #expect(
            sqlError {
                _ = try database.chunks("SELECT 1 / (50000 - x) AS x FROM generate_series(1, 100000) AS x", rows: 9)
                    .drain()
            }.detail("sqlstate") == "22012")
        #expect(try database.query("SELECT 1 AS x").rowCount == 1)
    }

    @Test func everyTypeCanBeWritten() throws {
        let database = try open()
        try database.execute(
            """
            CREATE TABLE w (b bool, i2 int2, i4 int4, f4 float4, n numeric(12,3), v varchar(10), c char(2), j jsonb,
                js json, by bytea, u uuid, ts timestamp, d date, tm time, iv interval, ip inet, ta text[], ia int4[],
                fa float8[], ua uuid[], jl jsonb, na numeric[])
            """)
        func strings(_ text: String) -> Column {
            let builder = StringBuilder()
            builder.append(text)
            builder.appendNull()
            return builder.finish()
        }
        let numbers = FixedBuilder<Int64>.int64()
        numbers.append(-3)
        numbers.appendNull()
        let number = numbers.finish()
        let times = FixedBuilder<Int64>.timestamp()
        times.append(1_738_281_600_000_000)
        times.appendNull()
        let time = times.finish()
        let flags = FixedBuilder<UInt8>.bool()
        flags.append(1)
        flags.appendNull()
        func list(_ child: any ColumnBuilder, _ fill: () -> Void) -> Column {
            let builder = ListBuilder(child)
            fill()
            builder.endList()
            builder.appendNull()
            return builder.finish()
        }
        let texts = StringBuilder(), integers = FixedBuilder<Int64>.int64(), reals = FixedBuilder<Double>.float64()
        let uuids = FixedBuilder<UUID>.uuid(), words = StringBuilder(), decimals = FixedBuilder<Double>.float64()
        let frame = try Frame([
            ("b", flags.finish()), ("i2", number), ("i4", number), ("f4", number), ("n", strings("-12.5")),
            ("v", strings("väg")), ("c", strings("ab")), ("j", strings("{\"a\":1}")), ("js", strings("[1]")),
            ("by", strings("raw")), ("u", strings("00000000000000000000000000000001")), ("ts", time), ("d", time),
            ("tm", strings("01:02")), ("iv", strings("2 days")), ("ip", strings("::1")),
            (
                "ta",
                list(texts) {
                    texts.append("x"); texts.appendNull()
                }
            ), ("ia", list(integers) { integers.append(4) }),
            ("fa", list(reals) { reals.append(.nan) }), ("ua", list(uuids) { uuids.append(UUID(high: 0, low: 2)) }),
            (
                "jl",
                list(words) {
                    words.append("a\"b"); words.append("c")
                }
            ), ("na", list(decimals) { decimals.append(0.25) }),
        ])
        #expect(try database.write(frame, to: "w") == 2)
        let row = try database.query("SELECT w::text AS t FROM w ORDER BY b NULLS LAST").values("t")
        #expect(
            row[0]
                == .string(
                    "(t,-3,-3,-3,-12.500,väg,ab,\"{\"\"a\"\": 1}\",[1],\"\\\\x726177\",00000000-0000-0000-0000-000000000001,"
                        + "\"2025-01-31 00:00:00\",2025-01-31,01:02:00,\"2 days\",::1,\"{x,NULL}\",{4},{NaN},"
                        + "{00000000-0000-0000-0000-000000000002},\"[\"\"a\\\\\"\"b\"\", \"\"c\"\"]\",{0.25})"))
        #expect(row[1] == .string("(" + String(repeating: ",", count: 21) + ")"))
        let long = sqlError { try database.write(Frame([("v", strings("much too long"))]), to: "w") }
        #expect(long.message.hasPrefix("value too long for type character varying(10) in row 1 of column 'v'"))
        let broken = sqlError { try database.write(Frame([("iv", strings("zecret"))]), to: "w") }
        #expect(broken.detail("sqlstate") == "22007" && !broken.message.contains("zecret"))
    }

    @Test(.enabled(if: PostgresServer.asksForPasswords, "the server asks nobody for a password"))
    func wrongPasswordStaysHidden() throws {
        let database = try open()
        // Roles are the whole server's: one of this run's own.
        let role = PostgresServer.ownName("password")
        try database.execute("CREATE ROLE \(role) LOGIN PASSWORD 'right' IN ROLE tt_password")
        defer { _ = try? database.execute("DROP ROLE \(role)") }
        let options = try PostgresAddress(PostgresServer.dsn!).options
        let kept = options.filter { !["user", "password"].contains($0.keyword) }
        let place = kept.map { "\($0.keyword)='\($0.value)'" }.joined(separator: " ")
        let error = sqlError { _ = try Database.open("\(place) user=\(role) password=wr0ng-s3cret") }
        #expect(error.code == "sql.connect")
        #expect(error.message.contains(role))
        #expect(!error.message.contains("s3cret"))
        _ = try Database.open("\(place) user=\(role) password=right")
        let lost = sqlError { _ = try Database.open("postgresql://u:s3cret@127.0.0.1:1/x") }
        #expect(lost.code == "sql.connect" && !lost.message.contains("s3cret"))
    }

    @Test func lostConnections() throws {
        let database = try open()
        let pid = try database.query("SELECT pg_backend_pid()::int8 AS p").values("p").first!
        guard case .int(let number) = pid else { return }
        try open().execute("SELECT pg_terminate_backend(?)", [.int(number)])
        let error = sqlError { try database.transaction { _ = try database.query("SELECT 1") } }
        #expect(error.code == "sql.lost")
        #expect(["sql.lost", "sql.closed"].contains(sqlError { _ = try database.query("SELECT 1") }.code))
    }

    @Test func deadlocksAndSerialization() throws {
        let first = try Database.open(PostgresServer.dsn!)
        let second = try Database.open(PostgresServer.dsn!)
        let table = PostgresServer.ownName("serial")
        try first.execute("CREATE TABLE \(table) (x int); INSERT INTO \(table) VALUES (1)")
        defer { _ = try? first.execute("DROP TABLE \(table)") }
        let error = sqlError {
            try first.transaction(TransactionOptions(isolation: .repeatableRead)) {
                _ = try first.query("SELECT x FROM \(table)")
                try second.execute("UPDATE \(table) SET x = 2")
                try first.execute("UPDATE \(table) SET x = 3")
            }
        }
        #expect(error.code == "sql.conflict")
    }

    /// In a process of its own: the interrupt flag is one for all threads.
    @Test func interruptsCancelAtTheServer() async {
        await #expect(processExitsWith: .success) {
            let database = try TestDatabase.postgresql.open()
            func interrupted(after microseconds: UInt32, _ body: () throws -> Void) -> Bool {
                interruptLater(microseconds)
                let start = Deadline.now
                do {
                    try body()
                } catch is Interrupted {
                    Interrupt.clearForTests()
                    return Deadline.now - start < 20_000_000_000
                } catch {
                    print(error)
                }
                return false
            }
            must(interrupted(after: 200_000) { _ = try database.query("SELECT pg_sleep(30)") })
            must(
                interrupted(after: 200_000) {
                    _ = try database.read("SELECT x FROM generate_series(1, 2000000000) AS x")
                })
            must(
                interrupted(after: 200_000) {
                    _ = try database.readAhead("SELECT x FROM generate_series(1, 2000000000) AS x").frame()
                })
            // A read that nobody wants stops at once, and leaves the connection as it was.
            let unwanted = Deadline.now
            try database.readAhead("SELECT x FROM generate_series(1, 2000000000) AS x").close()
            must(Deadline.now - unwanted < 20_000_000_000)
            must(
                interrupted(after: 200_000) {
                    try database.transaction {
                        try database.execute("CREATE TABLE i (x int)")
                        try database.execute("INSERT INTO i SELECT x FROM generate_series(1, 2000000000) AS x")
                    }
                })
            must(
                interrupted(after: 200_000) {
                    _ = try database.chunks(
                        "SELECT pg_sleep(0.01)::text AS t FROM generate_series(1, 100000)", rows: 1_000_000
                    ).next()
                })
            // Rolled back although the flag was set, and the connection is fine.
            try must(database.query("SELECT to_regclass('i') IS NULL AS gone").values("gone") == [true])
            try database.execute("CREATE TABLE big (x int8, t text)")
            let numbers = FixedBuilder<Int64>.int64(), texts = StringBuilder()
            for number in 0..<200_000 {
                numbers.append(Int64(number))
                texts.append(String(repeating: "x", count: 500))
            }
            let frame = try Frame([("x", numbers.finish()), ("t", texts.finish())])
            must(interrupted(after: 20_000) { for _ in 0..<50 { try database.write(frame, to: "big") } })
            try must(database.query("SELECT 1 AS x").rowCount == 1)
            let left = try database.query("SELECT count(*) AS n FROM big").values("n").first
            guard case .int(let count)? = left else { exit(1) }
            must(count % 200_000 == 0)
        }
    }
}

extension PostgresTests {
    /// A server that takes no second connection, over which a cancel request would come.
    @Test func interruptsDoNotWaitForADeadNetwork() async {
        await #expect(processExitsWith: .success) {
            let folder = temporaryFolder()
            defer { remove(folder) }
            guard let dsn = try OneConnection.open(in: folder, to: PostgresServer.dsn!) else { return }
            let database = try Database.open(dsn)
            try must(database.query("SELECT 1 AS x").rowCount == 1)
            interruptLater(200_000)
            let start = Deadline.now
            do {
                _ = try database.query("SELECT pg_sleep(60)")
            } catch is Interrupted {
                Interrupt.clearForTests()
            }
            must(Deadline.now - start < 40_000_000_000)
            must(!database.isOpen)
        }
    }
}

extension Chunks {
    fileprivate func drain() throws { while try next() != nil {} }
}
