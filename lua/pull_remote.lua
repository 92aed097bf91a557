-- The sync: the tables of a Supabase project into a local database.

local options = require("two_tower.options")
local stages = require("two_tower.stages")
local sync_options = require("two_tower.sync.options")

local given = options.parse({
    name = "pull_remote.lua",
    summary = "Fetches profiles, videos with their names, and decisions of a Supabase project into a local database. "
        .. "A table is applied in one transaction once it is complete; an interrupted sync goes on where it stopped.",
    database = true,
    remote = true,
    options = sync_options.flags(),
    examples = {
        "tt pull_remote.lua --db sqlite:shop.sqlite --full",
        "tt pull_remote.lua --pg-dsn postgresql:///shop --since last",
    },
})
local opts = sync_options.read(given)
local project <close> = options.open_project(given)
local db <close> = options.open(given)
stages.fetch(db, project, opts)
