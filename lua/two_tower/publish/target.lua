--- The place in the bucket that bundles are published to: a prefix per version, which never changes, and `current/`,
--- which moves. Each holds a bundle with its manifest; a prefix without one is not finished and is nothing to readers.

local fs = require("tt.fs")
local manifest = require("two_tower.bundle.manifest")
local progress = require("tt.progress")
local supabase = require("tt.supabase")

local targets = {}

targets.BUCKET = "model-artifacts"
targets.PREFIX = "two-tower/v3"
targets.CURRENT = "current"

local TYPES = {
    onnx = "application/octet-stream", json = "application/json", parquet = "application/vnd.apache.parquet",
    wasm = "application/wasm", js = "text/javascript", mjs = "text/javascript", txt = "text/plain; charset=utf-8",
}

-- What a version's name leads to never changes: caches may keep it for a year.
local IMMUTABLE_S = 31536000
-- `current/` changes rarely, yet its readers should follow within a minute, which is also what the service's own edge
-- takes to notice a change; a burst of starting readers is still served from caches.
local MOVING_S = 60
-- The manifest of `current/` is how a reader learns of a change: it is asked for every time, and is small.
local POINTER_S = 0

-- From so many bytes on a bar shows how far a transfer is.
local SHOWN_BYTES = 4 << 20

-- Names that dashboards put into folders to keep them.
targets.PLACEHOLDER = ".emptyFolderPlaceholder"

--- Tells the content type of a file by its name.
---@param path string
---@return string
function targets.content_type(path)
    return TYPES[(path:match("%.([%w]+)$") or ""):lower()] or "application/octet-stream"
end

--- Tells for how many seconds readers may keep a file.
---@param name string a version, or "current"
---@param path string
---@return integer seconds
function targets.cache_control(name, path)
    if name ~= targets.CURRENT then return IMMUTABLE_S end
    return path == manifest.NAME and POINTER_S or MOVING_S
end

-- Addresses

--- Gives the address at which everybody reads a version, or `current`.
---
--- Raises `usage`.
---@param url string the project's address
---@param options two_tower.TargetOptions
---@param name string
---@return string
function targets.public_address(url, options, name)
    local project <close> = supabase.open({ url = url, key = "none" })
    return project:bucket(options.bucket or targets.BUCKET):public_url(
        targets.clean_prefix(options.prefix) .. "/" .. name)
end

-- The bucket

---@class two_tower.TargetOptions
---@field project? tt.supabase.Project one that is open, instead of url and key
---@field url? string the project's address (default: the environment)
---@field key? string its service role key (default: the environment)
---@field bucket? string (default: "model-artifacts")
---@field prefix? string folder of all versions (default: "two-tower/v3")
---@field parallel? integer requests in flight (default: 4)

---@class two_tower.Target
---@field bucket tt.storage.Bucket
---@field prefix string
local Target = {}
Target.__index = Target

--- Gives the folder of all versions without slashes at its ends.
---
--- Raises `usage`.
---@param prefix? string
---@return string
function targets.clean_prefix(prefix)
    local clean = (prefix or targets.PREFIX):gsub("^/+", ""):gsub("/+$", "")
    if not manifest.is_safe_path(clean) then
        tt.error("usage", ("--prefix: '%s' must be names joined by '/'"):format(prefix), nil, 2)
    end
    return clean
end

--- Opens the place where versions lie. Nothing is sent yet.
---
--- Raises `usage.credentials`, `usage`.
---@param options two_tower.TargetOptions
---@return two_tower.Target
function targets.open(options)
    local prefix = targets.clean_prefix(options.prefix)
    local project = options.project or supabase.open({ url = options.url, key = options.key })
    local role = project:role()
    if role == "anon" or role == "authenticated" then
        if not options.project then project:close() end
        tt.error("usage.credentials", ("the key's role is '%s': buckets are written with the project's service role "
            .. "key (SUPABASE_SERVICE_ROLE_KEY, --service-role-key)"):format(role), nil, 2)
    end
    return setmetatable({ project = project, owned = not options.project, prefix = prefix,
        bucket = project:bucket(options.bucket or targets.BUCKET), parallel = options.parallel or 4 }, Target)
end

--- Closes the connections.
function Target:close()
    if self.owned then self.project:close() end
end
Target.__close = Target.close

--- Gives the folder of a version, or of `current`.
---@param name string
---@return string
function Target:base(name) return self.prefix .. "/" .. name end

--- Gives the objects of a folder by their paths inside it.
---@param base string
---@param objects tt.storage.Object[]
---@return table<string, tt.storage.Object>
function targets.by_path(base, objects)
    local found = {}
    for _, object in ipairs(objects) do
        if not object.name:find(targets.PLACEHOLDER, 1, true) then found[object.name:sub(#base + 2)] = object end
    end
    return found
end

--- Lists what a version's folder holds.
---@param name string a version, or "current"
---@return table<string, tt.storage.Object> objects by path
function Target:objects(name)
    local base = self:base(name)
    return targets.by_path(base, self.bucket:list(base))
end

local function bar_of(what, name, total)
    if total < SHOWN_BYTES then return nil end
    return progress.bar({ total = total, label = what .. " " .. name, unit = "bytes" })
end

--- Reads files of a version into a folder.
---
--- Raises `publication.name` for an object whose name leads out of the folder.
---@param name string
---@param files { path: string, size: integer }[]
---@param folder string
---@return table<string, tt.storage.Download> contents by path
function Target:fetch(name, files, folder)
    local items, contents = {}, {}
    for index, file in ipairs(files) do
        if not manifest.is_safe_path(file.path) then
            tt.error("publication.name", ("the bucket holds '%s/%s', whose name is no path of a file; remove it")
                :format(self:base(name), file.path), { path = file.path }, 2)
        end
        local save = fs.join(folder, file.path)
        fs.mkdir(fs.dirname(save))
        items[index] = { path = self:base(name) .. "/" .. file.path, save = save, file = file }
    end
    local bar <close> = bar_of("read", name, manifest.bytes(files))
    self.bucket:download_all(items, { parallel = self.parallel, fresh = true, on_done = function(item, content)
        contents[item.file.path] = content
        if bar then bar:update(content.size) end
    end })
    return contents
end

--- Sends files of a folder to a version.
---@param name string
---@param folder string
---@param files two_tower.BundleFile[]
---@param upsert boolean replace what is there
function Target:send(name, folder, files, upsert)
    local bar <close> = bar_of("send", name, manifest.bytes(files))
    local items = {}
    for index, file in ipairs(files) do
        local before = 0
        items[index] = { path = self:base(name) .. "/" .. file.path, file = fs.join(folder, file.path),
            content_type = targets.content_type(file.path), upsert = upsert, accept_equal = true,
            cache_control = targets.cache_control(name, file.path), on_progress = function(sent)
                if bar then bar:update(sent - before) end
                before = sent
            end }
    end
    self.bucket:upload_all(items, { parallel = self.parallel })
end

--- Reads the manifest of a version.
---
--- Raises `publication.manifest` when it is no manifest.
---@param name string
---@return { content: table, files: two_tower.BundleFile[], text: string }|nil manifest nil when there is none
function Target:manifest(name)
    local ok, got = pcall(self.bucket.download, self.bucket, self:base(name) .. "/" .. manifest.NAME,
        { fresh = true })
    if not ok and type(got) == "table" and got.code == "supabase.not_found" then return nil end
    if not ok then error(got, 0) end
    local content, files = manifest.parse(got.body, ("the manifest of '%s'"):format(name))
    return { content = content, files = files, text = got.body }
end

return targets
