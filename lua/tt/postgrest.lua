---@meta tt.postgrest

-- The language of PostgREST, the REST interface of a PostgreSQL database: filters, queries, and pages by key. Sends
-- nothing itself; `tt.supabase` does.

local cli = require "tt.cli"
local frames = require "tt.frame"
local http = require "tt.http"
local json = require "tt.json"
local log = require "tt.log"
local time = require "tt.time"

---@class tt.postgrest
local postgrest = {}

--- One condition, `{ "price", "gt", 100 }`, or a group of them, `{ "or", { {…}, {…} } }`. Operators are `eq neq gt gte
--- lt lte like ilike is in cs cd ov`, each also with `not.` before it; `in` takes a list, `is` takes `json.null` or a
--- boolean.
---@alias tt.postgrest.Filter table

---@class tt.postgrest.Query
---@field select? string columns and embedded tables, `id,name,tags(name)` (default: all columns)
---@field filters? tt.postgrest.Filter[]
---@field order? string `created_at.desc,id`
---@field limit? integer

---@class tt.postgrest.PagerOptions
---@field key string[] columns that identify a row, in the order of the pages
---@field columns table[] what `frame.from_json` reads; the key is among them
---@field select? string (default: the names of `columns`)
---@field page_size? integer rows asked for at once (default: 1000)
---@field filters? tt.postgrest.Filter[]
---@field after? any[] values of the key: pages start behind this row
---@field received? integer rows that were read before `after` (default: 0)

---@class tt.postgrest.PageInfo
---@field rows integer of this page
---@field received integer rows so far
---@field total integer? rows there were at the first request; nil while the server did not say
---@field after any[] the key of the last row: where to go on

