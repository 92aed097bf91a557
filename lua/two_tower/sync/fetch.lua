--- The sync: fetches the tables of a remote project into a database, completely or not at all.
---
--- Pages go by key into staging tables; a table whose number of received rows is what the server counts before and
--- after is applied in one transaction. Until then the local table stays as it was. An interrupted sync goes on where
--- it stopped.

local apply = require("two_tower.sync.apply")
local json = require("tt.json")
local log = require("tt.log")
local postgrest = require("tt.postgrest")
local progress = require("tt.progress")
local sql = require("tt.sql")
local staging = require("two_tower.sync.staging")
local supabase = require("tt.supabase")
local tables = require("two_tower.sync.tables")
local time = require("tt.time")

local sync = {}

-- A table is read at most so many times when its number of rows changes meanwhile.
local ATTEMPTS = 3
-- How often counting a table may run into the server's statement timeout.
local TIMEOUTS = 3

sync.PAGE_SIZE = 1000
sync.OVERLAP = "1h"

---@class two_tower.SyncOptions
---@field page_size? integer rows per request (default: 1000)
---@field since? integer|"last" only rows created since this time (microseconds UTC), or since the last sync was begun
---@field overlap? integer microseconds that `since` is taken back, for clocks that differ and rows that were not yet
---  committed (default: one hour)
---@field full? boolean also delete rows that the remote tables do not have (default: false)
---@field live? boolean leave out rows created after the sync began, so that tables in use hold still (default: false)
---@field restart? boolean forget an interrupted sync (default: false)
---@field say? fun(message: string, fields: table[]) takes the lines of the log

-- One table on its way.
---@class two_tower.SyncJob
---@field plan two_tower.SyncTable
---@field state two_tower.SyncState
---@field pager tt.postgrest.Pager
---@field phase "check"|"pages"|"count"|"done" check: whether what was received before an interruption still counts
---@field attempt integer
---@field requests integer
---@field timeouts integer of counting, in a row

local function begin_pages(job)
    local select, columns = tables.request(job.plan)
    job.pager = postgrest.pager(job.plan.name, {
        select = select, columns = columns, key = job.plan.key, page_size = job.page_size, filters = job.filters,
        after = job.state.after, received = job.state.received,
    })
    job.phase = "pages"
end

local function next_request(job)
    job.requests = job.requests + 1
    if job.phase == "pages" then
        local request = job.pager:request()
        if request then return request end
        job.phase = "count"
    end
    -- How many rows there are.
    return {
        method = "GET", url = "/rest/v1/" .. job.plan.name, headers = { prefer = "count=exact" },
        query = postgrest.query { select = job.plan.key[1], filters = job.filters, limit = 1 },
    }
end

local function start_over(run, job, counts)
    job.attempt = job.attempt + 1
    local name = job.plan.name
    if job.attempt > ATTEMPTS then
        tt.error("sync.incomplete", ("table '%s': the server counted %d rows before, gave %d, and counted %d after, at "
            .. "the last of %d attempts; the local table was left as it was. If rows are added all the time, --live "
            .. "leaves out those that come after the sync began"):format(name, counts.before, counts.received,
            counts.after, ATTEMPTS),
            { table = name, before = counts.before, received = counts.received, after = counts.after })
    end
    log.warn("the remote table changed while it was read; reading it anew", json.object {
        { "table", name }, { "before", counts.before }, { "received", counts.received }, { "after", counts.after },
    })
    staging.reset(run.db, job.plan, job.state)
    begin_pages(job)
end

-- The column that a server says it does not have.
local function unknown_column(problem)
    if problem.details.code ~= "42703" then return nil end
    local name = problem.details.message:match('column "?([%w_."]+)"? does not exist')
    return name and name:gsub('"', ""):match("[%w_]+$")
end

