import CPostgres
import Testing

@testable import SQL

@Suite(.enabled(if: tt_pq_load() == nil, "libpq is not installed")) struct PostgresAddressTests {
    @Test func partsOfAURL() throws {
        let address = try PostgresAddress("postgresql://ann:p%40ss@db.example:5433/shop?sslmode=require")
        #expect(address.options.contains { $0 == ("host", "db.example") })
        #expect(address.options.contains { $0 == ("password", "p@ss") })
        #expect(address.scrub("FATAL: p@ss is no password") == "FATAL: *** is no password")
    }

    @Test func keywordsAndEnvironment() throws {
        #expect(try PostgresAddress("host=/tmp dbname='a b'").options.map(\.keyword).sorted() == ["dbname", "host"])
        #expect(try PostgresAddress("").options.isEmpty)
        #expect(try PostgresAddress("postgresql://").options.isEmpty)
        _ = try PostgresAddress("postgresql://u:p@[::1]:5432,other:5433/db")
        _ = try PostgresAddress("postgresql://%2Ftmp%2Fsocket/db")
    }

    @Test(arguments: [
        "postgresql://u:sec@ret@host/db", "postgresql://u:sec/ret@host/db", "postgresql://u:sec?ret@host/db",
        "postgres://u:sec:ret", "postgresql://u:sec%ret@host/db", "host=x password=sec ret",
        "host=x pass='sec ret", "postgresql://u:sec#ret@host/db?nonsense=ret",
        "postgresql://u:sec@\u{301}ret@host/db", "postgresql://u:sec:ret\u{301}",
    ])
    func unreadableOnesDoNotShowTheirPassword(_ dsn: String) {
        let error = sqlError { _ = try PostgresAddress(dsn) }
        #expect(error.code == "sql.dsn")
        #expect(!error.message.contains("sec") && !error.message.contains("ret"))
    }

    @Test func optionNamesAreSuggested() {
        let error = sqlError { _ = try PostgresAddress("host=x sslmod=require") }
        #expect(error.message.hasSuffix("did you mean 'sslmode'?"))
    }

    @Test func shortSecretsAreReplacedAsWords() throws {
        let address = try PostgresAddress("password=ab")
        #expect(address.scrub("about ab") == "about ***")
    }

    @Test func otherFormsAreRefused() {
        for dsn in ["mysql://u:secret@h/d", "shop.sqlite", "/var/x", "sqlite"] {
            let error = sqlError { _ = try Database.open(dsn) }
            #expect(error.code == "sql.dsn")
            #expect(!error.message.contains("secret"))
            #expect(error.message.contains("sqlite:PATH"))
        }
    }
}
