import Testing

@testable import SQL

@Suite struct StatementTests {
    private func text(_ sql: String, _ count: Int, _ dialect: Dialect) throws -> String {
        try Statement(sql, Array(repeating: .int(1), count: count), dialect: dialect).text
    }

    @Test(arguments: [
        ("select ?, ?", 2, "select $1, $2", "select ?1, ?2"),
        ("select $2, $1, $2", 2, "select $2, $1, $2", "select ?2, ?1, ?2"),
        ("select ?2, ?1", 2, "select $2, $1", "select ?2, ?1"),
        ("select '?', ?, '''?' || ?", 2, "select '?', $1, '''?' || $2", "select '?', ?1, '''?' || ?2"),
        (
            "select \"a?\", ? -- really?\n, ?", 2, "select \"a?\", $1 -- really?\n, $2",
            "select \"a?\", ?1 -- really?\n, ?2"
        ),
        ("select /* ? */ ?", 1, "select /* ? */ $1", "select /* ? */ ?1"),
        ("select foo$1, ?", 1, "select foo$1, $1", "select foo$1, ?1"),
        ("select ?::int", 1, "select $1::int", "select ?1::int"),
        ("é ? ü", 1, "é $1 ü", "é ?1 ü"),
    ])
    func placeholders(_ sql: String, _ count: Int, _ postgres: String, _ sqlite: String) throws {
        #expect(try text(sql, count, .postgresql) == postgres)
        #expect(try text(sql, count, .sqlite) == sqlite)
    }

    @Test func dialectsDiffer() throws {
        #expect(try text("select $a$ ? $a$, ?", 1, .postgresql) == "select $a$ ? $a$, $1")
        #expect(try text("select $$ ? $$, ?", 1, .postgresql) == "select $$ ? $$, $1")
        #expect(try text("select E'\\'?', ?", 1, .postgresql) == "select E'\\'?', $1")
        #expect(try text("select '\\', ?", 1, .postgresql) == "select '\\', $1")
        #expect(try text("/* /* ? */ ? */ ?", 1, .postgresql) == "/* /* ? */ ? */ $1")
        #expect(try text("select [a?], `b?`, ?", 1, .sqlite) == "select [a?], `b?`, ?1")
        #expect(try text("select a[?]", 1, .postgresql) == "select a[$1]")
    }

    @Test func questionMarkOperators() throws {
        #expect(try text("select d ? 'k'", 0, .postgresql) == "select d ? 'k'")
        #expect(try text("select d ?| $1", 1, .postgresql) == "select d ?| $1")
    }

    @Test func counts() {
        #expect(
            sqlError { _ = try text("select ?, ?", 1, .sqlite) }.message
                == "the statement has 2 placeholders but 1 value is given: select ?, ?")
        #expect(sqlError { _ = try text("select $3", 1, .postgresql) }.code == "sql.usage")
        #expect(sqlError { _ = try text("select 1", 1, .postgresql) }.code == "sql.usage")
        #expect(sqlError { _ = try text("select $0", 1, .postgresql) }.code == "sql.usage")
        #expect(sqlError { _ = try text("select $1, ?", 1, .sqlite) }.code == "sql.usage")
        #expect(sqlError { _ = try text("select '\0'", 0, .sqlite) }.code == "sql.usage")
    }

    @Test func unfinishedTextEndsQuietly() throws {
        for sql in ["select '?", "select \"?", "/* ?", "-- ?", "$a$ ?", "E'\\", "[?"] {
            _ = try text(sql, 0, .postgresql)
        }
    }

    @Test func offsetsGoBackToTheSource() throws {
        let statement = try Statement("a ? b ? c", [.null, .null], dialect: .postgresql)
        #expect(statement.text == "a $1 b $2 c")
        #expect(statement.sourceOffset(0) == 0)
        #expect(statement.sourceOffset(5) == 4)
        #expect(statement.sourceOffset(10) == 8)
    }

    @Test(arguments: ["select 1", "select 1;", "select 1 ; -- all of it", "select 1 /* x */\n;;"])
    func subqueries(_ sql: String) {
        #expect(Statement.subquery(sql, dialect: .postgresql) == "select 1")
        #expect(Statement.subquery("select ';' -- x", dialect: .sqlite) == "select ';'")
    }

    @Test func identifiers() throws {
        #expect(try Identifier.quote("odd \"name\"") == "\"odd \"\"name\"\"\"")
        #expect(try Identifier.quote("public", "items") == "\"public\".\"items\"")
        #expect(try Identifier.parts(of: "public.items") == ["public", "items"])
        #expect(try Identifier.parts(of: "\"a.b\".\"c\"\"d\"") == ["a.b", "c\"d"])
        #expect(sqlError { _ = try Identifier.quote("") }.code == "sql.usage")
        #expect(sqlError { _ = try Identifier.parts(of: "a..b") }.code == "sql.usage")
        // A combining accent makes one Character of it and the mark, which ends the name all the same.
        #expect(
            try Identifier.quote("a\"\u{301}; drop table t; --").unicodeScalars.elementsEqual(
                "\"a\"\"\u{301}; drop table t; --\"".unicodeScalars))
        #expect(try Identifier.parts(of: "a.\u{301}b") == ["a", "\u{301}b"])
        #expect(!Identifier.isStatement("\"odd name\""))
        #expect(Identifier.isStatement("select 1"))
    }
}
