import Base
import Frames
import Testing

@testable import SQL

@Suite struct WriteTests {
    /// Three rows of everything; the second is null.
    static func frame() throws -> Frame {
        let ids = FixedBuilder<UUID>.uuid()
        let numbers = FixedBuilder<Int64>.int64()
        let reals = FixedBuilder<Double>.float64()
        let flags = FixedBuilder<UInt8>.bool()
        let texts = StringBuilder()
        let times = FixedBuilder<Int64>.timestamp()
        let tags = ListBuilder(StringBuilder())
        let vectors = ListBuilder(FixedBuilder<Float>.float32())
        for row in 0..<3 {
            ids.append(UUID(high: 1, low: UInt64(row)))
            if row == 1 {
                for builder in [numbers, reals, flags, texts, times, tags, vectors] as [any ColumnBuilder] {
                    builder.appendNull()
                }
                continue
            }
            numbers.append(Int64(row * 1000 - 7))
            reals.append(Double(row) + 0.1)
            flags.append(UInt8(row / 2))
            texts.append("räksmörgås \"\(row)\" 'x' \\ \t\n")
            times.append(1_738_324_800_123_456 + Int64(row))
            for tag in 0..<row { tags.child.append("t\(tag)\"") }
            tags.endList()
            for element in 0..<3 { vectors.child.append(Float(element) + 0.5) }
            vectors.endList()
        }
        return try Frame([
            ("id", ids.finish()), ("number", numbers.finish()), ("real", reals.finish()), ("flag", flags.finish()),
            ("text", texts.finish()), ("time", times.finish()), ("tags", tags.finish()), ("vector", vectors.finish()),
        ])
    }

    static func table(_ kind: TestDatabase) -> String {
        let lists = kind == .sqlite ? ("JSON", "JSON") : ("text[]", PostgresServer.hasVector ? "vector(3)" : "real[]")
        return """
            CREATE TABLE t (id UUID PRIMARY KEY, number INTEGER, "real" DOUBLE PRECISION, flag BOOLEAN, text TEXT,
                time TIMESTAMP WITH TIME ZONE, tags \(lists.0), vector \(lists.1), extra INTEGER DEFAULT 5)
            """
    }

    static let lists: [(name: String, dtype: DType)] = [("tags", .list(.string)), ("vector", .list(.float32))]

