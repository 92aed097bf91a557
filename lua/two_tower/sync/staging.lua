--- Where a sync keeps what it has received until a table is complete: staging tables and the place it has reached, in
--- the target database itself, so that a page and the place behind it are there together or not at all.
---
---   tt_sync_NAME   rows received so far of the table NAME
---   tt_sync_state  one row for each table: the place reached, and what the sync is of
---   tt_sync_runs   finished syncs; stays

local frame = require("tt.frame")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local schema = require("two_tower.data.schema")
local sql = require("tt.sql")
local time = require("tt.time")

local staging = {}

---@class two_tower.SyncState
---@field name string
---@field started_at string
---@field total integer|nil rows there were when the table was begun
---@field received integer
---@field after any[]|nil key of the last row received
---@field columns string[]
---@field status "open"|"complete"|"applied"

local STATE = { { "name", "text" }, { "identity", "text" }, { "started_at", "text" }, { "total", "bigint" },
    { "received", "bigint" }, { "after", "text" }, { "columns", "text" }, { "status", "text" } }
local RUNS = { { "source", "text" }, { "started_at", "text" }, { "finished_at", "text" }, { "mode", "text" },
    { "since", "text" }, { "rows", "bigint" } }

local function named(db, name) return schema.table_name(db, "tt_sync_" .. name) end

--- The staging table of a table.
---@param db tt.Database
---@param name string
---@return string
function staging.table_name(db, name) return named(db, name) end

local function exists(db, name)
    for _, known in ipairs(db:tables()) do
        if known == name or known == schema.table_name(db, name) then return true end
    end
    return false
end

-- Nothing of a sync that is under way needs to outlive a crash of the server.
local function create(db, name, columns, options)
    local lines = {}
    for index, column in ipairs(columns) do lines[index] = sql.identifier(column[1]) .. " " .. column[2] end
    if options.key then lines[#lines + 1] = ("PRIMARY KEY (%s)"):format(table.concat(options.key, ", ")) end
    local kind = db:dialect() ~= "sqlite" and not options.lasting and "UNLOGGED TABLE" or "TABLE"
    db:exec(("CREATE %s IF NOT EXISTS %s (%s)"):format(kind, name, table.concat(lines, ", ")))
end

local function create_staging(db, plan)
    local columns = {}
    for index, column in ipairs(plan.columns) do columns[index] = { column.name, column.type } end
    create(db, named(db, plan.name), columns, { key = plan.key })
    for _, entry in ipairs(plan.names) do
        create(db, named(db, entry.table), { { "video_id", entry.types.video_id },
            { entry.column, entry.types[entry.column] } }, { key = { "video_id", entry.column } })
    end
end

local function drop_staging(db, plan)
    db:exec("DROP TABLE IF EXISTS " .. named(db, plan.name))
    for _, entry in ipairs(plan.names) do db:exec("DROP TABLE IF EXISTS " .. named(db, entry.table)) end
end

--- Keeps other syncs out of a database while this one runs.
---@param db tt.Database
---@return any lock to be kept in a `<close>` variable
function staging.lock(db)
    local function refuse()
        tt.error("sync.busy", "another sync into this database is running; wait for its end", nil, 3)
    end
    if db:dialect() ~= "sqlite" then
        local key = "hashtext('tt_sync')"
        if not db:query(("SELECT pg_try_advisory_lock(%s) AS locked"):format(key)).locked[1] then refuse() end
        return setmetatable({}, { __close = function()
            if db:is_open() then pcall(db.query, db, ("SELECT pg_advisory_unlock(%s) AS unlocked"):format(key)) end
        end })
    end
    local path = db:query("PRAGMA database_list"):filter("name = 'main'").file[1]
    if path == nil or path == "" then return nil end -- in memory, nobody else's
    local ok, lock = pcall(fs.lock, path .. ".sync-lock")
    if ok then return lock end
    if type(lock) == "table" and lock.code == "fs.locked" then refuse() end
    return error(lock, 0)
end

local function decoded(text) return text and json.decode(text) or nil end

-- A sync that was interrupted longer ago starts anew: too much may have changed that counts do not show.
local OLDEST = 86400 * 1000000

local function read_states(db, identity)
    if not exists(db, "tt_sync_state") then return nil end
    local states, other = {}, nil
    for row in db:query(("SELECT * FROM %s"):format(named(db, "state"))):rows() do
        if row.identity ~= identity then
            other = "was of another project, of other options or other tables"
        elseif time.now() - (time.parse(row.started_at) or 0) > OLDEST then
            other = "is older than a day"
        end
        states[row.name] = { name = row.name, started_at = row.started_at, total = row.total, received = row.received,
            after = decoded(row.after), columns = decoded(row.columns), status = row.status }
    end
    if next(states) == nil then return nil end
    return states, other
end

--- Finds the place that an interrupted sync of the same kind has reached, or makes a beginning.
---@param db tt.Database
---@param plans two_tower.SyncTable[]
---@param identity table what the sync depends on: another one's state is put aside
---@param options { restart?: boolean, started_at: string }
---@return table<string, two_tower.SyncState> states by table
---@return boolean resumed
function staging.begin(db, plans, identity, options)
    local text = json.encode(identity)
    return db:transaction(function()
        local states, other = read_states(db, text)
        if states and (other or options.restart) then
            log.warn(options.restart and "an interrupted sync is forgotten"
                or ("an interrupted sync %s; starting anew"):format(other))
            states = nil
        end
        if states then return states, true end
        db:exec("DROP TABLE IF EXISTS " .. named(db, "state"))
        create(db, named(db, "state"), STATE, { key = { "name" } })
        states = {}
        for _, plan in ipairs(plans) do
            drop_staging(db, plan)
            create_staging(db, plan)
            local columns = {}
            for index, column in ipairs(plan.columns) do columns[index] = column.name end
            states[plan.name] = { name = plan.name, started_at = options.started_at, received = 0, columns = columns,
                status = "open" }
            db:exec(("INSERT INTO %s (name, identity, started_at, received, columns, status) "
                .. "VALUES (?, ?, ?, 0, ?, 'open')"):format(named(db, "state")),
                { plan.name, text, options.started_at, json.encode(columns) })
        end
        return states, false
    end)
end

-- The row of a table says what its state says; no row means that somebody else has taken the tables over.
local function store(db, state)
    local changed = db:exec(("UPDATE %s SET total = ?, received = ?, after = ?, columns = ?, status = ? WHERE name = ?")
        :format(named(db, "state")), { state.total or sql.null, state.received,
        state.after and json.encode(state.after) or sql.null, json.encode(json.array(state.columns)), state.status,
        state.name })
    if changed ~= 1 then
        tt.error("sync.state", "the state of this sync is gone from the database; start it again", nil, 2)
    end
end

--- Changes a state in the database and, once it is there, in memory.
---@param db tt.Database
---@param state two_tower.SyncState
---@param changes table
function staging.update(db, state, changes)
    local next_state = {}
    for name, value in pairs(state) do next_state[name] = value end
    for name, value in pairs(changes) do
        next_state[name] = value
        if value == sql.null then next_state[name] = nil end
    end
    store(db, next_state)
    for name in pairs(changes) do state[name] = next_state[name] end
end

--- Tries the types of a table's columns before anything is fetched.
---@param db tt.Database
---@param plan two_tower.SyncTable
---@param rows tt.Frame
---@param names tt.Frame[]
function staging.try(db, plan, rows, names)
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.code == "sql.type" then
            problem.message = ("local table '%s': %s"):format(plan.name, problem.message)
        end
    end })
    db:write(named(db, plan.name), rows)
    for index, entry in ipairs(plan.names) do db:write(named(db, entry.table), names[index]) end
