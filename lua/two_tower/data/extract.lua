--- Reads the input tables and cleans them: the same frames whether they come from PostgreSQL or SQLite. Which columns
--- and token lists are read is declared in `two_tower.features`.
---
--- Every read names its columns and is brought into a total order by id here, not by the database, so that collations
--- and storage order never reach a result.

local time = require("tt.time")

local extract = {}

---@class two_tower.Data
---@field profiles tt.Frame user_id uuid and the declared columns; ascending by user_id
---@field videos tt.Frame id uuid and the declared columns; ascending by id
---@field lists table<string, tt.Frame> per token list owner, token; each pair once
---@field decisions tt.Frame effective decisions: user_id, video_id, decision_type, created_at; ascending by both ids
---@field decision_rows integer rows of the decisions table
---@field reference_time integer|nil newest effective decision, microseconds UTC
---@field item_reference_time integer|nil newest release of any video

--- Which videos are read: those whose time lies in [from, to).
---@class two_tower.Window
---@field column string a time of `videos`
---@field from integer microseconds UTC
---@field to integer
---@field undated? boolean those without a time too

-- How one column is read. PostgreSQL hands over typed values, infinite times as null; SQLite, which stores what it is
-- given, hands over texts that are cast afterwards.
local postgresql = {
    prefix = "public.",
    uuid = function(name) return name end,
    text = function(name) return name end,
    time = function(name) return name .. "::timestamptz" end,
    number = function(name) return name end,
    -- Arrays and JSON lists alike.
    list = function(name) return ("to_jsonb(%s)::text"):format(name) end,
}
local sqlite = {
    prefix = "",
    uuid = function(name) return ("CAST(%s AS TEXT)"):format(name) end,
    text = function(name) return ("CAST(%s AS TEXT)"):format(name) end,
    time = function(name) return ("CAST(%s AS TEXT)"):format(name) end,
    number = function(name)
        -- Seventeen digits bring a stored double back exactly; numeric text goes through as it is.
        return ("CASE typeof(%s) WHEN 'real' THEN printf('%%!.17g', %s) ELSE CAST(%s AS TEXT) END")
            :format(name, name, name)
    end,
}

sqlite.list = sqlite.text

local CAST = { time = "timestamp", number = "float64", list = "list<string>" }

local function dialect_of(db) return db:dialect() == "sqlite" and sqlite or postgresql end

-- A value to be closed: a misfit that leaves its scope says which table it was in.
local function naming(source)
    return setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.code == "sql.type" then
            problem.message = ("table '%s': %s"):format(source:match("^%S+"), problem.message)
        end
    end })
end

-- Unreadable dates and numbers are null; an id that is no UUID was an error of the read.
local function clean(frame, columns, missing)
    for _, column in ipairs(missing) do frame = frame:with({ { column[1], "null" } }) end
    local casts = {}
    for _, column in ipairs(columns) do casts[column[1]] = CAST[column[2]] end
    if next(casts) then
        local _ <close> = frame
        frame = frame:cast(casts, { strict = false })
    end
    for _, column in ipairs(columns) do
        if column[2] == "number" then
            frame = frame:with({ { column[1], ("if(isfinite(%s), %s, null)"):format(column[1], column[1]) } })
        end
    end
    return frame
end