local OPERATORS = { "eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "cs", "cd", "ov" }
local KNOWN = {}
for _, name in ipairs(OPERATORS) do
    KNOWN[name], KNOWN["not." .. name] = true, true
end

-- Good pages after which a page that was made smaller grows again.
local RECOVERY = 8

local function text_of(value, column)
    local kind = type(value)
    if kind == "string" then return value end
    if value == json.null then return "null" end
    if kind == "number" or kind == "boolean" then return json.encode(value) end
    return tt.error("argument", ("the filter on '%s' cannot compare with a %s"):format(column, kind), nil, 4)
end

-- Inside of parentheses commas, dots and parentheses have a meaning.
local function quoted(value, column)
    return '"' .. text_of(value, column):gsub('[\\"]', "\\%0") .. '"'
end

local condition

-- The operator and value of one condition as the query has them.
local function operation(filter, nested)
    local column, operator, value = filter[1], filter[2], filter[3]
    if not KNOWN[operator] then
        local near = cli.nearest(tostring(operator), OPERATORS)
        tt.error("argument", ("the filter on '%s' has an unknown operator '%s'%s"):format(column, operator,
            near and ("; did you mean '" .. near .. "'?") or ""), nil, 3)
    end
    if operator:match("in$") and type(value) == "table" then
        local list = {}
        for index, element in ipairs(value) do list[index] = quoted(element, column) end
        return operator .. ".(" .. table.concat(list, ",") .. ")"
    end
    if operator:match("is$") or not nested then return operator .. "." .. text_of(value, column) end
    return operator .. "." .. quoted(value, column)
end

local function group(filter)
    local parts = {}
    for index, inner in ipairs(filter[2]) do parts[index] = condition(inner) end
    return "(" .. table.concat(parts, ",") .. ")"
end

function condition(filter)
    if type(filter[2]) == "table" then return filter[1] .. group(filter) end
    return filter[1] .. "." .. operation(filter, true)
end

--- Gives a query as pairs of name and value, which are still to be percent-encoded.
---
--- ```lua
--- local query = tt.postgrest.query { select = "id", order = "id", filters = {
---     { "price", "gte", 10 },
---     { "or", { { "name", "eq", "a,b" }, { "name", "is", tt.json.null } } },
--- } }
--- assert(query[1][2] == "id" and query[2][2] == "gte.10")
--- assert(query[3][1] == "or" and query[3][2] == '(name.eq."a,b",name.is.null)')
--- ```
---
--- Raises `argument` for an unknown operator or a value that is no text, number, boolean or null.
---@param opts tt.postgrest.Query
---@return string[][] pairs in the order select, filters, order, limit
function postgrest.query(opts)
    local pairs_of = {}
    local function add(name, value) pairs_of[#pairs_of + 1] = { name, value } end
    if opts.select then add("select", opts.select) end
    for _, filter in ipairs(opts.filters or {}) do
        if type(filter[2]) == "table" then
            add(filter[1], group(filter))
        else
            add(filter[1], operation(filter, false))
        end
    end
    if opts.order then add("order", opts.order) end
    if opts.limit then add("limit", ("%d"):format(opts.limit)) end
    return pairs_of
end

--- Gives the filters that a row must pass to stand behind another in the order of a key.
---
--- The first column stands in a condition of its own, so that the server finds the place in an index.
---
--- ```lua
--- local filters = tt.postgrest.behind({ "user_id", "item_id" }, { 7, 9 })
--- local query = tt.postgrest.query { filters = filters }
--- assert(query[1][1] == "user_id" and query[1][2] == "gte.7")
--- assert(query[2][2] == '(user_id.gt."7",and(user_id.eq."7",item_id.gt."9"))')
--- ```
---@param key string[]
---@param after any[] values of the key
---@return tt.postgrest.Filter[] filters
function postgrest.behind(key, after)
    if #key == 1 then return { { key[1], "gt", after[1] } } end
    local ways = {}
    for last = 1, #key do
        local equal = {}
        for index = 1, last - 1 do equal[index] = { key[index], "eq", after[index] } end
        equal[last] = { key[last], "gt", after[last] }
        ways[last] = last == 1 and equal[1] or { "and", equal }
    end
    return { { key[1], "gte", after[1] }, { "or", ways } }
end

--- Tells how many rows there are by a `Content-Range` header.
---
--- ```lua
--- assert(tt.postgrest.total("0-9/250") == 250 and tt.postgrest.total("*/0") == 0)
--- assert(tt.postgrest.total("0-9/*") == nil and tt.postgrest.total(nil) == nil)
--- ```
---@param range string?
---@return integer? total nil when the header does not say
function postgrest.total(range)
    return range and math.tointeger(tonumber(range:match("/(%d+)%s*$")))
end

---@class tt.postgrest.Pager
---@field table string
---@field size integer rows the next page asks for
---@field received integer rows so far
---@field total integer? rows there were at the first request
---@field after any[]? the key of the last row
---@field done boolean whether nothing follows
---@field requests integer pages asked for
local Pager = {}
Pager.__index = Pager

--- Makes a pager: it says what to request for the next page and takes the answer. Whoever sends the requests may have
--- several pagers under way at once.
---
--- Pages go by key and never by offset, so rows that come or go elsewhere shift nothing. A statement timeout at the
--- server halves the page, which grows again after some good ones; a server that gives fewer rows than it is asked
--- for and has more is asked for that many from then on. A short page is never taken for the last one.
---
--- ```lua
--- local pager = tt.postgrest.pager("items", { key = { "id" }, columns = { { "id", "int64" } }, page_size = 2 })
--- local request = pager:request()
--- assert(request.url == "/rest/v1/items" and request.query[#request.query][2] == "2")
--- ```
---
--- Raises `argument` for a key that is not among the columns.
---@param table_name string
---@param opts tt.postgrest.PagerOptions
---@return tt.postgrest.Pager
function postgrest.pager(table_name, opts)
    local names, known = {}, {}
    for index, column in ipairs(opts.columns) do
        names[index] = column[1]
        known[column[1]] = true
    end
    for _, name in ipairs(opts.key) do
        if not known[name] then
            tt.error("argument", ("the key column '%s' of '%s' is not among the columns"):format(name, table_name),
                nil, 2)
        end
    end
    local size = opts.page_size or 1000
    return setmetatable({
        table = table_name, columns = opts.columns, key = opts.key, filters = opts.filters or {},
        select = opts.select or table.concat(names, ","), order = table.concat(opts.key, ","),
        size = size, largest = size, good = 0, after = opts.after, received = opts.received or 0, requests = 0,
        done = false, asked_total = false,
    }, Pager)
end

--- Says what to request next. The first request also asks for the exact number of rows.
---
--- ```lua
--- local pager = tt.postgrest.pager("items", { key = { "id" }, columns = { { "id", "int64" } }, after = { 5 } })
--- local request = pager:request()
--- assert(request.method == "GET" and request.headers.prefer == "count=exact")
--- assert(request.query[2][1] == "id" and request.query[2][2] == "gt.5")
--- ```
---@return table? request for `tt.http` or `tt.supabase`; nil after the last page
function Pager:request()
    if self.done then return nil end
    local filters = table.move(self.filters, 1, #self.filters, 1, {})
    if self.after then
        local behind = postgrest.behind(self.key, self.after)
        table.move(behind, 1, #behind, #filters + 1, filters)
    end
    self.asked = self.size
    self.requests = self.requests + 1
    return {
        method = "GET", url = "/rest/v1/" .. http.escape(self.table),
        query = postgrest.query { select = self.select, filters = filters, order = self.order, limit = self.size },
        headers = { prefer = not self.asked_total and "count=exact" or nil },
    }
end

local function halve(pager, problem)
    if pager.asked == 1 then
        problem.message = ("%s; one row alone%s takes too long: raise statement_timeout of the role, or give the table "
            .. "an index on %s"):format(problem.message, pager.asked_total and "" or ", or counting them all,",
            table.concat(pager.key, ", "))
        tt.error(problem.code, problem.message, problem.details, 3)
    end
    pager.size, pager.good = pager.asked // 2, 0
    log.warn("statement timeout, asking for smaller pages", { table = pager.table, rows = pager.size })
end

-- An error that leaves it names the table.
local function read(pager, text)
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and type(problem.message) == "string" then
            problem.message = ("table '%s', behind row %d: %s"):format(pager.table, pager.received, problem.message)
        end
    end })
    local page = frames.from_json(text, { columns = pager.columns })
    return page
end

-- The key of a frame's last row, as filters take it.
local function last_key(pager, page)
    local after, types = {}, page:dtypes()
    for index, name in ipairs(pager.key) do
        local value = page:col(name)[#page]
        if value == nil then
            tt.error("supabase.key", ("table '%s' has a row without '%s', which pages go by"):format(pager.table, name),
                { table = pager.table, column = name }, 3)
        end
        after[index] = types[name] == "timestamp" and time.format(value) or value
    end
    return after
end

-- A server that does not heed the filters would give the same page for ever.
local function check_progress(pager, after)
    for index, value in ipairs(pager.after or {}) do
        if value ~= after[index] then return end
    end
    if pager.after then
        tt.error("supabase.key", ("table '%s': the server gives the same rows again instead of those behind them")
            :format(pager.table), { table = pager.table }, 3)
    end
end

-- Learns from the first answer how many rows there are, and whether the server gives fewer than it is asked for.
local function learn(pager, rows, following)
    pager.asked_total = true
    if not following then return end
    pager.total = pager.received + following
    if rows > 0 and rows < pager.asked and rows < following then
        log.warn("the server gives fewer rows at once than asked for; going on with its limit",
            { table = pager.table, asked = pager.asked, limit = rows })
        pager.size, pager.largest = rows, rows
    end
end

--- Takes the answer to the newest request.
---
--- ```lua
--- local pager = tt.postgrest.pager("items", { key = { "id" }, columns = { { "id", "int64" } }, page_size = 2 })
--- pager:request()
--- local page, info = pager:accept { ok = true, status = 206, body = '[{"id":1},{"id":4}]',
---     headers = { ["content-range"] = "0-1/3" } }
--- assert(#page == 2 and info.total == 3 and info.after[1] == 4 and not pager.done)
--- ```
---
--- Raises `json.column` for a value that does not fit its column, `supabase.key` for a row without key and for a page
--- that was there before, and the problem it is given unless asking for fewer
--- rows may help.
---@param response table the answer
---@param problem? { code: string, message: string, details: table } what is wrong with an answer that is not `ok`
---@return tt.Frame? page nil when there is none: the same page is to be requested anew, or nothing follows
---@return tt.postgrest.PageInfo? info
function Pager:accept(response, problem)
    if response.status == 416 then
        self.done = true
        return nil
    end
    if problem then
        if problem.code ~= "supabase.timeout_57014" then tt.error(problem.code, problem.message, problem.details, 2) end
        halve(self, problem)
        return nil
    end
    local page = read(self, response.body)
    local rows = #page
    if not self.asked_total then learn(self, rows, postgrest.total(response.headers["content-range"])) end
    self.received = self.received + rows
    self.good = self.good + 1
    if self.good >= RECOVERY and self.size < self.largest then
        self.size, self.good = math.min(2 * self.size, self.largest), 0
    end
    if rows == 0 then
        self.done = true
        return nil
    end
    local after = last_key(self, page)
    check_progress(self, after)
    self.after = after
    self.done = self.total ~= nil and self.received >= self.total
    return page, { rows = rows, received = self.received, total = self.total, after = self.after }
end

return postgrest
