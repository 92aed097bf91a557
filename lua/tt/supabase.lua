---@meta tt.supabase

-- A Supabase project by REST: tables, functions, and the way to its buckets (`tt.storage`).

local errors = require "tt.supabase.errors"
local http = require "tt.http"
local json = require "tt.json"
local log = require "tt.log"
local postgrest = require "tt.postgrest"
local secrets = require "tt.internal.secrets"

---@class tt.supabase
local supabase = {}

---@class tt.supabase.Options
---@field url? string the project's address (default: the environment's SUPABASE_URL)
---@field key? string service role key (default: the environment's SUPABASE_SERVICE_ROLE_KEY)
---@field timeout_s? number longest time of one attempt (default: 60)
---@field retry? table|false as in `http.client`; what is named replaces the default
---@field on_retry? fun(info: table) called before the pause of a retry (default: a warning in the log)

---@class tt.supabase.Project
local Project = {}
Project.__index = Project
Project.__name = "tt.supabase.Project"

-- The clients and keys of projects, out of sight of whoever prints one.
local hidden = setmetatable({}, { __mode = "k" })

local RETRY = {
    attempts = 6, base_s = 0.5, max_s = 30, max_wait_s = 120,
    -- From 520 on: gateways that could not reach the project or waited for it in vain.
    statuses = { 408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 544 },
}

--- Tells what is wrong with an answer, in the server's own words; see `tt.supabase.errors`.
---
--- ```lua
--- assert(tt.supabase.problem({ status = 413, body = "" }).code == "supabase.too_large")
--- ```
supabase.problem = errors.problem

-- Opening

local function credential(value, variable, flag, what)
    value = value or os.getenv(variable)
    -- Files and shells leave white space at the ends.
    value = type(value) == "string" and value:match("^%s*(.-)%s*$") or value
    if value == nil or value == "" then
        tt.error("usage.credentials", ("the project's %s is missing: set the environment variable %s, or give %s")
            :format(what, variable, flag), nil, 3)
    end
    if type(value) ~= "string" or value:find("[%c%s]") then
        tt.error("usage.credentials", ("the project's %s (%s or %s) must be one word"):format(what, variable, flag),
            nil, 3)
    end
    return value
end

local function address(value)
    local scheme, rest = value:match("^(%a+)://(.+)$")
    local host = rest and rest:match("^[^/?#]+")
    if not host or not scheme:lower():match("^https?$") or rest:find("[?#]") or host:find("@", 1, true) then
        -- The value is not shown: people put keys into the wrong variable.
        tt.error("usage.credentials", "the project's address (SUPABASE_URL or --supabase-url) must look like "
            .. "https://PROJECT.supabase.co", nil, 3)
    end
    local url = value:gsub("/+$", ""):gsub("/rest/v1$", "")
    local name = host:gsub(":%d+$", ""):lower()
    local here = name == "localhost" or name:match("^127%.") or name == "[::1]"
    if scheme:lower() == "http" and not here then
        log.warn("the key travels unencrypted: the project's address does not start with https", { host = host })
    end
    return url
end

local function tell_retry(info)
    log.warn("trying again", json.object {
        { "request", ("%s %s"):format(info.method or "GET", (tostring(info.url):gsub("%?.*$", ""))) },
        { "why", info.status and "HTTP " .. info.status or info.code }, { "attempt", info.attempt },
        { "wait_s", info.wait_s },
    })
end

-- A statement that took too long once will do so again; callers ask for less.
local function retry_when(response)
    local problem = response.status >= 500 and errors.problem(response)
    if problem and problem.code == "supabase.timeout_57014" then return false end
    return nil
end

local OPTIONS = { url = true, key = true, timeout_s = true, retry = true, on_retry = true }

--- Opens a project. Nothing is sent yet. The key is shown nowhere, not even by `tostring`.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "https://shop.supabase.co/", key = "secret" }
--- assert(project:url() == "https://shop.supabase.co")
--- assert(tostring(project) == "tt.supabase.Project(https://shop.supabase.co)")
--- ```
---
--- Raises `usage.credentials` when address or key is missing or unfit, `argument` for an unknown option.
---@param opts? tt.supabase.Options
---@return tt.supabase.Project
function supabase.open(opts)
    opts = opts or {}
    for name in pairs(opts) do
        if not OPTIONS[name] then tt.error("argument", ("supabase.open has no option '%s'"):format(name), nil, 2) end
    end
    local url = address(credential(opts.url, "SUPABASE_URL", "--supabase-url", "address"))
    local key = credential(opts.key, "SUPABASE_SERVICE_ROLE_KEY", "--service-role-key", "service role key")
    secrets.conceal(key)
    local retry = false
    if opts.retry ~= false then
        retry = {}
        for name, value in pairs(RETRY) do retry[name] = value end
        for name, value in pairs(opts.retry or {}) do retry[name] = value end
    end
    local project = setmetatable({}, Project)
    hidden[project] = {
        url = url, key = key,
        client = http.client {
            base_url = url, headers = { apikey = key, authorization = "Bearer " .. key },
            timeout_s = opts.timeout_s or 60, retry = retry, on_retry = opts.on_retry or tell_retry,
        },
    }
    return project
end

local function parts(project)
    return hidden[project] or tt.error("supabase.closed", "the project was closed", nil, 3)
end

Project.__tostring = function(self)
    return hidden[self] and ("tt.supabase.Project(%s)"):format(hidden[self].url) or "tt.supabase.Project(closed)"
end

--- Gives the project's address, without a slash at its end.
---
--- ```lua
--- assert(tt.supabase.open({ url = "http://localhost:54321", key = "k" }):url() == "http://localhost:54321")
--- ```
---@return string url
function Project:url() return parts(self).url end

local function base64url(text)
    local bits, count, bytes = 0, 0, {}
    for letter in text:gmatch("[%w_-]") do
        local at = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):find(letter, 1, true) - 1
        bits, count = bits << 6 | at, count + 6
        if count >= 8 then
            count = count - 8
            bytes[#bytes + 1] = string.char(bits >> count & 255)
        end
    end
    return table.concat(bytes)
end

-- What the key says of itself, where it is a JSON Web Token.
local function claims_of(key)
    local payload = key:match("^[%w_-]+%.([%w_-]+)%.[%w_-]*$")
    local ok, claims = pcall(json.decode, payload and base64url(payload) or "")
    return ok and type(claims) == "table" and claims or {}
end

--- Tells the role that the key claims to have, for a warning before it finds nothing: with the public key row-level
--- security hides rows without a word.
---
--- ```lua
--- local project = tt.supabase.open { url = "http://localhost:54321", key = "sb_publishable_abc" }
--- assert(project:role() == "anon")
--- ```
---@return string? role "service_role", "anon" …; nil when the key does not tell
function Project:role()
    local key = parts(self).key
    if key:match("^sb_publishable_") then return "anon" end
    if key:match("^sb_secret_") then return "service_role" end
    local role = claims_of(key).role
    return type(role) == "string" and role or nil
end

--- Tells until when the key is good, for who is about to begin what must not stop half-way.
---
--- ```lua
--- local project = tt.supabase.open { url = "http://localhost:54321", key = "eyJh.eyJleHAiOjQxMDI0NDQ4MDB9.x" }
--- assert(tt.time.format(project:expires_at()) == "2100-01-01T00:00:00Z")
--- ```
---@return integer? moment microseconds since 1970, UTC; nil when the key does not tell
function Project:expires_at()
    local seconds = claims_of(parts(self).key).exp
    if not math.type(seconds) or math.abs(seconds) > 9e12 then return nil end
    return math.tointeger(seconds // 1) * 1000000
end

--- Closes the project's connections. Closing twice is fine.
---
--- ```lua
--- local project = tt.supabase.open { url = "http://localhost:54321", key = "k" }
--- project:close()
--- assert(not pcall(project.url, project))
--- ```
function Project:close()
    local own = hidden[self]
    hidden[self] = nil
    if own then own.client:close() end
end

Project.__close = Project.close

-- Requests

-- The request with what every one of this project's has.
local function prepared(spec)
    local request = { retry_when = retry_when }
    for name, value in pairs(spec) do request[name] = value end
    request.allow = nil
    return request
end

--- Sends a request as `tt.http` does, with the key; `url` is relative to the project. Any answer but 2xx is an error.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local ok = pcall(project.request, project, { method = "GET", url = "/rest/v1/items" })
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `supabase.problem` tells, with `details` {status, code, hint, message, details, url}, and the codes of
--- `tt.http` when there was no answer.
---@param spec table as for `client:request`; `allow` lists statuses that are answers and no errors
---@return table response
function Project:request(spec)
    local response = self:send(spec)
    local problem = supabase.problem(response, spec)
    if not problem then return response end
    for _, status in ipairs(spec.allow or {}) do
        if status == problem.details.status then return response end
    end
    return tt.error(problem.code, problem.message, problem.details, 2)
end

--- Sends a request as `project:request` does and gives the answer whatever its status.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(project.send, project, { url = "/rest/v1/items" })) -- nobody listens there
--- ```
---
--- Raises the codes of `tt.http` when there was no answer.
---@param spec table as for `client:request`
---@return table response
function Project:send(spec)
    return parts(self).client:request(prepared(spec))
