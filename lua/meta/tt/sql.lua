---@meta tt.sql

---@class tt.sql
local sql = {}

--- Stands for NULL in a list of values, where `nil` would end the list. The same value as `tt.json.null`.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- assert(db:query("SELECT coalesce(?, ?) AS x", { tt.sql.null, 7 }).x[1] == 7)
--- ```
sql.null = nil

---@class tt.sql.OpenOptions
---@field timeout_s? number longest time of one statement, start to last row, in seconds; default no limit
---@field read_only? boolean refuse every change; default false
---@field create? boolean SQLite: make the file when it is missing; default true

--- Opens a database: `postgresql://user@host/database`, `postgres://…`, libpq's keywords (`host=localhost
--- dbname=shop`), an empty string (the `PG*` environment), `sqlite:PATH` or `sqlite::memory:`.
---
--- libpq reads TLS modes, service files and `.pgpass` as `psql` does. PostgreSQL's sessions run in UTC, in
--- UTF-8 and with ISO dates; SQLite's with foreign keys on, and waiting up to ten seconds for another writer. A
--- password is never shown in a message.
---
--- ```lua
--- local db <close> = tt.sql.open("sqlite:shop.sqlite", { timeout_s = 60 })
--- db:exec("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC)")
--- db:exec("INSERT INTO items VALUES (?, ?, ?)", { 1, "tea", 4.5 })
--- assert(db:query("SELECT price FROM items WHERE name = ?", { "tea" }).price[1] == 4.5)
--- ```
---
--- Raises `sql.dsn` for an address that cannot be read, `sql.connect`, and `sql.library` where libpq is
--- missing.
---@param dsn string
---@param opts? tt.sql.OpenOptions
---@return tt.Database
function sql.open(dsn, opts) end

--- Notes the statements that connections run from now on, until it is closed: those of scripts and those that tt makes
--- of its methods, as they are sent. Values that are bound are not in them. Tests assert the SQL of a stage by it.
---
--- ```lua
--- local db <close> = tt.sql.open("sqlite::memory:")
--- local trace <close> = tt.sql.trace()
--- db:query("SELECT ? AS x", { 42 })
--- local statements = trace:statements()
--- assert(#statements == 1 and statements[1] == "SELECT ?1 AS x")
--- ```
---@return tt.StatementTrace
function sql.trace() end

--- Quotes a name for a statement; several parts give a qualified name. Values never need it: they are bound.
---
--- ```lua
--- assert(tt.sql.identifier("public", 'odd "name"') == '"public"."odd ""name"""')
--- ```
---
--- Raises `sql.usage` for an empty name.
---@param name string
---@param ... string further parts
---@return string quoted
function sql.identifier(name, ...) end

--- A value bound to a placeholder. A list or a column is an array on PostgreSQL (`= ANY(?)`), and JSON text on SQLite
--- (`IN (SELECT value FROM json_each(?))`).
---@alias tt.sql.Value nil|boolean|integer|number|string|tt.Column|any[]

---@class tt.sql.ReadOptions
---@field types? table<string, string> column types by name; a list type reads JSON text as `frame.from_json` does

---@class tt.sql.ChunkOptions: tt.sql.ReadOptions
---@field rows? integer most rows of a frame; default 65536

---@class tt.sql.WriteOptions
---@field mode? "append"|"replace"|"upsert" keep the rows there are, delete them, update equal keys; default "append"
---@field key? string|string[] columns that identify a row, for "upsert"; default the table's primary key

---@class tt.sql.TransactionOptions
---@field isolation? "read committed"|"repeatable read"|"serializable" default the server's; on SQLite always the last
---@field read_only? boolean default false

---@class tt.ColumnInfo
---@field name string
---@field type string as the database declares it
---@field dtype? string column type its values get; nil where SQLite leaves it to the values
---@field nullable boolean
---@field key boolean part of the primary key
---@field default? string expression

--- A connection. Every call stops at Ctrl-C; a running statement is cancelled at the server.
---
--- Types on PostgreSQL: bool; int2, int4, int8, oid to int64; float4 to float32; float8 and numeric to float64
--- (`NaN` and infinities stay); timestamptz, timestamp and date to timestamp (infinite ones to null); uuid;
--- arrays of one dimension and pgvector's vector to lists; everything else (text, json, bytea, enums, time,
--- interval, inet …) to string.
---
--- On SQLite a column of a table has its declared type: BOOLEAN, UUID, TIMESTAMP, DATETIME, DATE, INTEGER,
--- REAL, NUMERIC, TEXT, JSON, BLOB. A value that does not fit is an error that names column and row.
--- Expressions take the type of their values: integers next to fractions become float64, text next to numbers
--- is an error, nothing but nulls is a string column; CAST in the statement does not change that, the option
--- `types` does.
---
--- Errors carry `details`: `sqlstate`, `statement`, `line`, `table`, `column`, `constraint`, `row` as far as
--- they are known, and never a value. Codes beside the ones named with each function: `sql.query`,
--- `sql.constraint`, `sql.conflict` (locks, deadlocks: trying again may help), `sql.timeout`, `sql.cancelled`,
--- `sql.lost`, `sql.closed`, `sql.type`, `sql.usage`, `sql.transaction`.
---@class tt.Database
local Database = {}

--- Runs one statement and gives its rows.
---
--- Placeholders are `?` or `$1`, `$2` …, on both databases. A value takes the type PostgreSQL infers from its
--- place; where it cannot, write `?::bigint`. With `?` placeholders PostgreSQL's operators that contain a
--- question mark cannot be used; with `$1` they can.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- local frame = db:query("SELECT $1 AS id, '[\"a\",\"b\"]' AS tags", { 7 }, { types = { tags = "list<string>" } })
--- assert(frame.id[1] == 7 and frame.tags[1][2] == "b")
--- ```
---
--- Raises the codes of `tt.Database`.
---@param statement string
---@param params? tt.sql.Value[] one value per placeholder; a field `n` counts trailing nils
---@param opts? tt.sql.ReadOptions
---@return tt.Frame rows without columns when the statement gives no rows
function Database:query(statement, params, opts) end

--- Runs a statement for its effect; without values also several, separated by semicolons.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (x INTEGER); CREATE INDEX t_x ON t (x)")
--- assert(db:exec("INSERT INTO t VALUES (?), (?)", { 1, 2 }) == 2)
--- ```
---
--- Raises the codes of `tt.Database`.
---@param statement string
---@param params? tt.sql.Value[]
---@return integer rows inserted, updated and deleted
function Database:exec(statement, params) end

--- Gives the rows of a SELECT in frames, for results larger than memory: at least one frame, so that an empty
--- result shows its columns.
---
--- On PostgreSQL, outside of a transaction, the connection can do nothing else until the loop ends; inside of
--- one the rows come through a cursor and it can. A loop that is left early is closed.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2), (3)")
--- local sizes = {}
--- for frame in db:chunks("SELECT x FROM t", nil, { rows = 2 }) do sizes[#sizes + 1] = #frame end
--- assert(sizes[1] == 2 and sizes[2] == 1)
--- ```
---
--- Raises the codes of `tt.Database`.
---@param statement string
---@param params? tt.sql.Value[]
---@param opts? tt.sql.ChunkOptions
---@return tt.Chunks iterator
---@return nil
---@return nil
---@return tt.Chunks closing
function Database:chunks(statement, params, opts) end

--- Reads a whole table, or a whole SELECT without values, by the fastest road there is: binary COPY on
--- PostgreSQL.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (x INTEGER, y TEXT); INSERT INTO t VALUES (1, 'a')")
--- assert(#db:read("t") == 1)
--- assert(db:read("SELECT x + 1 AS z FROM t").z[1] == 2)
--- ```
---
--- Raises the codes of `tt.Database`.
---@param source string `items`, `public.items`, or a statement
---@param opts? tt.sql.ReadOptions
---@return tt.Frame
function Database:read(source, opts) end

--- Begins a read whose frame is taken later. PostgreSQL's rows arrive and are decoded meanwhile, on another thread, and
--- the connection can do nothing else until the frame is taken or the read closed; SQLite's are read when they are
--- taken.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1)")
--- local reading <close> = db:read_ahead("t")
--- local other = tt.frame.column {2}
--- assert(reading:frame().x[1] + other[1] == 3)
--- ```
---
--- Raises the codes of `tt.Database`.
---@param source string `items`, `public.items`, or a statement
---@param opts? tt.sql.ReadOptions
---@return tt.Reading
function Database:read_ahead(source, opts) end

--- Writes all rows of a frame, or none: binary COPY on PostgreSQL, a staging table for "upsert".
---
--- Columns go by name; columns the frame lacks get their defaults. Lists of floats go to `vector` or `real[]`,
--- lists of strings to `text[]`, all lists to JSON columns and to SQLite as JSON text; strings are read as what
--- the column is.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
--- local frame = tt.frame.from_table({ { id = 1, name = "a" }, { id = 2, name = "b" } })
--- assert(db:write("t", frame) == 2)
--- assert(db:write("t", frame, { mode = "upsert", key = "id" }) == 2)
--- assert(db:write("t", frame:head(1), { mode = "replace" }) == 1)
--- assert(#db:read("t") == 1)
--- ```
---
--- Raises `sql.type` naming column and row, `sql.constraint`, and the other codes of `tt.Database`.
---@param table string name, possibly with its schema
---@param frame tt.Frame
---@param opts? tt.sql.WriteOptions
---@return integer rows
function Database:write(table, frame, opts) end

--- Calls a function inside a transaction: committed when it returns, rolled back when it raises, and the error
--- goes on unchanged. Inside of another transaction it is a savepoint. The function cannot yield out of it.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE t (x INTEGER)")
--- local ok = pcall(db.transaction, db, function()
---     db:exec("INSERT INTO t VALUES (1)")
---     error("changed my mind")
--- end)
--- assert(not ok and #db:read("t") == 0)
--- ```
---
--- Raises what the function raises; `sql.transaction` when nothing could be committed.
---@param body fun(db: tt.Database): any
---@param opts? tt.sql.TransactionOptions
---@return any ... what the function returns
function Database:transaction(body, opts) end

--- Lists tables and views, with their schema where the name alone would not find them.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER)")
--- assert(table.concat(db:tables(), " ") == "a b")
--- ```
---@return string[] names ascending
function Database:tables() end

--- Describes the columns of a table.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:exec("CREATE TABLE a (x BOOLEAN NOT NULL)")
--- local column = db:columns("a")[1]
--- assert(column.name == "x" and column.dtype == "bool" and not column.nullable)
--- ```
---
--- Raises `sql.query` when there is no such table.
---@param table string
---@return tt.ColumnInfo[] columns in the table's order
function Database:columns(table) end

--- Names the kind of database.
---
--- ```lua
--- assert(tt.sql.open("sqlite::memory:"):dialect() == "sqlite")
--- ```
---@return "postgresql"|"sqlite"
function Database:dialect() end

--- Tells whether the connection is open; a lost one is not.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:close()
--- assert(not db:is_open())
--- ```
---@return boolean
function Database:is_open() end

--- Takes what PostgreSQL said beside its answers since the last call (`RAISE NOTICE`, warnings); the newest
--- hundred.
---
--- ```lua
--- assert(#tt.sql.open("sqlite::memory:"):notices() == 0)
--- ```
---@return string[]
function Database:notices() end

--- Closes the connection; an open transaction is rolled back. Closing twice is harmless.
---
--- ```lua
--- local db = tt.sql.open("sqlite::memory:")
--- db:close()
--- db:close()
--- ```
function Database:close() end

--- Frames of a result, one after the other; calling it is `next`.
---@class tt.Chunks
---@overload fun(): tt.Frame?
local Chunks = {}

--- Gives the next frame; nil after the last.
---
--- ```lua
--- local chunks <close> = tt.sql.open("sqlite::memory:"):chunks("SELECT 1 AS x")
--- assert(#chunks:next() == 1 and chunks:next() == nil)
--- ```
---
--- Raises the codes of `tt.Database`.
---@return tt.Frame? frame
function Chunks:next() end

--- Stops early and sets the connection free. Harmless after the end.
---
--- ```lua
--- local chunks = tt.sql.open("sqlite::memory:"):chunks("SELECT 1 AS x")
--- chunks:close()
--- assert(chunks:next() == nil)
--- ```
function Chunks:close() end

--- A read that was begun.
---@class tt.Reading
local Reading = {}

--- Waits for the frame. It can be taken once.
---
--- ```lua
--- local reading <close> = tt.sql.open("sqlite::memory:"):read_ahead("SELECT 1 AS x")
--- assert(reading:frame().x[1] == 1)
--- ```
---
--- Raises the codes of `tt.Database`; `sql.usage` when it was taken or closed.
---@return tt.Frame
function Reading:frame() end

--- Ends the read and sets the connection free. Harmless once the frame was taken.
---
--- ```lua
--- local reading = tt.sql.open("sqlite::memory:"):read_ahead("SELECT 1 AS x")
--- reading:close()
--- assert(not pcall(reading.frame, reading))
--- ```
function Reading:close() end

--- Statements that ran. Made by `tt.sql.trace`.
---@class tt.StatementTrace
local StatementTrace = {}

--- The statements since the trace began, or since this was called last, in the order they were sent; at most the last
--- 10,000.
---
--- ```lua
--- local trace <close> = tt.sql.trace()
--- assert(#trace:statements() == 0)
--- ```
---@return string[]
function StatementTrace:statements() end

--- Ends the trace. Closing twice is harmless.
---
--- ```lua
--- local trace = tt.sql.trace()
--- trace:close()
--- ```
function StatementTrace:close() end

return sql
