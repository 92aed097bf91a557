-- Every stage that speaks to a project, run as a program against the development server in every misbehaviour: what is
-- there in the end is complete or as it was, never partial, and the same command completes it.
--
-- TT_TEST_SEED repeats the places of another run.
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local manifest = require("tt.manifest")
local sql = require("tt.sql")
local supabase = require("tt.supabase")
local t = require("tt.test")

local here = arg[0]:match("^(.*)/[^/]*$")
local root = fs.abspath(here .. "/../..")
local cells = dofile(here .. "/support/cells.lua")
local dev_server = dofile(here .. "/support/dev_server.lua")
local shell = dofile(here .. "/support/shell.lua")

-- ---- the table

-- h  one that passes is overcome; one that lasts is an error, everything is as before, and the same command completes it
-- s  it is complete whatever lasts
-- x  the first one is an error; everything is as before, and the same command completes it
-- e  as h or x, whichever of its requests is hit
-- .  nothing that it asks can be hit
local TABLE = [[
                          429 500 503 57014 many reset lost short slow cap rows duplicate wrapped expired 413
pull_remote                h   h   h    h    s     h    h     h    s    s    h      x        x       x     x
pull_remote --live         h   h   h    h    s     h    h     h    s    s    s      x        x       x     x
train --rpc rest           h   h   h    e    s     h    h     h    s    s    s      x        x       x     x
verify parity              h   h   h    e    s     h    h     h    s    s    s      x        x       x     x
verify serving             h   h   h    x    .     h     h    h     s    s    s      x        x       x     x
upload_embeddings          h   h   h    e    s     h    h     h    s    s    s      x        x       x     e
backfill                   h   h   h    e    s     h    h     h    s    s    s      x        x       x     e
publish                    h   h   h    e    .     h     h    h     s    s    s      e        e       e     e
publish, a large file      h   h   h    h    .     h     h    h     s    s    s      e        h       x     x
publish --list             h   h   h    h    .     h    h     h    s    .    .      x        h       x     x
publish --verify           h   h   h    h    .     h    h     h    s    .    .      x        h       x     x
publish --rollback         h   h   h    h    .     h     h    h     s    .    .      e        h       e     e
publish --prune            h   h   h    h    .     h    h     h    s    .    .      x        h       x     x
pipeline                   h   h   h    e    s     h     h    h     s    s    s      e        e       e     e
]]
local KINDS = { h = "heals", s = "survives", x = "stops", e = "either", ["."] = "never" }

local REST = "^/rest/v1/"
local FAULTS = {
    { "429", { fault = "429", args = { retry_after = 0 } }, "HTTP 429" },
    { "500", { fault = "500" }, "HTTP 500" },
    { "503", { fault = "503" }, "HTTP 503" },
    { "57014", { fault = "57014" }, "57014", "HTTP 500" },
    -- Statements about many rows take too long.
    { "many", { fault = "57014", path = REST, args = { above_rows = 4 } } },
    { "reset", { fault = "reset" }, "connection" },
    { "lost", { fault = "applied_then_reset" }, "connection" },
    { "short", { fault = "short_length" }, "connection" },
    { "slow", { fault = "slow", args = { delay_s = 0.01, bytes_per_s = 4000000 } } },
    { "cap", { fault = "row_cap", path = REST, args = { rows = 7 } } },
    { "rows", { fault = "insert_while_paging", path = REST, args = { sql = "INSERT INTO public.profiles (user_id, "
        .. "display_name, created_at) VALUES (gen_random_uuid(), 'came meanwhile', now())" } }, "--live" },
    { "duplicate", { fault = "duplicate_key" }, "HTTP 409" },
    { "wrapped", { fault = "storage_wrapped" }, "HTTP 503" },
    { "expired", { fault = "expired_token" }, "token has expired", "\"exp\" claim" },
    { "413", { fault = "413" }, "HTTP 413" },
}
for index, fault in ipairs(FAULTS) do
    FAULTS[index] = { name = fault[1], rule = fault[2], words = { table.unpack(fault, 3) } }
