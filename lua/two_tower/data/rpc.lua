--- Payloads from elsewhere: the functions of config/schema.sql, called in the database or by REST in a Supabase
--- project, a page of a thousand at a time. Whatever their origin, pages become the payload frames that features are
--- computed from, and are read as tolerantly as the consumer reads them.

local declared = require("two_tower.features")
local frame = require("tt.frame")
local json = require("tt.json")
local log = require("tt.log")
local payloads = require("two_tower.data.payloads")
local supabase = require("tt.supabase")
local tolerant = require("two_tower.data.tolerant")

local rpc = {}

-- The functions give no more rows at once.
local PAGE = 1000
-- Payloads handed on at a time, so that memory does not grow with the table.
local BLOCK = 50000

---@class two_tower.RpcSource
---@field name string for messages
---@field shapes { user: two_tower.PayloadShape, item: two_tower.PayloadShape }
---@field advice string what to do about payloads that are wrong
---@field page fun(self: two_tower.RpcSource, entity: string, limit: integer, offset: integer): tt.Frame
---@field singles fun(self: two_tower.RpcSource, entity: string, ids: tt.Column): tt.Frame
---@field one fun(self: two_tower.RpcSource, entity: string, id: string): table
---@field missing fun(self: two_tower.RpcSource): string[]

-- A page is a frame of `id` and, for each field and list of the shape, its JSON as text; null where there is none.
local function places(shape)
    local list = {}
    for _, field in ipairs(shape.fields) do list[#list + 1] = { field[1], field[3] } end
    for _, entry in ipairs(shape.lists) do list[#list + 1] = { entry.name, entry.place } end
    return list
end

-- Names the function in an error that leaves the block.
local function naming(source, name)
    return setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.code ~= "interrupted" then
            problem.message = ("the function %s of %s: %s; %s"):format(name, source.name, problem.message,
                source.advice)
        end
    end })
end

-- ---- from PostgreSQL

local Database = {}
Database.__index = Database

--- Functions of the database. Inside of a transaction they see what it sees.
---@param db tt.Database of PostgreSQL
---@param set? two_tower.FeatureSet what is read of payloads (default: the declared one)
---@return two_tower.RpcSource
function rpc.database(db, set)
    return setmetatable({ db = db, shapes = payloads.shapes(set or declared), name = "the database",
        advice = "'tt db_init.lua' brings the functions up to date" }, Database)
end

local function selected(shape)
    local list = {}
    for index, entry in ipairs(places(shape)) do
        list[index] = ("(f.payload -> '%s')::text AS %s"):format(entry[2]:gsub("%.", "' -> '"), entry[1])
    end
    return table.concat(list, ", ")
end

function Database:page(entity, limit, offset)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.batch)
    return self.db:read(("SELECT f.%s AS id, %s FROM public.%s(%d, %d) AS f"):format(shape.id, selected(shape),
        shape.batch, limit, offset))
end

--- Payloads of ids that no page holds: users without a decision, videos that are not active.
---@param entity "user"|"item"
---@param ids tt.Column uuid
---@return tt.Frame
function Database:singles(entity, ids)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.single)
    return self.db:query(("SELECT f.id, %s FROM (SELECT a.id, public.%s(a.id) AS payload "
        .. "FROM unnest($1::uuid[]) AS a (id)) AS f"):format(selected(shape), shape.single), { ids })
end

function Database:one(entity, id)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.single)
    return json.decode(self.db:query(("SELECT public.%s($1::uuid)::text AS payload"):format(shape.single), { id })
        .payload[1] or "{}")
end