-- Begins to read a table or join: `columns` is a list of { name, kind, optional?, from? }. Gives the read, to be
-- closed, and a function that waits for its frame; PostgreSQL's rows arrive meanwhile.
local function begin(db, source, columns, present, where)
    local dialect = dialect_of(db)
    local select, missing, types = {}, {}, {}
    for _, column in ipairs(columns) do
        local name, kind = column[1], column[2]
        if not present or present[column.from or name] then
            local expression = dialect[kind]((column.alias and column.alias .. "." or "") .. (column.from or name))
            select[#select + 1] = ("%s AS %s"):format(expression, name)
            if kind == "uuid" then types[name] = "uuid" end
        elseif column.optional then
            missing[#missing + 1] = column
        else
            tt.error("extract.no_column", ("table '%s' has no column '%s'"):format(source, column.from or name),
                { table = source, column = column.from or name })
        end
    end
    local query = ("SELECT %s FROM %s%s"):format(table.concat(select, ", "), dialect.prefix, source)
    local _ <close> = naming(source)
    local reading = db:read_ahead(where and query .. " WHERE " .. where or query, { types = types })
    return reading, function()
        local _ <close> = naming(source)
        return clean(reading:frame(), columns, missing)
    end
end

local function read(...)
    local _ <close>, frame = begin(...)
    return frame()
end

local function table_columns(db, name)
    local present, exists = {}, false
    for _, known in ipairs(db:tables()) do exists = exists or known == name end
    if exists then
        for _, column in ipairs(db:columns(dialect_of(db).prefix .. name)) do present[column.name] = true end
    else
        tt.error("extract.no_table", ("the database has no table '%s'; load the input tables first ('tt demo.lua' "
            .. "makes a database to try)"):format(name), { table = name })
    end
    return present
end

-- Rows in ascending order of an id that must be there once.
local function keyed(frame, name, key)
    local sorted = frame:sort({ key }, { distinct = 1 })
    if sorted:height() < frame:height() then
        local double = frame:sort({ key }):value_counts(key)
        tt.error("extract.duplicate", ("table '%s' holds %s %s more than once"):format(name, key, double[key][1]),
            { table = name, column = key })
    end
    return sorted
end

-- The id and the declared columns of an entity, as `begin` takes them.
local function declared_columns(set, entity, id)
    local columns = { { id, "uuid" } }
    for _, column in ipairs(set.declared.columns[entity]) do columns[#columns + 1] = column end
    return columns
end

local function read_profiles(db, set)
    return read(db, "profiles", declared_columns(set, "user", "user_id"), table_columns(db, "profiles"),
        "user_id IS NOT NULL")
end

--- Reads users.
---@param db tt.Database
---@param set two_tower.FeatureSet
---@return tt.Frame profiles user_id and the declared columns; ascending by user_id
function extract.profiles(db, set) return keyed(read_profiles(db, set), "profiles", "user_id") end

-- What narrows a read to a window on PostgreSQL, put behind a condition: `inside` follows the columns of `videos`.
-- SQLite's texts are compared once they are times.
local function narrowed(db, window, where, inside)
    if not window or dialect_of(db) == sqlite then return where end
    local at = postgresql.time(window.column)
    local condition = ("%s >= '%s' AND %s < '%s'"):format(at, time.format(window.from), at, time.format(window.to))
    if window.undated then condition = ("%s OR %s IS NULL OR NOT isfinite(%s)"):format(condition, at, at) end
    return ("%s AND %s"):format(where, (inside or "(%s)"):format(condition))
end

-- Videos as they are stored, in any order.
local function read_videos(db, set, window)
    local columns = declared_columns(set, "item", "id")
    if window then columns[#columns + 1] = { "at", "time", from = window.column } end
    local frame = read(db, "videos", columns, table_columns(db, "videos"), narrowed(db, window, "id IS NOT NULL"))
    if not window then return frame end
    return frame:filter(("at >= timestamp(%d) and at < timestamp(%d)%s"):format(window.from, window.to,
        window.undated and " or at is null" or ""))
end

--- Reads videos with the columns that features may use. Optional ones that are absent read as null.
---@param db tt.Database
---@param set two_tower.FeatureSet
---@param window? two_tower.Window (default: all videos)
---@return tt.Frame videos ascending by id; with a window its time is the column `at`
function extract.videos(db, set, window) return keyed(read_videos(db, set, window), "videos", "id") end

--- Counts the videos that have no time in a column.
---@param db tt.Database
---@param column string
---@return integer
function extract.undated(db, column)
    local where = "id IS NOT NULL"
    if dialect_of(db) ~= sqlite then
        where = ("%s AND (%s IS NULL OR NOT isfinite(%s))"):format(where, column, column)
    end
    return read(db, "videos", { { "at", "time", from = column } }, table_columns(db, "videos"), where).at:null_count()
end

--- Reads titles, for people to read.
---@param db tt.Database
---@return tt.Frame titles video_id, title
function extract.titles(db)
    return read(db, "videos", { { "video_id", "uuid", from = "id" }, { "title", "text", optional = true } },
        table_columns(db, "videos"))
end

-- The names of a table of links: its own (`video_tags.tag_name`), or, where it holds ids, those of the table that they
-- point into (`video_tags.tag_id` into `tags.name`). Those of videos outside of a window may be left out.
local function read_links(db, tokens, window)
    local link, dialect = tokens.link, dialect_of(db)
    local present = table_columns(db, link)
    local inside = "video_id IN (SELECT id FROM public.videos WHERE %s)"
    if tokens.token and present[tokens.token] then
        return read(db, link, { { "owner", "uuid", from = "video_id" }, { "token", "text", from = tokens.token } },
            present, narrowed(db, window, ("%s <> ''"):format(tokens.token), inside))
    end
    if not tokens.id or not present[tokens.id] then
        tt.error("extract.no_column", ("table '%s' has %s"):format(link, not tokens.id
            and ("no column '%s'"):format(tokens.token) or not tokens.token
            and ("no column '%s' (into the table '%s')"):format(tokens.id, tokens.named)
            or ("neither the column '%s' nor '%s' (into the table '%s')"):format(tokens.token, tokens.id,
                tokens.named)), { table = link, column = tokens.token or tokens.id })
    end
    local columns = table_columns(db, tokens.named)
    for _, column in ipairs({ "id", "name" }) do
        if not columns[column] then
            tt.error("extract.no_column", ("table '%s' has no column '%s'"):format(tokens.named, column),
                { table = tokens.named, column = column })
        end
    end
    return read(db, ("%s AS link JOIN %s%s AS named ON named.id = link.%s")
        :format(link, dialect.prefix, tokens.named, tokens.id),
        { { "owner", "uuid", alias = "link", from = "video_id" },
            { "token", "text", from = "name", alias = "named" } },
        nil, narrowed(db, window, "named.name <> ''", "link." .. inside))
end

-- The tokens of a column of the entity's own table: a text is one, a list as many as it holds.
local function read_column(db, tokens, window)
    local name, id = "videos", "id"
    if tokens.of == "user" then name, id, window = "profiles", "user_id", nil end
    local where = ("%s IS NOT NULL AND %s IS NOT NULL"):format(id, tokens.column)
    local pairs_ = read(db, name, { { "owner", "uuid", from = id },
        { "token", tokens.type or "text", from = tokens.column } }, table_columns(db, name),
        narrowed(db, window, where))
    if tokens.type == "list" then pairs_ = pairs_:explode("token") end
    return pairs_:filter("token <> ''")
end

local function read_tokens(db, tokens, window)
    return (tokens.link and read_links or read_column)(db, tokens, window)
end

--- Reads one token list. Empty tokens are dropped; a token counts once for its owner.
---@param db tt.Database
---@param tokens two_tower.Tokens
---@param window? two_tower.Window tokens of other videos may be left out (default: all videos)
---@return tt.Frame pairs owner, token
function extract.tokens(db, tokens, window) return read_tokens(db, tokens, window):unique({ "owner", "token" }) end

-- Begins to read decisions. Gives the read, to be closed, and a function that waits for the effective ones and the
-- number of rows of the table.
local function begin_decisions(db)
    local reading, frame = begin(db, "user_video_decisions", {
        { "user_id", "uuid" }, { "video_id", "uuid" }, { "decision_type", "text" }, { "created_at", "time" },
    }, table_columns(db, "user_video_decisions"), "user_id IS NOT NULL AND video_id IS NOT NULL")
    return reading, function()
        local all <close> = frame()
        return all:sort({ "user_id", "video_id", "-created_at", "decision_type" }, { distinct = 2 }), all:height()
    end
end

--- Reads decisions and keeps the effective one per user and video: the newest; undated counts as oldest; of equally new
--- ones the `decision_type` that is first by code point.
---@param db tt.Database
---@return tt.Frame decisions ascending by user_id, video_id
---@return integer rows rows of the table
function extract.decisions(db)
    local _ <close>, effective = begin_decisions(db)
    return effective()
end

-- Reads several tables as they were at one moment, whoever writes to them meanwhile.
local function snapshot(db, body)
    if db:dialect() == "sqlite" then return db:transaction(body, { read_only = true }) end
    return db:transaction(function()
        db:exec("SET LOCAL TIME ZONE 'UTC'")
        return body()
    end, { isolation = "repeatable read", read_only = true })
end

-- Videos and the tokens they carry, as they are stored.
local function read_items(db, set, report, window)
    local data = { videos = read_videos(db, set, window), lists = {} }
    report("videos", data.videos:height())
    for _, tokens in ipairs(set:tokens("item")) do
        data.lists[tokens.name] = read_tokens(db, tokens, window)
        report(tokens.link or "videos." .. tokens.column, data.lists[tokens.name]:height())
    end
    return data
end

-- A token counts once for its owner, and not where the owner is not in the table, so that it is in no vocabulary.
local function order_list(data, tokens, owners, id)
    data.lists[tokens.name] = data.lists[tokens.name]:unique({ "owner", "token" })
        :join(owners, { left_on = "owner", right_on = id, how = "semi" })
end

local function order_items(data, set)
    data.videos = keyed(data.videos, "videos", "id")
    for _, tokens in ipairs(set:tokens("item")) do order_list(data, tokens, data.videos, "id") end
    return data
end

-- Users and their own tokens.
local function read_users(db, set, report, data)
    data.profiles = read_profiles(db, set)
    report("profiles", data.profiles:height())
    for _, tokens in ipairs(set:tokens("user")) do
        if tokens.of == "user" then
            data.lists[tokens.name] = read_tokens(db, tokens)
            report("profiles." .. tokens.column, data.lists[tokens.name]:height())
        end
    end
end

local function order_users(data, set)
    data.profiles = keyed(data.profiles, "profiles", "user_id")
    for _, tokens in ipairs(set:tokens("user")) do
        if tokens.of == "user" then order_list(data, tokens, data.profiles, "user_id") end
    end
end

--- Reads videos and the tokens they carry: what the embedding stage needs.
---@param db tt.Database
---@param set two_tower.FeatureSet
---@param report? fun(name: string, rows: integer) called after each table
---@param window? two_tower.Window which videos (default: all)
---@return { videos: tt.Frame, lists: table<string, tt.Frame> }
function extract.items(db, set, report, window)
    report = report or function() end
    return snapshot(db, function() return order_items(read_items(db, set, report, window), set) end)
end

--- Reads everything the training stage needs.
---@param db tt.Database
---@param set two_tower.FeatureSet
---@param report? fun(name: string, rows: integer) called after each table, with its rows as they are stored
---@param inside? fun(data: two_tower.Data): any called while the database still shows the moment that was read
---@param meanwhile? fun(data: two_tower.Data) called while decisions, which are most of all rows, still arrive: with
---  all but what is made of them
---@return two_tower.Data
---@return any ... what `inside` returns
function extract.read(db, set, report, inside, meanwhile)
    report = report or function() end
    return snapshot(db, function()
        local tables = read_items(db, set, report)
        read_users(db, set, report, tables)
        local _ <close>, decisions = begin_decisions(db)
        order_items(tables, set)
        order_users(tables, set)
        tables.item_reference_time = tables.videos.product_released_at:max()
        if meanwhile then meanwhile(tables) end
        tables.decisions, tables.decision_rows = decisions()
        report("user_video_decisions", tables.decision_rows)
        tables.reference_time = tables.decisions.created_at:max()
        if inside then return tables, inside(tables) end
        return tables
    end)
end

return extract
