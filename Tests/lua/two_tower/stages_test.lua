-- The stage scripts as a person runs them, on a small demo database.
local frame = require("tt.frame")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local parquet = require("tt.parquet")
local t = require("tt.test")

local here = fs.abspath(arg[0]:match("^(.*)/two_tower/"))
local root = fs.dirname(fs.dirname(here))

local databases = dofile(here .. "/support/databases.lua")
local shell = dofile(here .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

-- Runs a script of lua/ (or examples/…) in a folder; gives its output and exit status.
local function tt_run(folder, script, ...)
    local path = script:find("/") and root .. "/" .. script or root .. "/lua/" .. script
    local words = shell.words(program, path, ...)
    return capture(("cd %s && %s"):format(quote(folder), words))
end

local function run_well(...)
    local output, status = tt_run(...)
    t.equal(status, 0, output)
    return output
end

local SMALL = { "--set", "training.epochs=2", "--set", "artifacts.embedding_dim=8", "--set", "training.batch_size=64" }
local ARTIFACTS = { "feature_schema.json", "model_meta.json", "normalizer.json", "user_tower.onnx",
    "video_embeddings.parquet", "vocab_actress.json", "vocab_tag.json" }

local function small(...)
    local words = { ... }
    table.move(SMALL, 1, #SMALL, #words + 1, words)
    return table.unpack(words)
end

-- A folder with a demo database of its own.
local function demo(...)
    local folder = t.tmpdir()
    run_well(folder, "demo.lua", "--db", "sqlite:demo.sqlite", "--users", "60", "--videos", "120", "--decisions",
        "1500", ...)
    return folder
end

local shared = demo()
run_well(shared, "pipeline.lua", small("--db", "sqlite:demo.sqlite", "--version", "one"))

t.test("the pipeline leaves a checkpoint and a verified bundle", function()
    t.equal(fs.exists(shared .. "/checkpoints/latest.pt"), true)
    local manifest = json.read(shared .. "/artifacts/manifest.json")
    t.equal(manifest.model_version, "one")
    t.equal(manifest.commit_sha, "")
    t.equal(#manifest.files, #ARTIFACTS)
    for index, name in ipairs(ARTIFACTS) do
        local file = manifest.files[index]
        t.equal(file.path, name)
        t.equal(file.sha256, hash.sha256_file(shared .. "/artifacts/" .. name))
        t.equal(file.size, fs.stat(shared .. "/artifacts/" .. name).size)
    end
    t.equal(manifest.model_meta.embedding_dim, 8)
    t.equal(fs.glob(shared .. "/artifacts/*tmp*"), {})
end)

t.test("the JSON files have the documented keys in their order", function()
    local schema = fs.read(shared .. "/artifacts/feature_schema.json")
    local decoded = json.decode(schema)
    t.equal(getmetatable(decoded).__order, { "version", "input_name", "input_dim", "embedding_dim", "segments" })
    t.equal({ decoded.version, decoded.input_name, decoded.embedding_dim }, { "v2", "user_features", 8 })
    local names = {}
    for index, segment in ipairs(decoded.segments) do names[index] = segment.name end
    t.equal(names, { "numeric", "hour_of_day", "tag_vector", "actress_vector" })
    t.equal(decoded.segments[2].range, { 0, 1 })
    local meta = json.read(shared .. "/artifacts/model_meta.json")
    t.equal(meta.user_feature_dim, 9 + meta.tag_vocab_size + meta.actress_vocab_size)
    t.equal(meta.item_feature_dim, 3 + meta.tag_vocab_size + meta.actress_vocab_size)
    t.equal(#json.read(shared .. "/artifacts/vocab_tag.json").tokens, meta.tag_vocab_size)
    t.equal(meta.config.training.epochs, 2)
    t.equal(meta.config.features.bucketized, { "hour_of_day" })
    t.equal(meta.training.best_epoch >= 1, true)
    local normalizer = json.read(shared .. "/artifacts/normalizer.json")
    t.equal(normalizer.item_numeric.price.std > 0, true)
end)

t.test("the embeddings are unit rows, one per video, ascending", function()
    local file <close> = parquet.open(shared .. "/artifacts/video_embeddings.parquet")
    local rows = file:read()
    t.equal(rows:height(), 120)
    t.equal(rows.video_id:equals(rows.video_id:sort()), true)
    for _, vector in ipairs(rows.embedding:to_table()) do
        local square = 0
        for _, number in ipairs(vector) do square = square + number * number end
        t.near(square, 1, 1e-5)
    end
    t.equal(file:metadata()["tt.model_fingerprint"],
        json.read(shared .. "/artifacts/model_meta.json").model_fingerprint)
end)

t.test("a second run, with one thread, gives the same bytes", function()
    local folder = t.tmpdir()
    fs.copy(shared .. "/demo.sqlite", folder .. "/demo.sqlite")
    local words = shell.words(program, root .. "/lua/pipeline.lua", small("--db", "sqlite:demo.sqlite"))
    local output, status = capture(("cd %s && TT_THREADS=1 %s"):format(quote(folder), words))
    t.equal(status, 0, output)
    t.equal(hash.sha256_file(folder .. "/checkpoints/latest.pt"), hash.sha256_file(shared .. "/checkpoints/latest.pt"))
    for _, name in ipairs(ARTIFACTS) do
        local a, b = fs.read(folder .. "/artifacts/" .. name), fs.read(shared .. "/artifacts/" .. name)
        t.equal(a:gsub('"exported_at": "[^"]*"', ""), (b:gsub('"exported_at": "[^"]*"', "")), name)
    end
end)

t.test("PostgreSQL gives the same bytes as SQLite", function()
    if not databases.server then t.skip(databases.reason) end
    local own <close> = databases.open()
    local postgresql = own:make("pipeline")
    local folder = t.tmpdir()
    run_well(folder, "demo.lua", "--pg-dsn", postgresql, "--users", "60", "--videos", "120", "--decisions", "1500",
        "--replace")
    run_well(folder, "pipeline.lua", small("--pg-dsn", postgresql))
    for _, name in ipairs(ARTIFACTS) do
        local a, b = fs.read(folder .. "/artifacts/" .. name), fs.read(shared .. "/artifacts/" .. name)
        t.equal(a:gsub('"exported_at": "[^"]*"', ""), (b:gsub('"exported_at": "[^"]*"', "")), name)
    end
end)

t.test("each stage runs alone and gives what the pipeline gives", function()
    local folder = t.tmpdir()
    fs.copy(shared .. "/demo.sqlite", folder .. "/demo.sqlite")
    run_well(folder, "train.lua", small("--db", "sqlite:demo.sqlite", "--output-dir", "models"))
    run_well(folder, "export.lua", "--checkpoint", "models/latest.pt", "--output-dir", "out")
    run_well(folder, "generate_embeddings.lua", "--checkpoint", "models/latest.pt", "--db", "sqlite:demo.sqlite",
        "--output", "out/video_embeddings.parquet")
    run_well(folder, "build_manifest.lua", "--artifacts-dir", "out", "--version", "two", "--commit-sha", "abc")
    t.equal(hash.sha256_file(folder .. "/out/video_embeddings.parquet"),
        hash.sha256_file(shared .. "/artifacts/video_embeddings.parquet"))
    t.equal(hash.sha256_file(folder .. "/out/user_tower.onnx"),
        hash.sha256_file(shared .. "/artifacts/user_tower.onnx"))
    local manifest = json.read(folder .. "/out/manifest.json")
    t.equal({ manifest.model_version, manifest.commit_sha, #manifest.files }, { "two", "abc", 7 })
    -- Once more over its own manifest: the old one is not listed.
    run_well(folder, "build_manifest.lua", "--artifacts-dir", "out", "--version", "three")
    t.equal(#json.read(folder .. "/out/manifest.json").files, 7)
end)

t.test("the log is one JSON object per line and keeps to logging.every_n_steps", function()
    local function steps(every)
        local output = run_well(shared, "train.lua", small("--db", "sqlite:demo.sqlite", "--output-dir", "logged",
            "--log-json", "--set", "logging.every_n_steps=" .. every))
        local found, epochs = 0, 0
        for line in output:gmatch("[^\n]+") do
            local entry = json.decode(line)
            t.ok(entry.ts and entry.level and entry.msg, line)
            if entry.msg == "step" then
                found = found + 1
                t.equal(entry.step % every, 0)
            end
            epochs = epochs + (entry.msg == "epoch" and 1 or 0)
        end
        t.equal(epochs, 2)
        return found
    end
    t.equal(steps(0), 0)
    t.ok(steps(5) >= 4)
end)

t.test("wrong usage and configuration exit with 2 and touch nothing", function()
    local folder = t.tmpdir()
    local function wrong(expected, script, ...)
        local output, status = tt_run(folder, script, ...)
        t.equal(status, 2, output)
        t.ok(output:find(expected, 1, true), output)
    end
    wrong("--db", "pipeline.lua")
    wrong("--pg-dsn", "pipeline.lua", "--db", "sqlite:x.sqlite", "--pg-dsn", "host=x")
    wrong("--db: cannot open a database with the scheme 'mysql'", "train.lua", "--db", "mysql://x")
    wrong("SUPABASE_URL", "pipeline.lua", "--db", "sqlite:x.sqlite", "--fetch-remote", "--supabase-url", "")
    wrong("exclude each other", "pipeline.lua", "--db", "sqlite:x.sqlite", "--fetch-remote", "--full", "--since",
        "last")
    wrong("--epochs", "train.lua", "--db", "sqlite:x.sqlite", "--epochs", "3")
    wrong("training.epochs", "train.lua", "--db", "sqlite:x.sqlite", "--set", "training.epochs=0")
    wrong("training.epocs", "train.lua", "--db", "sqlite:x.sqlite", "--set", "training.epocs=1")
    wrong("--version", "build_manifest.lua")
    wrong("current", "build_manifest.lua", "--version", "current")
    wrong("which holds the embeddings", "pipeline.lua", "--db", "sqlite:x.sqlite", "--version", "x", "--embeddings",
        "elsewhere.parquet")
    wrong("artifacts.embedding_dim", "train.lua", "--db", "sqlite:x.sqlite", "--set",
        "artifacts.embedding_dim=99999999999")
    wrong("like_ratio", "train.lua", "--db", "sqlite:x.sqlite", "--set", "features.numeric=[like_ratio]")
    t.equal(fs.list(folder), {})
end)

t.test("a failing stage is named, exits with 1 and leaves earlier files", function()
    local folder = t.tmpdir()
    run_well(folder, "demo.lua", "--db", "sqlite:empty.sqlite", "--users", "5", "--videos", "5", "--decisions", "5")
    fs.mkdir(folder .. "/checkpoints")
    fs.write(folder .. "/checkpoints/latest.pt", "the old one")
    require("tt.sql").open("sqlite:" .. folder .. "/empty.sqlite"):exec("DELETE FROM user_video_decisions")
    local output, status = tt_run(folder, "pipeline.lua", "--db", "sqlite:empty.sqlite")
    t.equal(status, 1, output)
    t.ok(output:find("stage 'train': no sample to train on", 1, true), output)
    output = tt_run(folder, "pipeline.lua", "--db", "sqlite:empty.sqlite", "--log-json")
    local line = json.decode(output:match("[^\n]*stage failed[^\n]*"))
    t.equal(line.code, "samples.none")
    t.ok(line.error:find("no sample to train on", 1, true), line.error)
    t.equal(fs.read(folder .. "/checkpoints/latest.pt"), "the old one")
    t.equal(fs.exists(folder .. "/artifacts"), false)
end)

t.test("files of another model do not make a bundle", function()
    local folder = t.tmpdir()
    fs.copy(shared .. "/demo.sqlite", folder .. "/demo.sqlite")
    fs.mkdir(folder .. "/artifacts")
    for _, name in ipairs(ARTIFACTS) do fs.copy(shared .. "/artifacts/" .. name, folder .. "/artifacts/" .. name) end
    local output, status = tt_run(folder, "pipeline.lua",
        small("--db", "sqlite:demo.sqlite", "--set", "seed=7", "--skip-embeddings", "--version", "x"))
    t.equal(status, 1, output)
    t.ok(output:find("stage 'manifest'", 1, true) and output:find("fingerprint", 1, true), output)
    t.equal(fs.exists(folder .. "/artifacts/manifest.json"), false)

    local function broken(expected, change)
        local copy = t.tmpdir()
        for _, name in ipairs(ARTIFACTS) do fs.copy(shared .. "/artifacts/" .. name, copy .. "/" .. name) end
        change(copy)
        local text, code = tt_run(copy, "build_manifest.lua", "--artifacts-dir", ".", "--version", "x")
        t.equal(code, 1, text)
        t.ok(text:find(expected, 1, true), text)
    end
    broken("user_tower.onnx is missing", function(copy) fs.remove(copy .. "/user_tower.onnx") end)
    broken("model_meta.json is not readable", function(copy) fs.write(copy .. "/model_meta.json", "{") end)
    broken("user_tower.onnx is no ONNX model", function(copy) fs.write(copy .. "/user_tower.onnx", "tower") end)
    broken("fingerprint", function(copy)
        -- What is left when an export is cut short after its first file.
        fs.copy(folder .. "/artifacts/user_tower.onnx", copy .. "/user_tower.onnx")
    end)
    broken("the schema's SHA-256", function(copy)
        local schema = fs.read(copy .. "/feature_schema.json")
        fs.write(copy .. "/feature_schema.json", (schema:gsub("account_age_days", "account_days")))
        local normalizer = fs.read(copy .. "/normalizer.json")
        fs.write(copy .. "/normalizer.json", (normalizer:gsub("account_age_days", "account_days")))
    end)
    broken("a segment has no name", function(copy)
        fs.write(copy .. "/feature_schema.json", '{"segments": [{"size": 3}]}')
    end)
    broken("no model_fingerprint", function(copy)
        local meta = fs.read(copy .. "/model_meta.json")
        fs.write(copy .. "/model_meta.json", (meta:gsub('"model_fingerprint": "[^"]*",', "")))
    end)
    broken("vocabulary", function(copy) fs.write(copy .. "/vocab_tag.json", '{"tokens": ["x"]}') end)
    broken("positive std", function(copy)
        fs.write(copy .. "/normalizer.json", '{"user_numeric": {"a": {"mean": 0, "std": 0}}, "item_numeric": {}}')
    end)
    for expected, embedding in pairs({ ["lacks the columns"] = frame.column({ "text" }),
        ["has no vector"] = frame.column({ json.null }, "list<float32>") }) do
        broken(expected, function(copy)
            parquet.write(copy .. "/video_embeddings.parquet",
                frame.from_table({ video_id = { "v" } }):with({ embedding = embedding }))
        end)
    end
    broken("symbolic link", function(copy) os.execute(("ln -s /etc/passwd %s/more.txt"):format(quote(copy))) end)
end)

t.test("a checkpoint decides over dimensions, a contradicting configuration is refused", function()
    local folder = t.tmpdir()
    fs.copy(shared .. "/checkpoints/latest.pt", folder .. "/latest.pt")
    run_well(folder, "export.lua", "--checkpoint", "latest.pt", "--output-dir", "out")
    local output, status = tt_run(folder, "export.lua", "--checkpoint", "latest.pt", "--output-dir", "out", "--set",
        "artifacts.embedding_dim=16")
    t.equal(status, 2, output)
    t.ok(output:find("artifacts.embedding_dim is 16", 1, true), output)
    run_well(folder, "export.lua", "--checkpoint", "latest.pt", "--output-dir", "renamed", "--set",
        "artifacts.embedding_dim=8", "--set", "export.onnx_user_input_name=features")
    t.equal(json.read(folder .. "/renamed/feature_schema.json").input_name, "features")
    t.equal(json.read(folder .. "/renamed/model_meta.json").config.export.onnx_user_input_name, "features")
end)

t.test("a checkpoint without reference times takes the newest release", function()
    local checkpoint = require("tt.checkpoint")
    local folder = t.tmpdir()
    local content = checkpoint.load(shared .. "/checkpoints/latest.pt")
    for _, key in ipairs({ "reference_time", "item_reference_time" }) do content.pipeline[key] = nil end
    content.training = nil
    checkpoint.save(folder .. "/foreign.pt", content)
    run_well(folder, "export.lua", "--checkpoint", "foreign.pt", "--output-dir", "out")
    t.equal(json.read(folder .. "/out/model_meta.json").reference_time, json.null)
    run_well(folder, "generate_embeddings.lua", "--checkpoint", "foreign.pt", "--db", "sqlite:" .. shared
        .. "/demo.sqlite", "--output", "out/video_embeddings.parquet")
    t.equal(hash.sha256_file(folder .. "/out/video_embeddings.parquet"),
        hash.sha256_file(shared .. "/artifacts/video_embeddings.parquet"))
    content.model_state["user_tower.backbone.9.weight"] = content.model_state["user_tower.backbone.0.bias"]
    checkpoint.save(folder .. "/foreign.pt", content)
    local output, status = tt_run(folder, "export.lua", "--checkpoint", "foreign.pt")
    t.equal(status, 1, output)
    t.ok(output:find("no part of the two towers", 1, true), output)
end)

t.test("a checkpoint of other things is refused by its path", function()
    local checkpoint, checkpoints = require("tt.checkpoint"), require("two_tower.bundle.checkpoint")
    local set = require("two_tower.features")
    local path = t.tmpdir() .. "/foreign.pt"
    local function refused(expected, change)
        local content = checkpoint.load(shared .. "/checkpoints/latest.pt")
        local other = change(content)
        checkpoint.save(path, other == nil and content or other)
        local raised = t.error("checkpoint.content", checkpoints.load, path, set)
        t.ok(raised.message:find(path, 1, true) and raised.message:find(expected, 1, true), raised.message)
    end
    refused("has no pipeline section", function() return "text" end)
    refused("'user_tower.backbone.0.bias' is no tensor", function(content)
        content.model_state["user_tower.backbone.0.bias"] = "text"
    end)
    refused("'user_tower.backbone.0.bias' is no tensor", function(content)
        content.model_state["user_tower.backbone.0.bias"] = json.null
    end)
    refused("pipeline lacks tag_vocab", function(content) content.pipeline.tag_vocab[1] = 1 end)
    refused("must hold feature_names, mean and scale", function(content)
        content.pipeline.user_numeric_normalizer.feature_names[1] = { "a" }
    end)
    refused("must hold feature_names, mean and scale", function(content)
        content.pipeline.item_numeric_normalizer.scale[1] = "1"
    end)
end)

t.test("a model that is not finite or gives no direction is refused", function()
    local checkpoint = require("tt.checkpoint")
    local tensor = require("tt.tensor")
    local folder = t.tmpdir()
    local function refused(expected, change)
        local content = checkpoint.load(shared .. "/checkpoints/latest.pt")
        change(content.model_state)
        checkpoint.save(folder .. "/broken.pt", content)
        local output, status = tt_run(folder, "generate_embeddings.lua", "--checkpoint", "broken.pt", "--db",
            "sqlite:" .. shared .. "/demo.sqlite", "--output", "out/broken.parquet")
        t.equal(status, 1, output)
        t.ok(output:find(expected, 1, true), output)
        t.equal(fs.exists(folder .. "/out"), false)
    end
    refused("'item_tower.backbone.6.bias' holds numbers that are not finite", function(state)
        state["item_tower.backbone.6.bias"] = tensor.full({ 8 }, 0 / 0)
    end)
    refused("is no unit vector", function(state)
        for _, name in ipairs({ "weight", "bias" }) do
            local key = "item_tower.backbone.6." .. name
            state[key] = tensor.zeros(state[key]:shape())
        end
    end)
end)

t.test("no videos still give a file with the right columns", function()
    local folder = t.tmpdir()
    fs.copy(shared .. "/demo.sqlite", folder .. "/demo.sqlite")
    require("tt.sql").open("sqlite:" .. folder .. "/demo.sqlite"):exec("DELETE FROM videos")
    run_well(folder, "generate_embeddings.lua", "--checkpoint", shared .. "/checkpoints/latest.pt", "--db",
        "sqlite:demo.sqlite", "--output", "none.parquet")
    local file <close> = parquet.open(folder .. "/none.parquet")
    t.equal(file:height(), 0)
    local schema = file:schema()
    t.equal({ schema[1].name, schema[1].dtype, schema[2].name, schema[2].dtype },
        { "video_id", "string", "embedding", "list<float32>" })
end)

t.test("recommendations leave out what the user has decided on", function()
    local output = run_well(shared, "recommend.lua", "--db", "sqlite:demo.sqlite", "--top", "4", "--log-json")
    local list = json.decode(output:match("{.*}"))
    t.equal(#list.videos, 4)
    local db <close> = require("tt.sql").open("sqlite:" .. shared .. "/demo.sqlite")
    local last = math.huge
    for _, video in ipairs(list.videos) do
        t.equal(video.score <= last, true)
        last = video.score
        t.equal(db:query("SELECT * FROM user_video_decisions WHERE user_id = ? AND video_id = ?",
            { list.user_id, video.video_id }):height(), 0)
    end
    t.ok(run_well(shared, "recommend.lua", "--db", "sqlite:demo.sqlite", "--top", "2"):find("2. ", 1, true))
    local _, status = tt_run(shared, "recommend.lua", "--db", "sqlite:demo.sqlite", "--user", "nobody")
    t.equal(status, 2)
end)

t.test("recommendations for all users are those of each", function()
    run_well(shared, "examples/recommend_all.lua", "--db", "sqlite:demo.sqlite", "--top", "4", "--output",
        "all.parquet")
    local all = parquet.read(shared .. "/all.parquet")
    t.equal(all:columns(), { "user_id", "video_id", "score" })
    local one = json.decode(run_well(shared, "recommend.lua", "--db", "sqlite:demo.sqlite", "--top", "4",
        "--log-json"):match("{.*}"))
    local rows = all:filter(("user_id == '%s'"):format(one.user_id))
    t.equal(#rows, 4)
    for rank, row in ipairs(rows:to_table()) do
        t.equal(row.video_id, one.videos[rank].video_id)
        t.near(row.score, one.videos[rank].score, 1e-5)
    end
end)

t.test("a demo repeats for a seed, and --clean has keys", function()
    local a, b = demo("--seed", "5"), demo("--seed", "5")
    local sql = require("tt.sql")
    local one <close> = sql.open("sqlite:" .. a .. "/demo.sqlite")
    local two <close> = sql.open("sqlite:" .. b .. "/demo.sqlite")
    for _, name in ipairs({ "profiles", "videos", "video_tags", "video_performers", "user_video_decisions" }) do
        t.equal(one:read(name):equals(two:read(name)), true)
    end
    t.equal(one:query("SELECT count(*) AS n FROM user_video_decisions").n[1], 1500)
    local clean <close> = sql.open("sqlite:" .. demo("--clean") .. "/demo.sqlite")
    t.equal(clean:query("SELECT count(*) AS n FROM user_video_decisions").n[1], 1500)
    local output, status = tt_run(a, "demo.lua", "--db", "sqlite:demo.sqlite")
    t.equal(status, 1)
    t.ok(output:find("--replace", 1, true))
end)

t.test("an example adds features and a token list, nothing else needs an edit, and serving's lack is told", function()
    local output = run_well(shared, "examples/add_features.lua", small("--db", "sqlite:demo.sqlite", "--output-dir",
        "more"))
    t.ok(output:find("needs features that the payload functions do not give", 1, true), output)
    t.ok(output:find("maker_histogram (the payload has no list 'makers')", 1, true), output)
    t.ok(not output:find("price_spread (", 1, true), output)
    local schema = json.read(shared .. "/more/artifacts/feature_schema.json")
    t.equal(schema.segments[1].size, 9)
    t.equal(schema.segments[1].features[9], "price_spread")
    local normalizer = json.read(shared .. "/more/artifacts/normalizer.json")
    t.ok(normalizer.user_numeric.price_spread)
    t.ok(normalizer.item_numeric.is_long)
    local meta = json.read(shared .. "/more/artifacts/model_meta.json")
    local before = json.read(shared .. "/artifacts/model_meta.json")
    local makers = #json.read(shared .. "/more/artifacts/vocab_maker.json").tokens
    t.ok(makers > 1, makers)
    t.equal({ schema.segments[5].name, schema.segments[5].size, meta.maker_vocab_size },
        { "maker_vector", makers, makers })
    t.equal(meta.user_feature_dim, before.user_feature_dim + 1 + makers)
    t.equal(meta.item_feature_dim, before.item_feature_dim + 1 + makers)
end)

local movielens = fs.join(fs.dirname(root), "shared/data/ml-latest-small")
if fs.exists(movielens) then
    t.test("MovieLens loads", function()
        local folder = t.tmpdir()
        run_well(folder, "examples/movielens.lua", movielens, "--db", "sqlite:ml.sqlite")
        local db <close> = require("tt.sql").open("sqlite:" .. folder .. "/ml.sqlite")
        local counts = db:query("SELECT decision_type, count(*) AS n FROM user_video_decisions GROUP BY 1 ORDER BY 1")
        t.equal(counts.n:to_table(), { 48580, 19073 })
        t.equal(db:query("SELECT count(*) AS n FROM videos").n[1], 9742)
    end)
end
