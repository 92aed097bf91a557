-- The sync against the development server in all its moods, into SQLite and PostgreSQL, from empty and from filled
-- databases: in the end the local tables are complete or as they were, never anything between.
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local dev_server = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/dev_server.lua")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local sql = require("tt.sql")
local supabase = require("tt.supabase")
local sync = require("two_tower.sync.fetch")
local t = require("tt.test")

local root = fs.abspath(arg[0]:match("^(.*)/Tests/lua/") or ".")

local shell = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

local function script(name, ...)
    return shell.words(program, root .. "/lua/" .. name, ...)
end

local folder <close> = fs.tempdir()
local demo = fs.join(folder.path, "demo.sqlite")
capture(script("demo.lua", "--db", "sqlite:" .. demo, "--users", "60", "--videos", "150", "--decisions", "1500"))
local server <close>, reason = dev_server.start("sync", fs.join(folder.path, "dev"), "--seed-from sqlite:"
    .. quote(demo))
local own <close> = databases.open()

-- ---- databases to sync into

local TABLES = { "profiles", "videos", "video_tags", "video_performers", "user_video_decisions" }
local ORDER = { profiles = "user_id", videos = "id", video_tags = "video_id, tag_name",
    video_performers = "video_id, performer_name", user_video_decisions = "user_id, video_id" }

-- All rows as text; nil where there are no tables.
local function contents(db)
    local parts = {}
    for index, name in ipairs(TABLES) do
        local ok, rows = pcall(db.query, db, ("SELECT * FROM %s ORDER BY %s"):format(name, ORDER[name]))
        parts[index] = name .. " " .. (ok and rows:to_json() or "is not there")
    end
    return table.concat(parts, "\n")
end

local function staging_of(db)
    local found = {}
    for _, name in ipairs(db:tables()) do
        if name:find("tt_sync_", 1, true) and not name:find("tt_sync_runs", 1, true) then found[#found + 1] = name end
    end
    return found
end

local KINDS = { "sqlite", "postgresql" }
local made = 0
local filled = {}      -- by kind, a database as it was before the project changed

-- A new database of a kind: empty, or a copy of the filled one. Gives its DSN too.
local function target(kind, is_filled)
    made = made + 1
    if kind == "sqlite" then
        local path = ("%s/target%d.sqlite"):format(folder.path, made)
        if is_filled then fs.copy(filled.sqlite, path) end
        return sql.open("sqlite:" .. path), "sqlite:" .. path
    end
    local dsn = is_filled and own:make("sync_copy", "sync_filled") or own:make("sync_target")
    return sql.open(dsn), dsn
end

local FAST = { attempts = 4, base_s = 0.01, max_s = 0.05 }

local function pull(db, options)
    local opts = { page_size = 100, full = true, say = function() end }
    for name, value in pairs(options or {}) do opts[name] = value end
    local project <close> = supabase.open({ url = opts.url or server.url, key = opts.key or server.key,
        timeout_s = opts.timeout_s, retry = opts.retry or FAST, on_retry = function() end })
    opts.url, opts.key, opts.timeout_s, opts.retry = nil, nil, nil, nil
    sync.run(db, project, opts)
end

-- Runs a sync and gives what it raised, and the messages of the log.
local function pulled(db, options)
    local messages = {}
    log.configure({ json = true, output = function(line) messages[#messages + 1] = json.decode(line).msg end })
    local ok, raised = pcall(pull, db, options)
    log.configure({ json = false, output = false })
    return not ok and raised or nil, table.concat(messages, "\n")
end

local complete = {}    -- by kind, what a sync leaves when nothing disturbs it

local function prepare()
    for _, kind in ipairs(KINDS) do
        if kind == "sqlite" then
            filled.sqlite = folder.path .. "/filled.sqlite"
        else
            filled.postgresql = own:make("sync_filled")
        end
        local db <close> = sql.open(kind == "sqlite" and "sqlite:" .. filled.sqlite or filled.postgresql)
        assert(pulled(db) == nil)
    end
    server.db:exec([[
        DELETE FROM videos WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 10);
        DELETE FROM user_video_decisions WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id LIMIT 3);
        DELETE FROM profiles WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id LIMIT 3);
        UPDATE videos SET title = 'new ' || title, price = 7.25
            WHERE id IN (SELECT id FROM videos ORDER BY id LIMIT 40);
        UPDATE user_video_decisions SET decision_type = 'nope', created_at = '2025-09-01T10:00:00.25Z'
            WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id DESC LIMIT 9);
        DELETE FROM video_tags WHERE video_id IN (SELECT id FROM videos ORDER BY id DESC LIMIT 30)]])
    for _, kind in ipairs(KINDS) do
        local db <close> = target(kind)
        assert(pulled(db) == nil)
        complete[kind] = contents(db)
    end