function Database:missing()
    local found = {}
    for _, name in ipairs(self.db:query("SELECT proname::text AS name FROM pg_proc WHERE pronamespace = "
        .. "'public'::regnamespace").name:to_table()) do found[name] = true end
    local list = {}
    for _, entity in ipairs({ "user", "item" }) do
        local name = self.shapes[entity].batch
        if not found[name] then list[#list + 1] = name end
    end
    return list
end

-- ---- from a Supabase project

local Rest = {}
Rest.__index = Rest

--- Functions of a project.
---@param project tt.supabase.Project
---@param set? two_tower.FeatureSet what is read of payloads (default: the declared one)
---@return two_tower.RpcSource
function rpc.rest(project, set)
    return setmetatable({ project = project, shapes = payloads.shapes(set or declared), name = "the project",
        advice = "'tt db_init.lua' brings the functions up to date, 'tt pull_remote.lua --full' the tables" }, Rest)
end

-- A JSON list of ids and payloads as a page.
local function page_of(shape, text)
    local list = { { "id", "uuid", path = shape.id } }
    for _, entry in ipairs(places(shape)) do
        list[#list + 1] = { entry[1], "json", path = "payload." .. entry[2] }
    end
    return frame.from_json(text, { columns = list })
end

function Rest:page(entity, limit, offset)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.batch)
    return page_of(shape, self.project:rpc(shape.batch, { p_limit = limit, p_offset = offset },
        { raw = true, idempotent = true }))
end

-- A request for each id, several under way at once.
function Rest:singles(entity, ids)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.single)
    local index, answers = 0, {}
    local function next_request()
        index = index + 1
        if index > #ids then return nil end
        return { method = "POST", url = "/rest/v1/rpc/" .. shape.single, json = { [shape.id] = ids[index] },
            idempotent = true, tag = ids[index] }
    end
    for request, response in self.project:each(next_request, { parallel = 8 }) do
        local problem = supabase.problem(response, request)
        if problem then tt.error(problem.code, problem.message, problem.details) end
        answers[#answers + 1] = ('{"%s": "%s", "payload": '):format(shape.id, request.tag) .. response.body .. "}"
    end
    return page_of(shape, "[" .. table.concat(answers, ",") .. "]")
end

function Rest:one(entity, id)
    local shape = self.shapes[entity]
    local _ <close> = naming(self, shape.single)
    return self.project:rpc(shape.single, { [shape.id] = id }, { idempotent = true }) or {}
end

function Rest:missing()
    local list = {}
    for _, entity in ipairs({ "user", "item" }) do
        local name = self.shapes[entity].batch
        local ok, problem = pcall(self.project.rpc, self.project, name, { p_limit = 1, p_offset = 0 },
            { raw = true, idempotent = true })
        if not ok then
            if type(problem) ~= "table" or problem.code ~= "supabase.not_found" then error(problem, 0) end
            list[#list + 1] = name
        end
    end
    return list
end

-- ---- which one

-- The source that is asked for, or why there is none.
local function find_source(db, options)
    local source
    if options.rpc == "rest" then
        source = rpc.rest(options.project or supabase.open(), options.features)
    elseif db:dialect() == "sqlite" then
        return nil, "SQLite has no functions"
    else
        source = rpc.database(db, options.features)
    end
    local missing = source:missing()
    if #missing == 0 then return source end
    return nil, ("%s has no function %s ('tt db_init.lua' makes it)"):format(source.name, table.concat(missing, ", "))
end

--- The source that a stage asks for. Where there are no functions there is none, with a warning: what is computed from
--- the tables is the same.
---@param db tt.Database
---@param options { rpc?: "database"|"rest", project?: tt.supabase.Project, features?: two_tower.FeatureSet }
---@return two_tower.RpcSource|nil
function rpc.source(db, options)
    local source, why = find_source(db, options)
    if not source then
        log.warn(("use_rpc_features: %s; features are aggregated from the tables instead, with equal results")
            :format(why))
    end
    return source
end

--- The source that is asked for, for what makes no sense without one.
---@param db tt.Database
---@param options { rpc?: "database"|"rest", project?: tt.supabase.Project, features?: two_tower.FeatureSet }
---@return two_tower.RpcSource
function rpc.require_source(db, options)
    local source, why = find_source(db, options)
    return source or tt.error("rpc.none", why .. "; there is nothing to compare with", nil, 2)
end

-- ---- reading pages

-- Replaces what a column could not be read as by what `fn` makes of the JSON; such rows are few.
local function patched(texts, column, dtype, fn)
    local unread = frame.from_columns({ { "text", texts }, { "value", column } })
        :filter("text is not null and text != 'null' and value is null")
    if unread:height() == 0 then return column end
    local again = texts:map(function(text)
        local value
        if text and text ~= "null" then value = fn(json.decode(text)) end
        return value
    end, dtype)
    return frame.from_columns({ { "value", column }, { "again", again } }):eval("coalesce(value, again)")
end

local readers = {}

function readers.number(texts)
    local read = frame.from_columns({ { "x", texts:cast("float64", { strict = false }) } })
        :eval("if(isfinite(x), x, null)")
    return patched(texts, read, "float64", tolerant.number)
end

-- Dates stand in quotes; whatever else stands there is no date.
function readers.time(texts)
    return frame.from_columns({ { "x", texts } }):eval("if(starts_with(x, '\"'), replace(x, '\"', ''), null)")
        :cast("timestamp", { strict = false })
end

-- Texts stand in quotes, and may hold escapes.
function readers.text(texts)
    return texts:map(function(text)
        local value = text and json.decode(text)
        return type(value) == "string" and value or nil
    end, "string")
end

-- A list of strings alone is the same text when it is written again; any other value is read one by one.
local IS_PLAIN = [[text = json or text = replace(json, '", "', '","')]]

local function read_list(ids, texts)
    local lists = texts:cast("list<string>", { strict = false })
    local rows = frame.from_columns({ { "owner", ids }, { "text", texts }, { "token", lists },
        { "json", lists:cast("string") } }):filter("text is not null and text != 'null'")
    local found = rows:filter(IS_PLAIN):select({ "owner", "token" }):explode("token")
    local others = rows:filter("json is null or not (" .. IS_PLAIN .. ")")
    if others:height() > 0 then
        local again = others.text:map(function(text) return tolerant.names(json.decode(text)) end, "list<string>")
        local mended = frame.from_columns({ { "owner", others.owner }, { "token", again } })
        found = frame.concat({ found, mended:explode("token") })
    end
    return found:filter("token is not null and token != ''")
end

--- Turns a page into payloads. Missing numbers take the defaults of the contract.
---@param source two_tower.RpcSource
---@param entity "user"|"item"
---@param page tt.Frame
---@param now integer|nil
---@return two_tower.Payload
function rpc.read(source, entity, page, now)
    local shape = source.shapes[entity]
    local list, lists = { { "id", page.id:cast("uuid") } }, {}
    for _, field in ipairs(shape.fields) do
        list[#list + 1] = { field[1], readers[field[2]](page:col(field[1]):cast("string")) }
    end
    for _, entry in ipairs(shape.lists) do
        lists[entry.name] = read_list(list[1][2], page:col(entry.name):cast("string"))
    end
    return { frame = payloads.with_now(payloads.fill(entity, frame.from_columns(list)), now), lists = lists }
end

local function joined(pages)
    local whole = { frame = {}, lists = {} }
    for _, page in ipairs(pages) do
        table.insert(whole.frame, page.frame)
        for name, pairs_ in pairs(page.lists) do
            whole.lists[name] = whole.lists[name] or {}
            table.insert(whole.lists[name], pairs_)
        end
    end
    whole.frame = frame.concat(whole.frame)
    for name, parts in pairs(whole.lists) do whole.lists[name] = frame.concat(parts) end
    return whole
end

--- The payloads of some ids.
---@param payload two_tower.Payload
---@param ids tt.Frame with a column `id`
---@return two_tower.Payload
function rpc.only(payload, ids)
    local part = { frame = payload.frame:join(ids, { on = "id", how = "semi" }), lists = {} }
    for name, pairs_ in pairs(payload.lists) do
        part.lists[name] = pairs_:join(ids, { left_on = "owner", right_on = "id", how = "semi" })
    end
    return part
end

-- Reads a page, half as long as often as the server takes too long for it.
local function read_page(source, entity, limit, offset)
    while true do
        local ok, page = pcall(source.page, source, entity, limit, offset)
        if ok then return page, limit end
        if type(page) ~= "table" or page.code ~= "supabase.timeout_57014" or limit == 1 then error(page, 0) end
        limit = limit // 2
    end
end

--- Reads all pages, some tens of thousands of payloads at a time. A page that is shorter than asked for is not the end;
--- an empty one is.
---@param source two_tower.RpcSource
---@param entity "user"|"item"
---@param options { now?: integer, only?: tt.Frame, each?: fun(rows: integer) } `only` has the ids that are of interest
---@return fun(): two_tower.Payload|nil
function rpc.blocks(source, entity, options)
    local limit, offset, done, seen, stale = PAGE, 0, false, nil, 0
    return function()
        local pages, rows = {}, 0
        while not done and rows < BLOCK do
            local page
            page, limit = read_page(source, entity, limit, offset)
            done = #page == 0
            offset = offset + #page
            if options.each then options.each(#page) end
            -- Pages by position show a row twice when others come before it meanwhile.
            page = page:unique({ "id" })
            if seen then page = page:join(seen, { on = "id", how = "anti" }) end
            stale = not done and #page == 0 and stale + 1 or 0
            if stale > 2 then
                tt.error("rpc.repeats", ("%s of %s gives the same rows again and again, whatever the offset; %s")
                    :format(source.shapes[entity].batch, source.name, source.advice))
            end
            seen = seen and frame.concat({ seen, page:select({ "id" }) }) or page:select({ "id" })
            if options.only then page = page:join(options.only, { on = "id", how = "semi" }) end
            if #page > 0 then
                pages[#pages + 1] = rpc.read(source, entity, page, options.now)
                rows = rows + #page
            end
        end
        return rows > 0 and joined(pages) or nil
    end
end

--- Names what a payload holds, by the first payload there is.
---@param source two_tower.RpcSource
---@param entity "user"|"item"
---@return string[] places as `decision_stats.like_count`, ascending
function rpc.payload_fields(source, entity)
    local page = source:page(entity, 1, 0)
    local id = #page > 0 and page.id[1] or "00000000-0000-0000-0000-000000000000"
    local found = {}
    local function collect(value, place)
        if type(value) == "table" and #value == 0 and next(value) ~= nil then
            for name, inner in pairs(value) do collect(inner, place and place .. "." .. name or name) end
        else
            found[#found + 1] = place
        end
    end
    collect(source:one(entity, id), nil)
    table.sort(found)
    return found
end

return rpc
