---@meta tt.journal

local fs = require "tt.fs"
local json = require "tt.json"
local time = require "tt.time"

--- Remembers on disk what a script has done, so that one that was killed goes on where it stopped.
---
--- A backfill by days, in ten lines. Kill it and start it again: days that are done are not done again.
---
--- ```lua
--- local time, journal = tt.time, tt.journal
--- local since, stop, step = "2025-01-01", "2025-01-08", "1d"
--- local done <close> = journal.open("backfill.journal", { identity = { since = since, stop = stop, step = step } })
--- for _, window in ipairs(time.windows(since, stop, step)) do
---     done:run(window.label, function()
---         local rows = (window.to - window.from) // time.duration("1h") -- here the work is done
---         return { rows = rows }
---     end)
--- end
--- assert(done:count() == 7 and done:details("2025-01-03T00:00:00Z/2025-01-04T00:00:00Z").rows == 24)
--- ```
---
--- Work that was under way when the process died is done again, so it must bear that: an upsert, a file written whole.
---
--- The file holds a line of JSON for the identity and one for each mark. A line is on disk when the call that wrote it
--- returns; what a killed process left of a last line is cut off. No secrets belong into identity and details.
---@class tt.journal
local journal = {}

---@class tt.journal.Options
---@field identity? table what the work depends on, as plain values: a journal of other work is refused (default: {})
---@field restart? boolean forgets what the file holds, whatever its identity (default: false)

---@class tt.journal.Journal
---@field path string
local Journal = {}
Journal.__index = Journal

local HEADER <const> = '{"journal":1,'

-- ---- reading

local function shown(value)
    if value == nil then return "nothing" end
    return json.encode(value)
end