-- Asks again without a column that the remote table lacks; false when that is not what is wrong.
local function without_column(run, job, problem)
    local name = unknown_column(problem)
    local known = false
    for _, column in ipairs(job.plan.columns) do known = known or column.name == name end
    if not known or job.state.received > 0 then return false end
    tables.leave_out(job.plan, name)
    local columns = {}
    for index, column in ipairs(job.plan.columns) do columns[index] = column.name end
    staging.update(run.db, job.state, { columns = columns })
    begin_pages(job)
    return true
end

local function take_page(run, job, request, response)
    local problem = supabase.problem(response, request)
    if problem and without_column(run, job, problem) then return end
    local page, info = job.pager:accept(response, problem)
    if not page then return end
    if page:unique(job.plan.key):height() < #page then
        tt.error("sync.key", ("remote table '%s': rows share their %s, which must tell them apart")
            :format(job.plan.name, table.concat(job.plan.key, ", ")), { table = job.plan.name })
    end
    local rows, names = tables.split(job.plan, page)
    staging.keep(run.db, job.plan, job.state, { rows = rows, names = names, after = info.after,
        total = job.pager.total or sql.null })
end

-- The number of rows that the server tells; nil when it took too long and is to be asked again.
local function counted(job, request, response)
    local problem = supabase.problem(response, request)
    if problem then
        job.timeouts = job.timeouts + 1
        if problem.code ~= "supabase.timeout_57014" or job.timeouts == TIMEOUTS then
            tt.error(problem.code, problem.message, problem.details)
        end
        log.warn("statement timeout while counting, asking again", { table = job.plan.name })
        return nil
    end
    job.timeouts = 0
    return postgrest.total(response.headers["content-range"]) or tt.error("supabase.count",
        ("remote table '%s': the server did not say how many rows there are"):format(job.plan.name),
        { table = job.plan.name })
end

local function complete(run, job)
    staging.update(run.db, job.state, { status = "complete", total = job.state.received })
    job.phase = "done"
    run.say("read", { { "table", job.plan.name }, { "rows", job.state.received }, { "requests", job.requests },
        { "seconds", time.monotonic() - run.started } })
end

local function take_check(run, job, request, response)
    local now = counted(job, request, response)
    if not now then return end
    if now == job.state.total then
        if job.state.status == "complete" then return complete(run, job) end
    else
        log.info("the remote table has changed since the interrupted sync; reading it anew", json.object {
            { "table", job.plan.name }, { "before", job.state.total }, { "now", now } })
        staging.reset(run.db, job.plan, job.state)
    end
    begin_pages(job)
end

local function take_count(run, job, request, response)
    local after, received = counted(job, request, response), job.state.received
    if not after then return end
    local before = job.pager.total or received
    if received == before and received == after then return complete(run, job) end
    start_over(run, job, { before = before, received = received, after = after })
end

local take = { check = take_check, pages = take_page, count = take_count }

-- The rows of all tables, of those that the server has counted so far.
local function show(bar, jobs)
    local total, received = 0, 0
    for _, job in ipairs(jobs) do
        total = total and job.state.total and total + job.state.total
        received = received + job.state.received
    end
    bar.total = total or nil
    bar:set(received)
end