end

-- ---- a project and what belongs to it

local folder <close> = fs.tempdir()
local function inside(name) return fs.join(folder.path, name) end

local function run_well(environment, script, ...)
    local output, status = shell.capture(("cd %s && %s %s"):format(shell.quote(folder.path), environment,
        shell.words(shell.program, root .. "/lua/" .. script, ...)))
    assert(status == 0, output)
end

run_well("", "demo.lua", "--db", "sqlite:demo.sqlite", "--users", "14", "--videos", "40", "--decisions", "300")
local server, reason = dev_server.start("tt_misbehaviour", inside("dev"), "--dim 8 --seed-from sqlite:"
    .. shell.quote(inside("demo.sqlite")))
if not server then
    t.test("stages and misbehaviours", function() t.skip(reason) end)
    return
end
local _ <close> = setmetatable({}, { __close = function() server:stop() end })
local project <close> = supabase.open({ url = server.url, key = server.key })
local bucket = project:bucket("model-artifacts")

local SMALL = { "--set", "training.epochs=1", "--set", "artifacts.embedding_dim=8", "--set",
    "training.train_val_split=0.03" }
local function small(...)
    local words = { ... }
    return table.unpack(table.move(SMALL, 1, #SMALL, #words + 1, words))
end

-- Folders of files as they are before a stage: "old" with a sync and a model of before, "new" with those of now.
local function make_folders()
    for _, name in ipairs({ "old", "new" }) do
        fs.mkdir(inside(name))
        if name == "new" then
            server.db:exec([[DELETE FROM videos WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 3);
                DELETE FROM profiles WHERE user_id = (SELECT user_id FROM profiles ORDER BY user_id LIMIT 1);
                UPDATE videos SET title = 'new ' || title, price = 7.25
                    WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 20);
                UPDATE user_video_decisions SET decision_type = 'nope' WHERE user_id
                    = (SELECT user_id FROM profiles ORDER BY user_id DESC LIMIT 1)]])
        end
        run_well(server:environment(), "pull_remote.lua", "--db", ("sqlite:%s/local.sqlite"):format(name))
        run_well("", "pipeline.lua", small("--db", ("sqlite:%s/local.sqlite"):format(name), "--checkpoint",
            name .. "/checkpoints/latest.pt", "--artifacts", name .. "/artifacts", "--version", name, "--set",
            name == "old" and "seed=1" or "seed=2"))
    end
    -- What training and verification find: the tables of now, the model of before.
    shell.capture(("cd %s && cp -R old between && cp new/local.sqlite between"):format(shell.quote(folder.path)))
    shell.capture(("cd %s && cp -R new large"):format(shell.quote(folder.path)))
    fs.write(inside("large/artifacts/ort-wasm-simd-threaded.wasm"), ("\0asm"):rep(1600000))
    run_well("", "build_manifest.lua", "--artifacts-dir", "large/artifacts", "--version", "large")
    run_well(server:environment(), "upload_embeddings.lua", "--parquet", "old/artifacts/video_embeddings.parquet")
    server.db:exec("CREATE TABLE public.vectors_before AS TABLE public.video_embeddings")
    bucket:create({ public = true })
end
make_folders()

local function no_rows_of_faults() server.db:exec("DELETE FROM profiles WHERE display_name = 'came meanwhile'") end

-- ---- parts of a state

local function digest(value) return hash.sha256(value):sub(1, 16) end

-- Tables of the local database. A row that came while they were read may be there or not.
local ORDER = { profiles = "user_id", videos = "id", video_tags = "video_id, tag_name",
    video_performers = "video_id, performer_name", user_video_decisions = "user_id, video_id" }
local function add_tables(state, place)
    local db <close> = sql.open(("sqlite:%s/local.sqlite"):format(place))
    for name, order in pairs(ORDER) do
        state["table " .. name] = digest(db:query(("SELECT * FROM %s%s ORDER BY %s"):format(name, name == "profiles"
            and " WHERE display_name IS DISTINCT FROM 'came meanwhile'" or "", order)):to_json())
    end
