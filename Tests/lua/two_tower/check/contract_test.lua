-- The consumer's side, and verify.lua and train.lua with payloads from functions: of PostgreSQL and, by REST, of the
-- development server.
local checkpoint = require("tt.checkpoint")
local consumer = require("two_tower.check.consumer")
local contract = require("two_tower.check.contract")
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local dev_server = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/dev_server.lua")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local set = require("two_tower.features")
local sql = require("tt.sql")
local t = require("tt.test")
local time = require("tt.time")
local tolerant = require("two_tower.data.tolerant")

local root = fs.abspath(arg[0]:match("^(.*)/Tests/lua/") or ".")

-- ---- the consumer's rules

local function published(tag, actress)
    local names = set:numbers("user", true)
    local normalizer = {}
    for _, name in ipairs(names) do normalizer[name] = { mean = 0, std = 1 } end
    return {
        schema = { input_dim = 9 + #tag + #actress, segments = {
            { name = "numeric", size = 8, features = names, type = "standard_score" },
            { name = "hour_of_day", size = 1, type = "scaled_bucket", range = { 0, 1 } },
            { name = "tag_vector", size = #tag, type = "l2_normalized_bow" },
            { name = "actress_vector", size = #actress, type = "l2_normalized_bow" } } },
        normalizer = { user_numeric = normalizer }, vocabularies = { tag = tag, actress = actress },
    }
end

local NOW = time.parse("2025-01-31T12:00:00Z")
local EXAMPLE = json.decode([[{"profile": {"created_at": "2025-01-01T00:00Z"},
    "decision_stats": {"recent_like_at": "2025-01-31T00:00:00Z", "average_like_hour": 0, "like_count": 3,
    "nope_count": 1, "decision_count": 4}, "price_stats": {"mean": 1980.5, "median": 1500}, "tags": ["a", "b", "a"]}]])

t.test("the documented example", function()
    local input, names = consumer.input(published({ "a", "c", "b" }, {}), EXAMPLE, NOW)
    t.near(input, { 30.5, 1980.5, 1500, 0.75, 3, 1, 4, 0.5, 0, 0.894427, 0, 0.447214 }, 1e-6)
    t.equal({ names[1], names[9], names[12] }, { "account_age_days", "hour_of_day", "tag_vector 'b'" })
end)

t.test("an empty payload gives the defaults, an odd one is read as far as it goes", function()
    local bundle = published({ "a" }, { "p" })
    for _, none in ipairs({ {}, false, 7, "x", json.null }) do
        t.near(consumer.input(bundle, none, NOW), { 0, 0, 0, 0.5, 0, 0, 0, 0, 12 / 23, 0, 0 }, 1e-7)
    end
    t.near(consumer.input(bundle, json.decode([[{"profile": null, "decision_stats": {"like_count": "3 likes",
        "nope_count": true, "decision_count": 0, "average_like_hour": -4, "recent_like_at": "soon"},
        "price_stats": {"mean": "1e2", "median": null}, "tags": "a", "performers": ["q", 7, "", "p"]}]]), NOW),
        { 0, 100, 0, 0.5, 3, 0, 0, 0, 0, 0, 1 }, 1e-7)
    t.equal({ tolerant.number("-.5e1x"), tolerant.number("0x10"), tolerant.number("+2."), tolerant.number("") },
        { -5.0, 0.0, 2.0 })
    for _, odd in ipairs({ true, "Infinity", "1e999", "NaN", json.null, {} }) do
        t.equal(tolerant.number(odd), nil)
    end
end)

t.test("artifacts that the consumer could not use are refused", function()
    local bundle = published({}, {})
    bundle.schema.segments[2], bundle.schema.segments[3] = bundle.schema.segments[3], bundle.schema.segments[2]
    t.error("serving.artifacts", consumer.input, bundle, {}, NOW)
    bundle = published({}, {})
    bundle.normalizer.user_numeric.mean_price = nil
    t.error("mean_price", consumer.input, bundle, {}, NOW)
    bundle = published({ "a" }, {})
    bundle.schema.input_dim = 9
    t.error("input_dim", consumer.input, bundle, {}, NOW)
    bundle = published({}, {})
    bundle.normalizer.user_numeric.mean_price.std = "1"
    t.error("normalizer.json has no mean and std of 'mean_price'", consumer.input, bundle, {}, NOW)
    bundle = published({}, {})
    bundle.schema.segments[1].features = nil
    t.error("the segment 'numeric' lists no features", consumer.input, bundle, {}, NOW)
    bundle.schema.segments[1] = 7
    t.error("the consumer expects 'numeric'", consumer.input, bundle, {}, NOW)
    local folder = t.tmpdir()
    t.error("serving.artifacts", consumer.read, folder)
    local files = { ["feature_schema.json"] = '{"segments":[]}', ["normalizer.json"] = '{"user_numeric":{}}',
        ["model_meta.json"] = "{}", ["vocab_tag.json"] = '{"tokens":[]}', ["vocab_actress.json"] = '{"tokens":[]}' }
    for name, text in pairs(files) do fs.write(fs.join(folder, name), text) end
    t.equal(consumer.read(folder).now, nil)
    for name, text in pairs(files) do
        for _, odd in ipairs({ '"x"', name ~= "model_meta.json" and "{}" or "1" }) do
            fs.write(fs.join(folder, name), odd)
            t.ok(t.error("serving.artifacts", consumer.read, folder).message:find(name, 1, true))
        end
        fs.write(fs.join(folder, name), text)
    end
end)

local function reasons(breaks)
    local found = {}
    for _, broken in ipairs(breaks) do found[broken.name] = (found[broken.name] or "") .. broken.reason .. "\n" end
    return found
end

t.test("features, payload and consumer agree, or the breaks are named", function()
    t.equal(contract.breaks(nil, set), {})
    t.equal(contract.breaks(published({ "a" }, {}).schema, set), {})

    local function expect(breaks, wanted)
        local found = reasons(breaks)
        for name, part in pairs(wanted) do t.ok((found[name] or ""):find(part, 1, true), found[name] or name) end
        for name, reason in pairs(found) do t.ok(wanted[name], name .. ": " .. reason) end
    end
    expect(contract.breaks(nil, set, { "profile.created_at", "decision_stats.like_count",
        "decision_stats.nope_count", "decision_stats.decision_count", "decision_stats.average_like_hour",
        "price_stats.mean", "price_stats.median", "performers" }),
        { recent_like_days = "no column 'recent_like_at'", tag_histogram = "no list 'tags'" })

    expect(contract.breaks(nil, set:extend({ features = {
        { entity = "user", segment = "numeric", name = "spread", expr = "mean_price - median_price" },
        { entity = "user", segment = "numeric", name = "longest", expr = "longest_like" },
    } })), { spread = "the consumer does not know it", longest = "no column 'longest_like'" })

    local schema = published({}, {}).schema
    table.remove(schema.segments[1].features, 2)
    schema.segments[3].type = "bag"
    table.insert(schema.segments, { name = "more", size = 0, type = "bag" })
    expect(contract.breaks(schema, set), { mean_price = "missing from the segment",
        tag_vector = "must be 'l2_normalized_bow'", more = "knows no such segment" })
    schema = published({}, {}).schema
    local names = schema.segments[1].features
    names[1], names[2] = names[2], names[1]
    expect(contract.breaks(schema, set), { mean_price = "another place" })

    -- The same names, computed otherwise.
    local other = { columns = set.declared.columns, tokens = set.declared.tokens, segments = set.declared.segments,
        vocabularies = {
        { name = "tag", tokens = "performers", min_freq = "min_tag_freq", max_size = "max_tag_vocab" },
        set.declared.vocabularies[2] }, features = {} }
    for index, feature in ipairs(set.declared.features) do other.features[index] = feature end
    for _, index in ipairs({ 4, 9 }) do
        local copy = {}
        for key, value in pairs(other.features[index]) do copy[key] = value end
        copy.expr = index == 4 and "like_count / greatest(1, decision_count)" or "average_like_hour / 23"
        other.features[index] = copy
    end
    expect(contract.breaks(nil, require("two_tower.feature_set").new(other)), {
        like_ratio = "'like_count / greatest(1, decision_count)' gives", hour_of_day = "'average_like_hour / 23' gives",
        tag_histogram = "it counts 'performers', the consumer counts 'tags'" })
end)

-- ---- the stages

local shell = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

local environment = "env -u SUPABASE_URL -u SUPABASE_SERVICE_ROLE_KEY"

local function tt_run(folder, script, ...)
    local words = shell.words(program, root .. "/lua/" .. script, ...)
    return capture(("cd %s && %s %s"):format(quote(folder), environment, words))
end

local function run_well(...)
    local output, status = tt_run(...)
    t.equal(status, 0, output)
    return output
end

-- Few epochs, and a share that leaves some users without a validation decision and gives some to others.
local SMALL = { "--set", "training.epochs=1", "--set", "artifacts.embedding_dim=8", "--set", "training.batch_size=256",
    "--set", "training.train_val_split=0.03" }

local function small(...)
    local words = { ... }
    table.move(SMALL, 1, #SMALL, #words + 1, words)
    return table.unpack(words)
end

local USERS, VIDEOS = 60, 150
local DEMO = { "--users", tostring(USERS), "--videos", tostring(VIDEOS), "--decisions", "1500" }

t.test("SQLite falls back to the tables, and --rpc must mean something", function()
    local folder = t.tmpdir()
    run_well(folder, "demo.lua", "--db", "sqlite:demo.sqlite", table.unpack(DEMO))
    local output = run_well(folder, "train.lua", small("--db", "sqlite:demo.sqlite"))
    t.ok(output:find("SQLite has no functions", 1, true), output)
    local status
    output, status = tt_run(folder, "train.lua", small("--db", "sqlite:demo.sqlite", "--rpc", "database", "--set",
        "training.use_rpc_features=false"))
    t.equal(status, 2, output)
    t.ok(output:find("training.use_rpc_features", 1, true), output)
    output, status = tt_run(folder, "train.lua", small("--db", "sqlite:demo.sqlite", "--rpc", "rest"))
    t.equal(status, 2, output)
    t.ok(output:find("SUPABASE_URL", 1, true), output)
    output, status = tt_run(folder, "verify.lua", "parity", "--db", "sqlite:demo.sqlite")
    t.equal(status, 1, output)
    output, status = tt_run(folder, "verify.lua", "parity", "--db", "sqlite:demo.sqlite", "--user", "x")
    t.equal(status, 2, output)
    output, status = tt_run(folder, "verify.lua", "--db", "sqlite:demo.sqlite")
    t.equal(status, 2, output)
end)

if not databases.server then
    t.test("stages with functions", function() t.skip(databases.reason) end)
    return
end

local work <close> = fs.tempdir()
local own <close> = databases.open()
local dsn = own:make("serving")
run_well(work.path, "demo.lua", "--pg-dsn", dsn, table.unpack(DEMO))
local without = run_well(work.path, "train.lua", small("--pg-dsn", dsn, "--output-dir", "without"))
run_well(work.path, "db_init.lua", "--pg-dsn", dsn, "--dim", "8")

local function bundle(name, ...)
    local output = run_well(work.path, "pipeline.lua", small("--pg-dsn", dsn, "--checkpoint", name .. "/latest.pt",
        "--artifacts", name .. "/artifacts", ...))
    return output
end

local with = bundle("with")

t.test("training compares users without validation decisions, and active videos", function()
    t.ok(without:find("no function get_user_embedding_feature_batch", 1, true), without)
    local users, others, items, inactive = with:match('payloads  from="the database" users=(%d+) '
        .. "aggregated_users=(%d+) items=(%d+) aggregated_items=(%d+)")
    t.ok(tonumber(users) > 0 and tonumber(others) > 0, with)
    t.equal(tonumber(items) + tonumber(inactive), VIDEOS)
    t.ok(tonumber(inactive) > 0, with)
end)

t.test("no byte of an artifact depends on where payloads come from", function()
    bundle("plain", "--set", "training.use_rpc_features=false")
    local function differing(text) -- the time, and the configuration, which says where
        return (text:gsub('"exported_at": "[^"]*"', ""):gsub('"use_rpc_features": %l+', ""))
    end
    local names = fs.list(work.path .. "/with/artifacts")
    t.equal(#names, 7)
    for _, name in ipairs(names) do
        t.equal(hash.sha256(differing(fs.read(work.path .. "/with/artifacts/" .. name))),
            hash.sha256(differing(fs.read(work.path .. "/plain/artifacts/" .. name))), name)
    end
    local function digest(name)
        local content = checkpoint.load(("%s/%s/latest.pt"):format(work.path, name))
        content.config.training.use_rpc_features = true
        checkpoint.save(work.path .. "/" .. name .. "/latest.same.pt", content)
        return hash.sha256_file(work.path .. "/" .. name .. "/latest.same.pt")
    end
    t.equal(digest("with"), digest("plain"))
end)

t.test("nothing to compare is no parity", function()
    local empty = own:make("serving_empty")
    run_well(work.path, "db_init.lua", "--pg-dsn", empty, "--dim", "8")
    local output, status = tt_run(work.path, "verify.lua", "parity", "--pg-dsn", empty)
    t.equal(status, 1, output)
    t.ok(output:find("nothing was compared: the database has neither users nor videos", 1, true), output)
end)

t.test("verify.lua shows parity, and fails when a function lies", function()
    local output = run_well(work.path, "verify.lua", "parity", "--pg-dsn", dsn, "--artifacts", "with/artifacts",
        "--checkpoint", "with/latest.pt")
    t.ok(output:find(("%d users and %d items"):format(USERS, VIDEOS), 1, true), output)
    t.ok(output:find("item  recency_days        0", 1, true), output)
    local told = json.decode(run_well(work.path, "verify.lua", "parity", "--pg-dsn", dsn, "--log-json")
        :match('[^\n]*"features"[^\n]*'))
    t.equal({ #told.features, told.compared.item, #told.breaks }, { #set:features("user") + #set:features("item"),
        VIDEOS, 0 })
    local db <close> = sql.open(dsn)
    local victim = db:query("SELECT min(user_id::text) AS id FROM user_video_decisions").id[1]
    db:exec(([[ALTER FUNCTION public.tt_user_payloads(uuid[]) RENAME TO tt_true_payloads;
        CREATE FUNCTION public.tt_user_payloads(p_user_ids uuid[]) RETURNS TABLE (user_id uuid, payload jsonb)
        LANGUAGE sql STABLE AS $$ SELECT f.user_id, CASE WHEN f.user_id = '%s'
            THEN jsonb_set(f.payload, '{price_stats,mean}', '1.5') ELSE f.payload END - 'performers'
        FROM public.tt_true_payloads(p_user_ids) AS f $$]]):format(victim))
    local status
    output, status = tt_run(work.path, "verify.lua", "parity", "--pg-dsn", dsn)
    t.equal(status, 1, output)
    t.ok(output:find("mean_price[^\n]*" .. victim:gsub("%-", "%%-") .. "%s+DIFFERS"), output)
    t.ok(output:find("contract: actress_histogram: the payload has no list 'performers'", 1, true), output)
    output, status = tt_run(work.path, "verify.lua", "serving", "--pg-dsn", dsn, "--artifacts", "with/artifacts",
        "--checkpoint", "with/latest.pt", "--user", victim:upper())
    t.equal(status, 1, output)
    t.ok(output:find(victim, 1, true) and output:find("DIFFER", 1, true), output)
    output, status = tt_run(work.path, "train.lua", small("--pg-dsn", dsn, "--output-dir", "refused", "--set",
        "training.train_val_split=0"))
    t.equal(status, 1, output)
    t.ok(output:find("stage 'train': the payload of user " .. victim, 1, true), output)
    t.ok(output:find("price_stats.mean is 1.5, the tables give", 1, true), output)
    t.equal(fs.exists(work.path .. "/refused"), false)
    db:exec("DROP FUNCTION public.tt_user_payloads(uuid[])")
    db:exec("ALTER FUNCTION public.tt_true_payloads(uuid[]) RENAME TO tt_user_payloads")
end)

t.test("verify.lua makes the input vectors of published files and payloads", function()
    local output = run_well(work.path, "verify.lua", "serving", "--pg-dsn", dsn, "--artifacts", "with/artifacts",
        "--checkpoint", "with/latest.pt", "--output", "out/serving.json")
    t.equal(select(2, output:gsub("\nuser [^\n]+  ok", "")) + (output:match("^user") and 1 or 0), 5, output)
    local list = json.read(work.path .. "/out/serving.json")
    local meta = json.read(work.path .. "/with/artifacts/model_meta.json")
    t.equal(#list, 5)
    t.equal({ #list[1].input, #list[1].embedding, list[1].now }, { meta.user_feature_dim, 8, meta.reference_time })
    -- Somebody nobody knows has the defaults on both sides.
    run_well(work.path, "verify.lua", "serving", "--pg-dsn", dsn, "--artifacts", "with/artifacts", "--checkpoint",
        "with/latest.pt", "--user", "00000000-0000-4000-8000-000000000001")
    local status
    output, status = tt_run(work.path, "verify.lua", "serving", "--pg-dsn", dsn, "--user", "nobody")
    t.equal(status, 2, output)
    output, status = tt_run(work.path, "verify.lua", "serving", "--pg-dsn", dsn, "--artifacts", "with/artifacts",
        "--checkpoint", "without/latest.pt", "--user", "00000000-0000-4000-8000-000000000001")
    t.equal(status, 0, output) -- the same weights
end)

t.test("the same by REST, whatever the server's moods", function()
    run_well(work.path, "demo.lua", "--db", "sqlite:demo.sqlite", table.unpack(DEMO))
    local server <close>, reason = dev_server.start("serving_rest", work.path .. "/dev", "--dim 8 --max-rows 37 "
        .. "--seed-from sqlite:" .. quote(work.path .. "/demo.sqlite"))
    if not server then t.skip(reason) end
    environment = "env -u http_proxy -u https_proxy -u all_proxy " .. server:environment()
    server:faults({
        { match = { path = "get_user_embedding_feature_batch", nth = 2 }, fault = "57014" },
        { match = { path = "get_item_embedding_feature_batch", nth = 3 }, fault = "503" },
    })
    local output = run_well(work.path, "train.lua", small("--db", "sqlite:demo.sqlite", "--rpc", "rest", "--output-dir",
        "rest", "--set", "training.train_val_split=0"))
    t.ok(output:find('from="the project" users=', 1, true), output)
    t.equal(server:fired(), { 1, 1 })
    run_well(work.path, "train.lua", small("--db", "sqlite:demo.sqlite", "--output-dir", "rest-plain", "--set",
        "training.train_val_split=0", "--set", "training.use_rpc_features=true"))
    t.equal(hash.sha256_file(work.path .. "/rest/latest.pt"), hash.sha256_file(work.path .. "/rest-plain/latest.pt"))
    server:faults()
    output = run_well(work.path, "verify.lua", "parity", "--db", "sqlite:demo.sqlite", "--rpc", "rest")
    t.ok(output:find(("\n%d users and %d items at "):format(USERS, VIDEOS)), output)
    run_well(work.path, "export.lua", "--checkpoint", "rest/latest.pt", "--output-dir", "rest/artifacts")
    run_well(work.path, "verify.lua", "serving", "--db", "sqlite:demo.sqlite", "--rpc", "rest", "--artifacts",
        "rest/artifacts", "--checkpoint", "rest/latest.pt")
    t.equal(output:find(server.key, 1, true), nil)

    -- Tables that are older than the project are told from functions that are wrong.
    server.db:exec("UPDATE public.videos SET price = coalesce(price, 0) + 1 WHERE is_active")
    local status
    output, status = tt_run(work.path, "train.lua", small("--db", "sqlite:demo.sqlite", "--rpc", "rest"))
    t.equal(status, 1, output)
    t.ok(output:find("pull_remote.lua --full", 1, true), output)
    server.db:exec("DROP FUNCTION public.get_user_embedding_feature_batch")
    output = run_well(work.path, "train.lua", small("--db", "sqlite:demo.sqlite", "--rpc", "rest"))
    t.ok(output:find("the project has no function get_user_embedding_feature_batch", 1, true), output)
end)
