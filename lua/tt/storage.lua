---@meta tt.storage

-- Buckets of objects in a Supabase project: listings, uploads (resumable where they are large), copies inside of a
-- bucket, downloads with their SHA-256, removal.

local errors = require "tt.supabase.errors"
local fs = require "tt.fs"
local requests = require "tt.storage.requests"
local time = require "tt.time"
local writes = require "tt.storage.writes"

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

---@class tt.storage.Copy
---@field from string
---@field to string
---@field content_type? string (default: as the other's)
---@field cache_control? integer as for an upload (default: as the other's)
---@field upsert? boolean replace an object of this name (default: false)

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

local function send_json(bucket, method, url, value)
    return requests.content(requests.send(bucket, { method = method, url = url, json = value, idempotent = true }))
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
    local response, problem = requests.try(self,
        { method = "GET", url = "/storage/v1/bucket/" .. requests.escaped(self.name) })
    if problem and problem.code == "supabase.not_found" then return nil end
    if problem then requests.raise(problem, 2) end
    return requests.content(response)
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
    local _, problem = requests.try(self, {
        method = "POST", url = "/storage/v1/bucket", idempotent = true,
        json = { id = self.name, name = self.name, public = opts and opts.public == true },
    })
    -- Somebody else was faster, or an earlier try did it.
    if problem and problem.code ~= "supabase.conflict" then requests.raise(problem, 2) end
    return problem == nil
end

-- Listings

local function text(value) return type(value) == "string" and value or nil end

local function object_of(name, entry)
    local metadata = type(entry.metadata) == "table" and entry.metadata or {}
    return {
        name = name, size = math.tointeger(tonumber(metadata.size)) or 0, content_type = text(metadata.mimetype),
        cache_control = text(metadata.cacheControl), etag = requests.etag(metadata.eTag),
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
        local page = send_json(bucket, "POST", "/storage/v1/object/list/" .. requests.escaped(bucket.name), {
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
    local response, problem = requests.try(self, { method = "GET", url = requests.address(self, "info/", path) })
    if problem and problem.code == "supabase.not_found" then return nil end
    if problem then requests.raise(problem, 2) end
    local entry = requests.content(response)
    return {
        name = path, size = math.tointeger(tonumber(entry.size)) or 0, content_type = text(entry.content_type),
        cache_control = text(entry.cache_control), etag = requests.etag(entry.etag),
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
function Bucket:public_url(path) return self.project:url() .. requests.address(self, "public/", path) end

-- Downloads

local function download_request(bucket, path, opts)
    return {
        method = "GET", url = requests.address(bucket, "authenticated/", path), sha256 = true, save = opts.save,
        -- A name in the query that nobody has asked for before, and the header: no cache answers for the bucket.
        query = opts.fresh and { { "fresh", tostring(time.now()) } } or nil,
        headers = opts.fresh and { ["cache-control"] = "no-cache" } or nil, retry_when = requests.retry_when,
        timeout_s = requests.TRANSFER_S,
    }
end

local function downloaded(response, opts)
    return {
        sha256 = response.sha256, size = opts.save and fs.stat(opts.save).size or #response.body, body = response.body,
        content_type = response.headers["content-type"], cache_control = response.headers["cache-control"],
        etag = requests.etag(response.headers.etag),
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
    return downloaded(requests.send(self, download_request(self, path, opts)), opts)
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
    local asked, index_of, contents = {}, {}, {}
    for index, item in ipairs(items) do
        asked[index] = download_request(self, item.path, { save = item.save, fresh = opts.fresh })
        index_of[asked[index]] = index
    end
    for request, response in self.project:each(asked, { parallel = opts.parallel or 4 }) do
        local problem = errors.problem(response, request)
        if problem then requests.raise(problem, 2) end
        local index = index_of[request]
        contents[index] = downloaded(response, items[index])
        if opts.on_done then opts.on_done(items[index], contents[index]) end
    end
    return contents
end

-- Writing

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
    writes.upload(self, { setmetatable({ path = path }, { __index = item }) })
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
function Bucket:upload_all(items, opts) writes.upload(self, items, opts) end

--- Copies objects of the bucket inside of it, some at once: their bytes do not travel. A copy is as the other object in
--- all but what is asked for; with a type or cache control of its own it does not take over metadata that somebody has
--- attached. Services before 2025 do not heed that type and cache control, and not all later ones show them to readers:
--- who depends on them looks at what a download says.
---
--- ```lua
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- assert(not pcall(function()
---     project:bucket("models"):copy { { from = "v2/a.json", to = "now/a.json", cache_control = 60, upsert = true } }
--- end)) -- nobody listens there
--- ```
---
--- Raises what `project:request` does, for the first that fails, when those under way have ended:
--- `supabase.not_found` when there is nothing to copy, or a service that cannot, `supabase.conflict` when an object of
--- the new name is there and `upsert` is not set.
---@param items tt.storage.Copy[]
---@param opts? { parallel?: integer, on_done?: fun(item: tt.storage.Copy, etag: string?) } parallel: how many at once
---  (default: 4); on_done: gets the copy's mark, which may be another than that of an object sent in pieces, where the
---  service tells it
function Bucket:copy(items, opts) writes.copy(self, items, opts) end

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
        removed = removed + #send_json(self, "DELETE", "/storage/v1/object/" .. requests.escaped(self.name),
            { prefixes = batch })
    end
    return removed
end

return storage