end

local function add_vectors(state)
    local rows = server.db:query("SELECT v.id::text AS id, e.embedding::text AS embedding FROM videos AS v "
        .. "LEFT JOIN video_embeddings AS e ON e.video_id = v.id")
    for _, row in ipairs(rows:to_table()) do state["vector of " .. row.id] = row.embedding or "none" end
end

local function add_file(state, path, name)
    state[name] = fs.exists(path) and hash.sha256_file(path):sub(1, 16) or "none"
end

-- Times and versions that differ between two runs on the same data.
local function timeless(text)
    return (text:gsub('"exported_at": "[^"]*",?', ""):gsub('"generated_at": "[^"]*",?', "")
        :gsub('"model_version": "[^"]*",?', ""))
end

local function bundle_of(place)
    local parts = {}
    for _, name in ipairs(fs.list(place)) do
        if name:sub(1, 1) ~= "." and name ~= "manifest.json" then
            parts[#parts + 1] = name .. " " .. digest(timeless(fs.read(fs.join(place, name))))
        end
    end
    return (pcall(manifest.verify, place) and "" or "not as listed: ") .. digest(table.concat(parts, "\n"))
end

-- Folders of the bucket, each as a digest of what a reader gets: a manifest and the files it lists. Without a manifest it
-- is not there for readers.
local digests = {} -- by etag and size
local function content_of(object)
    local mark = ("%s %d"):format(object.etag, object.size)
    if not digests[mark] then digests[mark] = bucket:download(object.name).sha256 end
    return digests[mark]
end

local function folders_of(prefix)
    local found = {}
    for _, object in ipairs(bucket:list(prefix)) do
        local name, path = object.name:match("^" .. prefix:gsub("%p", "%%%0") .. "/([^/]+)/(.+)$")
        found[name] = found[name] or {}
        found[name][path] = object
    end
    return found
end

local function seen_by_readers(name, objects, is_timeless)
    local pointer = objects["manifest.json"]
    if not pointer then return name == "current" and next(objects) and "files without a manifest" or "none" end
    local text = bucket:download(pointer.name).body
    local parts, listed = { is_timeless and "" or text }, { ["manifest.json"] = true }
    for _, file in ipairs(json.decode(text).files) do
        listed[file.path] = true
        if not objects[file.path] then return file.path .. " is missing" end
        if content_of(objects[file.path]) ~= file.sha256 then
            return ("%s differs, under the manifest of %s"):format(file.path, json.decode(text).model_version)
        end
        parts[#parts + 1] = file.path .. " " .. (is_timeless and file.path == "model_meta.json" and digest(timeless(
            bucket:download(objects[file.path].name).body)) or file.sha256)
    end
    for path in pairs(objects) do
        if not listed[path] then return path .. " is too many" end
    end
    return digest(table.concat(parts, "\n"))
end

local function add_bucket(state, prefix, names)
    local found = folders_of(prefix)
    for _, name in ipairs(names) do state[name .. "/"] = seen_by_readers(name, found[name] or {}) end
    for name in pairs(found) do t.ok(state[name .. "/"], "there is a folder of another name: " .. name) end
end

