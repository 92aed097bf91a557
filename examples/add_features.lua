-- Adds features to the recommender and runs the pipeline with them: how much a user's prices spread, whether a video is
-- longer than an hour and a half, and who made it, a text column of `videos` whose makers become a vocabulary.
--
--   tt examples/add_features.lua --db sqlite:demo.sqlite --set training.epochs=3
--
-- The declarations below are all there is to it: what is read, matrices, scalers, the schema, the checkpoint and the
-- model's input widths follow. To keep such features, write them into the lists of lua/two_tower/features.lua instead.
-- Mind that the serving side knows the documented features only: a changed set of user features needs payload functions
-- that give them, and a new consumer. Training tells which.

local artifacts = require("two_tower.bundle.artifacts")
local config = require("two_tower.config")
local declared = require("two_tower.features")
local fs = require("tt.fs")
local json = require("tt.json")
local options = require("two_tower.options")
local stages = require("two_tower.stages")

local features = declared:extend({
    tokens = { { name = "makers", column = "maker" } },
    vocabularies = { { name = "maker", tokens = "makers", min_freq = 2, max_size = 100 } },
    segments = {
        user = { { name = "maker_vector", type = "l2_normalized_bow" } },
        item = { { name = "maker_vector", type = "l2_normalized_bow" } },
    },
    features = {
        { entity = "user", segment = "numeric", name = "price_spread", expr = "abs(mean_price - median_price)" },
        { entity = "user", segment = "maker_vector", name = "maker_histogram", vocabulary = "maker" },
        { entity = "item", segment = "numeric", name = "is_long", fn = function(payload)
            return payload.duration_seconds:gt(5400)
        end },
        { entity = "item", segment = "maker_vector", name = "maker_histogram", vocabulary = "maker" },
    },
})

local given = options.parse({
    name = "add_features.lua",
    summary = "Runs the pipeline with more features than the declared ones: price spread, length, and maker.",
    database = true,
    config = true,
    options = {
        { flag = "--output-dir", type = "path", value = "DIR", default = "more_features",
            help = "folder for the checkpoint and the artifacts" },
    },
})
local folder = fs.join(given.output_dir, "artifacts")
local db <close> = options.open(given, { read_only = true })
stages.run(db, {
    config = config.load(given.config, { set = given.set, features = features }),
    features = features,
    checkpoint = fs.join(given.output_dir, "latest.pt"),
    artifacts = folder,
    embeddings = fs.join(folder, artifacts.EMBEDDINGS),
    version = "more-features",
})

local schema = json.read(fs.join(folder, artifacts.SCHEMA))
print(("the user vector has %d numbers now: %s"):format(schema.segments[1].size,
    table.concat(schema.segments[1].features, ", ")))
print(("and %d makers"):format(schema.segments[#schema.segments].size))
