-- Cells of a table of stages and misbehaviours: runs a stage as a program, with the server misbehaving now and then or
-- without end, and compares what it leaves with what an undisturbed run leaves.
local fs = require("tt.fs")
local json = require("tt.json")
local t = require("tt.test")

local cells = {}

local here = arg[0]:match("^(.*)/[^/]*$")
local root = fs.abspath(here .. "/../..")
local shell = dofile(here .. "/support/shell.lua")

-- What a stage may say of a server that misbehaves, besides its one error.
local WARNINGS = {
    ["trying again"] = true, ["statement timeout, asking for smaller pages"] = true, ["smaller batches"] = true,
    ["the server gives fewer rows at once than asked for; going on with its limit"] = true,
    ["the remote table changed while it was read; reading it anew"] = true, ["current/ is put back"] = true,
    ["read back otherwise than sent"] = true,
    ["statement timeout while counting, asking again"] = true,
}

---@class cells.Stage
---@field name string
---@field script string from the root of the repository
---@field flags string[]|fun(): string[]
---@field path string pattern of the paths of its requests
---@field setup fun() brings the project to the state before, whatever a run has left
---@field folder string of files as they are before; a copy of it is the current folder of each run
---@field state fun(folder: string): table<string, string> what a stage may change, by parts that are whole or not
---@field reads? boolean it changes nothing; what it prints is its result
---@field by_part? boolean after a failure each part is as before or complete, not only all of them as before
---@field paged? boolean a cap on rows makes it ask more often
---@field rules? table<string, table> by misbehaviour, what its rule has that differs: path, method, args
---@field is_told? fun(value: string, message: string): boolean whether the message owns up to a part that is not whole
---@field relieve? fun() takes back what a misbehaviour did to the project

---@class cells.Runner
local Runner = {}
Runner.__index = Runner

--- Makes a runner.
---@param server table
---@param faults table[] misbehaviours: name, rule, words of the error
---@param folder string for the runs
---@param seed integer
function cells.new(server, faults, folder, seed)
    local self = setmetatable({ server = server, faults = faults, folder = folder .. "/run", random = seed, cells = 0,
        runs = 0, served = 0, told = 0 }, Runner)
    return self
end

-- ---- one run

local function read(path) return fs.exists(path) and fs.read(path) or "" end

