--- Brings what a sync has received of a table into the local table, in one transaction: all of it or nothing.
---
--- Rows are updated where something differs and inserted where they are missing, whatever primary key the local table
--- has, so the statements are the same for tables with the key of two columns, of four, or none.

local schema = require("two_tower.data.schema")
local sql = require("tt.sql")
local staging = require("two_tower.sync.staging")

local apply = {}

local quote = sql.identifier

-- "t.a = s.a AND t.b = s.b"
local function same(key)
    local parts = {}
    for index, name in ipairs(key) do parts[index] = ("t.%s = s.%s"):format(quote(name), quote(name)) end
    return table.concat(parts, " AND ")
end

local function list(names, prefix)
    local parts = {}
    for index, name in ipairs(names) do parts[index] = (prefix or "") .. quote(name) end
    return table.concat(parts, ", ")
end

local function count(db, name, where)
    return db:query(("SELECT count(*) AS n FROM %s%s"):format(name, where and " WHERE " .. where or "")).n[1]
end

-- The local table and its staging table, as `FROM` takes them.
local function names_of(db, name) return schema.table_name(db, name), staging.table_name(db, name) end

-- Ids are compared in lower case; an id column of text may hold others.
local function normalise(db, target, key, types)
    for _, name in ipairs(key) do
        if types[name]:lower() ~= "uuid" then
            local column = quote(name)
            db:exec(("UPDATE %s SET %s = lower(%s) WHERE %s <> lower(%s)")
                :format(target, column, column, column, column))
        end
    end
end

local function check_nulls(db, plan, stage)
    for _, column in ipairs(plan.columns) do
        if not column.nullable then
            local rows = count(db, stage, quote(column.name) .. " IS NULL")
            if rows > 0 then
                tt.error("sync.null", ("table '%s': %d rows have no '%s', which the local table demands; let it be "
                    .. "null there (the table that a sync makes does), or sync into another database")
                    :format(plan.name, rows, column.name), { table = plan.name, column = column.name, rows = rows })
            end
        end
    end
end

-- Equality is not defined for the type json.
local function differs(column)
    local name, as = quote(column.name), column.type == "json" and "::text" or ""
    return ("t.%s%s IS DISTINCT FROM s.%s%s"):format(name, as, name, as)
end

local function is_key_column(plan, name)
    for _, key in ipairs(plan.key) do
        if key == name then return true end
    end
    return false
end

-- Tables without the key may hold a row several times; one takes their place.
local function drop_repeats(db, plan, target, stage)
    local key = list(plan.key)
    return db:exec(("DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s AS t JOIN %s AS s ON %s GROUP BY %s "
        .. "HAVING count(*) > 1)"):format(target, key, list(plan.key, "t."), target, stage, same(plan.key),
        list(plan.key, "t.")))
end

-- A join, since SQLite makes an index for one where the table has none.
local function insert_missing(db, target, stage, columns, key)
    return db:exec(("INSERT INTO %s (%s) SELECT %s FROM %s AS s LEFT JOIN %s AS t ON %s WHERE t.%s IS NULL"):format(
        target, list(columns), list(columns, "s."), stage, target, same(key), quote(key[1])))
end

