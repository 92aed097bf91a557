-- Makes a database for the benchmarks: the one of demo.lua, with more names, so that the vocabularies of the shipped
-- configuration (512 and 256 tokens) are full at every size and a model's input is as wide as in production.

local demo_data = require("two_tower.data.demo")
local frame = require("tt.frame")
local options = require("two_tower.options")
local random = require("tt.random")
local schema = require("two_tower.data.schema")

local SIZES = {
    S = { users = 2000, videos = 5000, decisions = 100000 },
    M = { users = 20000, videos = 50000, decisions = 1000000 },
    L = { users = 200000, videos = 500000, decisions = 10000000 },
}
-- Distinct tags that are wanted; some more than the vocabulary takes, so that it is cut as it usually is.
local TAGS = 640

local given = options.parse({
    name = "database.lua",
    summary = "Makes a demo database whose names fill the vocabularies.",
    database = true,
    options = {
        { flag = "--size", choices = { "S", "M", "L" }, default = "S", help = "as in demo.lua" },
        { flag = "--seed", default = 42, help = "the same seed and size give the same database" },
    },
})
local size = SIZES[given.size]
local tables = demo_data.make({ seed = given.seed, users = size.users, videos = size.videos,
    decisions = size.decisions })

-- Each tag becomes several: a number behind the name, drawn per row. The genre that a tag tells of stays.
local tags = tables.video_tags
local distinct = #tags:unique({ "tag_name" })
local parts = math.ceil(TAGS / distinct)
if parts > 1 then
    local suffixes = {}
    for part = 1, parts do suffixes[part] = (" /%d"):format(part) end
    local drawn = random.new(given.seed, { stream = 1 }):integers(#tags, 1, parts)
    local named = tags.tag_name .. frame.column(suffixes, "string"):take(drawn)
    tables.video_tags = frame.from_columns({ { "video_id", tags.video_id },
        { "tag_name", tags.tag_name:eq(""):choose(tags.tag_name, named) } })
end

local db <close> = options.open(given)
db:transaction(function()
    schema.create(db, { replace = true, keys = false })
    for _, name in ipairs({ "profiles", "videos", "video_tags", "video_performers", "user_video_decisions" }) do
        db:write(schema.table_name(db, name), tables[name])
    end
end)
if db:dialect() == "postgresql" then db:exec("ANALYZE") end
