-- Backfills: vectors of a range of dates, the same bits that the embedding stage writes; windows, journal, and a
-- development server that misbehaves.
local backfill = require("two_tower.backfill")
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local dev_server = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/dev_server.lua")
local fs = require("tt.fs")
local json = require("tt.json")
local parquet = require("tt.parquet")
local sql = require("tt.sql")
local t = require("tt.test")
local time = require("tt.time")

local set = require("two_tower.features")
local root = fs.abspath(arg[0]:match("^(.*)/Tests/lua/") or ".")

local shell = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

local function run(folder, environment, path, ...)
    local words = shell.words(program, root .. "/" .. path, ...)
    return capture(("cd %s && env -u SUPABASE_URL -u SUPABASE_SERVICE_ROLE_KEY %s %s")
        :format(quote(folder), environment, words))
end

local function run_well(...)
    local output, status = run(...)
    t.equal(status, 0, output)
    return output
end

-- A folder with a database whose videos have times within ten days, or none; a checkpoint and all embeddings.
local folder <close> = fs.tempdir()
local shared = folder.path
run_well(shared, "", "lua/demo.lua", "--db", "sqlite:demo.sqlite", "--users", "40", "--videos", "120", "--decisions",
    "800", "--clean")
do
    local db <close> = sql.open("sqlite:" .. shared .. "/demo.sqlite")
    db:exec("UPDATE videos SET created_at = datetime('2025-01-01', '+' || (abs(random()) % 864000) || ' seconds')")
    -- As databases spell them: with an offset, infinite, unreadable, on the edge of two windows.
    for row, text in ipairs({ "2025-01-02T00:00:00+00:00", "2025-01-02T08:59:59.999999+09:00",
        "2025-01-02 00:00:00.000001", "infinity", "some day" }) do
        db:exec("UPDATE videos SET created_at = ? WHERE id = (SELECT id FROM videos ORDER BY id LIMIT 1 OFFSET ?)",
            { text, row })
    end
    db:exec("UPDATE videos SET created_at = NULL WHERE id = (SELECT id FROM videos ORDER BY id LIMIT 1 OFFSET 6)")
end
run_well(shared, "", "lua/pipeline.lua", "--db", "sqlite:demo.sqlite", "--set", "training.epochs=1", "--set",
    "artifacts.embedding_dim=8", "--set", "training.batch_size=64")
local embeddings = parquet.read(shared .. "/artifacts/video_embeddings.parquet"):cast({ video_id = "uuid" })
local RANGE = { "--since", "2025-01-01", "--until", "2025-01-11" }

local function with_range(...) return RANGE[1], RANGE[2], RANGE[3], RANGE[4], ... end

