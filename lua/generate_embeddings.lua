-- The embedding stage: a checkpoint and the videos of a database to one unit vector per video, as Parquet.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given = options.parse({
    name = "generate_embeddings.lua",
    summary = "Embeds every video with a checkpoint's item tower.",
    database = true,
    config = true,
    options = {
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt",
            help = "the checkpoint, written by tt or by PyTorch" },
        { flag = "--output", type = "path", default = fs.join("artifacts", artifacts.EMBEDDINGS),
            help = "the Parquet file to write" },
    },
    examples = { "tt generate_embeddings.lua --db sqlite:demo.sqlite" },
})
local settings = options.explicit_config(given)
local db <close> = options.open(given, { read_only = true })
stages.embeddings(db, { checkpoint = given.checkpoint, embeddings = given.output, config = settings })
