--- The stages: fetch, train, export, embeddings, manifest, publish, upload. Each reads what the one before left and
--- says what it read and wrote; the scripts in `lua/` only parse flags and call these.

local artifacts = require("two_tower.bundle.artifacts")
local checkpoint = require("two_tower.bundle.checkpoint")
local config = require("two_tower.config")
local consistency = require("two_tower.bundle.consistency")
local contract = require("two_tower.check.contract")
local declared = require("two_tower.features")
local embedding = require("two_tower.bundle.embedding")
local extract = require("two_tower.data.extract")
local features = require("tt.features")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local manifest = require("two_tower.bundle.manifest")
local payload_parity = require("two_tower.check.payload_parity")
local payloads = require("two_tower.data.payloads")
local progress = require("tt.progress")
local rpc = require("two_tower.data.rpc")
local samples = require("two_tower.samples")
local sync = require("two_tower.sync.fetch")
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
stages.check_version = manifest.check_version

--- Names a version after the time and the commit.
stages.new_version = manifest.new_version

--- Fetches the tables of a remote project into the database.
---@param db tt.Database
---@param project tt.supabase.Project
---@param options two_tower.SyncOptions
function stages.fetch(db, project, options)
    stage("fetch", function() sync.run(db, project, options) end)
end

-- Fits a scaler to the numbers of an entity that are standardised.
local function fit(set, entity, numbers)
    return features.fit_scaler(numbers:select(set:numbers(entity, true)))
end

-- All of the items' side: it needs no decisions, and is made while they arrive.
local function item_side(data, settings, set)
    local side = { payload = payloads.items(set, data, data.item_reference_time) }
    side.vocabularies = set:fit_vocabularies(data.lists, settings.artifacts)
    local numbers = set:compute("item", side.payload)
    side.scaler = fit(set, "item", numbers)
    side.matrix = set:store("item", side.payload, side.scaler, side.vocabularies, numbers):matrix()
    return side
end

-- The samples and the payloads of their users, compared with those of the configuration's other source.
local function prepare(data, items, settings, set, source, db)
    local started = time.monotonic()
    local prepared = { now = data.reference_time or time.now(), items = items.payload }
    local chosen = samples.choose(data, settings)
    prepared.chosen = chosen
    prepared.users = payloads.users(set, data, data.decisions, chosen.users, prepared.now, chosen.counted)
    -- The largest frame ends here, in two steps.
    data.decisions = data.decisions:drop({ "created_at" })
    collectgarbage()
    prepared.samples = samples.build(data, chosen, settings)
    chosen.trains, chosen.validates, chosen.counted = nil, nil, nil
    collectgarbage()
    prepared.seconds = time.monotonic() - started
    if source then payload_parity.training(source, db, prepared) end
    return prepared
end

-- Serving computes a user's features from what the payload functions give.
local function tell_not_given(set)
    local names = {}
    for index, missing in ipairs(contract.not_given(set, "user")) do
        names[index] = ("%s (%s)"):format(missing.name, missing.reason)
    end
    if #names == 0 then return end
    log.warn("this model needs features that the payload functions do not give: it can be trained and tried, and not "
        .. "be served until the functions (config/schema.sql) and what reads them give them", { features = names })
end

-- What training is made of, and what the checkpoint tells of it. The frames it came from end here: training needs the
-- memory.
local function learnt(db, settings, set, source)
    local items
    local data, prepared = extract.read(db, set, reading(),
        function(tables) return prepare(tables, items, settings, set, source, db) end,
        function(tables) items = item_side(tables, settings, set) end)
    local started = time.monotonic()
    local numbers = set:compute("user", prepared.users)
    local scalers = { user = fit(set, "user", numbers:filter(prepared.chosen.fitted)), item = items.scaler }
    local users = set:store("user", prepared.users, scalers.user, items.vocabularies, numbers):matrix()
    local made = prepared.samples
    say("samples", { { "train", made.train.n }, { "val", made.val.n }, { "users", #users }, { "items", #items.matrix },
        { "user_dim", users:width() }, { "item_dim", items.matrix:width() },
        { "seconds", prepared.seconds + time.monotonic() - started } })
    return { samples = made, stores = { users = users, items = items.matrix }, facts = { set = set,
        vocabularies = items.vocabularies, scalers = scalers, user_dim = users:width(),
        item_dim = items.matrix:width(), reference_time = prepared.now,
        item_reference_time = data.item_reference_time, config = settings } }
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
        tell_not_given(set)
        local source = settings.training.use_rpc_features
            and rpc.source(db, { rpc = options.rpc, project = options.project, features = set }) or nil
        local made = learnt(db, settings, set, source)
        -- Training needs other blocks of memory than features.
        collectgarbage()
        tensor.empty_cache()
        local result = training.run(made.samples, made.stores, settings)
        local facts = made.facts
        facts.result, facts.training = result, training.figures(made.samples, result)
        checkpoint.save(options.checkpoint, facts)
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
        local loaded = checkpoint.load(options.checkpoint, set)
        say("read", { { "file", options.checkpoint }, { "user_dim", loaded.user_dim },
            { "item_dim", loaded.item_dim }, { "embedding_dim", loaded.embedding_dim } })
        local used = export_config(loaded, options.config)
        if not loaded.has_item_reference then
            log.info("the checkpoint has no reference times; they are written as null")
        end
        local names = artifacts.export(options.artifacts, loaded, checkpoint.tower(loaded, "user"), set, used)
        for _, name in ipairs(names) do say_file(fs.join(options.artifacts, name)) end
    end)
end

--- Embeds every video of the database with a checkpoint's item tower.
---@param db tt.Database
---@param options { checkpoint: string, embeddings: string, config?: table, features?: two_tower.FeatureSet }
function stages.embeddings(db, options)
    local set = options.features or declared
    stage("embeddings", function()
        local loaded = checkpoint.load(options.checkpoint, set)
        if options.config then config.check_model(options.config, loaded) end
        local data = extract.items(db, set, reading())
        local store = embedding.store(loaded, set, data, data.videos.product_released_at:max())
        local rows = #store
        local bar <close> = progress.bar({ total = rows, label = "embeddings", unit = "rows" })
        artifacts.write_embeddings(options.embeddings, data.videos.id, store:matrix(),
            checkpoint.tower(loaded, "item"), loaded.fingerprint, function(count) bar:update(count) end)
        bar:close()
        say_file(options.embeddings, { { "rows", rows }, { "dim", loaded.embedding_dim } })
    end)
end

--- Builds and verifies the manifest of a directory.
---@param options { artifacts: string, version: string, commit_sha: string, output?: string,
---  features?: two_tower.FeatureSet }
function stages.manifest(options)
    stage("manifest", function()
        local meta = consistency.check(options.artifacts, options.features or declared)
        local built = manifest.write(options.artifacts, meta, options)
        say_file(options.output or fs.join(options.artifacts, manifest.NAME),
            { { "files", #built.files }, { "version", built.model_version } })
    end)
end

--- Publishes a bundle: under its version, and then as `current/`.
---@param options two_tower.PublishOptions
---@return { version: string, sent: integer, refreshed: boolean }
function stages.publish(options)
    local published
    stage("publish", function() published = require("two_tower.publish.publication").publish(options) end)
    return published
end

--- Stores the embeddings in the table that serving reads.
---@param options two_tower.UploadOptions
---@return two_tower.Uploaded
function stages.upload(options)
    local uploaded
    stage("upload", function() uploaded = require("two_tower.vectors.upload").run(options) end)
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
