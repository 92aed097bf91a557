-- tt.http: requests against a server on this machine, which needs python3.
local t = require "tt.test"
local http = require "tt.http"
local fs = require "tt.fs"
local hash = require "tt.hash"

local folder = arg[0]:match("^(.*)/[^/]*$") or "."
local shell = dofile(folder .. "/support/shell.lua")
local quote, program = shell.quote, shell.program

local pipe, base
-- The server's URL; started by the first test that needs it.
local function server()
    if base then return base end
    if not os.execute("command -v python3 >/dev/null") then t.skip("python3 is not installed") end
    pipe = assert(io.popen("exec python3 " .. quote(folder .. "/support/http_server.py")))
    base = "http://127.0.0.1:" .. pipe:read("l")
    return base
end

local function client(opts)
    opts = opts or {}
    opts.base_url = server()
    opts.proxy = ""
    opts.retry = opts.retry == nil and { base_s = 0.001 } or opts.retry
    return http.client(opts)
end

local function message(...)
    local ok, raised = pcall(...)
    t.equal(ok, false)
    return raised.message
end

t.test("texts and pairs are encoded", function()
    t.equal(http.escape("a-._~ /é\0"), "a-._~%20%2F%C3%A9%00")
    t.equal(http.query { { "b", 2 }, { "a", "x&y" }, { "b", true } }, "b=2&a=x%26y&b=true")
    t.equal(http.query { b = 1.5, a = "é" }, "a=%C3%A9&b=1.5")
    t.equal(http.query {}, "")
    t.equal(message(http.query, { { "a" } }),
        "bad argument #1 to 'query' (field '[1][2]': string, number or boolean expected)")
    t.equal(message(http.query, { a = {} }),
        "bad argument #1 to 'query' (field 'a': string, number or boolean expected)")
end)