end

--- Sends several requests at once and gives their answers as they come, whatever their status; `supabase.problem` tells
--- what is wrong with one. Leaving the loop gives up what is under way.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- for _ in project:each({}, { parallel = 4 }) do error("nothing was asked") end
--- ```
---
--- Raises the codes of `tt.http` when there was no answer.
---@param requests table[]|fun(): table? as for `client:each`
---@param opts? { parallel?: integer } how many at once (default: 4)
---@return fun(): table?, table? iterator of request and response
function Project:each(requests, opts)
    local source = requests
    if type(requests) == "table" then
        local index = 0
        source = function()
            index = index + 1
            return requests[index]
        end
    end
    -- Answers come with the table that the caller made, so that it can hold facts of the caller's own.
    local given = setmetatable({}, { __mode = "k" })
    local iterate, state, newest, closing = parts(self).client:each(function()
        local spec = source()
        if not spec then return nil end
        local request = prepared(spec)
        given[request] = spec
        return request
    end, { parallel = opts and opts.parallel or 4 })
    return function()
        local response
        newest, response = iterate(state, newest)
        if newest == nil then return nil end
        return given[newest] or newest, response
    end, nil, nil, closing
end

-- Tables and functions

local function table_url(name) return "/rest/v1/" .. http.escape(name) end

--- Reads rows of a table.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local ok = pcall(project.select, project, "items", { select = "id,name", filters = { { "id", "gt", 5 } },
---     order = "id", limit = 10, count = true })
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param name string
---@param opts? { select?: string, filters?: tt.postgrest.Filter[], order?: string, limit?: integer, count?: boolean }
---@return { text: string, count: integer?, rows: integer? } answer the rows as JSON text; `count` are all that pass
---  the filters, when asked for; `rows` are those given, where the server says
function Project:select(name, opts)
    opts = opts or {}
    local response = self:request {
        method = "GET", url = table_url(name), query = postgrest.query(opts),
        headers = { prefer = opts.count and "count=exact" or nil },
    }
    local range = response.headers["content-range"]
    local first, last = (range or ""):match("^%D*(%d+)%-(%d+)/")
    local rows = first and last - first + 1 or range and range:match("^%D*%*/") and 0 or nil
    return { text = response.body, count = postgrest.total(range), rows = rows and math.tointeger(rows) }
end

--- Counts the rows that pass the filters, exactly.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(project.count, project, "items", { { "price", "gt", 5 } })) -- nobody listens there
--- ```
---
--- Raises what `project:request` does; `supabase.count` when the server does not say.
---@param name string
---@param filters? tt.postgrest.Filter[]
---@param opts? { select?: string } a column that there is, cheap to read (default: all columns of one row)
---@return integer rows
function Project:count(name, filters, opts)
    local answer = self:select(name, { select = opts and opts.select, filters = filters, limit = 1, count = true })
    return answer.count or tt.error("supabase.count", ("table '%s': the server did not say how many rows there are")
        :format(name), { table = name }, 2)