-- Brings a prefix of the bucket to hold some bundles: { folder, source }, the last but current/ the newest.
local etags = {} -- of what was sent from here, by name
local function fill(prefix, wanted)
    local found, extra, changed = folders_of(prefix), {}, false
    local function send(name, source, paths)
        local items = {}
        for index, path in ipairs(paths) do
            items[index] = { path = ("%s/%s/%s"):format(prefix, name, path), file = fs.join(source, path), upsert = true,
                content_type = path:find("wasm$") and "application/wasm" or nil }
        end
        bucket:upload_all(items)
        for _, item in ipairs(items) do etags[item.path] = bucket:head(item.path).etag end
        changed = changed or #items > 0
    end
    for _, entry in ipairs(wanted) do
        local name, source, missing = entry[1], entry[2], {}
        local there = found[name] or {}
        for _, path in ipairs(fs.list(source)) do
            local object = there[path]
            if path:sub(1, 1) ~= "." and not (object and object.etag == etags[object.name]) then
                missing[#missing + 1] = path
            end
            there[path] = nil
        end
        -- A version is as old as its manifest.
        if changed and name == "new" then
            bucket:remove({ ("%s/new/manifest.json"):format(prefix) })
            missing[#missing + 1] = "manifest.json"
        end
        send(name, source, missing)
    end
    for _, objects in pairs(found) do
        for _, object in pairs(objects) do extra[#extra + 1] = object.name end
    end
    bucket:remove(extra)
end

-- ---- the stages

local STAGES = {}
local function stage(name)
    return function(spec)
        spec.name, spec.path = name, spec.path or "^/(rest|storage)/v1/"
        spec.relieve = no_rows_of_faults
        local setup = spec.setup
        spec.setup = function()
            no_rows_of_faults()
            if setup then setup() end
        end
        spec.folder = inside(spec.folder)
        STAGES[name] = spec
    end
end

local function vectors_of_before()
    server.db:exec("TRUNCATE video_embeddings; INSERT INTO video_embeddings SELECT * FROM vectors_before")
end

local PULL = { "--db", "sqlite:local.sqlite", "--full", "--page-size", "20" }
stage "pull_remote" { script = "lua/pull_remote.lua", flags = PULL, folder = "old", paged = true,
    rules = { rows = { path = "^/rest/v1/profiles" } },
    state = function(place)
        local state = {}
        add_tables(state, place)
        return state
    end }
stage "pull_remote --live" { script = "lua/pull_remote.lua", flags = { "--live", table.unpack(PULL) }, folder = "old",
    paged = true, state = STAGES.pull_remote.state }

stage "train --rpc rest" { script = "lua/train.lua", flags = { small("--db", "sqlite:local.sqlite", "--rpc", "rest",
    "--set", "seed=2") }, folder = "between", paged = true,
    state = function(place)
        local state = {}
        add_file(state, place .. "/checkpoints/latest.pt", "checkpoint")
        return state
    end }

local VERIFY = { "--db", "sqlite:local.sqlite", "--rpc", "rest", "--artifacts", "artifacts", "--checkpoint",
    "checkpoints/latest.pt" }
stage "verify parity" { script = "lua/verify.lua", flags = { "parity", table.unpack(VERIFY) }, folder = "new",
    reads = true, paged = true, state = function() return {} end }
stage "verify serving" { script = "lua/verify.lua", flags = { "serving", "--output", "serving.json",
    table.unpack(VERIFY) }, folder = "new", reads = true,
    state = function(place)
        local state = {}
        add_file(state, place .. "/serving.json", "serving.json")
        return state
    end }

-- Rows go in requests of their own, and nothing undoes one: each vector is the old one or the new one.
local function vectors()
    local state = {}
    add_vectors(state)
    return state
end
stage "upload_embeddings" { script = "lua/upload_embeddings.lua", flags = { "--batch-size", "5" }, folder = "new",
    by_part = true, paged = true, rules = { many = { method = "POST" } }, setup = vectors_of_before, state = vectors }
stage "backfill" { script = "examples/backfill.lua", flags = { "--db", "sqlite:local.sqlite", "--since", "2020-01-01",
    "--until", "2026-01-01", "--chunk", "26w", "--undated", "--batch-size", "5" }, folder = "new", by_part = true,
    rules = { many = { method = "POST" } }, setup = vectors_of_before, state = vectors }

-- While the files of current/ are replaced, before its manifest is, a server that takes nothing any more does not take
-- back the old ones either. That is said, and readers see it by the old manifest.
local function is_told(value, message)
    local version = value:match(" differs, under the manifest of (%S+)$")
    return version and message:find("current/ could not be put back", 1, true)
        and message:find(("under the manifest of '%s'"):format(version), 1, true)
end

-- Each version, and current/, is whole for readers.
local function in_bucket(name, flags, source, wanted, names, more)
    local prefix = "prefix " .. name:gsub("[^%l]", "")
    local spec = { script = "lua/publish.lua", flags = { "--prefix", prefix, table.unpack(flags) }, folder = source,
        by_part = true, is_told = is_told, setup = function() fill(prefix, wanted) end,
        state = function()
            local state = {}
            add_bucket(state, prefix, names)
            return state
        end }
    for key, value in pairs(more or {}) do spec[key] = value end
    stage(name)(spec)
end
local OLD, NEW = inside("old/artifacts"), inside("new/artifacts")
local CURRENT = { "old", "new", "current" }
in_bucket("publish", {}, "new", { { "old", OLD }, { "current", OLD } }, CURRENT)
in_bucket("publish, a large file", {}, "large", { { "old", OLD }, { "current", OLD } }, { "old", "large", "current" },
    { path = "^/storage/v1/upload/resumable" })
local BOTH = { { "old", OLD }, { "new", NEW }, { "current", NEW } }
in_bucket("publish --list", { "--list" }, "new", BOTH, CURRENT, { reads = true })
in_bucket("publish --verify", { "--verify", "current" }, "new", BOTH, CURRENT, { reads = true })
in_bucket("publish --rollback", { "--rollback", "old" }, "new", BOTH, CURRENT)
in_bucket("publish --prune", { "--prune", "1" }, "new", { { "old", OLD }, { "new", NEW }, { "current", NEW } }, CURRENT)

-- Every run makes a version of its own: a version never changes, and two exports differ in their times.
local PREFIX, made = "two-tower/v3", 0
local PIPELINE = { small("--db", "sqlite:local.sqlite", "--fetch-remote", "--full", "--live", "--page-size", "20", "--rpc",
    "rest", "--publish", "--set", "seed=2") }
stage "pipeline" { script = "lua/pipeline.lua", folder = "old", by_part = true, is_told = is_told,
    rules = { many = { path = "^/rest/v1/(rpc/|profiles|videos|user_video_decisions)" } },
    flags = function()
        made = made + 1
        return { "--version", "v" .. made, table.unpack(PIPELINE) }
    end,
    setup = function()
        vectors_of_before()
        fill(PREFIX, { { "old", OLD }, { "current", OLD } })
    end,
    state = function(place)
        local state, found = {}, folders_of(PREFIX)
        add_tables(state, place)
        add_vectors(state)
        add_file(state, place .. "/checkpoints/latest.pt", "checkpoint")
        state.artifacts = bundle_of(place .. "/artifacts")
        for name, objects in pairs(found) do
            local seen = seen_by_readers(name, objects, true)
            if name == "current" then state["current/"] = seen end
            if name ~= "current" and seen:find(" ") then state.versions = ("%s: %s"):format(name, seen) end
        end
        return state
    end }

-- ---- all of it

local seed = math.tointeger(tonumber(os.getenv("TT_TEST_SEED"))) or os.time() % 100000
local runner = cells.new(server, FAULTS, folder.path, seed)
local only = os.getenv("TT_TEST_STAGE")

local head = TABLE:match("^[^\n]*")
local names = {}
for name in head:gmatch("%S+") do names[#names + 1] = name end
for line in TABLE:gsub("^[^\n]*\n", ""):gmatch("[^\n]+") do
    local name, marks = line:match("^(.-)%s%s+(.*)$")
    local spec = STAGES[name]
    if spec and (not only or only == name) then
        t.test(name .. ", undisturbed", function() runner:measure(spec) end)
        local column = 0
        for mark in marks:gmatch("%S+") do
            column = column + 1
            local fault = FAULTS[column]
            assert(fault.name == names[column])
            t.test(("%s %s %s"):format(name, KINDS[mark], fault.name), function()
                runner:cell(spec, fault, KINDS[mark])
            end)
        end
    end
end
print(("%d cells, %d runs of programs, %d faults served, current/ could not be put back after %d; TT_TEST_SEED=%d")
    :format(runner.cells, runner.runs, runner.served, runner.told, seed))
