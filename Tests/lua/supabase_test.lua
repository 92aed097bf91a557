-- A Supabase project by REST: queries and pages by themselves, errors in the server's words, and against the
-- development server in its moods.
local dev_server = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/dev_server.lua")
local fs = require "tt.fs"
local json = require "tt.json"
local log = require "tt.log"
local postgrest = require "tt.postgrest"
local supabase = require "tt.supabase"
local t = require "tt.test"

local null = json.null

-- Runs a function and gives what it raised, and the lines of the log.
local function logged(body, ...)
    local lines = {}
    log.configure { json = true, output = function(line) lines[#lines + 1] = json.decode(line) end }
    local ok, raised = pcall(body, ...)
    log.configure { json = false, output = false }
    return not ok and raised or nil, lines
end

-- ---- queries

local function filter(...) return postgrest.query({ filters = { { ... } } })[1] end

t.test("filters are written as PostgREST reads them", function()
    t.equal(filter("price", "gt", 5), { "price", "gt.5" })
    t.equal(filter("price", "lte", 0.1), { "price", "lte.0.1" })
    t.equal(filter("name", "eq", 'a,b.(c)"d\\'), { "name", 'eq.a,b.(c)"d\\' })
    t.equal(filter("name", "in", { "a,b", 'quote "', 3 }), { "name", [[in.("a,b","quote \"","3")]] })
    t.equal(filter("name", "in", {}), { "name", "in.()" })
    t.equal(filter("name", "not.is", null), { "name", "not.is.null" })
    t.equal(filter("active", "is", true), { "active", "is.true" })
    t.equal(filter("or", { { "a", "eq", "x,y" }, { "and", { { "b", "gt", 1 }, { "c", "is", null } } } }),
        { "or", '(a.eq."x,y",and(b.gt."1",c.is.null))' })
    local query = postgrest.query { select = "id", filters = { { "a", "gte", 1 }, { "a", "lt", 9 } }, order = "id",
        limit = 3 }
    t.equal(query, { { "select", "id" }, { "a", "gte.1" }, { "a", "lt.9" }, { "order", "id" }, { "limit", "3" } })
end)

t.test("mistakes in filters are named", function()
    t.error("did you mean 'like'", filter, "name", "liek", "x")
    t.error("the filter on 'name' cannot compare with a table", filter, "name", "eq", {})
    t.error("cannot compare with a nil", filter, "name", "eq")
end)

t.test("a row stands behind another in the order of any key", function()
    t.equal(postgrest.behind({ "id" }, { "x" }), { { "id", "gt", "x" } })
    local query = postgrest.query { filters = postgrest.behind({ "a", "b", "c" }, { 1, "x", 3 }) }
    t.equal(query, { { "a", "gte.1" },
        { "or", '(a.gt."1",and(a.eq."1",b.gt."x"),and(a.eq."1",b.eq."x",c.gt."3"))' } })
end)

-- ---- pages without a server

local TIMEOUT = { code = "supabase.timeout_57014", message = "canceled", details = {} }

-- A table of the numbers 1..total that a pager reads; `limit` is the server's silent cap.
local function served(total, opts, limit)
    local pager = postgrest.pager("numbers", opts)
    local sizes, rows = {}, {}
    return pager, sizes, rows, function(problem)
        local request = pager:request()
        if not request then return false end
        local asked, first = 0, 0
        for _, pair in ipairs(request.query) do
            if pair[1] == "limit" then asked = tonumber(pair[2]) end
            if pair[1] == "id" then first = tonumber(pair[2]:match("gt%.(%d+)")) end
        end
        sizes[#sizes + 1] = asked
        if problem then
            t.equal(pager:accept({ status = 500, ok = false, headers = {}, body = "" }, problem), nil)
            return true
        end
        local parts = {}
        for id = first + 1, math.min(total, first + math.min(asked, limit or asked)) do
            parts[#parts + 1] = ('{"id":%d}'):format(id)
        end
        local range = request.headers.prefer and ("0-%d/%d"):format(#parts, total - first) or nil
        local page = pager:accept { status = 200, ok = true, headers = { ["content-range"] = range },
            body = "[" .. table.concat(parts, ",") .. "]" }
        for row = 1, page and #page or 0 do rows[#rows + 1] = page.id[row] end
        return true
    end
end

local ID = { key = { "id" }, columns = { { "id", "int64" } }, page_size = 10 }

local function with(more)
    local opts = {}
    for name, value in pairs(ID) do opts[name] = value end
    for name, value in pairs(more) do opts[name] = value end
    return opts
end

t.test("pages end when the total is reached, without one request more", function()
    for _, total in ipairs { 1, 9, 10, 11, 20, 25 } do
        local pager, sizes, rows, step = served(total, ID)
        repeat until not step()
        t.equal({ #rows, rows[#rows], #sizes, pager.total }, { total, total, (total + 9) // 10, total })
    end
    local pager, sizes, _, step = served(0, ID)
    repeat until not step()
    t.equal({ pager.total, pager.received, #sizes }, { 0, 0, 1 })
end)

t.test("a server that gives the same page again is not asked for ever", function()
    local pager = postgrest.pager("numbers & more", ID)
    t.equal(pager:request().url, "/rest/v1/numbers%20%26%20more")
    local answer = { status = 200, ok = true, headers = {}, body = '[{"id":1},{"id":2}]' }
    t.equal(#pager:accept(answer), 2)
    pager:request()
    local raised = t.error("supabase.key", pager.accept, pager, answer)
    t.equal(raised.message,
        "table 'numbers & more': the server gives the same rows again instead of those behind them")
end)

t.test("a server's cap is told once and used from then on", function()
    local pager, sizes, rows, step = served(35, ID, 4)
    local _, lines = logged(function() repeat until not step() end)
    t.equal({ #rows, pager.received, sizes[1], sizes[2], sizes[9] }, { 35, 35, 10, 4, 4 })
    t.equal({ #lines, lines[1].limit, lines[1].asked }, { 1, 4, 10 })
end)

t.test("a statement timeout halves the page, which grows again", function()
    local _, sizes, rows, step = served(300, ID)
    logged(function()
        step()
        step(TIMEOUT)
        step(TIMEOUT)
        repeat until not step()
    end)
    t.equal(#rows, 300)
    t.equal({ table.unpack(sizes, 1, 20) },
        { 10, 10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 8 })
    t.equal(sizes[#sizes], 10)
    local pager, asked, _, fail = served(300, ID)
    local raised = logged(function() repeat fail(TIMEOUT) until false end)
    t.equal({ raised.code, asked, pager.received }, { "supabase.timeout_57014", { 10, 5, 2, 1 }, 0 })
    t.ok(raised.message:find("one row alone, or counting them all, takes too long", 1, true))
end)

t.test("pages go on behind a row, and count what was there before it", function()
    local pager, _, rows, step = served(25, with { after = { 20 }, received = 20 })
    repeat until not step()
    t.equal({ rows, pager.total, pager.received }, { { 21, 22, 23, 24, 25 }, 25, 25 })
end)

t.test("a page that cannot be read, or go on, is an error that names the table", function()
    local function accept(body, opts)
        local pager = postgrest.pager("numbers", opts or ID)
        pager:request()
        return pager:accept { status = 200, ok = true, headers = {}, body = body }
    end
    t.ok(t.error("json.column", accept, '[{"id":"x"}]').message:find("^table 'numbers', behind row 0: "))
    t.error("supabase.key", accept, '[{"id":null}]')
    t.error("json.syntax", accept, '[{"id":1')
    t.error("argument", postgrest.pager, "numbers", { key = { "other" }, columns = { { "id", "int64" } } })
    local _, info = accept('[{"at":"2025-01-31T12:00:00.5+09:00"}]',
        { key = { "at" }, columns = { { "at", "timestamp" } } })
    t.equal(info.after, { "2025-01-31T03:00:00.500000Z" })
end)

t.test("416 is the end", function()
    local pager = postgrest.pager("numbers", ID)
    pager:request()
    t.equal(pager:accept({ status = 416, ok = false, headers = {}, body = "" }, { code = "supabase.rejected" }), nil)
    t.equal(pager:request(), nil)
end)

-- ---- errors

local ANSWERS = {
    -- status, body, code, what the message holds
    { 401, '{"code":"PGRST301","message":"JWT expired","details":null,"hint":null}', "auth",
        { "HTTP 401 PGRST301", "JWT expired", "take a new key" } },
    { 401, '{"message":"Invalid API key","hint":"Double check"}', "auth",
        { "hint: Double check", "service role key" } },
    { 403, '{"code":"42501","message":"permission denied for table x"}', "auth",
        { "permission denied", "grant" } },
    { 404, '{"code":"PGRST205","message":"no table","hint":"Perhaps y"}', "not_found",
        { "hint: Perhaps y", "reload" } },
    { 404, '{"code":"PGRST202","message":"no function"}', "not_found", { "parameters" } },
    { 409, '{"code":"23505","message":"duplicate key","details":"Key (id)=(1) already exists."}', "conflict",
        { "duplicate key; Key (id)=(1)" } },
    { 400, '{"code":"42703","message":"column x.y does not exist"}', "rejected", { "HTTP 400 42703" } },
    { 400, '{"code":"22000","message":"expected 768 dimensions, not 256"}', "rejected", { "migrate the column" } },
    { 500, '{"code":"57014","message":"canceling statement due to statement timeout"}', "timeout_57014",
        { "statement_timeout" } },
    { 413, "<html><head><title>413 Request Entity Too Large</title></head></html>", "too_large",
        { "413 Request Entity Too Large", "send less" } },
    { 503, "", "unavailable", { "no message", "later" } },
    { 400, '{"message":"a\\u001b[2J\\u0007b"}', "rejected", { "a [2J b" } },
    { 429, "slow down", "unavailable", { "slow down" } },
    { 400, '{"statusCode":"404","error":"not_found","message":"Object not found"}', "not_found",
        { "HTTP 404 not_found" } },
    { 400, '{"statusCode":"403","error":"Unauthorized","message":"jwt expired"}', "auth", { "take a new key" } },
    { 418, '["odd"]', "rejected", { "HTTP 418" } },
    { 401, '{"message":"bad token eyJhbGciOi.eyJyb2xl.c2ln and sb_secret_abc"}', "auth", { "bad token *** and ***" } },
}

t.test("errors say what the server said, and what to do", function()
    for _, case in ipairs(ANSWERS) do
        local status, body, code, parts = table.unpack(case)
        local problem = supabase.problem({ status = status, body = body, url = "http://x/y" },
            { method = "POST", url = "/rest/v1/x" })
        t.equal(problem.code, "supabase." .. code, body)
        t.ok(problem.message:find("^POST /rest/v1/x: HTTP "), problem.message)
        for _, part in ipairs(parts) do t.ok(problem.message:find(part, 1, true), problem.message) end
    end
    local problem = supabase.problem { status = 400, url = "http://x", body =
        '{"code":"P0001","message":"no","hint":"h","details":"d"}' }
    t.equal(problem.details, { status = 400, code = "P0001", message = "no", hint = "h", details = "d",
        url = "http://x" })
    t.equal(supabase.problem { status = 206, body = "[]" }, nil)
    local page = supabase.problem { status = 502, body = "<html><title>\n 502  Bad\nGateway </title><p>more" }
    t.equal(page.details.message, "502 Bad Gateway")
    local busy = supabase.problem { status = 503, body = "", headers = { ["retry-after"] = "3600" } }
    t.ok(busy.message:find("try again later; it says Retry-After: 3600)", 1, true), busy.message)
    local long = supabase.problem { status = 500, body = ("日本"):rep(2000) }
    t.ok(#long.message < 1100 and utf8.len(long.message))
end)

t.test("a large answer that is no error message takes no time", function()
    local function seconds(body)
        local started = os.clock()
        supabase.problem { status = 500, body = body }
        return os.clock() - started
    end
    for _, body in ipairs { "<title>" .. (" "):rep(1000000), ("<title>"):rep(200000), ("eyJ"):rep(1000000),
        ("eyJ."):rep(1000000), '{"message":"' .. ("x"):rep(10000000) .. '"}' } do
        t.ok(seconds(body) < 2, body:sub(1, 10))
    end
end)

-- ---- opening

local function opened(url, key) return supabase.open { url = url, key = key, on_retry = function() end } end

t.test("credentials are asked for by name and shown by nobody", function()
    local raised = t.error("usage.credentials", supabase.open, { url = "", key = "k" })
    if not os.getenv("SUPABASE_URL") then t.ok(raised.message:find("SUPABASE_URL", 1, true)) end
    t.error("usage.credentials", supabase.open, { url = "https://x.supabase.co", key = "two words" })
    for _, url in ipairs { "x.supabase.co", "ftp://x", "https://", "https://u:p@x", "https://x?apikey=secret" } do
        local problem = t.error("usage.credentials", opened, url, "k")
        t.equal(problem.message:find("secret", 1, true), nil)
    end
    t.error("has no option 'keys'", supabase.open, { keys = 1 })
    local project = opened(" https://x.supabase.co/rest/v1/\n", "hidden-key")
    t.equal(project:url(), "https://x.supabase.co")
    t.equal(tostring(project), "tt.supabase.Project(https://x.supabase.co)")
    t.equal(next(project), nil)
    project:close()
    t.equal(tostring(project), "tt.supabase.Project(closed)")
    t.error("supabase.closed", project.count, project, "x")
    -- Whatever a key looks like, and whoever repeats it.
    local echo = supabase.problem { status = 401, body = '{"message":"hidden-key is no key","hint":"hidden-key"}' }
    t.equal({ echo.details.message, echo.details.hint }, { "*** is no key", "***" })
    t.equal(echo.message:find("hidden", 1, true), nil)
    local _, lines = logged(opened, "http://db.example", "k")
    t.equal(#lines, 1)
    _, lines = logged(opened, "http://127.0.0.1:54321", "k")
    t.equal(#lines, 0)
end)

t.test("a key tells its role", function()
    local function role(key) return opened("https://x.supabase.co", key):role() end
    t.equal(role("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiIsImlzcyI6InN1cGFiYXNlIn0.c2ln"), "anon")
    t.equal(role("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln"), "service_role")
    t.equal({ role("sb_publishable_x"), role("sb_secret_x") }, { "anon", "service_role" })
    for _, key in ipairs { "plain", "a.b.c", "eyJh.e30.x", "..", "eyJh.bm90IGpzb24.x" } do t.equal(role(key), nil) end
end)

t.test("a key tells until when it is good", function()
    local function expires(key) return opened("https://x.supabase.co", key):expires_at() end
    t.equal(expires("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"), 4102444800000000)
    t.equal(expires("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDAuNX0.c2ln"), 1700000000000000)
    -- No moment, a text for one, one beyond all, and keys that are no tokens.
    for _, key in ipairs { "eyJh.eyJyb2xlIjoiYW5vbiJ9.x", "eyJh.eyJleHAiOiJzb29uIn0.x", "eyJh.eyJleHAiOjFlMzB9.x",
        "sb_secret_x", "plain", "eyJh.bm90IGpzb24.x" } do
        t.equal(expires(key), nil, key)
    end
end)

-- ---- against the development server

local folder <close> = fs.tempdir()
local server <close>, reason = dev_server.start("supabase", fs.join(folder.path, "dev"), "--max-rows 50")
if server then
    server.db:exec([[
        CREATE TABLE items (shop integer, id text, price numeric, note text, PRIMARY KEY (shop, id));
        CREATE FUNCTION add(a integer, b integer) RETURNS integer LANGUAGE sql AS 'SELECT a + b';
        CREATE FUNCTION nothing() RETURNS integer LANGUAGE sql AS 'SELECT NULL::integer';
        GRANT ALL ON items TO service_role;
        NOTIFY pgrst, 'reload schema']])
    server.db:exec([[INSERT INTO items SELECT n / 100, E'k ",\\(' || to_char(n % 100, 'FM000'), n, 'ü' || n
        FROM generate_series(1, 330) AS n]])
end

local function remote(name, body)
    t.test(name, function()
        if not server then t.skip(reason) end
        server:faults {}
        server:forget_requests()
        local project <close> = supabase.open { url = server.url, key = server.key, on_retry = function() end,
            retry = { base_s = 0.01, max_s = 0.05 } }
        body(project)
    end)
end

remote("rows are selected by filters of every kind of value", function(project)
    local function ids(filters)
        local list = {}
        local answer = project:select("items", { select = "id,price", filters = filters, order = "price",
            count = true })
        for index, row in ipairs(json.decode(answer.text)) do list[index] = row.price end
        t.equal({ answer.count, answer.rows }, { #list, #list })
        return list
    end
    t.equal(ids { { "id", "eq", 'k ",\\(007' } }, { 7, 107, 207, 307 })
    t.equal(ids { { "id", "in", { 'k ",\\(007', 'k ",\\(009' } }, { "shop", "eq", 0 } }, { 7, 9 })
    t.equal(ids { { "or", { { "id", "eq", 'k ",\\(007' }, { "price", "gte", 329 } } }, { "shop", "gt", 2 } },
        { 307, 329, 330 })
    t.equal(ids { { "note", "is", null } }, {})
    t.equal(ids { { "note", "like", "ü33*" } }, { 33, 330 })
    t.equal(project:count("items"), 330)
    t.equal(project:count("items", { { "price", "lt", 12 } }, { select = "id" }), 11)
end)

local PAGES = { key = { "shop", "id" }, columns = { { "shop", "int64" }, { "id", "string" }, { "price", "float64" } } }

-- Prices in the order of the pages.
local function paged(project, more)
    local opts, prices = { page_size = more.page_size }, {}
    for name, value in pairs(PAGES) do opts[name] = value end
    for page, info in project:pages("items", opts) do
        for row = 1, #page do prices[#prices + 1] = page.price[row] end
        t.equal(info.received, #prices)
    end
    return prices
end

local function all_prices()
    local list = {}
    for number = 1, 330 do list[number] = number + 0.0 end
    return list
end

remote("pages by a key of two columns give every row once, below the cap and above it", function(project)
    t.equal(paged(project, { page_size = 33 }), all_prices())
    local raised, lines = logged(function() t.equal(paged(project, { page_size = 1000 }), all_prices()) end)
    t.equal({ raised, #lines, lines[1].limit }, { nil, 1, 50 })
    t.equal(#json.decode(project:select("items", { select = "id" }).text), 50)
end)

local FAULTS = {
    { fault = "429", args = { retry_after = 0 } }, { fault = "500" }, { fault = "503" }, { fault = "520" },
    { fault = "reset" }, { fault = "short_length" }, { fault = "applied_then_reset" },
}

for _, rule in ipairs(FAULTS) do
    remote("pages come through " .. rule.fault, function(project)
        server:faults { { match = { path = "/items", every = 3 }, fault = rule.fault, args = rule.args } }
        t.equal(paged(project, { page_size = 40 }), all_prices())
        t.ok(server:fired()[1] >= 3)
    end)
end

remote("statement timeouts of the server make pages smaller", function(project)
    server:faults { { match = { path = "/items" }, fault = "57014", args = { above_rows = 10 } } }
    local raised, lines = logged(paged, project, { page_size = 40 })
    t.equal(raised, nil)
    t.equal({ lines[1].rows, lines[2].rows }, { 20, 10 })
    server:faults { { match = { path = "/items" }, fault = "57014" } }
    raised = logged(paged, project, { page_size = 40 })
    t.equal({ raised.code, raised.details.code, raised.details.status }, { "supabase.timeout_57014", "57014", 500 })
end)

remote("retries are told, once each, without the key", function()
    server:faults { { match = { path = "/items", times = 2 }, fault = "503", args = { retry_after = 0 } } }
    local project <close> = supabase.open { url = server.url, key = server.key, retry = { base_s = 0.01 } }
    local raised, lines = logged(project.count, project, "items")
    t.equal(raised, nil)
    t.equal(#lines, 2)
    t.equal({ lines[1].level, lines[1].why, lines[1].attempt, lines[2].attempt }, { "warn", "HTTP 503", 1, 2 })
    t.ok(lines[1].request:find("/rest/v1/items$"))
    t.equal(json.encode(lines):find(server.key, 1, true), nil)
end)

-- How many requests were answered with a status. The server notes an answer before its last byte leaves.
local function answered(status)
    local count = 0
    for _, request in ipairs(server:requests()) do count = count + (request.status == status and 1 or 0) end
    return count
end

remote("what a retry cannot heal stops at once", function(project)
    local function refused(kind, name, ...)
        server:forget_requests()
        local raised = t.error("supabase." .. kind, project[name], project, ...)
        t.equal(answered(raised.details.status), 1)
        t.equal(tostring(raised):find(server.key, 1, true), nil)
        return raised
    end
    local raised = refused("not_found", "count", "no_items")
    t.equal({ raised.details.status, raised.details.code }, { 404, "PGRST205" })
    t.equal(refused("rejected", "select", "items", { select = "nothing" }).details.code, "42703")
    t.equal(refused("rejected", "select", "items", { filters = { { "shop", "eq", "x" } } }).details.code, "22P02")
    t.equal(refused("not_found", "rpc", "subtract", { a = 1 }).details.code, "PGRST202")
    server:faults { { match = {}, fault = "expired_token" } }
    t.ok(refused("auth", "count", "items").message:find("take a new key", 1, true))
    server:faults {}
    local other <close> = supabase.open { url = server.url, key = "no-key" }
    t.equal(t.error("supabase.auth", other.count, other, "items").details.status, 401)
end)

remote("retries end", function()
    server:faults { { match = { path = "/items" }, fault = "503" } }
    local project <close> = supabase.open { url = server.url, key = server.key, on_retry = function() end,
        retry = { attempts = 3, base_s = 0.01 } }
    t.ok(t.error("supabase.unavailable", project.count, project, "items").message:find("try again later", 1, true))
    t.equal(answered(503), 3)
end)

remote("upserts insert and update, and are repeated when nobody knows whether they came through", function(project)
    local rows = json.encode { { shop = 900, id = "a", price = 1 }, { shop = 900, id = "b", price = 2 } }
    server:faults { { match = { method = "POST", times = 1 }, fault = "applied_then_reset" } }
    project:upsert("items", rows, { on_conflict = "shop,id" })
    project:upsert("items", '[{"shop":900,"id":"b","price":7}]', { on_conflict = "shop,id" })
    t.equal(project:count("items", { { "shop", "eq", 900 } }), 2)
    local answer = project:select("items", { select = "price", filters = { { "id", "eq", "b" } } })
    t.equal(json.decode(answer.text)[1].price, 7)
    t.error("supabase.conflict", project.upsert, project, "items", '[{"shop":900,"id":"b"}]')
    -- Without a key to go by, a repetition could insert twice.
    server:forget_requests()
    server:faults { { match = { method = "POST" }, fault = "503" } }
    t.error("supabase.unavailable", project.upsert, project, "items", '[{"shop":901,"id":"c"}]')
    t.equal(answered(503), 1)
    server.db:exec("DELETE FROM items WHERE shop >= 900")
end)

remote("functions are called", function(project)
    t.equal(project:rpc("add", { a = 2, b = 3 }), 5)
    t.equal(project:rpc("add", { a = 2, b = 3 }, { raw = true }), "5")
    t.equal(project:rpc("nothing"), nil)
    t.equal(project:rpc("add", { a = 2, b = null }), nil)
    server:faults { { match = { method = "POST", times = 2 }, fault = "502" } }
    t.equal(project:rpc("add", { a = 1, b = 1 }, { idempotent = true }), 2)
    server:faults { { match = { method = "POST", times = 1 }, fault = "502" } }
    t.error("supabase.unavailable", project.rpc, project, "add", { a = 1, b = 1 })
end)

remote("several requests run at once and keep what belongs to them", function(project)
    local requests = {}
    for number = 1, 12 do
        requests[number] = { method = "GET", url = "/rest/v1/items", query = postgrest.query { select = "price",
            filters = { { "price", "eq", number } } }, tag = number, allow = { 404 } }
    end
    requests[13] = { method = "GET", url = "/rest/v1/none", tag = 13 }
    local seen = 0
    for request, response in project:each(requests, { parallel = 3 }) do
        local problem = supabase.problem(response, request)
        if request.tag == 13 then
            t.equal(problem.code, "supabase.not_found")
        else
            t.equal(json.decode(response.body)[1].price, request.tag)
        end
        seen = seen + 1
    end
    t.equal(seen, 13)
    local response = project:request { url = "/rest/v1/none", allow = { 404 } }
    t.equal(response.status, 404)
end)
