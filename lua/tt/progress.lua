-- Shows how far a loop is: a bar on a terminal, a line every few seconds in a log, nothing when the log is JSON.

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

function Bar:elapsed() return self.clock() - self.started end

function Bar:title()
    local labels = {}
    for _, bar in ipairs(open) do
        if bar.label then labels[#labels + 1] = bar.label end
        if bar == self then break end
    end
    return table.concat(labels, " › ")
end

-- "450/1 000 rows", and behind it rate, time left and status.
function Bar:facts(final)
    local unit = self.unit and " " .. self.unit or ""
    local amount = count(self.done)
    if self.total then amount = amount .. "/" .. count(self.total) end
    local parts = { amount .. unit }
    local elapsed = self:elapsed()
    if elapsed > 0 and self.done > 0 then
        parts[#parts + 1] = ("%s%s/s"):format(rate_text(self.done / elapsed), unit)
        if not final and self.total and self.done < self.total then
            parts[#parts + 1] = "ETA " .. duration(elapsed / self.done * (self.total - self.done))
        end
    end
    if final then parts[#parts + 1] = duration(elapsed) end
    if self.note and self.note ~= "" then parts[#parts + 1] = self.note end
    return table.concat(parts, "  ")
end

function Bar:percent()
    if not self.total or self.total <= 0 then return nil end
    return math.min(100, math.floor(100 * self.done / self.total))
end

function Bar:line(final)
    local title, facts, percent = self:title(), self:facts(final), self:percent()
    if title ~= "" then title = title .. "  " end
    if not percent then return title .. facts end
    local share = ("%3d%%  "):format(percent)
    if not self.columns then return title .. share .. facts end
    local room = math.min(30, self.columns - 1 - width(title) - width(share) - width(facts) - 4)
    if room < 5 then return title .. share .. facts end
    local filled = room * percent // 100
    return ("%s[%s%s]  %s%s"):format(title, ("="):rep(filled), (" "):rep(room - filled), share, facts)
end

-- The line cut to the terminal, so that it never wraps and can be redrawn in place.
function Bar:draw()
    local line = self:line(false)
    if width(line) > self.columns - 1 then
        local stop = utf8.offset(line, self.columns) or #line + 1
        line = line:sub(1, stop - 1)
    end
    self.output("\r\27[K" .. line)
    self.shown = true
end

function Bar:clear()
    if self.shown then self.output("\r\27[K") end
    self.shown = false
end

local function uncover()
    local bar = open[#open]
    if bar and bar.columns and not bar.silent then
        log.overlay { clear = function() bar:clear() end, draw = function() bar:draw() end }
    else
        log.overlay(nil)
    end
end

function Bar:show()
    if self.silent or open[#open] ~= self then return end
    local now = self.clock()
    if now - self.last < (self.columns and REDRAW_S or self.interval) then return end
    self.last = now
    if self.columns then self:draw() else self.output(self:line(false) .. "\n") end
end

--- Adds to what is done and shows it when it is time to.
---
---```lua
---local bar <close> = tt.progress.bar { total = 3, label = "count" }
---for _ = 1, 3 do bar:update() end
---assert(bar.done == 3)
---```
---@param amount? number (default: 1)
function Bar:update(amount)
    self.done = self.done + (amount or 1)
    self:show()
end

--- Sets what is done, for loops that know their position.
---
---```lua
---local bar <close> = tt.progress.bar { total = 10 }
---bar:set(7)
---assert(bar.done == 7)
---```
---@param done number
function Bar:set(done)
    self.done = done
    self:show()
end

--- Sets a text behind the numbers, such as the current loss.
---
---```lua
---local bar <close> = tt.progress.bar { total = 10, label = "train" }
---bar:status("loss 0.42")
---```
---@param text string
function Bar:status(text) self.note = text end

--- Ends the bar: leaves one line that tells amount, rate and time. An inner bar leaves nothing unless it took long.
--- Closing twice is fine; a bar in a `<close>` variable closes itself, and says so when an error stopped it.
---
---```lua
---local bar = tt.progress.bar { label = "work" }
---bar:update(5)
---bar:close()
---```
function Bar:close() self:finish(nil) end

function Bar:finish(failure)
    if self.closed then return end
    self.closed = true
    self:clear()
    local inner = #open > 1 and open[1] ~= self
    if not self.silent and (not inner or self:elapsed() >= self.interval or failure ~= nil) then
        local title = self:title()
        if title ~= "" then title = title .. "  " end
        self.output(title .. (failure ~= nil and "stopped at " or "") .. self:facts(true) .. "\n")
    end
    for index = #open, 1, -1 do
        if open[index] == self then table.remove(open, index) end
    end
    uncover()
end

function Bar:__close(failure) self:finish(failure) end

--- Opens a bar. Bars may be nested: the inner one is shown under both labels.
---
---```lua
---local bar <close> = tt.progress.bar { total = 1000, label = "read", unit = "rows" }
---for _ = 1, 10 do bar:update(100) end
---```
---
--- Raises `argument` for an unknown option.
---@param opts? tt.progress.Options
---@return tt.progress.Bar
function progress.bar(opts)
    opts = opts or {}
    local allowed = { "total", "label", "unit", "interval_s", "columns", "output", "clock" }
    for name in pairs(opts) do
        local known = false
        for _, word in ipairs(allowed) do known = known or word == name end
        if not known then
            local near = cli.nearest(tostring(name), allowed)
            tt.error("argument", ("progress.bar has no option '%s'%s"):format(
                name, near and ("; did you mean '%s'?"):format(near) or ""))
        end
    end
    local columns = opts.columns
    if columns == nil then columns = cli.columns() or false end
    local clock = opts.clock or time.monotonic
    local now = clock()
    local outer = open[#open]
    if outer and outer.columns then outer:clear() end
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
