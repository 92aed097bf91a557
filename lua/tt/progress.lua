---@meta tt.progress

-- Shows how far a loop is: a bar on a terminal, a line every few seconds in a log, nothing when the log is JSON.

local arguments = require "tt.internal.arguments"
local cli = require "tt.cli"
local log = require "tt.log"
local time = require "tt.time"

---@class tt.progress
local progress = {}

---@class tt.progress.Options
---@field total? number how much there is to do; without it only the amount and the rate are shown
---@field label? string what is done, "train"
---@field unit? string what is counted, "rows"
---@field interval_s? number seconds between lines when there is no terminal (default: 5)
---@field columns? integer|false the terminal's width; false for none (default: that of standard error)
---@field output? fun(text: string) takes what would go to standard error
---@field clock? fun(): number gives seconds (default: `time.monotonic`)

---@class tt.progress.Bar
---@field done number how much is done
local Bar = {}
Bar.__index = Bar

local OPTIONS = {
    total = "number", label = "string", unit = "string", interval_s = "number", columns = "any", output = "function",
    clock = "function",
}

-- Seconds between two drawings on a terminal.
local REDRAW_S = 0.1

-- Bars that are open, the innermost last: only that one is drawn, under the labels of all.
local open = {}

local function duration(seconds)
    seconds = math.floor(seconds + 0.5)
    if seconds < 3600 then return ("%d:%02d"):format(seconds // 60, seconds % 60) end
    return ("%d:%02d:%02d"):format(seconds // 3600, seconds // 60 % 60, seconds % 60)
end

-- 1234567 as 1 234 567.
local function count(number)
    if number ~= math.floor(number) then return ("%.6g"):format(number) end
    local digits = ("%d"):format(number):reverse():gsub("(%d%d%d)", "%1 "):reverse()
    return (digits:gsub("^ ", ""))
end

local function rate_text(rate)
    if rate >= 100 then return count(math.floor(rate + 0.5)) end
    return ("%.3g"):format(rate)
end

local function width(text) return utf8.len(text) or #text end

local function elapsed(bar) return bar.clock() - bar.started end

local function title(bar)
    local labels = {}
    for _, other in ipairs(open) do
        if other.label then labels[#labels + 1] = other.label end
        if other == bar then break end
    end
    return table.concat(labels, " › ")
end

-- "450/1 000 rows", and behind it rate, time left and status.
local function facts(bar, final)
    local unit = bar.unit and " " .. bar.unit or ""
    local amount = count(bar.done)
    if bar.total then amount = amount .. "/" .. count(bar.total) end
    local parts = { amount .. unit }
    local seconds = elapsed(bar)
    if seconds > 0 and bar.done > 0 then
        parts[#parts + 1] = ("%s%s/s"):format(rate_text(bar.done / seconds), unit)
        if not final and bar.total and bar.done < bar.total then
            parts[#parts + 1] = "ETA " .. duration(seconds / bar.done * (bar.total - bar.done))
        end
    end
    if final then parts[#parts + 1] = duration(seconds) end
    if bar.note and bar.note ~= "" then parts[#parts + 1] = bar.note end
    return table.concat(parts, "  ")
end

local function percent(bar)
    if not bar.total or bar.total <= 0 then return nil end
    return math.min(100, math.floor(100 * bar.done / bar.total))
end

local function line_of(bar, final)
    local head, tail, part = title(bar), facts(bar, final), percent(bar)
    if head ~= "" then head = head .. "  " end
    if not part then return head .. tail end
    local share = ("%3d%%  "):format(part)
    if not bar.columns then return head .. share .. tail end
    local room = math.min(30, bar.columns - 1 - width(head) - width(share) - width(tail) - 4)
    if room < 5 then return head .. share .. tail end
    local filled = room * part // 100
    return ("%s[%s%s]  %s%s"):format(head, ("="):rep(filled), (" "):rep(room - filled), share, tail)
end

-- The line cut to the terminal, so that it never wraps and can be redrawn in place.
local function draw(bar)
    local line = line_of(bar, false)
    if width(line) > bar.columns - 1 then
        local stop = utf8.offset(line, bar.columns) or #line + 1
        line = line:sub(1, stop - 1)
    end
    bar.output("\r\27[K" .. line)
    bar.shown = true
end

local function clear(bar)
    if bar.shown then bar.output("\r\27[K") end
    bar.shown = false
end

local function uncover()
    local bar = open[#open]
    if bar and bar.columns and not bar.silent then
        log.overlay { clear = function() clear(bar) end, draw = function() draw(bar) end }
    else
        log.overlay(nil)
    end
end

local function show(bar)
    if bar.silent or open[#open] ~= bar then return end
    local now = bar.clock()
    if now - bar.last < (bar.columns and REDRAW_S or bar.interval) then return end
    bar.last = now
    if bar.columns then draw(bar) else bar.output(line_of(bar, false) .. "\n") end
end

local function finish(bar, failure)
    if bar.closed then return end
    bar.closed = true
    clear(bar)
    local inner = #open > 1 and open[1] ~= bar
    if not bar.silent and (not inner or elapsed(bar) >= bar.interval or failure ~= nil) then
        local head = title(bar)
        if head ~= "" then head = head .. "  " end
        bar.output(head .. (failure ~= nil and "stopped at " or "") .. facts(bar, true) .. "\n")
    end
    for index = #open, 1, -1 do
        if open[index] == bar then table.remove(open, index) end
    end
    uncover()
end

--- Adds to what is done and shows it when it is time to.
---
--- ```lua
--- local bar <close> = tt.progress.bar { total = 3, label = "count" }
--- for _ = 1, 3 do bar:update() end
--- assert(bar.done == 3)
--- ```
---@param amount? number (default: 1)
function Bar:update(amount)
    self.done = self.done + (amount or 1)
    show(self)
end

--- Sets what is done, for loops that know their position.
---
--- ```lua
--- local bar <close> = tt.progress.bar { total = 10 }
--- bar:set(7)
--- assert(bar.done == 7)
--- ```
---@param done number
function Bar:set(done)
    self.done = done
    show(self)
end

--- Sets a text behind the numbers, such as the current loss.
---
--- ```lua
--- local bar <close> = tt.progress.bar { total = 10, label = "train" }
--- bar:status("loss 0.42")
--- ```
---@param text string
function Bar:status(text) self.note = text end

--- Ends the bar: leaves one line that tells amount, rate and time. An inner bar leaves nothing unless it took long.
--- Closing twice is fine; a bar in a `<close>` variable closes itself, and says so when an error stopped it.
---
--- ```lua
--- local bar = tt.progress.bar { label = "work" }
--- bar:update(5)
--- bar:close()
--- ```
function Bar:close() finish(self, nil) end

Bar.__close = finish

--- Opens a bar. Bars may be nested: the inner one is shown under both labels. Lines written with `tt.log` step around a
--- bar on a terminal, those of `print` do not.
---
--- ```lua
--- local bar <close> = tt.progress.bar { total = 1000, label = "read", unit = "rows" }
--- for _ = 1, 10 do bar:update(100) end
--- ```
---
--- Raises `argument` for an unknown option.
---@param opts? tt.progress.Options
---@return tt.progress.Bar
function progress.bar(opts)
    opts = arguments.options("bar", 1, opts, OPTIONS)
    local columns = opts.columns
    if columns == nil then columns = cli.columns() or false end
    local clock = opts.clock or time.monotonic
    local now = clock()
    local outer = open[#open]
    if outer and outer.columns then clear(outer) end
    local bar = setmetatable({
        total = opts.total, label = opts.label, unit = opts.unit, done = 0,
        columns = columns or nil, interval = opts.interval_s or 5, clock = clock, started = now, last = now,
        output = opts.output or function(text) io.stderr:write(text) end, silent = log.is_json(),
    }, Bar)
    open[#open + 1] = bar
    uncover()
    return bar
end

return progress