end
if server then prepare() end

-- A test for each kind of database.
local function on_each(name, body)
    for _, kind in ipairs(KINDS) do
        t.test(("%s (%s)"):format(name, kind), function()
            if not server then t.skip(reason) end
            server:faults({})
            server:forget_requests()
            body(kind)
            server:faults({})
        end)
    end
end

-- ---- misbehaviour

local function paths(table_name) return "^/rest/v1/" .. table_name .. "$" end

local HEALED = {
    { "429 with Retry-After", { match = { path = "/rest/", every = 3 }, fault = "429", args = { retry_after = 0 } } },
    { "500", { match = { path = "/rest/", every = 3 }, fault = "500" } },
    { "503", { match = { path = paths("videos"), every = 2 }, fault = "503" } },
    { "520 of a gateway", { match = { path = "/rest/", every = 4 }, fault = "520" } },
    { "statement timeouts", { match = { path = "/rest/" }, fault = "57014", args = { above_rows = 30 } } },
    { "connections reset half-way", { match = { path = "/rest/", every = 3 }, fault = "reset" } },
    { "answers shorter than announced", { match = { path = "/rest/", every = 3 }, fault = "short_length" } },
    { "slow bytes", { match = { path = "/rest/", every = 5 }, fault = "slow", args = { delay_s = 0.05 } } },
    { "answers that do not come in time", { match = { path = paths("videos"), times = 1 }, fault = "slow",
        args = { delay_s = 10 } }, { timeout_s = 1.5, retry = { attempts = 12, base_s = 0.01, max_s = 0.05 } } },
    { "a silent cap", { match = { path = "/rest/" }, fault = "row_cap", args = { rows = 37 } } },
    { "a cap that changes", { match = { path = "/rest/", every = 2 }, fault = "row_cap", args = { rows = 11 } } },
}

for _, case in ipairs(HEALED) do
    local name, rule, options = table.unpack(case)
    on_each("a sync comes through " .. name, function(kind)
        for _, is_filled in ipairs({ false, true }) do
            server:faults({ rule })
            local db <close> = target(kind, is_filled)
            local raised = pulled(db, options)
            t.equal(raised, nil)
            t.equal(contents(db) == complete[kind], true, "the tables are complete")
            t.equal(staging_of(db), {})
            t.ok(server:fired()[1] > 0, "the fault fired")
        end
    end)
end

local FATAL = {
    { "errors without end", { fault = "500" }, "supabase.unavailable" },
    { "a token that expires", { fault = "expired_token" }, "supabase.auth" },
    { "statement timeouts for one row too", { fault = "57014" }, "supabase.timeout_57014" },
    { "connections that always break", { fault = "reset" }, "http.incomplete" },
    { "answers that always end early", { fault = "short_length" }, "http.incomplete" },
    { "413", { fault = "413" }, "supabase.too_large" },
}

for _, case in ipairs(FATAL) do
    local name, rule, code = table.unpack(case)
    on_each("a sync ends at " .. name .. ", changes nothing, and goes on afterwards", function(kind)
        for _, table_name in ipairs({ "profiles", "user_video_decisions" }) do
            local db <close> = target(kind, true)
            local before = contents(db)
            -- Not at the first page, so that there is something to go on with.
            server:faults({ { match = { path = paths(table_name), after = table_name == "profiles" and 0 or 4 },
                fault = rule.fault } })
            local raised = pulled(db, { retry = { attempts = 2, base_s = 0.01 } })
            t.equal(raised and raised.code, code, tostring(raised))
            t.equal(contents(db) == before, true, "nothing changed")
            server:faults({})
            server:forget_requests()
            t.equal(pulled(db), nil)
            t.equal(contents(db) == complete[kind], true, "the tables are complete")
            t.equal(staging_of(db), {})
            if table_name == "user_video_decisions" then
                -- Four of the fifteen pages were there already; the other tables were only counted again, which may
                -- have taken another try on a connection that the end of the first sync had broken.
                local pages = {}
                for _, request in ipairs(server:requests()) do
                    local which = request.path:match("^/rest/v1/([%l_]+)")
                    pages[which or "other"] = (pages[which or "other"] or 0) + 1
                end
                t.ok(pages.profiles <= 2 and pages.videos <= 2)
                t.ok(pages.user_video_decisions <= 12, "it went on where it stopped")
            end
        end
    end)
