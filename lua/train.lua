-- The training stage: tables and configuration to a checkpoint.

local fs = require("tt.fs")
local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given = options.parse({
    name = "train.lua",
    summary = "Trains the two towers on a database and writes latest.pt.",
    database = true,
    config = true,
    rpc = true,
    remote = true,
    options = {
        { flag = "--output-dir", type = "path", value = "DIR", default = "checkpoints",
            help = "the directory for latest.pt" },
    },
    examples = {
        "tt train.lua --db sqlite:demo.sqlite --set training.epochs=3",
        "tt train.lua --pg-dsn postgresql:///shop --rpc rest --supabase-url https://PROJECT.supabase.co",
    },
})
local settings = options.load_config(given)
local project <close> = options.open_rpc(given, settings)
local db <close> = options.open(given, { read_only = true })
stages.train(db, { config = settings, checkpoint = fs.join(given.output_dir, "latest.pt"), rpc = given.rpc,
    project = project })
