--- What a sync fetches, and how the local tables take it. Looks at the local tables before anything is fetched and
--- refuses those that it could not fill.

local frame = require("tt.frame")
local log = require("tt.log")
local schema = require("two_tower.data.schema")

local tables = {}

-- Columns: name, kind, and whether a table without it is of no use.
local TEXTS = { "external_id", "title", "description", "thumbnail_url", "preview_video_url", "distribution_code",
    "maker_code", "director", "series", "maker", "label", "sample_video_url", "source", "product_url" }

local VIDEOS = { { "id", "uuid", needed = true } }
for _, name in ipairs(TEXTS) do VIDEOS[#VIDEOS + 1] = { name, "text" } end
table.move({
    { "image_urls", "json" }, { "price", "number" }, { "duration_seconds", "integer" },
    { "product_released_at", "time" }, { "distribution_started_at", "time" }, { "published_at", "time" },
    { "created_at", "time" }, { "safety_level", "integer" }, { "region_codes", "list" }, { "is_active", "boolean" },
}, 1, 10, #VIDEOS + 1, VIDEOS)

local REMOTE = {
    { name = "profiles", key = { "user_id" }, columns = {
        { "user_id", "uuid", needed = true }, { "display_name", "text" }, { "created_at", "time" },
    } },
    { name = "videos", key = { "id" }, columns = VIDEOS, names = {
        { table = "video_tags", column = "tag_name", id = "tag_id", select = "video_tags(tags(name))",
            path = "video_tags[].tags.name" },
        { table = "video_performers", column = "performer_name", id = "performer_id",
            select = "video_performers(performers(name))", path = "video_performers[].performers.name" },
    } },
    { name = "user_video_decisions", key = { "user_id", "video_id" }, columns = {
        { "user_id", "uuid", needed = true }, { "video_id", "uuid", needed = true },
        { "decision_type", "text", needed = true }, { "created_at", "time" },
    } },
}

---@class two_tower.SyncColumn
---@field name string
---@field type string as the local table declares it
---@field nullable boolean
---@field needed boolean
---@field select string
---@field read string type that the page is read as
---@field cast string|nil type that it is brought into for the local column

---@class two_tower.SyncTable
---@field name string
---@field key string[]
---@field keyed boolean whether the local table's primary key is `key`
---@field columns two_tower.SyncColumn[] that both ends have, as far as is known
---@field names table[] of videos: { table, column, select, path, types, keyed }

-- How a column of some kind is asked for and read, so that the local column takes it.
local function reading(kind, info)
    local is_text, declared = info.dtype == "string" or info.dtype == nil, info.type:lower()
    if kind == "uuid" then return "uuid" end
    if kind == "text" then return "string" end
    -- Times that tt cannot hold (before Christ, after the year 9999, infinite) become null and are no error.
    if kind == "time" then return "string", nil, "timestamp" end
    if kind == "boolean" then return "bool", nil, info.dtype == "int64" and "int64" or nil end
    if kind == "integer" then return "int64" end
    if kind == "json" then return info.dtype == "list<string>" and "list<string>" or "json" end
    -- Lists go into arrays and JSON columns; as text they are JSON.
    if kind == "list" then
        local is_json = declared == "jsonb" or declared == "json"
        return (info.dtype == "list<string>" or is_json) and "list<string>" or "json"
    end
    -- Numerics travel as text, which keeps every digit, and what is no number.
    if info.dtype == "int64" then return "int64" end
    local exact = is_text or declared:match("^numeric") or declared:match("^decimal")
    return "string", "text", not exact and "float64" or nil
end

local function refuse(name, format, ...)
    tt.error("sync.table", ("local table '%s' %s"):format(name, format:format(...)), { table = name }, 3)
end

local function local_columns(db, name)
    local by_name = {}
    for _, info in ipairs(db:columns(schema.table_name(db, name))) do by_name[info.name] = info end
    return by_name
end

-- Whether exactly these columns are the primary key.
local function is_key(infos, key)
    local found = 0
    for _, info in pairs(infos) do found = found + (info.key and 1 or 0) end
    for _, name in ipairs(key) do
        if not infos[name].key then return false end
    end
    return found == #key
end

local function plan_names(db, remote)
    local list = {}
    for _, entry in ipairs(remote.names or {}) do
        local infos = local_columns(db, entry.table)
        if infos[entry.id] and not infos[entry.column] then
            refuse(entry.table, "links to names by '%s', as the remote one does; a sync fills a table of '%s' with "
                .. "'%s'. Sync into another database, or rename this table", entry.id, "video_id", entry.column)
        end
        for _, name in ipairs({ "video_id", entry.column }) do
            if not infos[name] then refuse(entry.table, "has no column '%s'", name) end
        end
        list[#list + 1] = {
            table = entry.table, column = entry.column, select = entry.select, path = entry.path,
            types = { video_id = infos.video_id.type, [entry.column] = infos[entry.column].type },
            keyed = is_key(infos, { "video_id", entry.column }),
        }
    end
    return list
end

local function plan_table(db, remote)
    local infos = local_columns(db, remote.name)
    local columns, missing = {}, {}
    for _, entry in ipairs(remote.columns) do
        local name, info = entry[1], infos[entry[1]]
        if info then
            local read, as, cast = reading(entry[2], info)
            columns[#columns + 1] = {
                name = name, type = info.type, nullable = info.nullable, needed = entry.needed or false,
                select = as and ("%s::%s"):format(name, as) or name, read = read, cast = cast,
            }
        elseif entry.needed then
            refuse(remote.name, "has no column '%s'", name)
        else
            missing[#missing + 1] = name
        end
    end
    if #missing > 0 then
        log.warn("the local table lacks columns, which are left out",
            { table = remote.name, columns = table.concat(missing, " ") })
    end
    return { name = remote.name, key = remote.key, keyed = is_key(infos, remote.key), columns = columns,
        names = plan_names(db, remote) }
end

--- Makes the local tables that are missing and tells how each is to be filled.
---@param db tt.Database
---@return two_tower.SyncTable[] plans in the order in which they are applied
function tables.plan(db)
    local made = db:transaction(function() return schema.ensure(db) end)
    if #made > 0 then log.info("made tables", { tables = table.concat(made, " ") }) end
    local plans = {}
    for index, remote in ipairs(REMOTE) do plans[index] = plan_table(db, remote) end
    return plans
end

--- Leaves out a column that the remote table does not have.
---@param plan two_tower.SyncTable
---@param name string
function tables.leave_out(plan, name)
    local kept = {}
    for _, column in ipairs(plan.columns) do
        if column.name ~= name then
            kept[#kept + 1] = column
        elseif column.needed then
            tt.error("sync.column", ("remote table '%s' has no column '%s', which a sync cannot do without")
                :format(plan.name, name), { table = plan.name, column = name })
        end
    end
    plan.columns = kept
    log.warn("the remote table lacks a column; local values stay as they are, new rows get the default",
        { table = plan.name, column = name })
end

--- What to ask for: the columns of `select`, and how `frame.from_json` reads them.
---@param plan two_tower.SyncTable
---@return string select
---@return table[] columns
function tables.request(plan)
    local select, columns = {}, {}
    for index, column in ipairs(plan.columns) do
        select[index] = column.select
        columns[index] = { column.name, column.read }
    end
    for _, names in ipairs(plan.names) do
        select[#select + 1] = names.select
        columns[#columns + 1] = { names.column, "list<string>", path = names.path }
    end
    return table.concat(select, ","), columns
end

-- Says once for a column that some of its times cannot be held; infinite ones are as good as none anyway.
local function tell_lost(plan, before, after, name)
    plan.told = plan.told or {}
    local lost = after:col(name):null_count() - before:col(name):null_count()
    if lost == 0 or plan.told[name] then return end
    lost = lost - #before:filter(("%s in ('infinity', '-infinity')"):format(name))
    if lost == 0 then return end
    plan.told[name] = true
    log.warn("times that cannot be read become null", { table = plan.name, column = name, rows_of_page = lost })
end

--- Splits a page into the rows of the table and those of the names that its videos carry. Nameless entries are dropped;
--- a name counts once per video.
---@param plan two_tower.SyncTable
---@param page tt.Frame
---@return tt.Frame rows
---@return tt.Frame[] names one for each of `plan.names`
function tables.split(plan, page)
    local columns, casts, names = {}, {}, {}
    for index, column in ipairs(plan.columns) do
        columns[index] = column.name
        casts[column.name] = column.cast
    end
    local given = page:select(columns)
    local rows = given:cast(casts, { strict = false })
    for name, dtype in pairs(casts) do
        if dtype == "timestamp" then tell_lost(plan, given, rows, name) end
    end
    for index, entry in ipairs(plan.names) do
        names[index] = page:select({ "id", entry.column }):rename({ id = "video_id" }):explode(entry.column)
            :filter(('"%s" <> \'\''):format(entry.column)):unique()
    end
    return rows, names
end

--- An empty page, to try a table's types on.
---@param plan two_tower.SyncTable
---@return tt.Frame page
function tables.empty_page(plan)
    local _, columns = tables.request(plan)
    return frame.from_json("[]", { columns = columns })
end

return tables
