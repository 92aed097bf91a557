-- The databases of tests: their names are a run's own, and they are gone afterwards.
local databases = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/databases.lua")
local sql = require("tt.sql")
local t = require("tt.test")

t.test("every way of writing a DSN can name another database", function()
    for dsn, expected in pairs({
        ["postgresql:///tt?host=/tmp/x&user=me"] = "postgresql:///other?host=/tmp/x&user=me",
        ["postgres://me:a%2Fb@host:5433/shop"] = "postgres://me:a%2Fb@host:5433/other",
        ["postgresql://one:1,two:2/tt?target_session_attrs=any"] =
            "postgresql://one:1,two:2/other?target_session_attrs=any",
        ["postgresql://host"] = "postgresql://host/other",
        ["postgresql://?dbname=tt&user=me"] = "postgresql:///other?user=me",
        ["host=/tmp/x dbname=tt"] = "host=/tmp/x dbname=tt dbname=other",
        [""] = " dbname=other",
    }) do
        t.equal(databases.beside(dsn, "other"), expected)
    end
end)

t.test("a set's databases are made anew, copied, and dropped at its end", function()
    if not databases.server then t.skip(databases.reason) end
    local function current(dsn)
        local db <close> = sql.open(dsn)
        return db:query("SELECT current_database()::text AS name").name[1]
    end
    local names = {}
    t.error("on purpose", function()
        local one <close> = databases.open()
        local two <close> = databases.open()
        local dsn = one:make("a")
        names = { current(dsn), current(two:make("a")) }
        t.ok(names[1] ~= names[2])
        do
            local db <close> = sql.open(dsn)
            db:exec("CREATE TABLE x (n integer)")
        end
        local copy <close> = sql.open(one:make("b", "a"))
        t.equal(copy:tables(), { "x" })
        local anew <close> = sql.open(one:make("a"))
        t.equal(anew:tables(), {})
        error("on purpose")
    end)
    local db <close> = sql.open(databases.server)
    t.equal(#db:query("SELECT datname::text AS name FROM pg_database WHERE datname IN (?, ?)", names), 0)
end)