-- Runs a stage; gives its status, what it printed and the one message of its failure.
function Runner:run(stage, rules)
    self.server:faults(rules)
    self.server:forget_requests()
    local flags = type(stage.flags) == "function" and stage.flags() or stage.flags
    local words = shell.words(shell.program, root .. "/Tests/lua/support/impatient.lua", root .. "/" .. stage.script,
        "--log-json", table.unpack(flags))
    local _, status = shell.capture(("(cd %s && %s %s > %s 2> %s)"):format(shell.quote(self.folder),
        self.server:environment(), words, shell.quote(self.folder .. ".out"), shell.quote(self.folder .. ".err")))
    local run = { status = status, out = read(self.folder .. ".out"), log = read(self.folder .. ".err"),
        fired = self.server:fired(), messages = {}, requests = 0 }
    for _, request in ipairs(self.server:requests()) do
        run.requests, self.served = run.requests + 1, self.served + #request.faults
    end
    self.server:faults({})
    for line in run.log:gmatch("[^\n]+") do
        local entry = line:sub(1, 1) == "{" and json.decode(line)
        if entry and entry.level == "warn" then
            t.ok(WARNINGS[entry.msg], "warns: " .. line)
        end
    end
    for message in ("\n" .. run.log):gmatch("\n(tt: .-)\nstack traceback:") do
        run.messages[#run.messages + 1] = message
    end
    t.equal((run.out .. run.log):find(self.server.key, 1, true), nil, "the key is shown")
    self.runs = self.runs + 1
    return run
end

function Runner:prepare(stage)
    shell.capture(("rm -rf %s && cp -R %s %s"):format(shell.quote(self.folder), shell.quote(stage.folder),
        shell.quote(self.folder)))
    stage.setup()
end

function Runner:state(stage)
    local state = stage.state(self.folder)
    if stage.reads then state["its output"] = "" end
    return state
end

local function fine(run)
    t.equal(run.status, 0, run.log)
    t.equal(#run.messages, 0, run.log)
end

local function rule_of(stage, fault, match)
    local own = stage.rules and stage.rules[fault.name] or {}
    local rule = { fault = fault.rule.fault, args = own.args or fault.rule.args, match = { path = own.path
        or fault.rule.path or stage.path, method = own.method } }
    for name, value in pairs(match) do rule.match[name] = value end
    return rule
end

--- Runs a stage undisturbed, to know what there is before and afterwards, and how many requests each misbehaviour hits.
function Runner:measure(stage)
    self:prepare(stage)
    stage.before = self:state(stage)
    local rules = {}
    for index, fault in ipairs(self.faults) do
        local rule = rule_of(stage, fault, {})
        rule.fault, rule.args = "slow", { above_rows = rule.args and rule.args.above_rows }
        rules[index] = rule
    end
    local run = self:run(stage, rules)
    fine(run)
    stage.complete, stage.requests, stage.hits = self:state(stage), run.requests, {}
    for index, fault in ipairs(self.faults) do stage.hits[fault.name] = run.fired[index] end
    if stage.reads then stage.complete["its output"] = run.out end
    local changed = {}
    for part, value in pairs(stage.complete) do changed[#changed + 1] = value ~= stage.before[part] and part or nil end
    t.ok(#changed > 0, "an undisturbed run changes something")
end

-- ---- what there is afterwards

function Runner:require_complete(stage, run)
    fine(run)
    local state = self:state(stage)
    if stage.reads then state["its output"] = run.out end
    t.equal(state, stage.complete, "the state is complete")
end

local function require_message(run, words)
    t.equal(run.status, 1, run.log)
    t.equal(#run.messages, 1, run.log)
    for _, word in ipairs(words) do
        if run.messages[1]:find(word, 1, true) then return end
    end
    t.ok(false, "the message tells what is wrong: " .. run.messages[1])
end

-- After a failure nothing is partial, and the same command completes it.
function Runner:require_whole(stage, run, words)
    require_message(run, words)
    local state = self:state(stage)
    for part in pairs(stage.before) do t.ok(state[part], part .. " is not there any more") end
    for part, value in pairs(state) do
        local as_before, is_complete = value == stage.before[part], value == stage.complete[part]
        local is_told = stage.is_told and stage.is_told(value, run.messages[1])
        if is_told then self.told = self.told + 1 end
        t.ok(as_before or stage.by_part and is_complete or is_told,
            ("'%s' is partial: before %s, complete %s, now %s\n%s"):format(part, stage.before[part],
                stage.complete[part], value, run.messages[1]))
    end
    if stage.relieve then stage.relieve() end
    self:require_complete(stage, self:run(stage, {}))
end

-- ---- cells

-- A place among the requests of a stage, another one each time; the seed shifts them all.
function Runner:place(stage, fault)
    self.random = (self.random * 1103515245 + 12345) % 2147483648
    return (self.random >> 8) % stage.hits[fault.name]
end

local function require_fired(run, rules)
    for index in ipairs(rules) do t.ok(run.fired[index] > 0, "the server misbehaved by rule " .. index) end
end

local kinds = {}

local function disturbed(self, stage, rules)
    self:prepare(stage)
    local run = self:run(stage, rules)
    require_fired(run, rules)
    return run
end

local function lasting(self, stage, fault)
    local run = disturbed(self, stage, { rule_of(stage, fault, { after = self:place(stage, fault) }) })
    self:require_whole(stage, run, fault.words)
end

-- What passes is overcome, what lasts is an error. Two that pass are fewer than the tries of one request.
function kinds.heals(self, stage, fault)
    self:require_complete(stage, disturbed(self, stage, { rule_of(stage, fault, { times = 1 }),
        rule_of(stage, fault, { after = self:place(stage, fault), times = 1 }) }))
    lasting(self, stage, fault)
end

-- It goes on whatever lasts.
function kinds.survives(self, stage, fault)
    local run = disturbed(self, stage, { rule_of(stage, fault, {}) })
    self:require_complete(stage, run)
    if fault.name == "cap" and stage.paged then t.ok(run.requests > stage.requests, "it asks more often") end
end

-- Trying again is of no use: the first one is an error.
function kinds.stops(self, stage, fault)
    local run = disturbed(self, stage, { rule_of(stage, fault, { after = self:place(stage, fault), times = 1 }) })
    t.equal(run.fired[1], 1)
    self:require_whole(stage, run, fault.words)
    lasting(self, stage, fault)
end

-- It depends on the request whether one is overcome.
function kinds.either(self, stage, fault)
    local run = disturbed(self, stage, { rule_of(stage, fault, { after = self:place(stage, fault), times = 1 }) })
    if run.status == 0 then
        self:require_complete(stage, run)
    else
        self:require_whole(stage, run, fault.words)
    end
    lasting(self, stage, fault)
end

-- Nothing it asks can be hit by this.
function kinds.never(self, stage, fault)
    self:prepare(stage)
    local run = self:run(stage, { rule_of(stage, fault, {}) })
    t.equal({ stage.hits[fault.name], run.fired[1] }, { 0, 0 })
    self:require_complete(stage, run)
end

--- Runs one cell.
---@param stage cells.Stage
---@param fault table
---@param kind "heals"|"survives"|"stops"|"either"|"never"
function Runner:cell(stage, fault, kind)
    self.cells = self.cells + 1
    kinds[kind](self, stage, fault)
end

return cells
