-- The whole pipeline: tables and configuration to a checkpoint, ONNX, JSON side files, item embeddings and, with
-- --version, a verified manifest.

local artifacts = require("two_tower.artifacts")
local fs = require("tt.fs")
local log = require("tt.log")
local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given = options.parse({
    name = "pipeline.lua",
    summary = "Trains the two towers on a database and writes a verified bundle of artifacts.",
    database = true,
    config = true,
    options = {
        { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt", help = "the checkpoint to write" },
        { flag = "--artifacts", type = "path", value = "DIR", default = "artifacts", help = "the artifacts directory" },
        { flag = "--embeddings", type = "path",
            help = "the embeddings to write (default: " .. artifacts.EMBEDDINGS .. " inside the artifacts directory)" },
        { flag = "--fetch-remote", help = "fetch the tables from the remote project first" },
        { flag = "--page-size", aliases = { "--remote-page-size" }, type = "int", min = 1, max = 10000,
            help = "rows per request of --fetch-remote (default: 1000)" },
        { flag = "--skip-export", help = "do not write ONNX and JSON" },
        { flag = "--skip-embeddings", help = "do not write the embeddings" },
        { flag = "--version", value = "VERSION", help = "end by building and verifying manifest.json" },
        { flag = "--commit-sha", value = "SHA", env = "GITHUB_SHA", default = "", help = "recorded in the manifest" },
    },
    examples = {
        "tt pipeline.lua --db sqlite:demo.sqlite --version 20250101T000000Z",
        "tt pipeline.lua --pg-dsn postgresql:///shop --set training.epochs=10",
    },
})
if given.fetch_remote then
    tt.error("usage", "--fetch-remote is not available in this version; load the tables into the database first")
end
if given.page_size then log.warn("--page-size is of no use without --fetch-remote") end
local inside = fs.join(given.artifacts, artifacts.EMBEDDINGS)
local embeddings = given.embeddings or inside
if given.version then
    stages.check_version(given.version)
    if fs.abspath(embeddings) ~= fs.abspath(inside) then
        tt.error("usage", ("--version makes a bundle, which holds the embeddings: write them to '%s', or leave out "
            .. "--version"):format(inside))
    end
end

local settings = options.load_config(given)
local db <close> = options.open(given, { read_only = true })
stages.run(db, {
    config = settings,
    checkpoint = given.checkpoint,
    artifacts = given.artifacts,
    embeddings = embeddings,
    skip_export = given.skip_export,
    skip_embeddings = given.skip_embeddings,
    version = given.version,
    commit_sha = given.commit_sha,
})
