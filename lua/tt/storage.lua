---@meta tt.storage

-- Buckets of objects in a Supabase project: listings, uploads (resumable where they are large), downloads with their
-- SHA-256, removal. The service hides real statuses behind HTTP 400; they are decoded for errors and for retries.

local errors = require "tt.supabase_errors"
local fs = require "tt.fs"
local hash = require "tt.hash"
local http = require "tt.http"
local resumable = require "tt.storage_resumable"
local time = require "tt.time"

---@class tt.storage
local storage = {}

---@class tt.storage.Bucket
---@field name string
local Bucket = {}
Bucket.__index = Bucket
Bucket.__name = "tt.storage.Bucket"

---@class tt.storage.Object
---@field name string the whole path inside the bucket
---@field size integer bytes
---@field content_type? string
---@field cache_control? string as it is sent to readers, `max-age=60`
---@field etag? string without quotes; changes with the content
---@field created_at? integer microseconds since 1970, UTC
---@field updated_at? integer microseconds since 1970, UTC

---@class tt.storage.Upload
---@field file? string path of what is sent; this or `bytes`
---@field bytes? string
---@field content_type? string (default: "application/octet-stream")
---@field cache_control? integer seconds that readers may keep it, 0 for not at all without asking (default: 3600)
---@field upsert? boolean replace an object of this name (default: false)
---@field accept_equal? boolean an object of this name that holds the same bytes is no conflict (default: false)
---@field on_progress? fun(sent: integer, total: integer) called as bytes are stored

---@class tt.storage.Download
---@field sha256 string of the content, in hexadecimal
---@field size integer bytes
---@field body? string nil when it was saved to a file
---@field content_type? string
---@field cache_control? string
---@field etag? string

-- What the service lists by default in one answer; asking for more could meet a limit that looks like the end.
local PAGE = 100
-- Bytes of an object's name.
local LONGEST_NAME = 1024
-- Objects removed by one request.
local REMOVED = 100
-- Longest time of one transfer, however slow the line; one that stands still ends sooner.
local TRANSFER_S = 3600
-- Statuses that pass; 423 is a resumable upload that another connection still holds, 544 a database that was slow.
local PASSING = { [408] = true, [423] = true, [429] = true, [500] = true, [502] = true, [503] = true, [504] = true,
    [544] = true }

-- Requests

