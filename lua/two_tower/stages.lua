--- The stages: fetch, train, export, embeddings, manifest, publish, upload. Each reads what the one before left and
--- says what it read and wrote; the scripts in `lua/` only parse flags and call these.

local artifacts = require("two_tower.artifacts")
local bundle = require("two_tower.bundle")
local checkpoints = require("two_tower.checkpoints")
local config = require("two_tower.config")
local declared = require("two_tower.features")
local embedding = require("two_tower.embedding")
local extract = require("two_tower.extract")
local features = require("tt.features")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local payloads = require("two_tower.payloads")
local progress = require("tt.progress")
local rpc_check = require("two_tower.rpc_check")
local samples = require("two_tower.samples")
local sync = require("two_tower.sync")
local tensor = require("tt.tensor")
local time = require("tt.time")
local training = require("two_tower.training")

local stages = {}

-- The largest memory of this process so far; nil where the system does not tell.
local function peak_mb()
    local file <close> = io.open("/proc/self/status")
    local kilobytes = file and file:read("a"):match("VmHWM:%s*(%d+)")
    return kilobytes and tonumber(kilobytes) // 1024
end

-- A log line whose fields keep their order.
local function say(message, fields) log.info(message, json.object(fields)) end

local function say_file(path, more)
    say("wrote", { { "file", path }, { "bytes", fs.stat(path).size }, table.unpack(more or {}) })
end

-- Tells of each table that is read, with the seconds since the one before.
local function reading()
    local last = time.monotonic()
    return function(name, rows)
        local now = time.monotonic()
        say("read", { { "table", name }, { "rows", rows }, { "seconds", now - last } })
        last = now
    end
end

-- Runs one stage; an error that leaves it names the stage. It is not caught, so that its traceback stays.
local function stage(name, run)
    local started = time.monotonic()
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if problem == nil then return end
        local interrupted = type(problem) == "table" and problem.code == "interrupted"
        -- The message follows on standard error for people; whoever reads the log's lines has it here.
        log.error(interrupted and "stage interrupted" or "stage failed", log.is_json() and type(problem) == "table"
            and { stage = name, code = problem.code, error = problem.message } or { stage = name })
        if type(problem) == "table" and not interrupted then
            problem.message = ("stage '%s': %s"):format(name, problem.message)
        end
    end })
    log.info("stage", { stage = name })
    run()
    -- The next stage needs other blocks of memory than this one.
    collectgarbage()
    tensor.empty_cache()
    say("stage done", { { "stage", name }, { "seconds", time.monotonic() - started }, { "peak_mb", peak_mb() } })
end

--- Refuses what cannot name a version, before any work is done.
stages.check_version = bundle.check_version

--- Names a version after the time and the commit.
stages.new_version = bundle.new_version

--- Fetches the tables of a remote project into the database.
---@param db tt.Database
---@param project tt.supabase.Project
---@param options two_tower.SyncOptions
function stages.fetch(db, project, options)
    stage("fetch", function() sync.run(db, project, options) end)
end

-- The samples and the payloads of their users and items, compared with those of the configuration's other source.
local function prepare(data, settings, source, db)
    local started = time.monotonic()
    local prepared = { now = data.reference_time or time.now() }
    local chosen = samples.choose(data, settings)
    prepared.chosen = chosen
    prepared.users = payloads.users(data, data.decisions, chosen.users, prepared.now, chosen.counted)
    -- The largest frame ends here, in two steps.
    data.decisions = data.decisions:drop({ "created_at" })
    collectgarbage()
    prepared.samples = samples.build(data, chosen, settings)
    data.decisions, chosen.trains, chosen.validates, chosen.counted = nil, nil, nil, nil
    collectgarbage()
    prepared.items = payloads.items(data, data.item_reference_time)
    prepared.seconds = time.monotonic() - started
    if source then rpc_check.training(source, db, prepared) end
    return prepared
end