    private func same(_ a: Frame, _ b: Frame) {
        for name in b.names { #expect(a.values(name) == b.values(name), "\(name)") }
    }

    @Test(arguments: TestDatabase.available) func roundTrip(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute(Self.table(kind))
        let frame = try Self.frame()
        #expect(try database.write(frame, to: "t") == 3)
        let back = try database.read("SELECT * FROM t ORDER BY id", types: Self.lists)
        same(back, frame)
        #expect(back.values("extra") == [5, 5, 5])
        same(try database.query("SELECT * FROM t ORDER BY id", types: Self.lists), frame)
        same(try database.chunks("SELECT * FROM t ORDER BY id", types: Self.lists).next()!, frame)
        // A table of a repeated key leaves nothing behind.
        #expect(sqlError { try database.write(frame, to: "t") }.code == "sql.constraint")
        #expect(try database.write(frame.head(2), to: "t", mode: .replace) == 2)
        #expect(try database.read("t").rowCount == 2)
        #expect(try database.write(frame.head(0), to: "t") == 0)
    }

    @Test(arguments: TestDatabase.available) func upsert(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute(Self.table(kind))
        let frame = try Self.frame()
        try database.write(frame.head(2), to: "t")
        try database.execute("UPDATE t SET number = 99, extra = 1")
        #expect(try database.write(frame, to: "t", mode: .upsert(key: ["id"])) == 3)
        same(try database.read("SELECT * FROM t ORDER BY id", types: Self.lists), frame)
        // Columns the frame lacks are left alone.
        #expect(try database.query("SELECT extra FROM t ORDER BY id").values("extra") == [1, 1, 5])
        #expect(try database.write(frame, to: "t", mode: .upsert(key: [])) == 3)
        let key = try frame.select(["id"])
        #expect(try database.write(key, to: "t", mode: .upsert(key: [])) == 0)
        let twice = try Frame.concat([frame, frame])
        #expect(sqlError { try database.write(twice, to: "t", mode: .upsert(key: ["id"])) }.code == "sql.constraint")
        #expect(sqlError { try database.write(frame, to: "t", mode: .upsert(key: ["flag"])) }.code == "sql.query")
        #expect(sqlError { try database.write(frame, to: "t", mode: .upsert(key: ["no"])) }.code == "sql.usage")
        #expect(try database.read("t").rowCount == 3)
    }

    @Test(arguments: TestDatabase.available) func misfitsNameTheirPlace(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute(
            "CREATE TABLE m (id UUID, small SMALLINT, time TIMESTAMP WITH TIME ZONE, day DATE, flag BOOLEAN)")
        func write(_ name: String, _ column: Column) -> SQLError {
            sqlError { try database.write(Frame([(name, column)]), to: "m") }
        }
        func strings(_ texts: String...) -> Column {
            let builder = StringBuilder()
            for text in texts { builder.append(text) }
            return builder.finish()
        }
        let uuid = write("id", strings("00000000-0000-4000-8000-000000000001", "zzz"))
        #expect(uuid.message == "the value of column 'id' in row 2 is not a uuid")
        #expect(write("time", strings("2025-01-01", "tomorrow")).detail("column") == "time")
        #expect(write("flag", strings("x")).message.hasPrefix("column 'flag' is string and cannot be written to"))
        #expect(write("nme", strings("x")).message.contains("has no column 'nme'"))
        let noon = FixedBuilder<Int64>.timestamp()
        noon.append(43_200_000_000)
        #expect(write("day", noon.finish()).message.hasSuffix("has a time of day, which a date cannot hold"))
        if kind == .postgresql {
            let large = FixedBuilder<Int64>.int64()
            large.append(1)
            large.append(40_000)
            #expect(
                write("small", large.finish()).message.hasPrefix("the value of column 'small' in row 2 is out of range")
            )
        }
        #expect(try database.query("SELECT 1 AS one FROM m").rowCount == 0)
        #expect(sqlError { try database.write(Frame([]), to: "m") }.code == "sql.usage")
        #expect(
            sqlError { try database.write(Self.frame(), to: "nowhere") }.message.hasPrefix(
                "there is no table 'nowhere'"))
        // Texts that fit are parsed.
        let fits = try Frame([
            ("id", strings("{00000000-0000-4000-8000-00000000000A}")), ("time", strings("2025-01-01T09:00:00+09:00")),
            ("day", strings("2025-01-02")),
        ])
        try database.write(fits, to: "m")
        let back = try database.read("SELECT id, time, day FROM m")
        #expect(back.values("id") == ["00000000-0000-4000-8000-00000000000a"])
        #expect(back.values("time") == [.int(Timestamp.parse("2025-01-01")!)])
        #expect(back.values("day") == [.int(Timestamp.parse("2025-01-02")!)])
    }

    @Test(arguments: TestDatabase.available) func constraintsNameTheRow(_ kind: TestDatabase) throws {
        let database = try kind.open()
        try database.execute("CREATE TABLE c (x INTEGER CHECK (x < 10))")
        let numbers = FixedBuilder<Int64>.int64()
        for number in [1, 5, 77] { numbers.append(Int64(number)) }
        let error = sqlError { try database.write(Frame([("x", numbers.finish())]), to: "c") }
        #expect(error.code == "sql.constraint")
        #expect(error.details.contains { $0.0 == "row" && $0.1 == 3 })
        #expect(!error.message.contains("77"))
        #expect(try database.read("c").rowCount == 0)
    }
}
