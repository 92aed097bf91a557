local t = require "tt.test"
local log = require "tt.log"
local progress = require "tt.progress"

-- A bar on a clock that stands still until it is told to move.
local function fixture(opts)
    local state = { now = 100, text = "" }
    opts.clock = function() return state.now end
    opts.output = function(text) state.text = state.text .. text end
    state.bar = progress.bar(opts)
    return state
end

t.test("a log gets a line every few seconds and one at the end", function()
    local state = fixture { total = 1000, label = "read", unit = "rows", columns = false }
    for _ = 1, 10 do
        state.now = state.now + 1
        state.bar:update(100)
    end
    state.bar:close()
    state.bar:close()
    t.equal(state.text, [[
read   50%  500/1 000 rows  100 rows/s  ETA 0:05
read  100%  1 000/1 000 rows  100 rows/s
read  1 000/1 000 rows  100 rows/s  0:10
]])
    t.equal(state.bar.done, 1000)
end)

t.test("without a total only amount and rate are shown", function()
    local state = fixture { columns = false, interval_s = 1 }
    state.now = state.now + 2
    state.bar:update(5)
    state.bar:status("loss 0.5")
    state.now = state.now + 3700
    state.bar:set(1234567)
    state.bar:close()
    t.equal(state.text, [[
5  2.5/s
1 234 567  333/s  loss 0.5
1 234 567  333/s  1:01:42  loss 0.5
]])
end)

t.test("a terminal gets a bar that is redrawn in place", function()
    local state = fixture { total = 10, label = "train", columns = 60 }
    state.now = state.now + 1
    state.bar:update(5)
    state.bar:update(1)
    state.now = state.now + 1
    state.bar:set(10)
    state.bar:close()
    t.equal(state.text,
        "\r\27[Ktrain  [===========            ]   50%  5/10  5/s  ETA 0:01"
        .. "\r\27[Ktrain  [==============================]  100%  10/10  5/s"
        .. "\r\27[Ktrain  10/10  5/s  0:02\n")
end)

t.test("a line never wraps", function()
    local state = fixture { total = 1000000, label = "läuft und läuft", unit = "Zeilen", columns = 30 }
    state.now = state.now + 10
    state.bar:update(123456)
    local line = state.text:match("\27%[K(.*)$")
    t.equal(utf8.len(line), 29)
    state.bar:close()
end)

t.test("an inner bar carries both labels and leaves nothing", function()
    local outer = fixture { total = 2, label = "train", columns = false, interval_s = 1 }
    local inner = fixture { total = 2, label = "epoch 1", columns = false, interval_s = 1 }
    inner.now = inner.now + 1
    inner.bar:update()
    outer.now = outer.now + 5
    outer.bar:update()
    inner.bar:close()
    t.equal(inner.text, "train › epoch 1   50%  1/2  1/s  ETA 0:01\ntrain › epoch 1  1/2  1/s  0:01\n")
    t.equal(outer.text, "")
    local quick = fixture { label = "quick", columns = false, interval_s = 1 }
    quick.bar:close()
    t.equal(quick.text, "")
    outer.bar:close()
    t.equal(outer.text, "train  1/2  0.2/s  0:05\n")
end)

t.test("an error closes the bar and is told", function()
    local state
    pcall(function()
        local opened = fixture { total = 10, label = "read", columns = false }
        state = opened
        local bar <close> = opened.bar
        bar:update(4)
        error("stop")
    end)
    t.equal(state.text, "read  stopped at 4/10  0:00\n")
end)

t.test("nothing is shown beside JSON lines", function()
    log.configure { json = true }
    local state = fixture { total = 2, columns = 60 }
    log.configure { json = false }
    state.now = state.now + 9
    state.bar:update()
    state.bar:close()
    t.equal(state.text, "")
    t.equal(state.bar.done, 1)
end)

t.test("options are checked by name", function()
    local ok, problem = pcall(progress.bar, { totl = 5 })
    t.equal(ok, false)
    t.equal(problem.message, "bad argument #1 to 'bar' (unknown option 'totl' (did you mean 'total'?))")
end)