local function keys_of(a, b)
    local names = {}
    for name in pairs(a) do names[#names + 1] = name end
    for name in pairs(b) do
        if a[name] == nil then names[#names + 1] = name end
    end
    table.sort(names, function(x, y) return tostring(x) < tostring(y) end)
    return names
end

-- The first place in which two plain values differ: its dotted name and both values there. Nil when they are equal.
local function difference(old, new, name)
    if type(old) ~= "table" or type(new) ~= "table" then
        if old == new then return nil end
        return { name = name, old = old, new = new }
    end
    for _, key in ipairs(keys_of(old, new)) do
        local inner = math.type(key) == "integer" and ("%s[%d]"):format(name, key)
            or (name == "" and "" or name .. ".") .. tostring(key)
        local found = difference(old[key], new[key], inner)
        if found then return found end
    end
    return nil
end

local function refuse_other(path, found)
    tt.error("journal.other", ("the journal '%s' is of other work: %s was %s and is now %s; give what it was to go on, "
        .. "or start over with --restart (or by removing the file)"):format(path, found.name, shown(found.old),
        shown(found.new)), { path = path, key = found.name, old = found.old, new = found.new })
end

local function refuse_line(path, number)
    tt.error("journal.damaged", ("the journal '%s' is damaged in line %d; restore the file, or start over with "
        .. "--restart (or by removing it)"):format(path, number), { path = path, line = number })
end

local function decoded(line)
    local ok, value = pcall(json.decode, line)
    return ok and type(value) == "table" and value or nil
end

-- One line's effect. False when it is none of a journal's.
local function apply(self, entry)
    if type(entry.done) == "string" then
        if not self.done[entry.done] then self.order[#self.order + 1] = entry.done end
        self.done[entry.done] = true
        self.kept[entry.done] = entry.details
    elseif type(entry.saved) == "string" then
        self.kept[entry.saved] = entry.details
    elseif entry.finished == true then
        self.is_finished = true
    else
        return false
    end
    return true
end

-- Takes in the file's lines and returns the identity and how many bytes of it count.
local function read(self, bytes)
    local path, at, number, identity = self.path, 1, 0, nil
    while at <= #bytes do
        local stop = bytes:find("\n", at, true)
        -- A line without an end was being written when the process was killed.
        if not stop then break end
        number = number + 1
        local entry = decoded(bytes:sub(at, stop - 1))
        local fits
        if number == 1 then
            fits = entry and entry.journal == 1 and type(entry.identity) == "table"
            identity = fits and entry.identity
        else
            fits = entry and apply(self, entry)
        end
        if not fits then
            -- The last line may have reached the disk in part, however it ends; its mark never returned.
            if number > 1 and stop == #bytes then break end
            if number == 1 then
                tt.error("journal.format", ("'%s' is no journal; give another path"):format(path), { path = path })
            end
            refuse_line(path, number)
        end
        at = stop + 1
    end
    return identity, at - 1
end

-- ---- opening

local function lock(path)
    local ok, held = pcall(fs.lock, path)
    if ok then return held end
    if held.code ~= "fs.locked" then error(held, 0) end
    tt.error("fs.locked", ("the journal %s; let that run end, or stop it, before another one goes on with it"):format(
        held.message), { path = path })
end

local function append(self, entry)
    if not self.lock then tt.error("journal.closed", ("the journal '%s' is closed"):format(self.path)) end
    if not fs.exists(self.path) then
        tt.error("fs.not_found", ("the journal '%s' was removed while it was open"):format(self.path),
            { path = self.path })
    end
    local line = json.encode(json.object(entry))
    fs.append(self.path, line .. "\n")
    return json.decode(line)
end

local function plain_identity(identity)
    if identity == nil then return {} end
    if type(identity) ~= "table" then
        tt.error("argument", ("journal.open: identity is a table, got %s"):format(type(identity)))
    end
    -- As it will be when it is read again.
    return json.decode(json.encode({ identity = identity })).identity
end

local function check_options(opts)
    for name in pairs(opts or {}) do
        if name ~= "identity" and name ~= "restart" then
            tt.error("argument", ("journal.open: unknown option '%s'; there are identity and restart"):format(
                tostring(name)))
        end
    end
end

local function take_in(self, identity)
    local bytes = fs.read(self.path)
    if bytes:sub(1, #HEADER) ~= HEADER:sub(1, #bytes) then
        tt.error("journal.format", ("'%s' is no journal; give another path"):format(self.path), { path = self.path })
    end
    if self.restarts then bytes = "" end
    local known, length = read(self, bytes)
    local found = known and difference(known, identity, "")
    if found then refuse_other(self.path, found) end
    fs.truncate(self.path, length)
    if not known then append(self, { { "journal", 1 }, { "identity", identity } }) end
end

--- Opens a journal, or begins one where there is no file. Only one process at a time can have it open.
---
--- ```lua
--- local journal = tt.journal.open("sync.journal", { identity = { table = "items", page_size = 1000 } })
--- journal:mark("page 1", { rows = 1000 })
--- journal:close()
---
--- local ok, problem = pcall(tt.journal.open, "sync.journal", { identity = { table = "items", page_size = 500 } })
--- assert(not ok and problem.code == "journal.other" and problem.details.key == "page_size")
---
--- local again <close> = tt.journal.open("sync.journal", { identity = { table = "items", page_size = 1000 } })
--- assert(again:is_done("page 1") and again:details("page 1").rows == 1000)
--- ```
---
--- Raises `journal.other` for one of another identity, naming the first key that differs and both values; `fs.locked`
--- when another process has it open; `journal.damaged` naming a line; `journal.format` for a file that is no journal;
--- `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param opts? tt.journal.Options
---@return tt.journal.Journal journal
function journal.open(path, opts)
    check_options(opts)
    local identity = plain_identity(opts and opts.identity)
    local self = setmetatable({ path = path, done = {}, kept = {}, order = {} }, Journal)
    self.restarts = opts and opts.restart
    local held = lock(path)
    local _ <close> = setmetatable({}, { __close = function(_, problem) if problem ~= nil then held:close() end end })
    self.lock = held
    take_in(self, identity)
    return self
end

-- ---- marks

local function check_key(key)
    if type(key) ~= "string" or key == "" then
        tt.error("argument", ("a journal's key is a text that is not empty, got %s"):format(
            key == "" and "an empty one" or type(key)))
    end
end

--- Marks a key as done, on disk when this returns. Marked again, the last details count.
---
--- ```lua
--- local journal <close> = tt.journal.open("marks.journal")
--- journal:mark("a", { rows = 10 })
--- journal:mark("a", { rows = 12 })
--- assert(journal:details("a").rows == 12 and journal:count() == 1)
--- ```
---
--- Raises `journal.closed`, `fs.denied`, `fs.failed`.
---@param key string any text that is not empty
---@param details? any a plain value that is kept with it
function Journal:mark(key, details)
    check_key(key)
    apply(self, append(self, { { "done", key }, { "details", details }, { "at", time.format(time.now()) } }))
end

--- Keeps details under a key without marking it as done: how far the work has come, for one that goes on inside.
---
--- ```lua
--- local journal <close> = tt.journal.open("cursor.journal")
--- journal:save("items", { after = 1000 })
--- journal:save("items", { after = 2000 })
--- assert(journal:details("items").after == 2000 and not journal:is_done("items"))
--- journal:mark("items")
--- ```
---
--- Raises `journal.closed`, `fs.denied`, `fs.failed`.
---@param key string
---@param details any a plain value
function Journal:save(key, details)
    check_key(key)
    apply(self, append(self, { { "saved", key }, { "details", details }, { "at", time.format(time.now()) } }))
end

--- Tells whether a key was marked, in this run or an earlier one.
---
--- ```lua
--- local journal <close> = tt.journal.open("some.journal")
--- assert(not journal:is_done("a"))
--- ```
---@param key string
---@return boolean
function Journal:is_done(key) return self.done[key] == true end

--- Gives the details that were last kept under a key.
---
--- ```lua
--- local journal <close> = tt.journal.open("details.journal")
--- journal:mark("a", { 1, 2 })
--- assert(#journal:details("a") == 2 and journal:details("b") == nil)
--- ```
---@param key string
---@return any details nil when there are none
function Journal:details(key) return self.kept[key] end

--- Does what is not done: calls the function and marks the key with what it returns. A key that is done is not done
--- again. An error of the function is passed on and nothing is marked.
---
--- ```lua
--- local journal <close> = tt.journal.open("run.journal")
--- local function work(key) return { length = #key } end
--- local details, ran = journal:run("abc", work)
--- assert(details.length == 3 and ran)
--- details, ran = journal:run("abc", work)
--- assert(details.length == 3 and not ran)
--- ```
---
--- Raises what the function raises, and what `mark` does.
---@param key string
---@param fn fun(key: string): any
---@return any details of this call or of the earlier one
---@return boolean ran
function Journal:run(key, fn)
    check_key(key)
    if self:is_done(key) then return self:details(key), false end
    self:mark(key, (fn(key)))
    return self:details(key), true
end

--- Counts the keys that are done.
---
--- ```lua
--- local journal <close> = tt.journal.open("count.journal")
--- journal:mark("a")
--- assert(journal:count() == 1)
--- ```
---@return integer
function Journal:count() return #self.order end

--- Lists the keys that are done, in the order in which they were first marked.
---
--- ```lua
--- local journal <close> = tt.journal.open("keys.journal")
--- journal:mark("b")
--- journal:mark("a")
--- assert(table.concat(journal:keys(), " ") == "b a")
--- ```
---@return string[]
function Journal:keys() return table.move(self.order, 1, #self.order, 1, {}) end

--- Notes that all work is done, for scripts that do not know beforehand which keys there will be.
---
--- ```lua
--- local journal <close> = tt.journal.open("finish.journal")
--- journal:finish()
--- assert(journal:finished())
--- ```
---
--- Raises `journal.closed`, `fs.denied`, `fs.failed`.
function Journal:finish() apply(self, append(self, { { "finished", true }, { "at", time.format(time.now()) } })) end

--- Tells whether `finish` was called, in this run or an earlier one.
---
--- ```lua
--- local journal <close> = tt.journal.open("finished.journal")
--- assert(not journal:finished())
--- ```
---@return boolean
function Journal:finished() return self.is_finished == true end

--- Removes the file and closes the journal: the next run starts anew.
---
--- ```lua
--- local journal <close> = tt.journal.open("gone.journal")
--- journal:remove()
--- assert(not tt.fs.exists("gone.journal"))
--- ```
---
--- Raises `journal.closed`, `fs.denied`, `fs.failed`.
function Journal:remove()
    if not self.lock then tt.error("journal.closed", ("the journal '%s' is closed"):format(self.path)) end
    fs.remove(self.path)
    self:close()
end

--- Lets the file go, for another process to open. Closing twice is fine; a journal in a `<close>` variable closes
--- itself.
---
--- ```lua
--- local journal = tt.journal.open("closed.journal")
--- journal:close()
--- journal:close()
--- ```
function Journal:close()
    if self.lock then self.lock:close() end
    self.lock = nil
end

Journal.__close = Journal.close

Journal.__tostring = function(self)
    return ("tt.journal '%s': %d done%s"):format(self.path, #self.order, self.lock and "" or ", closed")
end

return journal
