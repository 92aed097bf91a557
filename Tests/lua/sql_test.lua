-- tt.sql from Lua: values in and out, transactions, loops, error objects; on SQLite, and on PostgreSQL where
-- TT_TEST_PG_DSN names a server.
local t = require "tt.test"
local sql = require "tt.sql"

local function open_sqlite() return sql.open("sqlite::memory:") end

local function open_postgres()
    local db = sql.open(os.getenv("TT_TEST_PG_DSN"))
    db:exec("SET search_path TO pg_temp, public")
    return db
end

local databases = { sqlite = open_sqlite }
if os.getenv("TT_TEST_PG_DSN") then
    databases.postgresql = open_postgres
else
    print("skipped: sql tests on PostgreSQL (TT_TEST_PG_DSN is not set)")
end

for _, dialect in ipairs { "sqlite", "postgresql" } do
    local open = databases[dialect]
    local function test(name, body)
        if open then
            t.test(dialect .. ": " .. name, function()
                local db <close> = open()
                body(db)
            end)
        end
    end

    test("values go in and come out", function(db)
        t.equal(db:dialect(), dialect)
        db:exec("CREATE TABLE items (id INTEGER, name TEXT, price DOUBLE PRECISION, ok BOOLEAN)")
        local insert = "INSERT INTO items VALUES (?, ?, ?, ?)"
        t.equal(db:exec(insert, { 1, "a'b", 2.5, true }), 1)
        t.equal(db:exec(insert, { 2, sql.null, nil, false }), 1)
        t.equal(db:exec(insert, table.pack(3, nil, nil, nil)), 1)
        local frame = db:query("SELECT * FROM items ORDER BY id")
        t.equal(#frame, 3)
        t.equal(frame.name[1], "a'b")
        t.equal(frame.price[2], nil)
        t.equal(frame.ok[2], false)
        t.equal(db:query("SELECT count(*) AS n FROM items WHERE id > $1 AND id < $2", { 1, 3 }).n[1], 1)
    end)

    test("a trace notes statements, never values", function(db)
        db:exec("CREATE TABLE t (x INTEGER, y TEXT)")
        local trace, other = sql.trace(), sql.trace()
        db:exec("INSERT INTO t VALUES (?, ?)", { 1, "secret" })
        local numbered = dialect == "sqlite" and "(?1, ?2)" or "($1, $2)"
        t.equal(trace:statements(), { "INSERT INTO t VALUES " .. numbered })
        db:transaction(function() db:query("SELECT x FROM t") end)
        t.equal(trace:statements(),
            { dialect == "sqlite" and "BEGIN IMMEDIATE" or "BEGIN", "SELECT x FROM t", "COMMIT" })
        db:write("t", tt.frame.from_table { cols = { x = { 2 }, y = { "hidden" } } })
        db:read("t")
        for chunk in db:chunks("SELECT y FROM t") do t.equal(#chunk, 2) end
        local ahead <close> = db:read_ahead("SELECT x FROM t")
        t.equal(#ahead:frame(), 2)
        trace:close()
        db:query("SELECT 3")
        local rest = trace:statements()
        t.ok(#rest > 4, rest)
        for _, statement in ipairs(rest) do
            t.equal(statement:find("secret") or statement:find("hidden") or statement:find("SELECT 3"), nil)
        end
        t.equal(trace:statements(), {})
        -- The other heard all of it, in the same order.
        local heard = other:statements()
        t.equal(table.move(heard, #heard - #rest, #heard - 1, 1, {}), rest)
        other:close()
        other:close()
    end)

    test("lists and columns are values", function(db)
        local any = dialect == "sqlite" and "IN (SELECT value FROM json_each(?))" or "= ANY(?::int[])"
        db:exec("CREATE TABLE t (x INTEGER)")
        db:exec("INSERT INTO t VALUES (1), (2), (3)")
        t.equal(#db:query("SELECT x FROM t WHERE x " .. any, { { 1, 3, 9 } }), 2)
        t.equal(#db:query("SELECT x FROM t WHERE x " .. any, { tt.frame.column({ 2 }, "int64") }), 1)
        t.error("argument", function() db:query("SELECT ?", { print }) end)
        local endless = {}
        endless[1] = endless
        t.error("nest 64 deep", function() db:query("SELECT ?", { endless }) end)
    end)

    test("transactions keep the error they were left by", function(db)
        db:exec("CREATE TABLE t (x INTEGER PRIMARY KEY)")
        local reason = setmetatable({}, { __tostring = function() return "reason" end })
        local ok, caught = pcall(db.transaction, db, function(tx)
            t.equal(tx, db)
            tx:exec("INSERT INTO t VALUES (1)")
            error(reason)
        end)
        t.equal(ok, false)
        t.equal(rawequal(caught, reason), true)
        local a, b = db:transaction(function()
            db:exec("INSERT INTO t VALUES (2)")
            pcall(db.transaction, db, function()
                db:exec("INSERT INTO t VALUES (3)")
                db:exec("INSERT INTO t VALUES (3)")
            end)
            return "x", nil
        end)
        t.equal({ a, b }, { "x" })
        t.equal(db:read("t").x:to_table(), { 2 })
        t.error("argument", function() db:transaction(function() end, { isolation = "none" }) end)
    end)

    test("reads ahead", function(db)
        db:exec("CREATE TABLE t (x INTEGER)")
        db:exec("INSERT INTO t VALUES (1), (2)")
        local reading = db:read_ahead("SELECT x, x + 1 AS y FROM t ORDER BY x", { types = { y = "float64" } })
        local frame = reading:frame()
        t.equal(frame.x:to_table(), { 1, 2 })
        t.equal(frame.y:to_table(), { 2.0, 3.0 })
        t.error("sql.usage", reading.frame, reading)
        reading:close()
        local unused <close> = db:read_ahead("t")
        unused:close()
        t.error("sql.usage", unused.frame, unused)
        t.equal(#db:read("t"), 2)
        t.error("sql.query", function() db:read_ahead("SELECT nothing FROM t"):frame() end)
        -- What a transaction has begun and left ends with it.
        local left
        t.error("enough", db.transaction, db, function()
            left = db:read_ahead("t")
            error("enough")
        end)
        t.equal(#db:query("SELECT 1 AS x"), 1)
        left:close()
        local kept = db:transaction(function()
            local other <close> = db:read_ahead("t")
            return other:frame()
        end)
        t.equal(#kept, 2)
    end)

    test("loops over chunks", function(db)
        db:exec("CREATE TABLE t (x INTEGER)")
        local xs = {}
        for i = 1, 100 do xs[i] = { x = i } end
        db:write("t", tt.frame.from_table(xs))
        local sum, frames = 0, 0
        for frame in db:chunks("SELECT x FROM t WHERE x > ?", { 10 }, { rows = 40 }) do
            frames = frames + 1
            sum = sum + frame.x:sum()
        end
        t.equal({ frames, sum }, { 3, 5050 - 55 })
        for frame in db:chunks("SELECT x FROM t ORDER BY x", nil, { rows = 10 }) do
            t.equal(#frame, 10)
            if frame.x[1] == 11 then break end
        end
        -- Leaving the loop has set the connection free.
        t.equal(db:query("SELECT count(*) AS n FROM t").n[1], 100)
        t.error("argument", function() db:chunks("SELECT 1", nil, { row = 1 }) end)
    end)

    test("writes and upserts", function(db)
        db:exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        local frame = tt.frame.from_table({ { id = 1, name = "a" }, { id = 2, name = "b" } })
        t.equal(db:write("t", frame), 2)
        t.error("sql.constraint", function() db:write("t", frame) end)
        t.equal(db:write("t", frame:with({ name = "upper(name)" }), { mode = "upsert", key = { "id" } }), 2)
        t.equal(db:query("SELECT name FROM t ORDER BY id").name:to_table(), { "A", "B" })
        t.equal(db:write("t", frame:head(1), { mode = "replace" }), 1)
        t.error("argument", function() db:write("t", frame, { mode = "merge" }) end)
        t.error("argument", function() db:write("t", frame, { key = "id" }) end)
    end)

    test("errors tell code, statement and place, and no value", function(db)
        local ok, err = pcall(db.query, db, "SELECT 1\nFROM nowhere WHERE x = ?", { "secret" })
        t.equal(ok, false)
        t.equal(err.code, "sql.query")
        t.equal(err.details.statement, "SELECT 1\nFROM nowhere WHERE x = ?")
        assert(not tostring(err):find("secret", 1, true))
        t.error("sql.usage", function() db:query("SELECT ?", { 1, 2 }) end)
        db:close()
        t.error("sql.closed", function() db:query("SELECT 1") end)
        t.equal(db:is_open(), false)
    end)

    test("tables and columns", function(db)
        db:exec("CREATE TABLE odd_one (x INTEGER PRIMARY KEY, y TEXT)")
        local found = false
        for _, name in ipairs(db:tables()) do found = found or name == "odd_one" end
        t.equal(found, true)
        local columns = db:columns("odd_one")
        t.equal(columns[1].key, true)
        t.equal(columns[2].dtype, "string")
        t.error("sql.query", function() db:columns("odd_two") end)
    end)
end

t.test("addresses", function()
    t.error("sql.dsn", sql.open, "mysql://root:secret@localhost/x")
    t.error("sql.connect", sql.open, "sqlite:no/such/folder/x.sqlite")
    t.error("argument", sql.open, "sqlite::memory:", { timeout = 1 })
    t.error("argument", sql.open, "sqlite::memory:", { timeout_s = -1 })
    t.equal(sql.identifier("a"), '"a"')
    t.error("sql.usage", sql.identifier, "")
end)
