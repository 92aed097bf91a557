-- Makes what the pipeline and its readers need in a database: tables, indexes and, on PostgreSQL, the functions that
-- give feature payloads. What is there stays; functions are brought up to date. It may be run any number of times.

local database = require("two_tower.data.database")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local time = require("tt.time")

local DONE = { make = "made", keep = "already there", replace = "replaced", skip = "left out", run = "ran" }

local given = options.parse({
    name = "db_init.lua",
    summary = "Makes the tables, indexes and functions of config/schema.sql in a database, in one transaction. A "
        .. "SQLite database gets the input tables alone.",
    database = "optional",
    config = true,
    options = {
        { flag = "--dim", type = "int", min = 1, max = 16000,
            help = "dimension of video_embeddings.embedding (default: artifacts.embedding_dim of the configuration)" },
        { flag = "--dry-run", help = "print the SQL that would be run and change nothing; without a database, the SQL "
            .. "for an empty PostgreSQL database" },
    },
    examples = {
        "tt db_init.lua --pg-dsn postgresql:///shop",
        "tt db_init.lua --pg-dsn postgresql:///shop --dim 128 --dry-run",
    },
})
if not (given.pg_dsn or given.db or given.dry_run) then
    tt.error("usage", "one of '--pg-dsn DSN' and '--db DSN' is required, unless --dry-run is given")
end
local dim = given.dim or options.load_config(given).artifacts.embedding_dim
local db <close> = (given.pg_dsn or given.db) and options.open(given, { read_only = given.dry_run }) or nil

if given.dry_run then
    print(database.script(database.plan(db, { dim = dim })))
else
    local started, counts = time.monotonic(), {}
    database.apply(db, { dim = dim }, function(step)
        counts[step.action] = (counts[step.action] or 0) + 1
        local fields = { { step.what, step.name } }
        if step.note then fields[2] = { "note", step.note } end
        log.info(DONE[step.action], json.object(fields))
    end)
    log.info("done", json.object({ { "made", counts.make or 0 }, { "replaced", counts.replace or 0 },
        { "already_there", counts.keep or 0 }, { "seconds", time.monotonic() - started } }))
end