end

--- Keeps a page and the place behind it.
---@param db tt.Database
---@param plan two_tower.SyncTable
---@param state two_tower.SyncState
---@param page { rows: tt.Frame, names: tt.Frame[], after: any[], total: integer }
function staging.keep(db, plan, state, page)
    db:transaction(function()
        db:write(named(db, plan.name), page.rows)
        for index, entry in ipairs(plan.names) do
            if #page.names[index] > 0 then db:write(named(db, entry.table), page.names[index]) end
        end
        staging.update(db, state, { received = state.received + #page.rows, after = page.after, total = page.total })
    end)
end

--- Forgets what was received of a table.
---@param db tt.Database
---@param plan two_tower.SyncTable
---@param state two_tower.SyncState
function staging.reset(db, plan, state)
    db:transaction(function()
        db:exec("DELETE FROM " .. named(db, plan.name))
        for _, entry in ipairs(plan.names) do db:exec("DELETE FROM " .. named(db, entry.table)) end
        staging.update(db, state, { received = 0, after = sql.null, total = sql.null, status = "open" })
    end)
end

--- Removes a table's staging; its state says from now on that it has been applied.
---@param db tt.Database
---@param plan two_tower.SyncTable
---@param state two_tower.SyncState
function staging.applied(db, plan, state)
    drop_staging(db, plan)
    staging.update(db, state, { status = "applied" })
end

--- Ends a sync: records it and leaves nothing else behind.
---@param db tt.Database
---@param run { source: string, started_at: string, mode: string, since: string|nil, rows: integer }
function staging.finish(db, run)
    db:transaction(function()
        create(db, named(db, "runs"), RUNS, { lasting = true })
        db:write(named(db, "runs"), frame.from_table({ {
            source = run.source, started_at = run.started_at, finished_at = time.format(time.now()), mode = run.mode,
            since = run.since, rows = run.rows,
        } }, { schema = { since = "string" } }))
        db:exec("DROP TABLE " .. named(db, "state"))
    end)
end

--- Finds when the newest finished sync of a project was begun.
---@param db tt.Database
---@param source string
---@return integer|nil microseconds UTC
function staging.last_start(db, source)
    if not exists(db, "tt_sync_runs") then return nil end
    local newest = db:query(("SELECT max(started_at) AS started_at FROM %s WHERE source = ?")
        :format(named(db, "runs")), { source }).started_at[1]
    return newest and time.parse(newest)
end

return staging
