--- What lies in the bucket: a prefix per version, which never changes, and `current/`, which moves. Each holds a bundle
--- with its manifest; a prefix without one is not finished and is nothing to readers.

local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local progress = require("tt.progress")
local supabase = require("tt.supabase")

local versions = {}

versions.BUCKET = "model-artifacts"
versions.PREFIX = "two-tower/v3"
versions.CURRENT = "current"
versions.MANIFEST = "manifest.json"

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
versions.PLACEHOLDER = ".emptyFolderPlaceholder"

---@class two_tower.BundleFile
---@field path string relative to the prefix
---@field sha256 string
---@field size integer

--- Tells the content type of a file by its name.
---@param path string
---@return string
function versions.content_type(path)
    return TYPES[(path:match("%.([%w]+)$") or ""):lower()] or "application/octet-stream"
end

--- Tells for how many seconds readers may keep a file.
---@param name string a version, or "current"
---@param path string
---@return integer seconds
function versions.cache_control(name, path)
    if name ~= versions.CURRENT then return IMMUTABLE_S end
    return path == versions.MANIFEST and POINTER_S or MOVING_S
end

-- Manifests

-- Whether a path stays inside of the folder it is put behind.
local function is_safe(path)
    if type(path) ~= "string" or path == "" or path:find("[%c\\]") then return false end
    for part in (path .. "/"):gmatch("(.-)/") do
        if part == "" or part == "." or part == ".." then return false end
    end
    return true
end

--- Reads a manifest. Its paths are used as names of files, so that none may lead out of a folder.
---
--- Raises `publication.manifest`.
---@param text string
---@param where string for messages
---@return table content the parsed manifest
---@return two_tower.BundleFile[] files those it lists, and last the manifest itself
function versions.read_manifest(text, where)
    local function refuse(format, ...)
        tt.error("publication.manifest", ("%s %s"):format(where, format:format(...)), { where = where }, 2)
    end
    local ok, content = pcall(json.decode, text)
    if not ok then refuse("is not readable: %s", content.message or tostring(content)) end
    if type(content) ~= "table" or type(content.files) ~= "table" then refuse("has no list 'files'") end
    if type(content.model_version) ~= "string" then refuse("has no model_version") end
    local files, seen = {}, {}
    for index, file in ipairs(content.files) do
        if type(file) ~= "table" or not is_safe(file.path) or file.path == versions.MANIFEST then
            refuse("has no usable path in files[%d]", index)
        end
        if type(file.sha256) ~= "string" or not file.sha256:match("^%x+$") or #file.sha256 ~= 64
            or math.type(file.size) ~= "integer" or file.size < 0 then
            refuse("needs sha256 and size of '%s'", file.path)
        end
        if seen[file.path] then refuse("lists '%s' twice", file.path) end
        seen[file.path] = true
        files[index] = { path = file.path, sha256 = file.sha256:lower(), size = file.size }
    end
    files[#files + 1] = { path = versions.MANIFEST, sha256 = hash.sha256(text), size = #text }
    return content, files
end

-- Lists of files

--- Names files for a message.
---@param files { path: string }[]
---@return string
function versions.paths_of(files)
    local paths = {}
    for index, file in ipairs(files) do paths[index] = file.path end
    return table.concat(paths, ", ")
end

--- Adds up the bytes of files.
---@param files { size: integer }[]
---@return integer
function versions.bytes_of(files)
    local total = 0
    for _, file in ipairs(files) do total = total + file.size end
    return total
end

--- Gives the files whose content, as read, is not what is listed.
---@param files two_tower.BundleFile[]
---@param contents table<string, tt.storage.Download>
---@return two_tower.BundleFile[]
function versions.differing(files, contents)
    local wrong = {}
    for _, file in ipairs(files) do
        local content = contents[file.path]
        if not content or content.size ~= file.size or content.sha256 ~= file.sha256 then wrong[#wrong + 1] = file end
    end
    return wrong
end

-- Addresses

--- Gives the address at which everybody reads a version, or `current`.
---
--- Raises `usage`.
---@param url string the project's address
---@param options two_tower.TargetOptions
---@param name string
---@return string
function versions.public_address(url, options, name)
    local project <close> = supabase.open({ url = url, key = "none" })
    return project:bucket(options.bucket or versions.BUCKET):public_url(
        versions.clean_prefix(options.prefix) .. "/" .. name)
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
function versions.clean_prefix(prefix)
    local clean = (prefix or versions.PREFIX):gsub("^/+", ""):gsub("/+$", "")
    if not is_safe(clean) then
        tt.error("usage", ("--prefix: '%s' must be names joined by '/'"):format(prefix), nil, 2)
    end
    return clean
end

--- Opens the place where versions lie. Nothing is sent yet.
---
--- Raises `usage.credentials`, `usage`.
---@param options two_tower.TargetOptions
---@return two_tower.Target
function versions.open(options)
    local prefix = versions.clean_prefix(options.prefix)
    local project = options.project or supabase.open({ url = options.url, key = options.key })
    local role = project:role()
    if role == "anon" or role == "authenticated" then
        if not options.project then project:close() end
        tt.error("usage.credentials", ("the key's role is '%s': buckets are written with the project's service role "
            .. "key (SUPABASE_SERVICE_ROLE_KEY, --service-role-key)"):format(role), nil, 2)
    end
    return setmetatable({ project = project, owned = not options.project, prefix = prefix,
        bucket = project:bucket(options.bucket or versions.BUCKET), parallel = options.parallel or 4 }, Target)
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
function versions.by_path(base, objects)
    local found = {}
    for _, object in ipairs(objects) do
        if not object.name:find(versions.PLACEHOLDER, 1, true) then found[object.name:sub(#base + 2)] = object end
    end
    return found
end

--- Lists what a version's folder holds.
---@param name string a version, or "current"
---@return table<string, tt.storage.Object> objects by path
function Target:objects(name)
    local base = self:base(name)
    return versions.by_path(base, self.bucket:list(base))
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
        if not is_safe(file.path) then
            tt.error("publication.name", ("the bucket holds '%s/%s', whose name is no path of a file; remove it")
                :format(self:base(name), file.path), { path = file.path }, 2)
        end
        local save = fs.join(folder, file.path)
        fs.mkdir(fs.dirname(save))
        items[index] = { path = self:base(name) .. "/" .. file.path, save = save, file = file }
    end
    local bar <close> = bar_of("read", name, versions.bytes_of(files))
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
    local bar <close> = bar_of("send", name, versions.bytes_of(files))
    local items = {}
    for index, file in ipairs(files) do
        local before = 0
        items[index] = { path = self:base(name) .. "/" .. file.path, file = fs.join(folder, file.path),
            content_type = versions.content_type(file.path), upsert = upsert, accept_equal = true,
            cache_control = versions.cache_control(name, file.path), on_progress = function(sent)
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
    local ok, got = pcall(self.bucket.download, self.bucket, self:base(name) .. "/" .. versions.MANIFEST,
        { fresh = true })
    if not ok and type(got) == "table" and got.code == "supabase.not_found" then return nil end
    if not ok then error(got, 0) end
    local content, files = versions.read_manifest(got.body, ("the manifest of '%s'"):format(name))
    return { content = content, files = files, text = got.body }
end

return versions