end

--- Reads a table page by page in the order of its key, as frames; see `postgrest.pager` for what it copes with.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local function total()
---     local rows = 0
---     local columns = { { "id", "uuid" }, { "price", "float64" } }
---     for page, info in project:pages("items", { columns = columns, key = { "id" }, page_size = 500 }) do
---         rows = rows + #page
---         print(info.received, info.total)
---     end
---     return rows
--- end
--- assert(not pcall(total)) -- nobody listens there
--- ```
---
--- The iterator raises what `project:request` does, `json.column`, and `supabase.key` for a row without key and for a
--- server that gives the same page again.
---@param name string
---@param opts tt.postgrest.PagerOptions
---@return fun(): tt.Frame?, tt.postgrest.PageInfo? iterator
function Project:pages(name, opts)
    local pager = postgrest.pager(name, opts)
    return function()
        for request in pager.request, pager do
            local response = self:send(request)
            local page, info = pager:accept(response, supabase.problem(response, request))
            if page then return page, info end
        end
        return nil
    end
end

--- Inserts rows, and updates those whose key is there. With `on_conflict` it is repeated after a failure.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local rows = tt.json.encode { { id = 1, price = 5 } }
--- assert(not pcall(project.upsert, project, "items", rows, { on_conflict = "id" })) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param name string
---@param rows string JSON array of objects, as `frame:to_json` gives it
---@param opts? { on_conflict?: string } key columns, `id` or `user_id,item_id` (default: none, every row is new)
function Project:upsert(name, rows, opts)
    self:request(supabase.upsert_request(name, rows, opts))
end

--- Gives the request that `project:upsert` sends, for `project:each`.
---
--- ```lua
--- local request = tt.supabase.upsert_request("items", '[{"id":1}]', { on_conflict = "id" })
--- assert(request.method == "POST" and request.idempotent and request.url == "/rest/v1/items")
--- ```
---@param name string
---@param rows string JSON array of objects
---@param opts? { on_conflict?: string }
---@return table request
function supabase.upsert_request(name, rows, opts)
    local key = opts and opts.on_conflict
    return {
        method = "POST", url = table_url(name), query = key and { { "on_conflict", key } } or nil, body = rows,
        idempotent = key ~= nil or nil,
        headers = { ["content-type"] = "application/json",
            prefer = key and "resolution=merge-duplicates,return=minimal" or "return=minimal" },
    }
end

--- Calls a function of the database.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local ok = pcall(project.rpc, project, "total_of", { p_year = 2025 }, { idempotent = true })
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param name string
---@param args? table<string, any> by parameter name; `json.null` for NULL
---@param opts? { raw?: boolean, idempotent?: boolean } raw: the answer's text; idempotent: it changes nothing and may
---  be repeated after a failure (default: both false)
---@return any result decoded JSON, nil for NULL
function Project:rpc(name, args, opts)
    opts = opts or {}
    local response = self:request {
        method = "POST", url = "/rest/v1/rpc/" .. http.escape(name), body = json.encode(args or {}),
        headers = { ["content-type"] = "application/json" }, idempotent = opts.idempotent,
    }
    if opts.raw then return response.body end
    if response.body == "" then return nil end
    return response:json()
end

--- Gives a bucket of the project's storage.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(project:bucket("models"):public_url("a.json")
---     == "http://127.0.0.1:9/storage/v1/object/public/models/a.json")
--- ```
---@param name string
---@return tt.storage.Bucket
function Project:bucket(name) return require "tt.storage".bucket(self, name) end

return supabase
