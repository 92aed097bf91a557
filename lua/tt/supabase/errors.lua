---@meta tt.supabase.errors

-- Reads the errors of a Supabase project: what the tables, the buckets and the gateway before them answer.

local json = require "tt.json"
local secrets = require "tt.internal.secrets"

---@class tt.supabase.errors
local errors = {}

---@class tt.supabase.errors.Details
---@field status integer the real one, also where the body hides it
---@field code? string SQLSTATE, `PGRST…`, or a bucket's word
---@field message string the server's
---@field hint? string
---@field details? string
---@field method? string
---@field url? string

---@class tt.supabase.errors.Problem
---@field code string
---@field message string
---@field details tt.supabase.errors.Details

local ADVICE = {
    expired = "the token has expired: take a new key from the project's API settings",
    auth = "check the key: it must be the project's service role key (--service-role-key, SUPABASE_SERVICE_ROLE_KEY)",
    table_unknown = "check the name; after a migration the server may need NOTIFY pgrst, 'reload schema'",
    function_unknown = "check its name and parameters; after a migration the server may need NOTIFY pgrst, "
        .. "'reload schema'",
    permission = "grant the role of the key access to it",
    dimension = "the data's vectors and the column's type differ in dimension: migrate the column, or use the model "
        .. "that fits it",
    timeout_57014 = "the server's statement timeout: ask for less at once, or raise statement_timeout of the role",
    too_large = "send less at once",
    unavailable = "the server did not recover in time: try again later",
}

local function advice(kind, code, text)
    local lower = text:lower()
    if lower:find("jwt expired", 1, true) or lower:find("token is expired", 1, true)
        or lower:find('"exp" claim', 1, true) then
        return ADVICE.expired
    end
    if code == "42501" then return ADVICE.permission end
    if kind == "not_found" then
        if code == "PGRST205" or code == "42P01" then return ADVICE.table_unknown end
        return (code == "PGRST202" or code == "42883") and ADVICE.function_unknown or nil
    end
    if lower:find("expected %d+ dimensions") or lower:find("different vector dimensions", 1, true) then
        return ADVICE.dimension
    end
    return ADVICE[kind]
end

local function kind_of(status, code)
    if code == "57014" then return "timeout_57014" end
    if status == 401 or status == 403 or code == "42501" or code and code:match("^PGRST30") then return "auth" end
    if status == 404 then return "not_found" end
    if status == 409 then return "conflict" end
    if status == 413 then return "too_large" end
    if status == 408 or status == 429 or status >= 500 then return "unavailable" end
    return "rejected"
end

-- One line without control characters, which a terminal would obey.
local function shortened(text, length)
    text = text:gsub("[%s%c]+", " ")
    if #text <= length then return text end
    return text:sub(1, (utf8.offset(text, 0, length + 1) or length + 1) - 1) .. "…"
end

local function plain(value)
    if value == nil or value == json.null or value == "" then return nil end
    return type(value) == "string" and value or type(value) == "table" and json.encode(value) or tostring(value)
end

-- Bytes of an answer that are looked at: errors are short, and whoever sends more has nothing more to say.
local LOOKED_AT = 65536

-- The title of a page; the whole text when it is none.
local function title_of(text)
    local _, open = text:find("<title>", 1, true)
    local close = open and text:find("</title>", open, true)
    return close and text:sub(open + 1, close - 1) or text
end

-- The fields of an error body. Tables answer { code, message, details, hint }; buckets answer { statusCode, error,
-- message } with the real status in it; gateways answer { message }, plain text or a page of HTML.
local function fields_of(body)
    local ok, content = pcall(json.decode, body)
    if not ok or type(content) ~= "table" then
        return { message = plain(shortened(title_of(body), 300):match("^ ?(.-) ?$")) }
    end
    return {
        status = math.tointeger(tonumber(content.statusCode)),
        code = plain(content.code) or content.statusCode and plain(content.error),
        message = plain(content.message) or plain(content.msg) or plain(content.error_description)
            or plain(content.error),
        hint = plain(content.hint), details = plain(content.details),
    }
end

--- Tells what is wrong with an answer, in the server's own words.
---
--- ```lua
--- local errors = require "tt.supabase.errors"
--- local problem = errors.problem { status = 404, body = '{"code":"PGRST205","message":"no table x"}' }
--- assert(problem.code == "supabase.not_found" and problem.details.code == "PGRST205")
--- assert(errors.problem { status = 204 } == nil)
---
--- -- Buckets hide the real status in the body.
--- local body = '{"statusCode":"409","error":"Duplicate","message":"is there"}'
--- problem = errors.problem { status = 400, body = body }
--- assert(problem.code == "supabase.conflict" and problem.details.status == 409)
--- ```
---@param response table an answer of `tt.http`
---@param request? table what was asked, for the message
---@return tt.supabase.errors.Problem? problem nil for an answer that is fine; its `code` is `supabase.auth`,
---  `supabase.not_found`, `supabase.conflict`, `supabase.timeout_57014`, `supabase.too_large`, `supabase.rejected` or
---  `supabase.unavailable`
function errors.problem(response, request)
    if response.status >= 200 and response.status < 300 then return nil end
    local fields = fields_of(secrets.hide((response.body or ""):sub(1, LOOKED_AT)))
    local status, code = fields.status or response.status, fields.code
    local kind = kind_of(status, code)
    local said = fields.message or "no message"
    local text = { said }
    if fields.details then text[#text + 1] = fields.details end
    if fields.hint then text[#text + 1] = "hint: " .. fields.hint end
    local whole = table.concat(text, "; ")
    local message = ("%s: HTTP %d%s: %s"):format(
        request and ("%s %s"):format(request.method or "GET", request.url) or "the server's answer",
        status, code and " " .. code or "", shortened(whole, 800))
    local more = advice(kind, code, whole)
    local wait = kind == "unavailable" and response.headers and response.headers["retry-after"]
    if wait then more = ("%s; it says Retry-After: %s"):format(more, shortened(wait, 40)) end
    return {
        code = "supabase." .. kind, message = more and ("%s (%s)"):format(message, more) or message,
        details = { status = status, code = code, message = said, hint = fields.hint, details = fields.details,
            method = request and request.method, url = request and request.url or response.url },
    }
end

return errors