-- In rounds of one request for each table: while one page is brought into the database, the others are on their way.
local function fetch(run, jobs)
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.code == "http.timeout" then
            problem.message = problem.message .. "; a smaller --page-size asks for less at once"
        end
    end })
    local bar <close> = progress.bar { label = "fetch", unit = "rows" }
    while true do
        local requests, owner = {}, {}
        for _, job in ipairs(jobs) do
            if job.phase ~= "done" then
                local request = next_request(job)
                requests[#requests + 1] = request
                owner[request] = job
            end
        end
        if #requests == 0 then return end
        for request, response in run.project:each(requests, { parallel = #requests }) do
            local job = owner[request]
            take[job.phase](run, job, request, response)
            show(bar, jobs)
        end
    end
end

local function apply_all(run, jobs)
    for _, job in ipairs(jobs) do
        if job.state.status ~= "applied" then
            local started = time.monotonic()
            for index, done in ipairs(apply.table(run.db, job.plan, job.state, run)) do
                run.say("wrote", { { "table", done.table }, { "inserted", done.inserted }, { "updated", done.updated },
                    { "deleted", done.deleted }, { "seconds", index == 1 and time.monotonic() - started or nil } })
            end
        end
    end
end

-- The time from which on rows are asked for, nil for all of them.
local function since_of(run, opts)
    local since = opts.since
    if since == "last" then
        since = staging.last_start(run.db, run.source)
        if not since then log.info("no sync of this project is recorded here yet; everything is fetched") end
    end
    return since and since - (opts.overlap or time.duration(sync.OVERLAP))
end

-- What a state must be of for a sync to go on with it.
local function identity_of(run, plans, since)
    local described = {}
    for _, plan in ipairs(plans) do
        local columns = {}
        for index, column in ipairs(plan.columns) do columns[index] = column.name .. " " .. column.type end
        described[#described + 1] = json.object { { "table", plan.name }, { "columns", columns } }
    end
    return json.object { { "version", 1 }, { "source", run.source }, { "since", since and time.format(since) },
        { "full", run.full }, { "live", run.live }, { "tables", described } }
end

-- The columns that the interrupted sync had settled on.
local function restore_columns(plan, state)
    local kept = {}
    for _, name in ipairs(state.columns) do
        for _, column in ipairs(plan.columns) do
            if column.name == name then kept[#kept + 1] = column end
        end
    end
    plan.columns = kept
end

local function filters_of(run, since, started_at)
    local filters = {}
    if since then filters[1] = { "created_at", "gte", time.format(since) } end
    if run.live then
        filters[#filters + 1] = { "or", { { "created_at", "is", json.null }, { "created_at", "lte", started_at } } }
    end
    return filters
end

local function make_jobs(run, plans, since, opts)
    local now = time.format(time.now())
    local states, resumed = staging.begin(run.db, plans, identity_of(run, plans, since),
        { restart = opts.restart, started_at = now })
    local jobs = {}
    for index, plan in ipairs(plans) do
        local state = states[plan.name]
        if resumed then restore_columns(plan, state) end
        jobs[index] = { plan = plan, state = state, attempt = 1, requests = 0, timeouts = 0,
            page_size = opts.page_size or sync.PAGE_SIZE, filters = filters_of(run, since, state.started_at),
            phase = "done" }
        if state.status == "complete" or state.status == "open" and state.received > 0 then
            jobs[index].phase = "check"
        elseif state.status == "open" then
            begin_pages(jobs[index])
        end
        if not resumed then
            local rows, names = tables.split(plan, tables.empty_page(plan))
            staging.try(run.db, plan, rows, names)
        elseif state.received > 0 or state.status ~= "open" then
            log.info("going on with an interrupted sync", json.object { { "table", plan.name },
                { "received", state.received }, { "status", state.status } })
        end
    end
    return jobs
end

--- Fetches the project's tables into the database.
---@param db tt.Database
---@param project tt.supabase.Project
---@param opts? two_tower.SyncOptions
function sync.run(db, project, opts)
    opts = opts or {}
    if project:role() == "anon" then
        tt.error("usage.credentials", "the key is the project's public one, from which row-level security hides rows "
            .. "without a word: a sync needs the service role key")
    end
    local function say(message, fields) log.info(message, json.object(fields)) end
    local run = { db = db, project = project, source = project:url(), full = opts.full or false,
        live = opts.live or false, say = opts.say or say, started = time.monotonic() }
    local _ <close> = staging.lock(db)
    local since = since_of(run, opts)
    run.everything = since == nil
    local jobs = make_jobs(run, tables.plan(db), since, opts)
    fetch(run, jobs)
    apply_all(run, jobs)
    local rows = 0
    for _, job in ipairs(jobs) do rows = rows + job.state.received end
    staging.finish(db, { source = run.source, started_at = jobs[1].state.started_at, rows = rows,
        mode = run.full and "full" or since and "since" or "all", since = since and time.format(since) })
end

return sync
