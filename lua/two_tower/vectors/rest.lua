--- The table of vectors of a Supabase project, by REST: upserts with several requests in flight.

local frame = require("tt.frame")
local json = require("tt.json")
local log = require("tt.log")
local supabase = require("tt.supabase")
local time = require("tt.time")
local vectors = require("two_tower.vectors.rules")

local vectors_rest = {}

-- Ids asked for in one request, which go into its address.
local ASKED = 100
-- Good answers after which batches that were made smaller grow again.
local RECOVERY = 8
-- How often one row may run into the server's statement timeout.
local TRIES = 3

---@class two_tower.VectorsRest
local Target = {}
Target.__index = Target

--- Opens a project. Nothing is sent yet.
---
--- Raises `usage.credentials`.
---@param opts { url?: string, key?: string } default: the environment
---@return two_tower.VectorsRest
function vectors_rest.open(opts)
    return setmetatable({ project = supabase.open({ url = opts.url, key = opts.key }) }, Target)
end

--- What tells this table from others.
---@return table
function Target:identity()
    return { project = self.project:url(), table = vectors.TABLE }
end

--- Checks that the table takes vectors of `dim` numbers. An empty table does not tell; then the first batch does, and
--- `send` sends that one alone.
---
--- Raises `vectors.dimension`, and what `project:request` raises.
---@param dim integer
function Target:check(dim)
    local answer = self.project:select(vectors.TABLE, { select = "embedding", limit = 1,
        filters = { { "embedding", "not.is", json.null } } })
    local rows = frame.from_json(answer.text, { columns = { { "embedding", "list<float32>" } } })
    if #rows == 0 then return end
    local stored = rows.embedding:len()[1]
    if stored ~= dim then vectors.refuse_dimension(stored, dim) end
end

-- Takes a batch of at most `limit` rows off the list of what is to be sent.
local function take(self)
    local waiting = self.waiting
    while #waiting == 0 do
        local unit = self.next_unit()
        if not unit then return nil end
        unit.left = #unit.rows
        if unit.left > 0 then
            waiting[1] = { unit = unit, rows = unit.rows }
        else
            self.stored(unit)
        end
    end
    local batch = table.remove(waiting)
    if #batch.rows > self.limit then
        waiting[#waiting + 1] = { unit = batch.unit, rows = batch.rows:slice(self.limit + 1) }
        batch.rows = batch.rows:slice(1, self.limit)
    end
    return batch
end

local function request_of(batch)
    local rows = batch.rows:with({ { "updated_at", ("timestamp(%d)"):format(batch.unit.stamp) } })
    return supabase.upsert_request(vectors.TABLE,
        rows:to_json({ columns = { "video_id", "embedding", "updated_at" } }), { on_conflict = "video_id" })
end

-- A batch that the server would not take is sent again in halves; one row that was too slow, as it is. False when that
-- is of no use.
local function lessen(self, batch, problem)
    local count = #batch.rows
    if problem.code == "supabase.timeout_57014" and count == 1 then
        batch.tries = (batch.tries or 0) + 1
        if batch.tries == TRIES then return false end
    elseif count > 1 and (problem.code == "supabase.timeout_57014" or problem.code == "supabase.too_large") then
        self.limit = math.min(self.limit, (count + 1) // 2)
        if problem.code == "supabase.too_large" then self.ceiling = self.limit end
        log.warn("smaller batches", json.object({ { "rows", self.limit }, { "why", problem.details.message } }))
    else
        return false
    end
    self.waiting[#self.waiting + 1] = batch
    return true
end

-- Takes in the answer to a batch.
local function accept(self, batch, problem)
    if problem then
        if lessen(self, batch, problem) then return end
        local stored, given = problem.message:match("expected (%d+) dimensions, not (%d+)")
        if stored and self.good == 0 then vectors.refuse_dimension(tonumber(stored), tonumber(given)) end
        tt.error(problem.code, problem.message, problem.details)
    end
    self.good = self.good + 1
    if self.good % RECOVERY == 0 then self.limit = math.min(self.ceiling, self.limit * 2) end
    local unit = batch.unit
    unit.left = unit.left - #batch.rows
    if self.progress then self.progress(#batch.rows) end
    if unit.left == 0 then self.stored(unit) end
end

-- Sends up to `most` batches.
local function round(self, parallel, most)
    local batches, made = {}, 0
    local function source()
        if made == most then return nil end
        local batch = take(self)
        if not batch then return nil end
        made = made + 1
        local request = request_of(batch)
        batches[request] = batch
        return request
    end
    for request, response in self.project:each(source, { parallel = parallel }) do
        local batch = batches[request]
        batches[request] = nil
        accept(self, batch, supabase.problem(response, request))
    end
    return made > 0
end

---@class two_tower.Unit
---@field rows tt.Frame video_id uuid, embedding
---@field stamp integer what `updated_at` becomes, microseconds UTC

---@class two_tower.SendOptions
---@field batch_size integer rows of a request
---@field parallel integer requests in flight
---@field stored fun(unit: two_tower.Unit) called when all rows of a unit are stored
---@field progress? fun(rows: integer) called as rows are stored

--- Stores units of rows, updating those whose id is there. A unit goes in batches, and batches of several units are in
--- flight at once; one that the server finds too large, or that runs into its statement timeout, is halved.
---
--- Raises `vectors.dimension`, and what `project:request` raises.
---@param next_unit fun(): two_tower.Unit|nil
---@param opts two_tower.SendOptions
function Target:send(next_unit, opts)
    local state = { project = self.project, next_unit = next_unit, waiting = {}, good = 0, limit = opts.batch_size,
        ceiling = opts.batch_size, stored = opts.stored, progress = opts.progress }
    -- The first batch alone: what is wrong with all of them is told before the first row is stored.
    local more = round(state, 1, 1)
    while more do more = round(state, opts.parallel) end
end

--- Reads vectors back.
---@param ids tt.Column uuid
---@return tt.Frame rows video_id, embedding, updated_at; ids that the table does not have are left out
function Target:read(ids)
    local parts = { frame.from_columns({ { "video_id", frame.column({}, "uuid") },
        { "embedding", frame.column({}, "list<float32>") }, { "updated_at", frame.column({}, "timestamp") } }) }
    local all = frame.from_columns({ { "video_id", ids } })
    for first = 1, #all, ASKED do
        local wanted = all:slice(first, ASKED)
        -- A server may give fewer rows than it has; what it gives none of is not there.
        repeat
            local answer = self.project:select(vectors.TABLE, { select = "video_id,embedding,updated_at",
                filters = { { "video_id", "in", wanted.video_id:to_table() } } })
            local rows = frame.from_json(answer.text, { columns = { { "video_id", "uuid" },
                { "embedding", "list<float32>" }, { "updated_at", "timestamp" } } })
            parts[#parts + 1] = rows
            wanted = wanted:join(rows, { on = "video_id", how = "anti" })
        until #rows == 0 or #wanted == 0
    end
    return frame.concat(parts)
end

--- Counts rows.
---@param stamp? integer only those with this `updated_at`
---@return integer
function Target:count(stamp)
    return self.project:count(vectors.TABLE, stamp and { { "updated_at", "eq", time.format(stamp) } },
        { select = "video_id" })
end

--- Closes the connections.
function Target:close() self.project:close() end
Target.__close = Target.close

return vectors_rest
