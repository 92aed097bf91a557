-- The best videos for every user at once, into a Parquet file: exact, over the whole catalogue.
--
--   tt examples/recommend_all.lua --db sqlite:demo.sqlite --top 20
--
-- One product of all user vectors with all item vectors finds them (nn.topk), block by block, so that memory does not
-- grow with users times videos. What a user has decided on is left out.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local options = require("two_tower.options")
local parquet = require("tt.parquet")
local recommend = require("two_tower.recommend")

local given = options.parse({
    name = "recommend_all.lua",
    summary = "Writes the videos each user is most likely to like, among those the user has not decided on.",
    database = true,
    options = {
        { flag = "--top", default = 20, min = 1, help = "how many videos for a user" },
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt", help = "the checkpoint" },
        { flag = "--embeddings", type = "path", default = fs.join("artifacts", artifacts.EMBEDDINGS),
            help = "the embeddings written with that checkpoint" },
        { flag = "--output", type = "path", default = "recommendations.parquet", help = "the file to write" },
    },
})
local db <close> = options.open(given, { read_only = true })
local rows = recommend.all(db, given)
parquet.write(given.output, rows)
print(("wrote %d recommendations for %d users to %s"):format(#rows, rows.user_id:n_unique(), given.output))