t.test("a request and its answer", function()
    local c <close> = client { headers = { ["X-Client"] = "c", ["X-Both"] = 1 }, user_agent = "mine/2" }
    local r = c:request { method = "POST", url = "/echo?z=0", query = { { "b", 1 }, { "a", "ü" } },
        headers = { ["x-both"] = "r" }, body = "\0\xff" }
    t.equal(r.status, 200)
    t.equal(r.ok, true)
    t.equal(r.url, base .. "/echo?z=0&b=1&a=%C3%BC")
    t.equal(r.http_version, "1.1")
    t.equal(r.attempts, 1)
    t.ok(r.seconds > 0 and r.seconds < 60)
    t.equal(r.headers["content-type"], "application/json")
    t.equal(r.sha256, nil)
    t.equal(r.nonsense, nil)
    t.equal(tostring(r), "tt.HTTPResponse (200, " .. #r.body .. " bytes)")
    local echo = r:json()
    t.equal(echo.method, "POST")
    t.equal(echo.target, "/echo?z=0&b=1&a=%C3%BC")
    t.equal(echo.body, "\0ÿ")
    t.equal(echo.headers["x-client"], "c")
    t.equal(echo.headers["x-both"], "r")
    t.equal(echo.headers["user-agent"], "mine/2")
    t.equal(echo.headers["content-type"], nil)
end)

t.test("methods by name, on a client and without", function()
    local c <close> = client()
    for _, name in ipairs { "get", "post", "put", "patch", "delete" } do
        t.equal(c[name](c, "/echo"):json().method, name:upper())
        t.equal(http[name](base .. "/echo", { proxy = "" }):json().method, name:upper())
    end
    t.equal(c:head("/echo").body, "")
    t.equal(http.head(base .. "/echo", { user_agent = "x" }).status, 200)
    t.equal(http.request({ method = "OPTIONS", url = base .. "/echo" }):json().method, "OPTIONS")
end)

t.test("bodies as JSON, as a form, from a file", function()
    local c <close> = client()
    local echo = c:post("/echo", { json = { a = 1, b = tt.json.null } }):json()
    t.equal(echo.body, '{"a":1,"b":null}')
    t.equal(echo.headers["content-type"], "application/json")
    echo = c:post("/echo", { json = false, headers = { ["content-type"] = "x/y" } }):json()
    t.equal(echo.headers["content-type"], "x/y")
    echo = c:put("/echo", { form = { { "a", "1 2" }, { "b", "é" } } }):json()
    t.equal(echo.body, "a=1%202&b=%C3%A9")
    t.equal(echo.headers["content-type"], "application/x-www-form-urlencoded")
    local path = fs.join(t.tmpdir(), "a")
    fs.write(path, "0123456789")
    t.equal(c:put("/echo", { file = path }):json().body, "0123456789")
    t.equal(c:put("/echo", { file = path, file_offset = 3, file_length = 4 }):json().body, "3456")
    t.error("http.file", c.put, c, "/echo", { file = path, file_offset = 11 })
    t.error("fs.not_found", c.put, c, "/echo", { file = path .. "x" })
end)

t.test("answers are saved, limited and hashed", function()
    local c <close> = client { max_body = 1000 }
    local path = fs.join(t.tmpdir(), "data")
    local r = c:get("/data/100000", { save = path, sha256 = true })
    t.equal(r.body, nil)
    t.equal(r.sha256, hash.sha256_file(path))
    t.equal(#fs.read(path), 100000)
    t.equal(tostring(r), "tt.HTTPResponse (200)")
    t.error("http.no_body", r.json, r)
    local e = t.error("http.too_large", c.get, c, "/data/1001")
    t.equal(e.message, "GET " .. base .. "/data/1001: the body of the answer is larger than 1000 bytes (max_body)")
    t.equal(#c:get("/data/1001", { max_body = 1001 }).body, 1001)
    t.equal(c:get("/status/404", { save = path }).body, "status 404")
    t.error("http.incomplete", c.get, c, "/short", { save = path, retry = false })
    t.equal(#fs.read(path), 100000)
    t.equal(fs.list(fs.dirname(path)), { "data" })
end)

t.test("a status is no error; json names the URL when there is none", function()
    local c <close> = client()
    local r = c:get("/status/404?token=hidden")
    t.equal(r.status, 404)
    t.equal(r.ok, false)
    local e = t.error("json.syntax", r.json, r)
    t.ok(e.message:find(base .. "/status/404?token=***:1:", 1, true), e.message)
end)

t.test("retries, and the functions they call", function()
    local notices = {}
    local c <close> = client {
        retry = { attempts = 4, base_s = 0.001, max_s = 0.01 },
        on_retry = function(notice) notices[#notices + 1] = notice end,
    }
    local r = c:get("/flaky/2/a?key=hidden")
    t.equal(r.body, "at last")
    t.equal(r.attempts, 3)
    t.equal(#notices, 2)
    for i, notice in ipairs(notices) do
        t.ok(notice.wait_s >= 0 and notice.wait_s <= 0.01)
        notice.wait_s = nil
        t.equal(notice, { method = "GET", url = base .. "/flaky/2/a?key=***", attempt = i, status = 503 })
    end
    notices = {}
    local e = t.error("http.incomplete", c.get, c, "/short")
    t.equal(e.details, { method = "GET", url = base .. "/short", attempts = 4 })
    t.equal(#notices, 3)
    t.equal(notices[3].code, "http.incomplete")
    t.ok(notices[3].message:find("before the answer was whole", 1, true))

    -- What only announces an answer is none.
    for _, status in ipairs { 100, 101, 103 } do
        e = t.error("http.incomplete", c.get, c, "/interim/" .. status)
        t.equal(e.details.attempts, 4)
    end
    t.equal(t.error("http.failed", c.get, c, "/upgrade").message,
        ("GET %s/upgrade: what came is no HTTP answer: its status is 101"):format(base))

    t.equal(c:post("/flaky/1/b").status, 503)
    t.equal(c:post("/flaky/1/c", { idempotent = true }).status, 200)
    t.equal(c:get("/flaky/1/d", { retry = false }).status, 503)
    t.equal(c:get("/flaky/2/e", { retry = { attempts = 2 } }).status, 503)
    local busy = c:get("/busy", { retry = { max_wait_s = 59 } })
    t.equal(busy.status, 503)
    t.equal(busy.attempts, 1)
end)

t.test("retry_when decides about answers", function()
    local c <close> = client()
    local seen = {}
    local function when(answer)
        return function(response)
            seen[#seen + 1] = response.status .. " " .. response.body
            return answer
        end
    end
    t.equal(c:get("/status/404", { retry_when = when(true), retry = { attempts = 3 } }).attempts, 3)
    t.equal(seen, { "404 status 404", "404 status 404" })
    t.equal(c:get("/flaky/1/f", { retry_when = when(false) }).status, 503)
    t.equal(c:get("/flaky/1/g", { retry_when = when(nil) }).status, 200)
    t.equal(message(c.get, c, "/flaky/1/h", { retry_when = when(1) }),
        "bad result of a function (result 1: boolean expected, got number)")
end)

t.test("an error in a function goes through as it is", function()
    local thrown = { "mine" }
    local c <close> = client { on_retry = function() error(thrown) end }
    local ok, raised = pcall(c.get, c, "/flaky/1/i")
    t.equal(ok, false)
    t.ok(raised == thrown)
    ok, raised = pcall(c.get, c, "/status/400", { retry_when = function() error(thrown) end })
    t.equal(ok, false)
    t.ok(raised == thrown)
    -- The client can be used in there, and after it.
    local d <close> = client { on_retry = function() t.equal(c:get("/status/200").status, 200) end }
    t.equal(d:get("/flaky/1/j").status, 200)
    local inner
    local e <close> = client { on_retry = function() inner:get("/status/200") end }
    inner = e
    t.equal(e:get("/flaky/1/k").status, 200)
end)

t.test("several at once", function()
    local c <close> = client()
    local requests = {}
    for i = 1, 20 do requests[i] = { url = "/echo", query = { i = i }, tag = { number = i } } end
    requests[7].url = "/flaky/2/l"
    local seen, count = {}, 0
    for request, response in c:each(requests, { parallel = 5 }) do
        t.equal(response.status, 200)
        t.ok(request == requests[request.tag.number], "the table as it was given")
        t.equal(seen[request.tag.number], nil)
        seen[request.tag.number] = true
        count = count + 1
    end
    t.equal(count, 20)

    -- A function gives requests when there is room for them.
    local given = 0
    local answers = 0
    for _, response in c:each(function()
        given = given + 1
        if given <= 10 then return { url = "/status/200" } end
    end, { parallel = 3 }) do
        t.equal(response.ok, true)
        answers = answers + 1
        t.ok(given <= answers + 3)
    end
    t.equal(answers, 10)
    for _ in c:each {} do t.ok(false) end
end)

t.test("leaving the loop ends what is under way", function()
    local c <close> = client()
    local function endless() return { url = "/hang" } end
    local requests = { { url = "/status/200" }, { url = "/hang" }, { url = "/hang" } }
    local start = tt.time.monotonic()
    local first = 0
    for _ in c:each(requests) do
        first = first + 1
        if first == 1 then break end
    end
    local ok, raised = pcall(function() for _ in c:each(requests) do error("stop", 0) end end)
    t.equal(ok, false)
    t.equal(raised, "stop")
    local answers = c:each(endless)
    answers:close()
    t.equal(answers(), nil)
    do
        local d <close> = client()
        answers = d:each { { url = "/status/200" }, { url = "/hang" } }
        t.ok(answers())
    end
    t.error("http.closed", answers)
    t.equal(c:get("/status/200").status, 200)
    t.ok(tt.time.monotonic() - start < 20)
end)

t.test("a loop that is ended by a function of its own request sends nothing more", function()
    local c <close> = client()
    local answers
    local asked = 0
    answers = c:each { { url = "/status/503", retry_when = function()
        asked = asked + 1
        answers:close()
        return true
    end } }
    t.equal(answers(), nil)
    -- The time of another request would be enough for the retry.
    t.equal(c:get("/flaky/3/ended").status, 200)
    t.equal(asked, 1)
end)

t.test("an error in the loop names its request", function()
    local c <close> = client { retry = false }
    local e = t.error("http.incomplete", function()
        for _ in c:each { { url = "/hang" }, { url = "/short?sig=hidden" } } do t.ok(false) end
    end)
    t.equal(e.details.url, base .. "/short?sig=***")
    t.equal(message(function() for _ in c:each { { url = "/echo" }, { urk = "/" } } do t.ok(true) end end),
        "request 2: unknown option 'urk' (did you mean 'url'?)")
    t.equal(message(function() for _ in c:each { { url = "/echo" }, "/" } do t.ok(true) end end),
        "request 2: a request is a table, as in {url = '/x'}")
    t.equal(message(function() for _ in c:each(function() return { url = 1 } end) do t.ok(true) end end),
        "request 1: field 'url': string expected, got number")
    local thrown = {}
    local ok, raised = pcall(function() for _ in c:each(function() error(thrown) end) do t.ok(false) end end)
    t.ok(not ok and raised == thrown)
end)

t.test("redirects", function()
    local c <close> = client { headers = { apikey = "s" } }
    local r = c:get("/redirect?/echo")
    t.equal(r.url, base .. "/echo")
    t.equal(r:json().headers.apikey, "s")
    r = c:get("/redirect?http://localhost:" .. base:match("%d+$") .. "/echo")
    t.equal(r:json().headers.apikey, nil)
    t.equal(c:get("/redirect?/echo", { redirects = 0 }).status, 302)
    t.error("http.redirect", c.get, c, "/redirect?/redirect?/echo", { redirects = 1 })
    t.error("http.redirect", c.get, c, "/redirect?file:///etc/passwd")
end)

t.test("arguments are checked", function()
    t.equal(message(http.client, { time_out_s = 1 }),
        "bad argument #1 to 'client' (unknown option 'time_out_s' (did you mean 'timeout_s'?))")
    for name, wrong in pairs {
        timeout_s = { 0, -1, 0 / 0, 1e300, "x" }, connect_timeout_s = { 0 }, idle_timeout_s = { 0 },
        max_body = { -1, 1.5 },
        redirects = { -1, 101 }, retry = { 1, { attempts = 0 }, { base_s = -1 }, { wait = 1 }, { statuses = "x" } },
        headers = { 1, { "x" }, { x = {} } }, http2 = { 1 }, on_retry = { 1 }, base_url = { 1 },
    } do
        for _, value in ipairs(wrong) do t.error("argument", http.client, { [name] = value }) end
    end
    t.error("http.url", http.client, { base_url = "no url" })
    t.error("http.header", http.client, { headers = { ["a b"] = "x" } })
    t.error("http.header", http.client, { user_agent = "x\r\ny: z" })
    local c <close> = http.client { base_url = "http://127.0.0.1:1" }
    for _, spec in ipairs {
        {}, { url = 1 }, { url = "/", method = "get" }, { url = "/", method = "" }, { url = "/", method = "CONNECT" },
        { url = "/", body = "x" }, { url = "/", method = "POST", body = "x", json = 1 }, { url = "/", file_offset = 1 },
        { url = "/", method = "PUT", body = 1 }, { url = "/", query = "x" }, { url = "/", save = 1 },
        { url = "/", retry_when = 1 },
    } do
        t.error("argument", c.request, c, spec)
    end
    t.equal(message(function() c:request { url = "/", method = "POST", body = "x", form = {} } end),
        "bad argument #1 to 'request' (only one of body, form can be the body)")
    t.error("http.header", c.get, c, "/", { headers = { x = "a\nb" } })
    t.error("http.url", c.get, c, "/ x")
    t.error("http.url", c.get, c, "file:///etc/passwd")
    t.equal(message(http.get, "/x"),
        "'/x' is no absolute URL, as in 'https://example.com/path', and the client has no base_url")
    t.equal(message(function() c:each(1) end), "bad argument #1 to 'each' (list of requests or function expected)")
    t.error("argument", c.each, c, {}, { parallel = 0 })
    c:close()
    t.equal(tostring(c), "tt.HTTPClient (closed)")
    t.error("http.closed", c.get, c, "/")
end)

t.test("secrets are in no message", function()
    local c <close> = http.client { retry = false, proxy = "" }
    for _, url in ipairs {
        "http://user:hidden@127.0.0.1:1/x?apikey=hidden&a=1", "http://127.0.0.1:1/?access_token=hidden#hidden",
        "ftp://user:hidden@h/", "http://user:hidden@/", "http://h/ ?password=hidden",
    } do
        local ok, raised = pcall(c.get, c, url, { headers = { Authorization = "hidden" } })
        t.equal(ok, false)
        t.equal(raised.code:match("^http%."), "http.")
        local text = tostring(raised) .. tt.json.encode(raised.details)
        t.ok(not text:find("hidden", 1, true) and not text:find("user", 1, true), text)
    end
    local ok, raised = pcall(http.get, "http://127.0.0.1:1/", { proxy = "nonsense://user:hidden@h:1", retry = false })
    t.equal(ok, false)
    t.ok(not tostring(raised):find("hidden", 1, true), tostring(raised))
end)

-- Runs code that asks the server for a path and waits, interrupts it then, and gives its output, status and how long it
-- took to end.
local function interrupt(code, path)
    local c <close> = client()
    local function asked() return tonumber(c:get("/asked" .. path).body) end
    local before, mark = asked(), fs.join(t.tmpdir(), "asked")
    local script = shell.AWAIT .. string.format([[
        %s -e %s & pid=$!
        await %s; start=$(date +%%s%%N); kill -INT $pid; wait $pid; status=$?
        echo "$(( ($(date +%%s%%N) - start) / 1000000 )) $status"]], quote(program), quote(code), quote(mark))
    local running = assert(io.popen("exec 2>&1\n" .. script))
    local deadline = tt.time.monotonic() + 120
    while asked() == before and tt.time.monotonic() < deadline do tt.time.sleep(0.01) end
    fs.write(mark, "")
    local text, taken, status = running:read("a"):match("^(.*)\n(%d+) (%d+)\n$")
    running:close()
    return text, tonumber(status), tonumber(taken)
end

t.test("Ctrl-C ends a request, a pause and a loop at once", function()
    server()
    local path = fs.join(t.tmpdir(), "saved")
    for _, case in ipairs {
        { "get", "tt.http.get('%s/hang', {save = '" .. path .. "'})" },
        { "get", "tt.http.get('%s/busy', {retry = {max_wait_s = 100}})" },
        { "__call", "local c <close> = tt.http.client{base_url = '%s'} for _ in c:each{{url = '/hang'}} do end" },
    } do
        local text, status, taken = interrupt(case[2]:format(base), case[2]:match("/hang") or "/busy")
        t.equal(status, 130, text)
        t.ok(text:find("^tt: %(command line%):1: interrupted\nstack traceback:\n"), text)
        t.ok(text:find(case[1] == "get" and "in function 'tt.http.get'" or "'tt.HTTPAnswers:__call'", 1, true), text)
        -- By itself it would take a minute.
        t.ok(taken < 20000, "it took " .. taken .. " ms")
        t.equal(fs.list(fs.dirname(path)), {})
    end
end)

t.test("a script without requests does not load libcurl", function()
    local function loaded(code)
        return (shell.capture(shell.words(program, "-e", code
            .. " for line in io.lines('/proc/self/maps') do if line:find('libcurl') then print('yes') break end end")))
    end
    t.equal(loaded("local h = tt.http.escape('x')"), "")
    t.equal(loaded("tt.http.client():close()"), "yes\n")
end)

if pipe then pipe:close() end
