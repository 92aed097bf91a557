-- The upload stage: the embeddings file into the table that serving reads, by REST or straight into PostgreSQL.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local options = require("two_tower.options")
local stages = require("two_tower.stages")

local given, origin = options.parse({
    name = "upload_embeddings.lua",
    summary = "Checks an embeddings file and stores its vectors in the table video_embeddings of a Supabase project, "
        .. "or of a PostgreSQL database that is reached directly.",
    database = "optional",
    remote = true,
    options = {
        { flag = "--parquet", type = "path", default = fs.join("artifacts", artifacts.EMBEDDINGS),
            help = "the embeddings file" },
        { flag = "--batch-size", default = 200, min = 1, max = 10000, help = "rows of a request to the project" },
        { flag = "--parallel", default = 4, min = 1, max = 64, help = "requests in flight" },
        { flag = "--dry-run", help = "check the file and print its rows; needs no credentials, opens no connection" },
        { flag = "--rebuild-index", help = "with a database: build the vector index anew afterwards" },
        { flag = "--restart", help = "forget what an earlier upload of this file to the project did" },
    },
    exclusive = { { "--supabase-url", "--pg-dsn", "--db" }, { "--service-role-key", "--pg-dsn", "--db" } },
    examples = {
        "tt upload_embeddings.lua --dry-run",
        "tt upload_embeddings.lua --supabase-url https://PROJECT.supabase.co",
        "tt upload_embeddings.lua --pg-dsn postgresql:///shop --rebuild-index",
    },
})
local dsn = given.pg_dsn or given.db
if given.rebuild_index and not dsn then
    tt.error("usage", "--rebuild-index needs the database itself: --pg-dsn or --db")
end
if dsn then
    options.warn_unused(origin, { "--batch-size", "--parallel", "--restart" }, "with a database: it takes all in one")
end
local uploaded = stages.upload({
    parquet = given.parquet, url = given.supabase_url, key = given.service_role_key,
    dsn = dsn, dsn_flag = given.pg_dsn and "--pg-dsn" or "--db",
    batch_size = given.batch_size, parallel = given.parallel, dry_run = given.dry_run,
    rebuild_index = given.rebuild_index, restart = given.restart,
})
if given.dry_run then print(("%d rows"):format(uploaded.rows)) end
