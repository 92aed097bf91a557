-- Every stage that speaks to a project, run as a program against the development server in every misbehaviour: what is
-- there in the end is complete or as it was, never partial, and the same command completes it.
--
-- TT_TEST_SEED=N draws other places for the faults, TT_TEST_STAGE=NAME takes the stages with NAME in theirs.
local fs = require("tt.fs")
local supabase = require("tt.supabase")
local t = require("tt.test")

local here = arg[0]:match("^(.*)/two_tower/")
local root = fs.abspath(here .. "/../..")
local cells = dofile(here .. "/support/cells.lua")
local dev_server = dofile(here .. "/support/dev_server.lua")
local shell = dofile(here .. "/support/shell.lua")

-- ---- the table

-- h  what passes is overcome; what lasts is an error, everything is as before, and the same command completes it
-- s  it is complete whatever lasts
-- x  the first one is an error; everything is as before, and the same command completes it
-- e  like h or like x, by the request that is hit
-- .  it asks nothing that can be hit
-- "As before": all of it, or, where it does several things that are whole by themselves (vectors, versions, current/),
-- each of them is as before or complete.
local TABLE = [[
                        429 500 503 57014 many reset lost short slow cap rows duplicate wrapped expired 413
pull_remote              h   h   h    h    s     h    h     h    s    s   h       x        x       x     x
pull_remote --live       h   h   h    h    s     h    h     h    s    s   s       x        x       x     x
train --rpc rest         h   h   h    e    s     h    h     h    s    s   s       x        x       x     x
verify parity            h   h   h    e    s     h    h     h    s    s   s       x        x       x     x
verify serving           h   h   h    x    .     h    h     h    s    s   s       x        x       x     x
upload_embeddings        h   h   h    e    s     h    h     h    s    s   s       x        x       x     e
backfill                 h   h   h    e    s     h    h     h    s    s   s       x        x       x     e
publish                  h   h   h    e    .     h    h     h    s    s   s       e        e       e     e
publish, current/        h   h   h    h    .     h    h     h    s    s   s       e        h       e     e
publish, a large file    h   h   h    h    .     h    h     h    s    s   s       e        h       x     x
publish --list           h   h   h    h    .     h    h     h    s    .   .       x        h       x     x
publish --verify         h   h   h    h    .     h    h     h    s    .   .       x        h       x     x
publish --rollback       h   h   h    h    .     h    h     h    s    .   .       e        h       e     e
publish --prune          h   h   h    h    .     h    h     h    s    .   .       x        h       x     x
pipeline                 h   h   h    e    s     h    h     h    s    s   s       e        e       e     e
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
local server <close>, reason = dev_server.start("misbehaviour", inside("dev"), "--dim 8 --seed-from sqlite:"
    .. shell.quote(inside("demo.sqlite")))
if not server then
    t.test("stages and misbehaviours", function() t.skip(reason) end)
    return
end
local project <close> = supabase.open({ url = server.url, key = server.key })
local bucket = project:bucket("model-artifacts")
local parts = dofile(here .. "/support/parts.lua")(server, bucket)

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
        parts.add_tables(state, place)
        return state
    end }
stage "pull_remote --live" { script = "lua/pull_remote.lua", flags = { "--live", table.unpack(PULL) }, folder = "old",
    paged = true, state = STAGES.pull_remote.state }

stage "train --rpc rest" { script = "lua/train.lua", flags = { small("--db", "sqlite:local.sqlite", "--rpc", "rest",
    "--set", "seed=2") }, folder = "between", paged = true,
    state = function(place)
        local state = {}
        parts.add_file(state, place .. "/checkpoints/latest.pt", "checkpoint")
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
        parts.add_file(state, place .. "/serving.json", "serving.json")
        return state
    end }

-- Rows go in requests of their own, and nothing undoes one: each vector is the old one or the new one.
local function vectors()
    local state = {}
    parts:add_vectors(state)
    return state
end
stage "upload_embeddings" { script = "lua/upload_embeddings.lua", flags = { "--batch-size", "5" }, folder = "new",
    by_part = true, paged = true, rules = { many = { method = "POST" } }, setup = vectors_of_before, state = vectors }
stage "backfill" { script = "examples/backfill.lua", flags = { "--db", "sqlite:local.sqlite", "--since", "2020-01-01",
    "--until", "2026-01-01", "--chunk", "26w", "--undated", "--batch-size", "5" }, folder = "new", by_part = true,
    rules = { many = { method = "POST" } }, setup = vectors_of_before, state = vectors }

-- While the files of current/ are replaced, before its manifest is, a server that takes nothing any more does not take
-- back the old ones either. That is said, and readers see it by the old manifest: what that leads to, in current/ or in
-- the version that it names, is always whole.
local function is_told(value, message)
    local version = value:match(" differs, under the manifest of (%S+)$")
    return version and (message:find("current/ could not be put back", 1, true)
        and message:find(("under the manifest of '%s'"):format(version), 1, true)
        or message:find(("or still that of '%s', cannot be told"):format(version), 1, true))
end

-- Each version, and current/, is whole for readers.
local function in_bucket(name, flags, source, wanted, names, more)
    local prefix = "prefix " .. name:gsub("[^%l]", "")
    local spec = { script = "lua/publish.lua", flags = { "--prefix", prefix, table.unpack(flags) }, folder = source,
        by_part = true, is_told = is_told, setup = function() parts:fill(prefix, wanted) end,
        state = function()
            local state = {}
            parts:add_folders(state, prefix, names)
            return state
        end }
    for key, value in pairs(more or {}) do spec[key] = value end
    stage(name)(spec)
end
local OLD, NEW = inside("old/artifacts"), inside("new/artifacts")
local CURRENT = { "old", "new", "current" }
in_bucket("publish", {}, "new", { { "old", OLD }, { "current", OLD } }, CURRENT)
in_bucket("publish, current/", {}, "new", { { "old", OLD }, { "current", OLD } }, CURRENT,
    { path = "^/storage/v1/(object/copy$|.*/current/)" })
in_bucket("publish, a large file", {}, "large", { { "old", OLD }, { "current", OLD } }, { "old", "large", "current" },
    { path = "^/storage/v1/upload/resumable" })
local BOTH = { { "old", OLD }, { "new", NEW }, { "current", NEW } }
in_bucket("publish --list", { "--list" }, "new", BOTH, CURRENT, { reads = true })
in_bucket("publish --verify", { "--verify", "current" }, "new", BOTH, CURRENT, { reads = true })
in_bucket("publish --rollback", { "--rollback", "old" }, "new", BOTH, CURRENT)
in_bucket("publish --prune", { "--prune", "1" }, "new", BOTH, CURRENT)

-- Every run makes a version of its own: a version never changes, and two exports differ in their times.
local PREFIX, made = "two-tower/v3", 0
local PIPELINE = { small("--db", "sqlite:local.sqlite", "--fetch-remote", "--full", "--live", "--page-size", "20",
    "--rpc", "rest", "--publish", "--set", "seed=2") }
stage "pipeline" { script = "lua/pipeline.lua", folder = "old", by_part = true, is_told = is_told,
    rules = { many = { path = "^/rest/v1/(rpc/|profiles|videos|user_video_decisions)" } },
    flags = function()
        made = made + 1
        return { "--version", "v" .. made, table.unpack(PIPELINE) }
    end,
    setup = function()
        vectors_of_before()
        parts:fill(PREFIX, { { "old", OLD }, { "current", OLD } })
    end,
    state = function(place)
        local state = {}
        parts.add_tables(state, place)
        parts:add_vectors(state)
        parts.add_file(state, place .. "/checkpoints/latest.pt", "checkpoint")
        parts.add_bundle(state, place .. "/artifacts")
        parts:add_current(state, PREFIX)
        return state
    end }

-- ---- all of it

local seed = math.tointeger(tonumber(os.getenv("TT_TEST_SEED"))) or 1
local only = os.getenv("TT_TEST_STAGE") or ""
local runner = cells.new(server, FAULTS, folder.path, seed)
local head, rows = TABLE:match("^([^\n]*)\n(.*)$")
local columns = {}
for name in head:gmatch("%S+") do columns[#columns + 1] = name end
for row in rows:gmatch("[^\n]+") do
    local name, marks = row:match("^(.-)%s%s+(.*)$")
    local spec, column = STAGES[name], 0
    if name:find(only, 1, true) then
        t.test(name .. ", undisturbed", function() runner:measure(spec) end)
        for mark in marks:gmatch("%S+") do
            column = column + 1
            local fault, kind = FAULTS[column], KINDS[mark]
            t.test(("%s %s %s"):format(name, kind, columns[column]), function()
                t.equal(fault.name, columns[column])
                if not spec.complete then t.skip("it fails undisturbed") end
                runner:cell(spec, fault, kind)
            end)
        end
    end
end
print(("%d cells, %d runs of programs, %d faults served; %d runs could not put current/ back and said so; "
    .. "TT_TEST_SEED=%d"):format(runner.cells, runner.runs, runner.served, runner.told, seed))
