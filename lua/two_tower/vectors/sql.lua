--- The table of vectors of a PostgreSQL database that is reached directly: COPY and a staging table.

local frame = require("tt.frame")
local hash = require("tt.hash")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local time = require("tt.time")
local vectors = require("two_tower.vectors.rules")

local vectors_sql = {}

local NAME = "public." .. vectors.TABLE
-- Ids bound to one statement.
local BLOCK = 65536

---@class two_tower.VectorsSQL
local Target = {}
Target.__index = Target

--- Opens the table of a database.
---
--- Raises `usage` for a database that is not PostgreSQL, and what `sql.open` raises.
---@param dsn string
---@param flag string that gave the DSN, for messages
---@return two_tower.VectorsSQL
function vectors_sql.open(dsn, flag)
    if dsn:match("^sqlite:") then
        tt.error("usage", ("%s must be a PostgreSQL database with pgvector: SQLite has no vectors"):format(flag))
    end
    return setmetatable({ db = options.open_dsn(dsn, flag), dsn = dsn }, Target)
end

--- What tells this table from others, without a password.
---@return table
function Target:identity() return { database = hash.sha256(log.masked(self.dsn)), table = NAME } end

--- Checks that the table takes vectors of `dim` numbers.
---
--- Raises `vectors.table` when there is no such table or column, `vectors.dimension`.
---@param dim integer
function Target:check(dim)
    if not self.db:query("SELECT to_regclass($1) IS NOT NULL AS there", { NAME }).there[1] then
        tt.error("vectors.table", ("the database has no table '%s'; 'tt db_init.lua' makes it"):format(NAME))
    end
    local found = {}
    for _, column in ipairs(self.db:columns(NAME)) do found[column.name] = column.type end
    for _, name in ipairs({ "video_id", "embedding", "updated_at" }) do
        if not found[name] then tt.error("vectors.table", ("the table '%s' has no column '%s'"):format(NAME, name)) end
    end
    local declared = found.embedding:match("vector%((%d+)%)$")
    if not declared and not found.embedding:match("vector$") then
        tt.error("vectors.table", ("the column '%s.embedding' is %s; it must be vector(%d)"):format(NAME,
            found.embedding, dim))
    end
    -- A column without a declared dimension has that of its rows.
    local stored = tonumber(declared) or self.db:query(("SELECT vector_dims(embedding) AS n FROM %s "
        .. "WHERE embedding IS NOT NULL LIMIT 1"):format(NAME)).n[1]
    if stored and stored ~= dim then vectors.refuse_dimension(stored, dim) end
end

--- Runs a function in one transaction: readers see all that it wrote, or nothing.
---@param body fun()
function Target:transaction(body)
    self.db:transaction(function()
        self.db:exec("SET LOCAL statement_timeout = 0")
        body()
    end)
end

--- Stores units of rows, updating those whose id is there; each in one transaction.
---
--- Raises what `db:write` raises.
---@param next_unit fun(): two_tower.Unit|nil
---@param opts { stored: fun(unit: two_tower.Unit), progress?: fun(rows: integer) }
function Target:send(next_unit, opts)
    for unit in next_unit do
        if #unit.rows > 0 then
            local rows = unit.rows:select({ "video_id", "embedding" })
                :with({ { "updated_at", ("timestamp(%d)"):format(unit.stamp) } })
            self.db:write(NAME, rows, { mode = "upsert", key = "video_id" })
        end
        if opts.progress then opts.progress(#unit.rows) end
        opts.stored(unit)
    end
end

-- Calls a function with blocks of ids as frames.
local function blocks(ids, each)
    local all = frame.from_columns({ { "id", ids } })
    for first = 1, #all, BLOCK do each(all:slice(first, BLOCK).id) end
end

--- Reads vectors back.
---@param ids tt.Column uuid
---@return tt.Frame rows video_id, embedding; ids that the table does not have are left out
function Target:read(ids)
    local parts = { frame.from_columns({ { "video_id", frame.column({}, "uuid") },
        { "embedding", frame.column({}, "list<float32>") } }) }
    blocks(ids, function(block)
        parts[#parts + 1] = self.db:query(("SELECT video_id, embedding FROM %s WHERE video_id = ANY($1)"):format(NAME),
            { block })
    end)
    return frame.concat(parts)
end

--- Counts how many of these ids the table has.
---@param ids tt.Column uuid, distinct
---@return integer
function Target:count(ids)
    local count = 0
    blocks(ids, function(block)
        count = count + self.db:query(("SELECT count(*) AS n FROM %s WHERE video_id = ANY($1)"):format(NAME),
            { block }).n[1]
    end)
    return count
end

local INDEXES = [[
SELECT i.indexrelid::regclass::text AS name, m.amname AS method, i.indisvalid AS is_valid,
    o.opcname = 'vector_cosine_ops' AS is_cosine, c.relname ~ '_cc(new|old)[0-9]*$' AS is_left_over
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
JOIN pg_opclass AS o ON o.oid = i.indclass[0]
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = $1::regclass AND a.attname = 'embedding' AND m.amname IN ('hnsw', 'ivfflat')
ORDER BY 1]]

--- Builds the indexes for nearest neighbours anew. Readers and writers go on meanwhile: a query uses the old index
--- until the new one is complete. A table without one for cosine distance gets it.
function Target:rebuild_index()
    local db, is_there = self.db, false
    local function build(name, statement)
        local started = time.monotonic()
        db:exec(statement)
        for _, notice in ipairs(db:notices()) do log.warn(notice) end
        log.info("index", json.object({ { "name", name }, { "seconds", time.monotonic() - started } }))
    end
    db:exec("SET statement_timeout = 0")
    for _, index in ipairs(db:query(INDEXES, { NAME }):to_table()) do
        if index.is_left_over and not index.is_valid then
            -- What a build that was broken off leaves behind.
            db:exec("DROP INDEX CONCURRENTLY " .. index.name)
        else
            build(index.name, "REINDEX INDEX CONCURRENTLY " .. index.name)
            is_there = is_there or index.method == "hnsw" and index.is_cosine
        end
    end
    if not is_there then
        build(vectors.TABLE .. "_embedding_idx", ("CREATE INDEX CONCURRENTLY %s_embedding_idx ON %s USING hnsw "
            .. "(embedding vector_cosine_ops)"):format(vectors.TABLE, NAME))
    end
    db:exec("RESET statement_timeout")
end

--- Closes the connection.
function Target:close() self.db:close() end
Target.__close = Target.close

return vectors_sql