local function upsert(db, plan, target, stage)
    local all, sets, changes = {}, {}, {}
    for index, column in ipairs(plan.columns) do
        all[index] = column.name
        if not is_key_column(plan, column.name) then
            sets[#sets + 1] = ("%s = s.%s"):format(quote(column.name), quote(column.name))
            changes[#changes + 1] = differs(column)
        end
    end
    local repeats = plan.keyed and 0 or drop_repeats(db, plan, target, stage)
    local updated = #sets == 0 and 0 or db:exec(("UPDATE %s AS t SET %s FROM %s AS s WHERE %s AND (%s)")
        :format(target, table.concat(sets, ", "), stage, same(plan.key), table.concat(changes, " OR ")))
    local inserted = insert_missing(db, target, stage, all, plan.key)
    return updated, inserted, repeats
end

-- The names of the videos received are those received. With `gone`, those of other videos go, and they do so before the
-- videos, for the sake of foreign keys.
local function replace_names(db, entry, videos, gone)
    local target, stage = names_of(db, entry.table)
    normalise(db, target, { "video_id" }, entry.types)
    local key = { "video_id", entry.column }
    local received = ("t.video_id IN (SELECT v.id FROM %s AS v)"):format(videos)
    local deleted = db:exec(entry.keyed
        and ("DELETE FROM %s AS t WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS s WHERE %s)")
            :format(target, received, stage, same(key))
        or ("DELETE FROM %s AS t WHERE %s"):format(target, received))
    if gone then
        deleted = deleted + db:exec(("DELETE FROM %s AS t WHERE %s"):format(target, gone.names), gone.values)
    end
    local inserted = insert_missing(db, target, stage, key, key)
    return { table = entry.table, inserted = inserted, updated = 0, deleted = deleted }
end

-- What tells the rows that the remote table does not have any more, or never had: those that were not received, except,
-- where what is newer than the beginning was not asked for, the newer ones.
local function gone_rows(plan, target, stage, newer_than)
    local gone = {
        rows = ("NOT EXISTS (SELECT 1 FROM %s AS s WHERE %s)"):format(stage, same(plan.key)),
        names = ("NOT EXISTS (SELECT 1 FROM %s AS s WHERE s.id = t.video_id)"):format(stage),
    }
    if newer_than then
        gone.values = { newer_than }
        gone.rows = gone.rows .. " AND (t.created_at IS NULL OR t.created_at <= ?)"
        gone.names = ("%s AND NOT EXISTS (SELECT 1 FROM %s AS v WHERE v.id = t.video_id AND v.created_at > ?)")
            :format(gone.names, target)
    end
    return gone
end

-- An empty answer to a question without filters is taken for a mistake where the local table is filled.
local function refuse_empty(db, plan, state)
    local function check(name, what)
        local target, stage = names_of(db, name)
        local here = count(db, target)
        if here == 0 or count(db, stage) > 0 then return end
        -- Otherwise the next sync would go on with what was received now.
        staging.reset(db, plan, state)
        tt.error("sync.empty", ("%s, but the local table '%s' has %d rows: nothing was changed. Is it the right "
            .. "project, and the service role key? If it is meant, empty the local table first")
            :format(what, name, here), { table = name, rows = here })
    end
    check(plan.name, ("the remote table '%s' is empty"):format(plan.name))
    for _, entry in ipairs(plan.names) do
        check(entry.table, ("no row of the remote table '%s' came with names of '%s'"):format(plan.name, entry.table))
    end
end

-- Planners know nothing of a table that was just filled, and readers may go on meanwhile.
local function prepare(db, plan, target)
    if db:dialect() == "sqlite" then return end
    db:exec(("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE"):format(target))
    db:exec("ANALYZE " .. staging.table_name(db, plan.name))
    for _, entry in ipairs(plan.names) do
        db:exec(("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE"):format(schema.table_name(db, entry.table)))
        db:exec("ANALYZE " .. staging.table_name(db, entry.table))
    end
end

local function bring_in(db, plan, state, options)
    local target, stage = names_of(db, plan.name)
    prepare(db, plan, target)
    local staged = count(db, stage)
    if staged ~= state.received then
        tt.error("sync.state", ("table '%s': %d rows were received and %d are kept; start again with --restart")
            :format(plan.name, state.received, staged), { table = plan.name })
    end
    check_nulls(db, plan, stage)
    local types = {}
    for _, column in ipairs(plan.columns) do types[column.name] = column.type end
    normalise(db, target, plan.key, types)
    local updated, inserted, deleted = upsert(db, plan, target, stage)
    local done = { { table = plan.name, inserted = inserted, updated = updated, deleted = deleted } }
    local gone = options.full
        and gone_rows(plan, target, stage, options.live and types.created_at and state.started_at or nil)
    for _, entry in ipairs(plan.names) do done[#done + 1] = replace_names(db, entry, stage, gone) end
    if gone then
        done[1].deleted = done[1].deleted + db:exec(("DELETE FROM %s AS t WHERE %s"):format(target, gone.rows),
            gone.values)
    end
    staging.applied(db, plan, state)
    return done
end

--- Applies a table that was received completely, videos together with their names.
---@param db tt.Database
---@param plan two_tower.SyncTable
---@param state two_tower.SyncState
---@param options { full: boolean, live: boolean, everything: boolean } `full`: rows that were not received go; `live`:
---  rows created after the sync began were not asked for; `everything`: the remote table was asked for as a whole, so
---  that an empty answer is suspicious
---@return { table: string, inserted: integer, updated: integer, deleted: integer }[]
function apply.table(db, plan, state, options)
    if options.everything then refuse_empty(db, plan, state) end
    return db:transaction(function() return bring_in(db, plan, state, options) end)
end

return apply
