-- The best videos for one user: the user tower of a checkpoint against the item embeddings written with it.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local log = require("tt.log")
local options = require("two_tower.options")
local recommend = require("two_tower.recommend")

local given = options.parse({
    name = "recommend.lua",
    summary = "Lists the videos a user is most likely to like, among those the user has not decided on.",
    database = true,
    options = {
        { flag = "--user", value = "UUID", help = "whom for (default: the user with the most likes)" },
        { flag = "--top", default = 10, min = 1, help = "how many videos" },
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt", help = "the checkpoint" },
        { flag = "--embeddings", type = "path", default = fs.join("artifacts", artifacts.EMBEDDINGS),
            help = "the embeddings written with that checkpoint" },
    },
    examples = { "tt recommend.lua --db sqlite:demo.sqlite --top 5" },
})
local db <close> = options.open(given, { read_only = true })
local result = recommend.list(db, { user = given.user, top = given.top, checkpoint = given.checkpoint,
    embeddings = given.embeddings })
if log.is_json() then
    print(require("tt.json").encode({ user_id = result.user, videos = result.rows:to_table() }))
else
    print(("user %s: %d likes, mostly %s"):format(result.user, result.likes,
        #result.tastes > 0 and table.concat(result.tastes, ", ") or "without tags"))
    for rank, row in ipairs(result.rows:to_table()) do
        print(("%3d. %6.3f  %s  %s  [%s]"):format(rank, row.score, row.video_id, row.title or "(no title)",
            table.concat(row.tags or {}, ", ")))
    end
end