-- What training is made of, and what the checkpoint tells of it. The frames it came from end here: training needs the
-- memory.
local function learnt(db, settings, set, source)
    local data, prepared = extract.read(db, reading(), function(tables)
        return prepare(tables, settings, source, db)
    end)
    local started = time.monotonic()
    local user_payload, item_payload = prepared.users, prepared.items
    local vocabularies = set:fit_vocabularies(item_payload, settings.artifacts)
    local user_numbers, item_numbers = set:compute("user", user_payload), set:compute("item", item_payload)
    local function fit(entity, numbers)
        return features.fit_scaler(numbers:select(set:numbers(entity, true)))
    end
    local scalers = { user = fit("user", user_numbers:filter(prepared.chosen.fitted)),
        item = fit("item", item_numbers) }
    local users = set:store("user", user_payload, scalers.user, vocabularies, user_numbers):matrix()
    local items = set:store("item", item_payload, scalers.item, vocabularies, item_numbers):matrix()
    local made = prepared.samples
    say("samples", { { "train", made.train.n }, { "val", made.val.n }, { "users", #users }, { "items", #items },
        { "user_dim", users:width() }, { "item_dim", items:width() },
        { "seconds", prepared.seconds + time.monotonic() - started } })
    return { samples = made, stores = { users = users, items = items }, facts = { set = set,
        vocabularies = vocabularies, scalers = scalers, user_dim = users:width(), item_dim = items:width(),
        reference_time = prepared.now, item_reference_time = data.item_reference_time, config = settings } }
end

--- Trains a model: tables and configuration to a checkpoint.
---@param db tt.Database
---@param options { config: table, checkpoint: string, features?: two_tower.FeatureSet, rpc?: "database"|"rest",
---  project?: tt.supabase.Project } `rpc` says where payloads come from when the configuration wants them from
---  functions (default: the database); the project is for "rest"
function stages.train(db, options)
    local set, settings = options.features or declared, options.config
    config.check_features(settings, set)
    stage("train", function()
        local source = settings.training.use_rpc_features and rpc_check.source(db, options) or nil
        local made = learnt(db, settings, set, source)
        collectgarbage()
        local result = training.run(made.samples, made.stores, settings)
        local facts = made.facts
        facts.result, facts.training = result, training.figures(made.samples, result)
        checkpoints.save(options.checkpoint, facts)
        training.summary(made.samples, result, facts)
        say_file(options.checkpoint)
    end)
end

-- The checkpoint's configuration, with the export section that is used; a configuration that was given explicitly must
-- not contradict the model.
local function export_config(loaded, settings)
    local used = config.complete(loaded.config)
    if settings then
        config.check_model(settings, loaded)
        used.export = settings.export
    end
    return used
end

--- Exports the user tower and the JSON side files of a checkpoint.
---@param options { checkpoint: string, artifacts: string, config?: table, features?: two_tower.FeatureSet }
function stages.export(options)
    local set = options.features or declared
    stage("export", function()
        local loaded = checkpoints.load(options.checkpoint, set)
        say("read", { { "file", options.checkpoint }, { "user_dim", loaded.user_dim },
            { "item_dim", loaded.item_dim }, { "embedding_dim", loaded.embedding_dim } })
        local used = export_config(loaded, options.config)
        if not loaded.has_item_reference then
            log.info("the checkpoint has no reference times; they are written as null")
        end
        local names = artifacts.export(options.artifacts, loaded, checkpoints.tower(loaded, "user"), set, used)
        for _, name in ipairs(names) do say_file(fs.join(options.artifacts, name)) end
    end)
end

--- Embeds every video of the database with a checkpoint's item tower.
---@param db tt.Database
---@param options { checkpoint: string, embeddings: string, config?: table, features?: two_tower.FeatureSet }
function stages.embeddings(db, options)
    local set = options.features or declared
    stage("embeddings", function()
        local loaded = checkpoints.load(options.checkpoint, set)
        if options.config then config.check_model(options.config, loaded) end
        local data = extract.items(db, reading())
        local store = embedding.store(loaded, set, data, data.videos.product_released_at:max())
        local rows = #store
        local bar <close> = progress.bar({ total = rows, label = "embeddings", unit = "rows" })
        artifacts.write_embeddings(options.embeddings, data.videos.id, store:matrix(),
            checkpoints.tower(loaded, "item"), loaded.fingerprint, function(count) bar:update(count) end)
        bar:close()
        say_file(options.embeddings, { { "rows", rows }, { "dim", loaded.embedding_dim } })
    end)
end

--- Builds and verifies the manifest of a directory.
---@param options { artifacts: string, version: string, commit_sha: string, output?: string,
---  features?: two_tower.FeatureSet }
function stages.manifest(options)
    stage("manifest", function()
        local built = bundle.build(options.artifacts, options.features or declared, options)
        say_file(options.output or fs.join(options.artifacts, bundle.MANIFEST),
            { { "files", #built.files }, { "version", built.model_version } })
    end)
end

--- Publishes a bundle: under its version, and then as `current/`.
---@param options two_tower.PublishOptions
---@return { version: string, sent: integer, refreshed: boolean }
function stages.publish(options)
    local published
    stage("publish", function() published = require("two_tower.publication").publish(options) end)
    return published
end

--- Stores the embeddings in the table that serving reads.
---@param options two_tower.UploadOptions
---@return two_tower.Uploaded
function stages.upload(options)
    local uploaded
    stage("upload", function() uploaded = require("two_tower.upload").run(options) end)
    return uploaded
end

--- Runs the whole pipeline.
---@param db tt.Database
---@param options { config: table, checkpoint: string, artifacts: string, embeddings: string, skip_export?: boolean,
---  skip_embeddings?: boolean, version?: string, commit_sha?: string, features?: two_tower.FeatureSet,
---  rpc?: "database"|"rest", project?: tt.supabase.Project }
function stages.run(db, options)
    stages.train(db, options)
    if not options.skip_export then stages.export(options) end
    if not options.skip_embeddings then stages.embeddings(db, options) end
    if options.version then
        stages.manifest({ artifacts = options.artifacts, version = options.version,
            commit_sha = options.commit_sha or "", features = options.features })
    end
end

return stages
