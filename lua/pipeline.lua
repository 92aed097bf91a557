-- The whole pipeline: tables and configuration to a checkpoint, ONNX, JSON side files, item embeddings and, with
-- --version, a verified manifest. --fetch-remote goes before it, --publish comes after it.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local options = require("two_tower.options")
local stages = require("two_tower.stages")
local sync_options = require("two_tower.sync.options")
local targets = require("two_tower.publish.target")

local declared = {
    { flag = "--checkpoint", type = "path", default = "checkpoints/latest.pt", help = "the checkpoint to write" },
    { flag = "--artifacts", type = "path", value = "DIR", default = "artifacts", help = "the artifacts directory" },
    { flag = "--embeddings", type = "path",
        help = "the embeddings to write (default: " .. artifacts.EMBEDDINGS .. " inside the artifacts directory)" },
    { flag = "--skip-export", help = "do not write ONNX and JSON" },
    { flag = "--skip-embeddings", help = "do not write the embeddings" },
    { flag = "--version", value = "VERSION", help = "end by building and verifying manifest.json" },
    { flag = "--commit-sha", value = "SHA", env = "GITHUB_SHA", default = "", help = "recorded in the manifest" },
    { flag = "--publish", help = "then publish the bundle in the project's bucket and upload the embeddings, as "
        .. "publish.lua and upload_embeddings.lua do; without --version the bundle is named by time and commit" },
    { flag = "--allow-contract-break", help = "of --publish: although serving cannot give the model every feature" },
    { flag = "--fetch-remote", help = "first fetch the tables of a Supabase project into the database" },
}
local fetching = sync_options.flags("of --fetch-remote: ")
table.move(fetching, 1, #fetching, #declared + 1, declared)

local given, origin = options.parse({
    name = "pipeline.lua",
    summary = "Trains the two towers on a database and writes a verified bundle of artifacts.",
    database = true,
    config = true,
    remote = true,
    rpc = true,
    options = declared,
    examples = {
        "tt pipeline.lua --db sqlite:demo.sqlite --version 20250101T000000Z",
        "tt pipeline.lua --pg-dsn postgresql:///shop --set training.epochs=10",
        "tt pipeline.lua --db sqlite:shop.sqlite --fetch-remote --full --publish",
    },
})
local sync = given.fetch_remote and sync_options.read(given)
if not sync then options.warn_unused(origin, sync_options.NAMES, "without --fetch-remote") end
if given.allow_contract_break and not given.publish then
    tt.error("usage", "--allow-contract-break goes with --publish")
end
if given.publish then
    -- What is missing now would be missed after the training.
    targets.open({ url = given.supabase_url, key = given.service_role_key }):close()
    given.version = given.version or stages.new_version(given.commit_sha)
end
local inside = fs.join(given.artifacts, artifacts.EMBEDDINGS)
local embeddings = given.embeddings or inside
if given.version then
    stages.check_version(given.version)
    if fs.abspath(embeddings) ~= fs.abspath(inside) then
        tt.error("usage", ("%s makes a bundle, which holds the embeddings: write them to '%s'"):format(
            given.publish and "--publish" or "--version", inside))
    end
end

local settings = options.load_config(given)
local rpc_project <close> = options.open_rpc(given, settings)
if sync then
    local project <close> = options.open_project(given)
    local target <close> = options.open(given)
    stages.fetch(target, project, sync)
end
do
    local db <close> = options.open(given, { read_only = true })
    stages.run(db, {
        config = settings,
        rpc = given.rpc,
        project = rpc_project,
        checkpoint = given.checkpoint,
        artifacts = given.artifacts,
        embeddings = embeddings,
        skip_export = given.skip_export,
        skip_embeddings = given.skip_embeddings,
        version = given.version,
        commit_sha = given.commit_sha,
    })
end
if given.publish then
    -- The vectors follow at once: those of one training and the user tower of another do not belong together.
    local published = stages.publish({ artifacts = given.artifacts, url = given.supabase_url,
        key = given.service_role_key, allow_contract_break = given.allow_contract_break })
    -- When current/ has moved, others may have stored vectors since an earlier upload of this file.
    stages.upload({ parquet = embeddings, url = given.supabase_url, key = given.service_role_key,
        restart = published.refreshed })
end
