import Testing

@testable import SQL

@Suite struct TransactionTests {
    struct Stop: Error, Equatable { let number: Int }

    private func open(_ kind: TestDatabase) throws -> Database {
        let database = try kind.open()
        try database.execute("CREATE TABLE a (x INTEGER PRIMARY KEY)")
        return database
    }

    private func stop(_ body: () throws -> Void) -> Stop? {
        do { try body() } catch { return error as? Stop }
        return nil
    }

    private func rows(_ database: Database) throws -> Int { try database.query("SELECT x FROM a").rowCount }

    @Test(arguments: TestDatabase.available) func commitsAndRollsBack(_ kind: TestDatabase) throws {
        let database = try open(kind)
        let answer = try database.transaction {
            try database.execute("INSERT INTO a VALUES (1)")
            return 42
        }
        #expect(answer == 42)
        let stopped = stop {
            try database.transaction {
                try database.execute("INSERT INTO a VALUES (2)")
                throw Stop(number: 7)
            }
        }
        #expect(stopped == Stop(number: 7))
        #expect(try rows(database) == 1)
    }

    @Test(arguments: TestDatabase.available) func savepoints(_ kind: TestDatabase) throws {
        let database = try open(kind)
        try database.transaction {
            try database.execute("INSERT INTO a VALUES (1)")
            let stopped = stop {
                try database.transaction {
                    try database.execute("INSERT INTO a VALUES (2)")
                    try database.transaction { _ = try database.execute("INSERT INTO a VALUES (3)") }
                    throw Stop(number: 1)
                }
            }
            #expect(stopped == Stop(number: 1))
            // A failed statement undoes its own savepoint only.
            let clash = sqlError { try database.transaction { _ = try database.execute("INSERT INTO a VALUES (1)") } }
            #expect(clash.code == "sql.constraint")
            try database.transaction { _ = try database.execute("INSERT INTO a VALUES (4)") }
        }
        #expect(try database.query("SELECT x FROM a ORDER BY x").values("x") == [1, 4])
    }

    @Test(arguments: TestDatabase.available) func endedFromInside(_ kind: TestDatabase) throws {
        let database = try open(kind)
        #expect(sqlError { try database.transaction { _ = try database.execute("COMMIT") } }.code == "sql.transaction")
        try database.transaction { _ = try database.execute("INSERT INTO a VALUES (1)") }
        #expect(try rows(database) == 1)
    }

    @Test(arguments: TestDatabase.available) func commitThatFails(_ kind: TestDatabase) throws {
        let database = try open(kind)
        try database.execute("CREATE TABLE b (x INTEGER REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED)")
        let error = sqlError { try database.transaction { _ = try database.execute("INSERT INTO b VALUES (9)") } }
        #expect(error.code == "sql.constraint")
        #expect(try database.query("SELECT x FROM b").rowCount == 0)
        try database.transaction { _ = try database.execute("INSERT INTO a VALUES (1)") }
    }

    @Test(arguments: TestDatabase.available) func closeRollsBack(_ kind: TestDatabase) throws {
        let database = try open(kind)
        do {
            let scope = try database.begin()
            try database.execute("INSERT INTO a VALUES (1)")
            scope.close()
            #expect(sqlError { try scope.commit() }.code == "sql.usage")
        }
        #expect(try rows(database) == 0)
        try database.transaction(TransactionOptions(isolation: .repeatableRead, readOnly: true)) {
            _ = try database.query("SELECT x FROM a")
            #expect(
                sqlError { try database.transaction(TransactionOptions(readOnly: true)) {} }.code == "sql.usage")
        }
    }

    @Test(.enabled(if: PostgresServer.dsn != nil, "no PostgreSQL server"))
    func swallowedFailureIsReportedAtCommit() throws {
        let database = try open(.postgresql)
        let error = sqlError {
            try database.transaction {
                try database.execute("INSERT INTO a VALUES (1)")
                _ = try? database.execute("INSERT INTO a VALUES (1)")
            }
        }
        #expect(error.code == "sql.transaction")
        #expect(try rows(database) == 0)
    }

    @Test func writersWaitForEachOther() throws {
        let folder = temporaryFolder()
        defer { remove(folder) }
        let first = try Database.open("sqlite:\(folder)/x.sqlite")
        let second = try Database.open("sqlite:\(folder)/x.sqlite", OpenOptions(timeout: 1))
        try first.execute("CREATE TABLE a (x INTEGER)")
        let scope = try first.begin()
        #expect(["sql.timeout", "sql.conflict"].contains(sqlError { try second.transaction {} }.code))
        scope.close()
        try second.transaction { _ = try second.execute("INSERT INTO a VALUES (1)") }
        #expect(try rows(first) == 1)
    }
}
