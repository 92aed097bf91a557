local t = require "tt.test"
local json = require "tt.json"
local log = require "tt.log"

-- Runs `body` and gives the lines it logged.
local function lines(settings, body)
    local got = {}
    settings.output = function(line) got[#got + 1] = line end
    settings.clock = settings.clock or function() return 1738324800120000 end
    log.configure(settings)
    local ok, problem = pcall(body)
    log.configure { json = false, level = "info", output = false, clock = false }
    if not ok then error(problem, 0) end
    return got
end

local stamp = os.date("%H:%M:%S", 1738324800)

t.test("lines for people", function()
    local got = lines({}, function()
        log.info("wrote file", { path = "a.onnx", rows = 5, seconds = 0.123456789, note = 'two "words"', empty = "" })
        log.warn("odd")
        log.error("failed", { list = { 1, 2 }, none = json.null, flag = false, nan = 0 / 0 })
        log.debug("left out")
    end)
    t.equal(got, {
        stamp .. ' info  wrote file  empty="" note="two \\"words\\"" path=a.onnx rows=5 seconds=0.123457',
        stamp .. " warn  odd",
        stamp .. " error failed  flag=false list=[1,2] nan=" .. tostring(0 / 0) .. " none=null",
    })
end)

t.test("lines for machines", function()
    local got = lines({ json = true }, function()
        log.info("wrote file", { rows = 5, path = "a b", inner = { x = 1.5 }, level = "mine" })
        log.info("ordered", json.object { { "b", 1 }, { "a", 2 } })
        log.info("odd values", { bad = 1 / 0, fn = json.null })
    end)
    t.equal(got, {
        '{"ts":"2025-01-31T12:00:00.120000Z","level":"info","msg":"wrote file",'
            .. '"inner":{"x":1.5},"level_":"mine","path":"a b","rows":5}',
        '{"ts":"2025-01-31T12:00:00.120000Z","level":"info","msg":"ordered","b":1,"a":2}',
        '{"ts":"2025-01-31T12:00:00.120000Z","level":"info","msg":"odd values","bad":"inf","fn":null}',
    })
end)

t.test("secrets are hidden by name and inside connection strings", function()
    local got = lines({}, function()
        log.info("connect", {
            dsn = "postgresql://me:hunter2@host/db?password=hunter2", api_key = "hunter2", Authorization = "hunter2",
            serviceRoleKey = "hunter2", token = 5, tokens = 5, monkey = "fine", has_password = true,
            inner = { secret = "hunter2", ok = 1 },
        })
        log.info("host=a password=hunter2 dbname=b")
    end)
    t.equal(got, {
        stamp .. " info  connect  Authorization=*** api_key=*** dsn=\"postgresql://me:***@host/db?password=***\" "
            .. 'has_password=true inner={"ok":1,"secret":"***"} monkey=fine serviceRoleKey=*** token=*** tokens=5',
        stamp .. " info  host=a password=*** dbname=b",
    })
    t.equal(log.masked("postgres://u:p%40ss@h/d and postgres://u@h/d"), "postgres://u:***@h/d and postgres://u@h/d")
    t.equal(log.masked("postgres://u:p@ss@h/d?x=a@b"), "postgres://u:***@h/d?x=a@b")
    t.equal(#log.masked(("x"):rep(1000000)), 1000000)
    t.equal(log.masked("password = 'a b' user=x"), "password = *** user=x")
    t.equal(log.masked([[password='it\'s all' user=x sslpassword=a\ b\\ c]]), "password=*** user=x sslpassword=*** c")
    t.equal(log.masked("password='no end user=x"), "password=***")
    t.equal(log.masked("password= x user=x password="), "password= *** user=x password=")
    t.equal(log.masked("a?password=x&b=password=y, z"), "a?password=***&b=password=*** z")
    t.equal(log.masked(log.masked("password=x y")), "password=*** y")
end)

t.test("levels leave lines out", function()
    local function all()
        log.debug("d")
        log.info("i")
        log.warn("w")
        log.error("e")
    end
    t.equal(#lines({ level = "debug" }, all), 4)
    t.equal(#lines({ level = "error" }, all), 1)
    t.error("argument", log.configure, { level = "loud" })
    t.error("argument", log.configure, { colour = true })
end)

t.test("no value makes a line fail", function()
    local circle = {}
    circle.inside = circle
    local odd = {
        bytes = "a\xff", circle = circle, mixed = { 1, x = 2 }, fn = print, [1] = "one", nested = { fn = print },
    }
    for _, as_json in ipairs { false, true } do
        local got = lines({ json = as_json }, function() log.info("bytes \xfe", odd) end)
        t.equal(#got, 1)
        t.ok(utf8.len(got[1]))
        t.ok(got[1]:find("a\\xFF", 1, true) or got[1]:find("a\\\\xFF", 1, true))
        if as_json then t.equal(json.decode(got[1]).msg, "bytes \\xFE") end
    end
end)

t.test("settings of another kind are refused and change nothing", function()
    local is_json = log.is_json()
    t.error("one of debug, info, warn, error expected, got 'loud'", log.configure,
        { json = not is_json, level = "loud" })
    t.error("unknown option 'levl' (did you mean 'level'?)", log.configure, { json = not is_json, levl = "info" })
    t.error("field 'clock': function or false expected, got number", log.configure, { clock = 5 })
    t.equal(log.is_json(), is_json)
end)

t.test("fields that are no table are an error of the caller", function()
    local _, raised = pcall(function() log.info("read", 5) end)
    t.equal(raised.message, "bad argument #2 to 'info' (table expected, got number)")
    t.equal(raised.where:match("log_test.lua:%d+$") ~= nil, true)
    t.error("argument", log.configure, "json")
    t.error("argument", tt.progress.bar, 5)
end)
