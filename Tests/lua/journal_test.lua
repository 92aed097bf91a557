-- What is done stays done, whoever kills the process and whenever.
local t = require "tt.test"
local fs = require "tt.fs"
local json = require "tt.json"
local journal = require "tt.journal"

local support = arg[0]:match("^(.*)/[^/]*$") .. "/support/"
local shell = dofile(support .. "shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

local function new_path() return fs.join(t.tmpdir(), "a.journal") end

t.test("marks and details are there again", function()
    local path = new_path()
    do
        local first <close> = journal.open(path, { identity = { table = "items" } })
        t.equal(first:count(), 0)
        first:mark("b", { rows = 3, list = { 1, 2.5, "x" }, none = json.null })
        first:mark("a")
        first:mark("b", "later")
        first:mark("line\nend", 5)
        first:mark("é", false)
        t.equal(tostring(first), "tt.journal '" .. path .. "': 4 done")
    end
    local again <close> = journal.open(path, { identity = { table = "items" } })
    t.equal(again:keys(), { "b", "a", "line\nend", "é" })
    t.equal(again:count(), 4)
    t.equal(again:details("b"), "later")
    t.equal(again:details("a"), nil)
    t.equal(again:details("line\nend"), 5)
    t.equal(again:details("é"), false)
    t.equal(again:is_done("a"), true)
    t.equal(again:is_done("c"), false)
    again:mark("c", { none = json.null, whole = 2.0 })
    t.equal(again:details("c").none, json.null)
    t.equal(math.type(again:details("c").whole), "float")
end)

t.test("details are kept as they were when they were given", function()
    local path = new_path()
    local cursor = { after = 1 }
    local one <close> = journal.open(path)
    one:save("items", cursor)
    cursor.after = 2
    t.equal(one:details("items").after, 1)
    one:save("items", cursor)
    t.equal(one:details("items").after, 2)
    t.equal(one:is_done("items"), false)
    t.equal(one:count(), 0)
    one:mark("items", one:details("items"))
    one:close()
    local two <close> = journal.open(path)
    t.equal(two:is_done("items"), true)
    t.equal(two:details("items").after, 2)
end)

t.test("run does what is not done", function()
    local path = new_path()
    local calls = 0
    local function work(key)
        calls = calls + 1
        return { key = key }, "not kept"
    end
    local one = journal.open(path)
    local details, ran = one:run("x", work)
    t.equal({ details.key, ran }, { "x", true })
    t.error("boom", one.run, one, "y", function() error("boom") end)
    t.equal(one:is_done("y"), false)
    one:close()
    local two <close> = journal.open(path)
    details, ran = two:run("x", work)
    t.equal({ details.key, ran }, { "x", false })
    two:run("y", work)
    t.equal(calls, 2)
    two:finish()
    two:close()
    local three <close> = journal.open(path)
    t.equal(three:finished(), true)
end)

t.test("another identity is refused by name and value", function()
    local path = new_path()
    local identity = { since = "2025-01-01", step = 86400, deep = { list = { 1, 2 } } }
    journal.open(path, { identity = identity }):close()
    local function refused(other, text)
        local raised = t.error("journal.other", journal.open, path, { identity = other })
        t.ok(raised.message:find(text, 1, true), raised.message)
        return raised
    end
    local raised = refused({ since = "2025-02-01", step = 86400, deep = { list = { 1, 2 } } }, "")
    t.equal(raised.message, "the journal '" .. path .. "' is of other work: since was \"2025-01-01\" and is now "
        .. "\"2025-02-01\"; give what it was to go on, or start over with --restart (or by removing the file)")
    t.equal({ raised.details.key, raised.details.old, raised.details.new }, { "since", "2025-01-01", "2025-02-01" })
    local function with(list, step, extra)
        return { since = "2025-01-01", step = step, deep = { list = list }, extra = extra }
    end
    refused(with({ 1, 3 }, 86400), ": deep.list[2] was 2 and is now 3;")
    refused(with({ 1 }, 86400), ": deep.list[2] was 2 and is now nothing;")
    refused(with({ 1, 2 }, nil), ": step was 86400 and is now nothing;")
    refused(with({ 1, 2 }, 86400, true), ": extra was nothing and is now true;")
    refused(with({ a = 1 }, "x"), ": deep.list")
    -- A refusal changes nothing and holds no lock.
    identity.step = 86400.0
    local same <close> = journal.open(path, { identity = identity })
    same:mark("a")
    same:close()
    local fresh <close> = journal.open(path, { identity = { other = 1 }, restart = true })
    t.equal(fresh:count(), 0)
    fresh:close()
    journal.open(path, { identity = { other = 1 } }):close()
end)

t.test("every cut of the file leaves a journal that goes on", function()
    local path = new_path()
    local whole = journal.open(path, { identity = { a = 1 } })
    for number = 1, 3 do whole:mark("key " .. number, { text = "日本" }) end
    whole:close()
    local bytes = fs.read(path)
    local ends = {}
    for stop in bytes:gmatch("\n()") do ends[#ends + 1] = stop - 1 end
    for length = 0, #bytes do
        fs.write(path, bytes:sub(1, length))
        local expected = 0
        for index = 2, #ends do
            if ends[index] <= length then expected = index - 1 end
        end
        local cut = journal.open(path, { identity = { a = 1 } })
        t.equal(cut:count(), expected, "cut at " .. length)
        cut:mark("new")
        cut:close()
        local again = journal.open(path, { identity = { a = 1 } })
        t.equal(again:count(), expected + 1, "gone on at " .. length)
        t.equal(again:is_done("new"), true)
        again:close()
    end
end)

t.test("damage is refused by its line, except in the last one", function()
    local path = new_path()
    local whole = journal.open(path)
    for number = 1, 3 do whole:mark("key " .. number) end
    whole:close()
    local lines = {}
    for line in fs.read(path):gmatch("[^\n]+") do lines[#lines + 1] = line end
    local function with(number, text)
        local changed = table.move(lines, 1, #lines, 1, {})
        changed[number] = text
        fs.write(path, table.concat(changed, "\n") .. "\n")
    end
    local damage = { "", "{", '{"other":1}', "[1]", "null", '{"done":5}', ("\0"):rep(20), '{"finished":false}' }
    for _, text in ipairs(damage) do
        with(3, text)
        local raised = t.error("journal.damaged", journal.open, path)
        t.equal(raised.details.line, 3)
        t.equal(raised.message, "the journal '" .. path .. "' is damaged in line 3; restore the file, or start over "
            .. "with --restart (or by removing it)")
        with(4, text)
        local cut <close> = journal.open(path)
        t.equal(cut:keys(), { "key 1", "key 2" })
        cut:mark("key 3")
        cut:close()
        local again <close> = journal.open(path)
        t.equal(again:count(), 3)
    end
    with(3, "{")
    journal.open(path, { restart = true }):close()
end)

t.test("a file that is no journal is left alone", function()
    local path = new_path()
    local others = { "id,name\n1,x\n", "x", "[1]\n", '{"journal":2,"identity":{}}\n', '{"journal":1,"x":{}}\n' }
    for _, text in ipairs(others) do
        fs.write(path, text)
        t.error("journal.format", journal.open, path)
        t.equal(fs.read(path), text)
        if text:sub(1, 12) ~= '{"journal":1' then t.error("journal.format", journal.open, path, { restart = true }) end
    end
    t.error("fs.not_found", journal.open, fs.join(path .. ".none", "a"))
    t.error("unknown option 'identiy'", journal.open, path, { identiy = {} })
    t.error("identity is a table, got string", journal.open, path, { identity = "x" })
end)

t.test("a closed journal answers and takes nothing", function()
    local path = new_path()
    local one = journal.open(path)
    one:mark("a")
    one:close()
    one:close()
    t.equal(one:is_done("a"), true)
    t.error("journal.closed", one.mark, one, "b")
    t.error("journal.closed", one.save, one, "b", 1)
    t.error("journal.closed", one.remove, one)
    t.equal(tostring(one), "tt.journal '" .. path .. "': 1 done, closed")
    for _, key in ipairs { "", 5 } do t.error("not empty", one.mark, one, key) end
    t.error("got nil", one.mark, one)
    local two <close> = journal.open(path)
    two:remove()
    t.equal(fs.exists(path), false)
    t.error("journal.closed", two.mark, two, "a")
    -- One that is taken away is not begun anew in the middle.
    local three <close> = journal.open(path)
    fs.remove(path)
    t.error("was removed while it was open", three.mark, three, "a")
    t.equal(fs.exists(path), false)
end)

t.test("one process at a time", function()
    local path = new_path()
    local mine <close> = journal.open(path)
    local script = fs.join(fs.dirname(path), "other.lua")
    fs.write(script, 'require "tt.journal".open(arg[1]):mark("other")')
    local command = quote(program) .. " " .. quote(script) .. " " .. quote(path)
    local output, status = capture(command)
    t.equal(status, 1)
    t.ok(output:find("the journal '" .. path .. "' is in use by another process", 1, true), output)
    t.ok(output:find("let that run end, or stop it, before another one goes on with it", 1, true), output)
    mine:mark("mine")
    mine:close()
    output, status = capture(command)
    t.equal(status, 0, output)
    local again <close> = journal.open(path)
    t.equal(again:keys(), { "mine", "other" })
end)

t.test("no mark is lost to SIGKILL, and the journal goes on", function()
    local path = new_path()
    local last, torn = 0, 0
    for round = 1, 12 do
        -- Reads what the process said to be marked until it is killed.
        local script = ("%s %s %s & echo $!; wait"):format(quote(program), quote(support .. "append_forever.lua"),
            quote(path))
        local pipe = assert(io.popen("sh -c " .. quote(script) .. " 2>/dev/null"))
        local process = pipe:read("l")
        t.equal(pipe:read("l"), "open")
        local said = last
        for _ = 1, round do said = tonumber(pipe:read("l")) or said end
        os.execute("kill -KILL " .. process)
        for line in pipe:lines() do said = tonumber(line) or said end
        pipe:close()
        if not fs.read(path):find("\n$") then torn = torn + 1 end
        local survivor <close> = journal.open(path, { identity = { test = "kill" } })
        t.ok(survivor:count() >= said, "said " .. said .. ", kept " .. survivor:count())
        for number = 1, survivor:count() do
            local details = survivor:details("key " .. number)
            t.equal({ details.number, #details.text }, { number, number % 7 * 1000 })
        end
        last = survivor:count()
        survivor:close()
        -- A kill inside of a write is rare: what it would leave is made here.
        if round % 2 == 0 then
            local size = fs.stat(path).size
            fs.append(path, '{"done":"key ' .. last + 1 .. '","details":{"numb')
            journal.open(path, { identity = { test = "kill" } }):close()
            t.equal(fs.stat(path).size, size)
        end
    end
    t.ok(last >= 12)
end)
