---@meta tt.storage.requests

-- What every request to a bucket has: its address, its tries, and what is wrong with its answer. The service hides real
-- statuses behind HTTP 400; they are decoded for errors and for retries.

local errors = require "tt.supabase.errors"
local http = require "tt.http"

---@class tt.storage.requests
local requests = {}

--- Seconds of the longest transfer, however slow the line; one that stands still ends sooner.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- assert(requests.TRANSFER_S == 3600)
--- ```
requests.TRANSFER_S = 3600

-- Statuses that pass; 423 is a resumable upload that another connection still holds, 544 a database that was slow.
local PASSING = { [408] = true, [423] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true,
    [544] = true }

--- Writes a name as it stands in an address; its slashes stay.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- assert(requests.escaped("a b/c") == "a%20b/c")
--- ```
---@param name string
---@return string
function requests.escaped(name)
    local parts = {}
    for part in (name .. "/"):gmatch("(.-)/") do parts[#parts + 1] = http.escape(part) end
    return table.concat(parts, "/")
end

--- Gives the address of an object, without the project's.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local address = requests.address({ name = "models" }, "public/", "a b.json")
--- assert(address == "/storage/v1/object/public/models/a%20b.json")
--- ```
---@param bucket { name: string }
---@param kind string what stands before the bucket: "", "public/", "authenticated/", "info/"
---@param path string
---@return string
function requests.address(bucket, kind, path)
    return ("/storage/v1/object/%s%s/%s"):format(kind, requests.escaped(bucket.name), requests.escaped(path))
end

--- Decides over another try by the status that the body tells; also for requests of one's own to a public address.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local retry_when = requests.retry_when
--- assert(retry_when { status = 400, body = '{"statusCode":"503","error":"SlowDown","message":"later"}' } == true)
--- assert(retry_when { status = 400, body = '{"statusCode":"404","error":"not_found"}' } == false)
--- ```
---@param response table an answer of `tt.http` that is no success
---@return boolean? again nil: as the client's own rule says
function requests.retry_when(response)
    local problem = errors.problem(response)
    if not problem or problem.details.status == response.status and response.status ~= 423 then return nil end
    return PASSING[problem.details.status] or false
end

--- Sends one request; gives the answer, and what is wrong with it.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local project = { send = function() return { status = 404, body = "" } end }
--- local _, problem = requests.try({ project = project }, { url = "/storage/v1/bucket/models" })
--- assert(problem.code == "supabase.not_found")
--- ```
---
--- Raises the codes of `tt.http` when there was no answer.
---@param bucket tt.storage.Bucket
---@param spec table as for `client:request`
---@return table response
---@return tt.supabase.errors.Problem? problem
function requests.try(bucket, spec)
    spec.retry_when = requests.retry_when
    local response = bucket.project:send(spec)
    return response, errors.problem(response, spec)
end

--- Raises a problem.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local errors = require "tt.supabase.errors"
--- local problem = errors.problem { status = 413, body = "" }
--- local ok, raised = pcall(requests.raise, problem)
--- assert(not ok and raised.code == "supabase.too_large")
--- ```
---@param problem tt.supabase.errors.Problem
---@param level? integer as for `tt.error`, counted from the caller (default: 1)
function requests.raise(problem, level) tt.error(problem.code, problem.message, problem.details, (level or 1) + 1) end

--- Sends one request; anything but a success is an error.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local project = { send = function() return { status = 200, body = "yes" } end }
--- assert(requests.send({ project = project }, { url = "/storage/v1/bucket/models" }).body == "yes")
--- ```
---
--- Raises what `project:request` does.
---@param bucket tt.storage.Bucket
---@param spec table as for `client:request`
---@return table response
function requests.send(bucket, spec)
    local response, problem = requests.try(bucket, spec)
    if problem then requests.raise(problem, 3) end
    return response
end

--- Reads the mark of an object, which changes with its content.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- assert(requests.etag('W/"abc"') == "abc" and requests.etag(nil) == nil)
--- ```
---@param value any as a header or a listing has it
---@return string? etag without quotes; nil for what is no text
function requests.etag(value) return type(value) == "string" and (value:gsub("^W/", ""):gsub('"', "")) or nil end

--- Gives the JSON of an answer, which is an object or a list.
---
--- ```lua
--- local requests = require "tt.storage.requests"
--- local answer = { url = "http://x/y", json = function() return 7 end }
--- assert(not pcall(requests.content, answer))
--- ```
---
--- Raises `supabase.rejected` for another value, `json` for none.
---@param response table an answer of `tt.http`
---@return table
function requests.content(response)
    local content = response:json()
    if type(content) ~= "table" then
        tt.error("supabase.rejected", ("%s: the answer is neither an object nor a list"):format(response.url),
            { url = response.url }, 3)
    end
    return content
end

return requests