-- What the journal of a folder's checkpoints says is done.
local function journaled(path)
    local done = {}
    for _, name in ipairs(fs.list(path)) do
        if name:match("^%.backfill%-%x+%.journal$") then
            for line in fs.read(fs.join(path, name)):gmatch("[^\n]+") do done[#done + 1] = json.decode(line).done end
        end
    end
    return done
end

local function forget()
    for _, name in ipairs(fs.list(shared .. "/checkpoints")) do
        if name:match("%.journal$") then fs.remove(shared .. "/checkpoints/" .. name) end
    end
end

local function source(windows)
    return backfill.read(sql.open("sqlite:" .. shared .. "/demo.sqlite"), set, windows, "created_at")
end

-- ---- windows and vectors

t.test("windows are half-open, and undated videos are one of their own", function()
    local windows = backfill.windows("2025-01-01", "2025-01-11", "1d", true)
    t.equal({ #windows, windows[11].label }, { 11, "undated" })
    local read <close> = source(windows)
    t.equal({ read.rows, read.undated }, { 120, 0 })
    local total = 0
    for _, window in ipairs(windows) do
        local videos = read:videos(window)
        total = total + #videos
        if window.label ~= "undated" then
            local outside = videos:filter(("at < timestamp(%d) or at >= timestamp(%d)"):format(window.from, window.to))
            t.equal(#outside, 0)
        end
    end
    t.equal(total, 120)
    t.equal(#read:videos(windows[11]), 3)
    local edge = read:videos(windows[2]).at:to_table()
    table.sort(edge)
    t.equal({ edge[1], edge[2] }, { time.parse("2025-01-02"), time.parse("2025-01-02") + 1 })
    local dated <close> = source(backfill.windows("2025-01-01", "2025-01-11", "1d", false))
    t.equal({ dated.rows, dated.undated }, { 117, 3 })
end)

t.test("windows without a length are wrong usage", function()
    local problem = t.error("usage", backfill.windows, "2025-01-01", nil, "0d", false)
    t.equal(problem.message, "the step must be longer than zero")
end)

t.test("without an end, windows stop with the last whole one", function()
    local windows = backfill.windows("2025-01-01", nil, "1d", false)
    local last = windows[#windows].to
    t.ok(last <= time.now() and last > time.now() - time.duration("1d"))
    t.error("usage", backfill.windows, time.format(time.now() - 1000000), nil, "1d", false)
    t.error("'some day' is no date", backfill.windows, "some day", nil, "1d", false)
    t.error("usage", backfill.windows, "2025-01-01", "2025-01-02", "1 day", false)
end)

t.test("vectors have the bits that the embedding stage writes, however they are cut", function()
    local checkpoint = require("two_tower.bundle.checkpoint")
    local loaded = checkpoint.load(shared .. "/checkpoints/latest.pt", set)
    for _, chunk in ipairs({ "1h", "1d", "3w" }) do
        local windows = backfill.windows("2025-01-01", "2025-01-11", chunk, true)
        local read <close> = source(windows)
        read:use(loaded)
        local parts = {}
        for _, window in ipairs(windows) do parts[#parts + 1] = read:vectors(window) end
        t.ok(tt.frame.concat(parts):sort("video_id"):equals(embeddings), chunk)
    end
    -- A checkpoint without reference times takes the newest release of all videos, not of the window's.
    loaded.has_item_reference, loaded.item_reference_time = false, nil
    local windows = backfill.windows("2025-01-03", "2025-01-04", "1d", false)
    local read <close> = source(windows)
    read:use(loaded)
    local rows = read:vectors(windows[1])
    t.ok(#rows > 0 and rows:equals(embeddings:join(rows, { on = "video_id", how = "semi" })))
end)

t.test("PostgreSQL reads the same windows", function()
    if not databases.server then t.skip(databases.reason) end
    local own <close> = databases.open()
    local dsn = own:make("backfill_source")
    local windows = backfill.windows("2025-01-02", "2025-01-05", "1d", true)
    local here <close> = source(windows)
    local db = sql.open(dsn)
    require("two_tower.data.schema").create(db)
    local lite <close> = sql.open("sqlite:" .. shared .. "/demo.sqlite")
    for _, name in ipairs({ "videos", "video_tags", "video_performers" }) do
        local columns = name == "videos" and "id, price, duration_seconds, product_released_at, created_at" or "*"
        local rows = lite:read(("SELECT %s FROM %s"):format(columns, name))
        if name == "videos" then rows = rows:cast({ created_at = "timestamp" }, { strict = false }) end
        db:write("public." .. name, rows)
    end
    db:exec("UPDATE videos SET created_at = 'infinity' WHERE id = (SELECT id FROM videos WHERE created_at IS NULL "
        .. "ORDER BY id LIMIT 1)")
    local there <close> = backfill.read(db, set, windows, "created_at")
    t.ok(there.data.videos:select({ "id", "at" }):equals(here.data.videos:select({ "id", "at" })))
    t.ok(there.data.lists.tags:sort({ "owner", "token" }):equals(here.data.lists.tags:sort({ "owner", "token" })))
    t.equal(#there:videos(windows[4]), 3)
    local dated <close> = backfill.read(sql.open(dsn), set,
        backfill.windows("2025-01-02", "2025-01-05", "1d", false), "created_at")
    t.equal(dated.undated, 3)
end)

-- ---- the command line

t.test("--dry-run lists windows and rows, without credentials, and leaves no journal", function()
    local output = run_well(shared, "", "examples/backfill.lua", "--db", "sqlite:demo.sqlite", with_range("--dry-run",
        "--log-json"))
    local rows, windows = 0, 0
    for count in output:gmatch('"msg":"window","window":"[^"]+","rows":(%d+)') do
        rows, windows = rows + tonumber(count), windows + 1
    end
    t.equal({ windows, rows }, { 10, 117 })
    t.ok(output:find('"msg":"videos without a time are left out; --undated takes them","rows":3', 1, true), output)
    t.equal(#fs.list(shared .. "/checkpoints"), 1)
end)

t.test("wrong usage exits with 2", function()
    local function wrong(expected, ...)
        local output, status = run(shared, "SUPABASE_URL=http://127.0.0.1:9", "examples/backfill.lua", "--db",
            "sqlite:demo.sqlite", ...)
        t.equal(status, 2, output)
        t.ok(output:find(expected, 1, true), output)
    end
    wrong("missing option '--since TIME'")
    wrong("'soon' is no date", "--since", "soon")
    wrong("is no duration", with_range("--chunk", "day"))
    wrong("must be the later one", "--since", "2025-01-02", "--until", "2025-01-01")
    wrong("SUPABASE_SERVICE_ROLE_KEY", with_range())
    wrong("exclude each other", with_range("--target-dsn", "host=x", "--supabase-url", "http://127.0.0.1:9"))
    wrong("--target-dsn: cannot open", with_range("--target-dsn", "=x"))
    wrong("SQLite has no vectors", with_range("--target-dsn", "sqlite:a.sqlite"))
    wrong("must be one of created_at", with_range("--by", "title"))
end)

-- ---- to PostgreSQL and to a project

local place <close> = fs.tempdir()
local server <close>, reason = dev_server.start("backfill", place.path, "--dim 8")

local function stored(db) return db:read("SELECT video_id, embedding FROM public.video_embeddings"):sort("video_id") end

local function on_server(name, body)
    t.test(name, function()
        if not server then t.skip(reason) end
        server:faults()
        server:forget_requests()
        server.db:exec("TRUNCATE public.video_embeddings")
        forget()
        body(server.db, function(...)
            return run(shared, server:environment(), "examples/backfill.lua", "--db", "sqlite:demo.sqlite", ...)
        end)
        server:faults()
    end)
end

local function posts()
    local count = 0
    for _, request in ipairs(server and server:requests() or {}) do
        if request.method == "POST" then count = count + 1 end
    end
    return count
end

local function fine(output, status)
    t.equal(status, 0, output)
    t.equal(server.key and output:find(server.key, 1, true), nil, output)
    return output
end

on_server("a backfill stores the range, and repeated it does nothing", function(db, go)
    local function range_of(from, to)
        local read <close> = source(backfill.windows(from, to, "1d", false))
        return embeddings:join(read.data.videos, { left_on = "video_id", right_on = "id", how = "semi" })
    end
    fine(go("--since", "2025-01-03", "--until", "2025-01-06"))
    t.ok(stored(db):equals(range_of("2025-01-03", "2025-01-06")))
    t.equal(#journaled(shared .. "/checkpoints"), 3)
    server:forget_requests()
    local output = fine(go("--since", "2025-01-03", "--until", "2025-01-06"))
    t.ok(output:find("nothing to do", 1, true), output)
    t.equal(#server:requests(), 0)
    -- A longer range does only what is new; --restart does all again.
    output = fine(go(with_range("--log-json")))
    t.ok(output:find('"msg":"done","windows":7', 1, true), output)
    t.ok(stored(db):equals(range_of("2025-01-01", "2025-01-11")))
    t.ok(fine(go(with_range("--log-json", "--restart"))):find('"msg":"done","windows":10,"rows":117', 1, true))
    fine(go(with_range("--undated")))
    t.ok(stored(db):equals(embeddings))
end)

on_server("a backfill goes straight into PostgreSQL too", function(db, go)
    fine(go(with_range("--undated", "--target-dsn", server.dsn)))
    t.ok(stored(db):equals(embeddings))
    t.equal(posts(), 0)
    t.ok(fine(go(with_range("--undated", "--target-dsn", server.dsn))):find("nothing to do", 1, true))
    -- Another target has a journal of its own.
    db:exec("TRUNCATE public.video_embeddings")
    fine(go(with_range("--undated")))
    t.ok(stored(db):equals(embeddings))
end)

on_server("requests of several windows are in flight at once", function(_, go)
    local delay_s = 3
    server:faults({ { match = { method = "POST", after = 1 }, fault = "slow", args = { delay_s = delay_s } } })
    fine(go(with_range("--parallel", "9")))
    -- Those that came before the first one of them was answered. One after the other there would be no second one.
    local times = {}
    for _, request in ipairs(server:requests()) do
        if #request.faults > 0 then times[#times + 1] = request.time end
    end
    local together = 0
    for _, at in ipairs(times) do together = together + (at < math.min(table.unpack(times)) + delay_s and 1 or 0) end
    t.equal(#times, 9)
    t.ok(together >= 3, together .. " of 9 requests were in flight at once")
end)

local function survives(name, rules, expected)
    on_server("a backfill through " .. name, function(db, go)
        server:faults(rules)
        local output, status = go(with_range("--undated", "--batch-size", "10"))
        local fired = 0
        for _, count in ipairs(server:fired()) do fired = fired + count end
        t.ok(fired > 0, "the server misbehaved")
        t.equal(output:find(server.key, 1, true), nil)
        if expected then
            t.equal(status, 1, output)
            t.ok(output:find(expected, 1, true), output)
            local done = #journaled(shared .. "/checkpoints")
            t.ok(done < 11, "the failed window is not done")
            server:faults()
            output = fine(go(with_range("--undated", "--log-json")))
            t.ok(output:find(('"msg":"done","windows":%d'):format(11 - done), 1, true), output)
        else
            t.equal(status, 0, output)
        end
        t.ok(stored(db):equals(embeddings))
    end)
end
local post = { method = "POST", every = 3 }
survives("429 with Retry-After", { { match = post, fault = "429", args = { retry_after = 0.05 } } })
survives("500 and 503", { { match = post, fault = "500" }, { match = { method = "POST", nth = 5 }, fault = "503" } })
survives("57014", { { match = { method = "POST" }, fault = "57014", args = { above_rows = 4 } } })
survives("broken connections", { { match = post, fault = "reset" },
    { match = { method = "POST", nth = 4 }, fault = "applied_then_reset" },
    { match = { method = "POST", nth = 8 }, fault = "short_length" } })
survives("413", { { match = { method = "POST" }, fault = "413", args = { above_rows = 6 } } })
survives("a duplicate key", { { match = { method = "POST", nth = 6 }, fault = "duplicate_key" } }, "HTTP 409")
survives("a token that expires", { { match = { method = "POST", after = 6 }, fault = "expired_token" } }, "expired")

on_server("a table of another dimension is refused before anything is stored", function(db, go)
    db:exec("ALTER TABLE public.video_embeddings ALTER COLUMN embedding TYPE vector(6)")
    local _ <close> = setmetatable({}, { __close = function()
        db:exec("TRUNCATE public.video_embeddings")
        db:exec("ALTER TABLE public.video_embeddings ALTER COLUMN embedding TYPE vector(8)")
    end })
    for _, target in ipairs({ { with_range() }, { with_range("--target-dsn", server.dsn) } }) do
        local output, status = go(table.unpack(target))
        t.equal(status, 1, output)
        t.ok(output:find("holds vectors of 6 numbers, the model gives 8", 1, true), output)
    end
end)
