-- Makes a database to try the pipeline on: the input tables, filled from a seed, with a taste planted in every user so
-- that learning shows. Unless --clean is given it also holds what real databases hold: nulls, decisions taken back and
-- repeated, likes of videos that are gone, users without a profile, names that stand twice.

local demo_data = require("two_tower.data.demo")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local schema = require("two_tower.data.schema")
local time = require("tt.time")

local SIZES = {
    S = { users = 2000, videos = 5000, decisions = 100000 },
    M = { users = 20000, videos = 50000, decisions = 1000000 },
    L = { users = 200000, videos = 500000, decisions = 10000000 },
}

local given = options.parse({
    name = "demo.lua",
    summary = "Makes a seeded demo database of the pipeline's input tables.",
    database = true,
    options = {
        { flag = "--size", choices = { "S", "M", "L" }, default = "S",
            help = "S: 2k users, 5k videos, 100k decisions; M: 20k, 50k, 1M; L: 200k, 500k, 10M" },
        { flag = "--users", type = "int", min = 1, help = "users (default: from --size)" },
        { flag = "--videos", type = "int", min = 1, help = "videos (default: from --size)" },
        { flag = "--decisions", type = "int", min = 1, help = "rows of decisions (default: from --size)" },
        { flag = "--seed", default = 42, help = "the same seed and sizes give the same database" },
        { flag = "--clean", help = "with primary keys and without the oddities of real data" },
        { flag = "--replace", help = "drop input tables that exist" },
    },
    examples = {
        "tt demo.lua --db sqlite:demo.sqlite",
        "tt demo.lua --pg-dsn postgresql:///demo --size M --replace",
    },
})
local size = SIZES[given.size]
local started = time.monotonic()
local db <close> = options.open(given)
local tables = demo_data.make({ seed = given.seed, clean = given.clean, users = given.users or size.users,
    videos = given.videos or size.videos, decisions = given.decisions or size.decisions })
log.info("generated", { seconds = time.monotonic() - started })
db:transaction(function()
    schema.create(db, { replace = given.replace, keys = given.clean })
    for _, name in ipairs({ "profiles", "videos", "video_tags", "video_performers", "user_video_decisions" }) do
        log.info("wrote", json.object({ { "table", name },
            { "rows", db:write(schema.table_name(db, name), tables[name]) } }))
    end
end)
log.info("done", { seconds = time.monotonic() - started })