local function escaped(path)
    local parts = {}
    for part in (path .. "/"):gmatch("(.-)/") do parts[#parts + 1] = http.escape(part) end
    return table.concat(parts, "/")
end

local function object_url(bucket, kind, path)
    return ("/storage/v1/object/%s%s/%s"):format(kind, escaped(bucket.name), escaped(path))
end

--- Decides over another try by the status that the body tells; for requests of one's own to a bucket's public address.
---
--- ```lua
--- local hidden = { status = 400, body = '{"statusCode":"503","error":"SlowDown","message":"later"}' }
--- assert(tt.storage.retry_when(hidden) == true)
--- assert(tt.storage.retry_when { status = 400, body = '{"statusCode":"404","error":"not_found"}' } == false)
--- ```
---@param response table an answer of `tt.http` that is no success
---@return boolean? again nil: as the client's own rule says
function storage.retry_when(response)
    local problem = errors.problem(response)
    if not problem or problem.details.status == response.status and response.status ~= 423 then return nil end
    return PASSING[problem.details.status] or false
end

local function raise(problem, level) tt.error(problem.code, problem.message, problem.details, level + 1) end

-- Sends one request; gives the answer, and what is wrong with it.
local function try(bucket, spec)
    spec.retry_when = storage.retry_when
    local response = bucket.project:send(spec)
    return response, errors.problem(response, spec)
end

local function send(bucket, spec)
    local response, problem = try(bucket, spec)
    if problem then raise(problem, 3) end
    return response
end

-- The JSON of an answer, which is an object or a list.
local function content_of(response)
    local content = response:json()
    if type(content) ~= "table" then
        tt.error("supabase.rejected", ("%s: the answer is neither an object nor a list"):format(response.url),
            { url = response.url }, 3)
    end
    return content
end

local function send_json(bucket, method, url, value)
    return content_of(send(bucket, { method = method, url = url, json = value, idempotent = true }))
end

--- Gives a bucket of a project, as `project:bucket` does. Nothing is sent yet.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(tt.storage.bucket(project, "models").name == "models")
--- ```
---
--- Raises `argument` for a name that cannot be one.
---@param project tt.supabase.Project
---@param name string
---@return tt.storage.Bucket
function storage.bucket(project, name)
    if type(name) ~= "string" or name == "" or name:find("/", 1, true) then
        tt.error("argument", ("'%s' cannot be the name of a bucket"):format(name), nil, 2)
    end
    return setmetatable({ project = project, name = name }, Bucket)
end

--- Tells what the project says of the bucket.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function() return project:bucket("models"):info() end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@return { public: boolean, file_size_limit: integer?, allowed_mime_types: string[]? }? info nil when there is no such
---  bucket
function Bucket:info()
    local response, problem = try(self, { method = "GET", url = "/storage/v1/bucket/" .. escaped(self.name) })
    if problem and problem.code == "supabase.not_found" then return nil end
    if problem then raise(problem, 2) end
    return content_of(response)
end

--- Makes the bucket if it is not there; one that is there stays as it is.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local ok = pcall(function() return project:bucket("models"):create { public = true } end)
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param opts? { public?: boolean } public: everybody may read it (default: false)
---@return boolean created
function Bucket:create(opts)
    if self:info() then return false end
    local _, problem = try(self, {
        method = "POST", url = "/storage/v1/bucket", idempotent = true,
        json = { id = self.name, name = self.name, public = opts and opts.public == true },
    })
    -- Somebody else was faster, or an earlier try did it.
    if problem and problem.code ~= "supabase.conflict" then raise(problem, 2) end
    return problem == nil
end

-- Listings

local function unquoted(etag)
    return type(etag) == "string" and etag:gsub("^W/", ""):gsub('"', "") or nil
end

local function text(value) return type(value) == "string" and value or nil end

local function object_of(name, entry)
    local metadata = type(entry.metadata) == "table" and entry.metadata or {}
    return {
        name = name, size = math.tointeger(tonumber(metadata.size)) or 0, content_type = text(metadata.mimetype),
        cache_control = text(metadata.cacheControl), etag = unquoted(metadata.eTag),
        created_at = time.parse(text(entry.created_at) or ""), updated_at = time.parse(text(entry.updated_at) or ""),
    }
end

-- The whole path of a listed entry. Names are looked at before they are followed: one that is empty or longer than the
-- service takes would be followed for ever.
local function path_of(bucket, folder, entry)
    local name = type(entry) == "table" and text(entry.name)
    local path = name and (folder == "" and name or folder .. "/" .. name)
    if not path or name == "" or name:find("/", 1, true) or #path > LONGEST_NAME then
        tt.error("supabase.rejected", ("the listing of '%s' in bucket '%s' holds what is no name; remove that object")
            :format(folder, bucket.name), { bucket = bucket.name, path = folder })
    end
    return path
end

-- Adds what lies in one folder, and below it, to `found` by name.
local function collect(bucket, folder, found)
    local offset, folders = 0, {}
    repeat
        local page = send_json(bucket, "POST", "/storage/v1/object/list/" .. escaped(bucket.name), {
            prefix = folder, limit = PAGE, offset = offset, sortBy = { column = "name", order = "asc" },
        })
        for _, entry in ipairs(page) do
            local name = path_of(bucket, folder, entry)
            -- Folders are no objects and have no id.
            if text(entry.id) then found[name] = object_of(name, entry) else folders[name] = true end
        end
        offset = offset + #page
    until #page < PAGE
    for name in pairs(folders) do collect(bucket, name, found) end
    return found
end

--- Lists all objects in a folder and below it, in byte order of their names.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function()
---     for _, object in ipairs(project:bucket("models"):list("two/three")) do print(object.name, object.size) end
--- end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does; `supabase.not_found` for a bucket that is not there; `supabase.rejected` for a
--- listing with what is no name.
---@param prefix? string a folder (default: the whole bucket)
---@return tt.storage.Object[] objects empty when there is no such folder
function Bucket:list(prefix)
    local objects = {}
    local folder = (prefix or ""):gsub("^/+", ""):gsub("/+$", "")
    for _, object in pairs(collect(self, folder, {})) do objects[#objects + 1] = object end
    table.sort(objects, function(a, b) return a.name < b.name end)
    return objects
end

--- Tells what the bucket knows of one object.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function() return project:bucket("models"):head("a.json") end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param path string
---@return tt.storage.Object? object nil when there is none of this name
function Bucket:head(path)
    local response, problem = try(self, { method = "GET", url = object_url(self, "info/", path) })
    if problem and problem.code == "supabase.not_found" then return nil end
    if problem then raise(problem, 2) end
    local entry = content_of(response)
    return {
        name = path, size = math.tointeger(tonumber(entry.size)) or 0, content_type = text(entry.content_type),
        cache_control = text(entry.cache_control), etag = unquoted(entry.etag),
        created_at = time.parse(text(entry.created_at) or ""),
        updated_at = time.parse(text(entry.last_modified) or text(entry.updated_at) or ""),
    }
end

--- Tells whether there is an object of this name.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function() return project:bucket("models"):exists("a.json") end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does.
---@param path string
---@return boolean
function Bucket:exists(path) return self:head(path) ~= nil end

--- Gives the address at which everybody reads an object of a public bucket.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k" }
--- assert(project:bucket("models"):public_url("a b/c.json")
---     == "http://127.0.0.1:9/storage/v1/object/public/models/a%20b/c.json")
--- ```
---@param path string
---@return string url
function Bucket:public_url(path) return self.project:url() .. object_url(self, "public/", path) end

-- Downloads

local function download_request(bucket, path, opts)
    return {
        method = "GET", url = object_url(bucket, "authenticated/", path), sha256 = true, save = opts.save,
        -- A name in the query that nobody has asked for before, and the header: no cache answers for the bucket.
        query = opts.fresh and { { "fresh", tostring(time.now()) } } or nil,
        headers = opts.fresh and { ["cache-control"] = "no-cache" } or nil, retry_when = storage.retry_when,
        timeout_s = TRANSFER_S,
    }
end

local function downloaded(response, opts)
    return {
        sha256 = response.sha256, size = opts.save and fs.stat(opts.save).size or #response.body, body = response.body,
        content_type = response.headers["content-type"], cache_control = response.headers["cache-control"],
        etag = unquoted(response.headers.etag),
    }
end

--- Reads an object. Its SHA-256 is counted as it comes in.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function()
---     local content = project:bucket("models"):download("a.onnx", { save = "a.onnx" })
---     print(content.size, content.sha256)
--- end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does; `supabase.not_found` when there is none of this name.
---@param path string
---@param opts? { save?: string, fresh?: boolean } save: to this file, which appears whole or not at all; fresh: past
---  caches on the way (default: false)
---@return tt.storage.Download
function Bucket:download(path, opts)
    opts = opts or {}
    return downloaded(send(self, download_request(self, path, opts)), opts)
end

--- Reads several objects, some at once.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(#project:bucket("models"):download_all({}) == 0)
--- ```
---
--- Raises what `bucket:download` does, for the first that fails.
---@param items { path: string, save?: string }[]
---@param opts? { parallel?: integer, fresh?: boolean, on_done?: fun(item: table, content: tt.storage.Download) }
---  parallel: how many at once (default: 4)
---@return tt.storage.Download[] contents in the order of the items
function Bucket:download_all(items, opts)
    opts = opts or {}
    local requests, index_of, contents = {}, {}, {}
    for index, item in ipairs(items) do
        requests[index] = download_request(self, item.path, { save = item.save, fresh = opts.fresh })
        index_of[requests[index]] = index
    end
    for request, response in self.project:each(requests, { parallel = opts.parallel or 4 }) do
        local problem = errors.problem(response, request)
        if problem then raise(problem, 2) end
        local index = index_of[request]
        contents[index] = downloaded(response, items[index])
        if opts.on_done then opts.on_done(items[index], contents[index]) end
    end
    return contents
end

-- Uploads

local function checked(item)
    if (item.file == nil) == (item.bytes == nil) then
        tt.error("argument", "an upload needs either 'file' or 'bytes'", nil, 3)
    end
    local status = item.file and fs.stat(item.file)
    if item.file and not (status and status.kind == "file") then
        tt.error("fs.not_found", ("'%s' is no file"):format(item.file), { path = item.file }, 3)
    end
    return status and status.size or #item.bytes
end

local function upload_request(bucket, path, item)
    local seconds = item.cache_control or 3600
    return {
        method = "POST", url = object_url(bucket, "", path), file = item.file, body = item.bytes,
        -- The same bytes under the same name: sending them again does no harm.
        idempotent = true, retry_when = storage.retry_when, timeout_s = TRANSFER_S,
        headers = {
            ["content-type"] = item.content_type or "application/octet-stream",
            ["cache-control"] = seconds == 0 and "no-cache" or ("max-age=%d"):format(seconds),
            ["x-upsert"] = item.upsert and "true" or "false",
        },
    }
end

-- Whether the bucket holds these bytes under this name.
local function holds(bucket, path, item)
    local folder <close> = fs.tempdir()
    local ok, content = pcall(bucket.download, bucket, path, { save = fs.join(folder.path, "content"), fresh = true })
    if not ok and content.code == "supabase.not_found" then return false end
    if not ok then error(content, 0) end
    return content.sha256 == (item.file and hash.sha256_file(item.file) or hash.sha256(item.bytes))
end

-- What is wrong with the answer to an upload; nil when nothing is. A try whose answer was lost may have stored the
-- object; then the next one finds it there, which is no conflict.
local function problem_of(bucket, path, item, response, request)
    local problem = errors.problem(response, request)
    local forgivable = problem and problem.code == "supabase.conflict"
        and (response.attempts > 1 or item.accept_equal)
    if forgivable and holds(bucket, path, item) then return nil end
    return problem
end

local function upload_large(bucket, path, item, size)
    local ok, certain = pcall(resumable.upload, bucket, path, item,
        { size = size, retry_when = storage.retry_when, timeout_s = TRANSFER_S })
    local is_conflict = not ok and type(certain) == "table" and certain.code == "supabase.conflict"
    if ok and certain or is_conflict and item.accept_equal and holds(bucket, path, item) then return end
    if not ok then error(certain, 0) end
    if not holds(bucket, path, item) then
        tt.error("supabase.conflict", ("'%s' in bucket '%s' holds other bytes than were sent: something else wrote it "
            .. "at the same time"):format(path, bucket.name), { path = path, bucket = bucket.name }, 3)
    end
end

--- Stores an object. Above 6 MiB it goes by the resumable protocol: after a break it continues where the server is.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local ok = pcall(function()
---     project:bucket("models"):upload("a.json", { bytes = "{}", content_type = "application/json" })
--- end)
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `project:request` does: `supabase.conflict` when an object of this name is there and `upsert` is not
--- set, `supabase.too_large`, `supabase.rejected` for names and types that the bucket does not take; `fs.not_found`.
---@param path string
---@param item tt.storage.Upload
function Bucket:upload(path, item)
    local size = checked(item)
    if size > resumable.CHUNK then return upload_large(self, path, item, size) end
    local request = upload_request(self, path, item)
    local problem = problem_of(self, path, item, self.project:send(request), request)
    if problem then raise(problem, 2) end
    if item.on_progress then item.on_progress(size, size) end
end

--- Stores several objects, some at once; large ones after the others, each by itself.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- project:bucket("models"):upload_all({})
--- ```
---
--- Raises what `bucket:upload` does, for the first that fails, when those under way have ended; the others may be
--- stored or not.
---@param items tt.storage.Upload[] each with `path`, its name in the bucket
---@param opts? { parallel?: integer, on_done?: fun(item: table) } parallel: how many at once (default: 4)
function Bucket:upload_all(items, opts)
    opts = opts or {}
    local small, sizes, item_of, large, failed = {}, {}, {}, {}, nil
    for _, item in ipairs(items) do
        sizes[item] = checked(item)
        local list = sizes[item] > resumable.CHUNK and large or small
        list[#list + 1] = item
    end
    local function done(item)
        if opts.on_done then opts.on_done(item) end
    end
    local index = 0
    local function next_request()
        index = index + 1
        local item = small[index]
        if failed or not item then return nil end
        local request = upload_request(self, item.path, item)
        item_of[request] = item
        return request
    end
    -- After a failure those under way are waited for: one that was given up could still be stored later, over what the
    -- caller does next.
    for request, response in self.project:each(next_request, { parallel = opts.parallel or 4 }) do
        local item = item_of[request]
        local problem = problem_of(self, item.path, item, response, request)
        if problem then
            failed = failed or problem
        else
            if item.on_progress then item.on_progress(sizes[item], sizes[item]) end
            done(item)
        end
    end
    if failed then raise(failed, 2) end
    for _, item in ipairs(large) do
        self:upload(item.path, item)
        done(item)
    end
end

--- Removes objects; those that are not there are no error.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(project:bucket("models"):remove({}) == 0)
--- ```
---
--- Raises what `project:request` does.
---@param paths string[]
---@return integer removed how many the service says it removed
function Bucket:remove(paths)
    local removed = 0
    for first = 1, #paths, REMOVED do
        local batch = table.move(paths, first, math.min(first + REMOVED - 1, #paths), 1, {})
        removed = removed + #send_json(self, "DELETE", "/storage/v1/object/" .. escaped(self.name),
            { prefixes = batch })
    end
    return removed
end

return storage