end


-- Runs a test that changes the project, and takes the change back.
local function with_changes(name, body)
    on_each(name, function(kind)
        for _, table_name in ipairs({ "profiles", "videos", "user_video_decisions" }) do
            server.db:exec(("CREATE TABLE kept_%s AS TABLE %s"):format(table_name, table_name))
        end
        local ok, raised = xpcall(body, function(problem)
            return type(problem) == "table" and problem or debug.traceback(problem, 2)
        end, kind)
        server:faults({})
        for _, table_name in ipairs({ "profiles", "videos", "user_video_decisions" }) do
            local same = {}
            for column in ORDER[table_name]:gmatch("[%l_]+") do
                same[#same + 1] = ("k.%s = t.%s"):format(column, column)
            end
            local condition = table.concat(same, " AND ")
            server.db:exec(("DELETE FROM %s AS t WHERE NOT EXISTS (SELECT 1 FROM kept_%s AS k WHERE %s)")
                :format(table_name, table_name, condition))
            server.db:exec(("INSERT INTO %s SELECT * FROM kept_%s AS k WHERE NOT EXISTS (SELECT 1 FROM %s AS t "
                .. "WHERE %s)"):format(table_name, table_name, table_name, condition))
            server.db:exec("DROP TABLE kept_" .. table_name)
        end
        if not ok then error(raised, 0) end
    end)
end

local function rows_of(db, table_name)
    return db:query(("SELECT count(*) AS n FROM %s"):format(table_name)).n[1]
end

t.test("answers that never come in time are an error that says what may help", function()
    if not server then t.skip(reason) end
    server:faults({ { match = { path = "/rest/" }, fault = "slow", args = { delay_s = 1 } } })
    local db <close> = target("sqlite", true)
    local before = contents(db)
    local raised = pulled(db, { timeout_s = 0.1, retry = { attempts = 2, base_s = 0.01 } })
    server:faults({})
    t.equal(raised.code, "http.timeout")
    t.ok(raised.message:find("a smaller --page-size", 1, true), raised.message)
    t.equal(contents(db) == before, true, "nothing changed")
end)

with_changes("rows that come while it reads make it read anew", function(kind)
    for _, table_name in ipairs({ "profiles", "videos", "user_video_decisions" }) do
        server:faults({ { match = { path = paths(table_name), nth = 2 }, fault = "insert_while_paging",
            args = { position = "before" } } })
        local db <close> = target(kind, true)
        local raised, messages = pulled(db, { page_size = 20 })
        t.equal(raised, nil)
        t.equal(server:fired()[1], 1)
        t.ok(messages:find("changed while it was read", 1, true), messages)
        t.equal(rows_of(db, table_name), rows_of(server.db, table_name))
    end
end)

with_changes("rows that come without end are an error with numbers", function(kind)
    server:faults({ { match = { path = paths("user_video_decisions") }, fault = "insert_while_paging" } })
    local db <close> = target(kind, true)
    local before = contents(db)
    local raised = pulled(db)
    t.equal(raised.code, "sync.incomplete")
    t.equal({ raised.details.table, raised.details.after > raised.details.before }, { "user_video_decisions", true })
    t.ok(raised.message:find("table 'user_video_decisions': the server counted %d+ rows before, gave %d+, and counted "
        .. "%d+ after, at the last of 3 attempts"), raised.message)
    t.equal(contents(db) == before, true, "nothing changed")
end)

with_changes("a table in use holds still when what comes after the beginning is left out", function(kind)
    server:faults({ { match = { path = paths("user_video_decisions") }, fault = "insert_while_paging" } })
    local db <close> = target(kind, true)
    t.equal(pulled(db, { live = true }), nil)
    t.ok(server:fired()[1] > 10)
    t.equal(contents(db) == complete[kind], true, "the tables are as they were when the sync began")
    server:faults({})
    -- What is newer than the beginning was not asked for, so it is not taken for deleted; what is older is.
    t.equal(pulled(db), nil)
    local rows = rows_of(db, "user_video_decisions")
    t.equal(rows, rows_of(server.db, "user_video_decisions"))
    local newest = "(SELECT user_id FROM profiles ORDER BY user_id DESC LIMIT 5)"
    for _, where in ipairs({ db, server.db }) do
        where:exec("UPDATE profiles SET created_at = '2999-01-01T00:00:00Z' WHERE user_id IN " .. newest)
    end
    server.db:exec("DELETE FROM profiles WHERE user_id IN (SELECT user_id FROM profiles ORDER BY user_id LIMIT 2)")
    t.equal(pulled(db, { live = true }), nil)
    t.equal(rows_of(db, "profiles"), rows_of(server.db, "profiles"))
    server.db:exec("UPDATE profiles AS p SET created_at = k.created_at FROM kept_profiles AS k "
        .. "WHERE k.user_id = p.user_id")
end)

with_changes("a table that changed since an interruption is read anew", function(kind)
    local db <close> = target(kind)
    server:faults({ { match = { path = paths("user_video_decisions"), after = 6 }, fault = "500" } })
    t.equal(pulled(db, { retry = { attempts = 1 } }).code, "supabase.unavailable")
    server:faults({})
    server.db:exec("DELETE FROM user_video_decisions WHERE user_id = (SELECT min(user_id::text)::uuid FROM profiles)")
    server.db:exec("INSERT INTO profiles VALUES ('00000000-0000-4000-8000-000000000001', 'new', now())")
    local raised, messages = pulled(db)
    t.equal(raised, nil)
    t.ok(messages:find("going on with an interrupted sync", 1, true), messages)
    t.ok(messages:find("changed since the interrupted sync", 1, true), messages)
    t.equal({ rows_of(db, "user_video_decisions"), rows_of(db, "profiles"), rows_of(db, "videos") },
        { rows_of(server.db, "user_video_decisions"), rows_of(server.db, "profiles"), rows_of(server.db, "videos") })
end)

-- ---- going on, or not

-- A sync that stops in the middle of decisions.
local function interrupted(db, options)
    server:faults({ { match = { path = paths("user_video_decisions"), after = 6 }, fault = "500" } })
    local raised, messages = pulled(db, options)
    t.equal(raised and raised.code, "supabase.unavailable")
    server:faults({})
    server:forget_requests()
    return messages
end

on_each("a sync of other options, of another project, or a day later starts anew", function(kind)
    local db <close> = target(kind)
    local anew = "starting anew"
    interrupted(db, { retry = false })
    t.equal(interrupted(db, { retry = false }):find(anew, 1, true), nil)
    t.ok(interrupted(db, { retry = false, full = false }):find("other options", 1, true))
    local elsewhere = server.url .. "/"
    t.equal(interrupted(db, { retry = false, url = elsewhere, full = false }):find(anew, 1, true), nil)
    elsewhere = server.url:gsub("127%.0%.0%.1", "localhost")
    t.ok(interrupted(db, { retry = false, url = elsewhere }):find("another project", 1, true))
    t.ok(interrupted(db, { retry = false, since = 0 }):find("other options", 1, true))
    interrupted(db, { retry = false })
    t.ok(interrupted(db, { retry = false, restart = true }):find("forgotten", 1, true))
    db:exec("UPDATE tt_sync_state SET started_at = '2025-01-01T00:00:00Z'")
    t.ok(interrupted(db, { retry = false }):find("older than a day", 1, true))
    db:exec("ALTER TABLE profiles ADD COLUMN more integer")
    t.equal(interrupted(db, { retry = false }):find(anew, 1, true), nil)
    db:exec("ALTER TABLE videos DROP COLUMN director")
    t.ok(interrupted(db, { retry = false }):find("other tables", 1, true))
    t.equal(pulled(db), nil)
    t.equal(staging_of(db), {})
end)

on_each("a page that was lost from the staging tables is noticed", function(kind)
    local db <close> = target(kind, true)
    local before = contents(db)
    interrupted(db, { retry = false })
    db:exec("DELETE FROM tt_sync_videos WHERE id IN (SELECT id FROM tt_sync_videos ORDER BY id LIMIT 1)")
    t.equal(pulled(db).code, "sync.state")
    t.equal(contents(db):match("\nvideos.-\n"), before:match("\nvideos.-\n"))
    t.equal(pulled(db, { restart = true }), nil)
    t.equal(contents(db) == complete[kind], true)
end)

t.test("only one sync runs into a database", function()
    if not server then t.skip(reason) end
    for _, kind in ipairs(KINDS) do
        local db <close>, dsn = target(kind, true)
        local other <close> = sql.open(dsn)
        local inner
        pull(db, { say = function() inner = inner or pulled(other) end })
        t.equal(inner and inner.code, "sync.busy", tostring(inner))
        t.equal(contents(db) == complete[kind], true)
        t.equal(pulled(other), nil)
    end
end)

-- ---- since

with_changes("an incremental sync fetches what was created since, with an overlap, and deletes nothing", function(kind)
    local db <close> = target(kind, true)
    local function fetched(options)
        local rows = {}
        options.full, options.say = false, function(message, fields)
            if message == "read" then rows[fields[1][2]] = fields[2][2] end
        end
        t.equal(pulled(db, options), nil)
        return { rows.profiles, rows.videos, rows.user_video_decisions }
    end
    server.db:exec([[
        INSERT INTO profiles VALUES ('00000000-0000-4000-8000-000000000001', 'a', '2030-01-01T11:30:00Z'),
            ('00000000-0000-4000-8000-000000000002', 'b', '2030-01-01T10:30:00Z'),
            ('00000000-0000-4000-8000-000000000003', 'c', NULL)]])
    local noon = tt.time.parse("2030-01-01T12:00:00Z")
    local before = rows_of(db, "profiles")
    t.equal(fetched({ since = noon }), { 1, 0, 0 })
    t.equal(fetched({ since = noon, overlap = tt.time.duration("2h") }), { 2, 0, 0 })
    t.equal(rows_of(db, "profiles"), before + 2)
    -- The newest sync of this project was begun now, long before 2030.
    t.equal(fetched({ since = "last" }), { 2, 0, 0 })
    t.equal(rows_of(db, "tt_sync_runs") >= 4, true)
    db:exec("UPDATE tt_sync_runs SET source = 'https://other.supabase.co'")
    t.equal(fetched({ since = "last" })[1], rows_of(server.db, "profiles"))
end)

-- ---- the scripts

t.test("pipeline.lua fetches, then trains on what it has fetched", function()
    if not server then t.skip(reason) end
    server:faults({})
    local place <close> = fs.tempdir()
    local output, status = capture(("cd %s && %s %s"):format(quote(place.path), server:environment(),
        script("pipeline.lua", "--db", "sqlite:new.sqlite", "--fetch-remote", "--full", "--page-size", "400",
            "--version", "one", "--set", "training.epochs=1", "--set", "artifacts.embedding_dim=4")))
    t.equal(status, 0, output)
    t.ok(output:find("stage=fetch.*stage=train.*stage=manifest"), output)
    t.equal(output:find(server.key, 1, true), nil)
    t.equal(fs.exists(place.path .. "/artifacts/manifest.json"), true)
    output, status = capture(("cd %s && %s %s"):format(quote(place.path), server:environment(),
        script("pipeline.lua", "--db", "sqlite:new.sqlite", "--fetch-remote", "--full", "--since", "last")))
    t.equal({ status, output:find("exclude each other", 1, true) ~= nil }, { 2, true }, output)
end)

t.test("a failing fetch stops the pipeline and names the stage; its lines are JSON when asked for", function()
    if not server then t.skip(reason) end
    server:faults({ { match = { path = "/rest/" }, fault = "expired_token" } })
    local place <close> = fs.tempdir()
    local output, status = capture(("cd %s && %s %s"):format(quote(place.path), server:environment(),
        script("pipeline.lua", "--db", "sqlite:new.sqlite", "--fetch-remote", "--log-json")))
    server:faults({})
    t.equal(status, 1)
    t.ok(output:find("stage 'fetch': GET /rest/v1/", 1, true), output)
    t.ok(output:find("JWT expired", 1, true))
    local failure
    for line in output:gmatch("{[^\n]+}") do
        local ok, entry = pcall(json.decode, line)
        if ok and entry.level == "error" then failure = entry end
    end
    t.equal({ failure.stage, failure.code }, { "fetch", "supabase.auth" })
    t.equal(fs.exists(place.path .. "/checkpoints"), false)
end)
