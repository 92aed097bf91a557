--- The catalog of the versions in the bucket: which there are, and which are removed.

local json = require("tt.json")
local log = require("tt.log")
local manifest = require("two_tower.bundle.manifest")
local targets = require("two_tower.publish.target")
local time = require("tt.time")

local catalog = {}

local CURRENT = targets.CURRENT
-- Incomplete versions are left alone for so long: somebody may be uploading them.
local ABANDONED_US = 24 * 3600 * 1000000

local function say(message, fields) log.info(message, json.object(fields)) end

---@class two_tower.Version
---@field version string
---@field published integer|nil when its manifest was stored, microseconds UTC; nil without one
---@field newest integer when its newest object was stored
---@field generated_at string|nil as its manifest says
---@field commit_sha string|nil as its manifest says
---@field files integer objects, the manifest included
---@field bytes integer
---@field complete boolean its manifest is there, and every file that it lists, with its size
---@field missing string|nil why it is not complete
---@field current boolean `current/` holds it

local function grouped(target)
    local groups = {}
    for _, object in ipairs(target.bucket:list(target.prefix)) do
        local name = object.name:sub(#target.prefix + 2):match("^([^/]+)/")
        if name and not object.name:find(targets.PLACEHOLDER, 1, true) then
            groups[name] = groups[name] or {}
            table.insert(groups[name], object)
        end
    end
    return groups
end

-- What keeps a group of objects from being a bundle; nil when nothing does.
local function incomplete(objects, found)
    if not found then return "no " .. manifest.NAME end
    if found.problem then return found.problem end
    for _, file in ipairs(found.files) do
        local object = objects[file.path]
        if not object then return ("'%s' is missing"):format(file.path) end
        if object.size ~= file.size then
            return ("'%s' has %d bytes, listed with %d"):format(file.path, object.size, file.size)
        end
    end
    return nil
end

local function manifests(target, groups)
    local items, found = {}, {}
    for name, objects in pairs(groups) do
        local path = target:base(name) .. "/" .. manifest.NAME
        for _, object in ipairs(objects) do
            if object.name == path then items[#items + 1] = { path = path, name = name } end
        end
    end
    target.bucket:download_all(items, { parallel = target.parallel, fresh = true, on_done = function(item, got)
        local ok, content, files = pcall(manifest.parse, got.body, manifest.NAME)
        found[item.name] = ok and { content = content, files = files, sha256 = got.sha256 }
            or { problem = content.message }
    end })
    return found
end

local function describe(target, name, list, found)
    local objects = targets.by_path(target:base(name), list)
    local entry = { version = name, files = 0, bytes = 0, newest = 0, current = false }
    for _, object in pairs(objects) do
        entry.files, entry.bytes = entry.files + 1, entry.bytes + object.size
        entry.newest = math.max(entry.newest, object.updated_at or 0)
    end
    entry.missing = incomplete(objects, found)
    if not entry.missing and name ~= CURRENT and found.content.model_version ~= name then
        entry.missing = ("its manifest is that of '%s'"):format(found.content.model_version)
    end
    entry.complete = entry.missing == nil
    if found and found.content then
        entry.published = (objects[manifest.NAME] or {}).created_at
        entry.generated_at, entry.commit_sha = found.content.generated_at, found.content.commit_sha
    end
    return entry
end

--- Lists the versions, the newest first.
---@param target two_tower.Target
---@return two_tower.Version[] list
---@return { version: string|nil, complete: boolean, missing: string|nil, files: integer, bytes: integer }|nil live
---  what `current/` holds; `version` is nil when its manifest is missing or not readable; nil when it is empty
function catalog.list(target)
    local groups = grouped(target)
    local found = manifests(target, groups)
    local list, live = {}, nil
    for name, objects in pairs(groups) do
        local entry = describe(target, name, objects, found[name])
        if name == CURRENT then
            live = entry
            entry.version = found[name] and found[name].content and found[name].content.model_version or nil
        else
            list[#list + 1] = entry
        end
    end
    for _, entry in ipairs(list) do
        entry.current = live ~= nil and live.version == entry.version
    end
    table.sort(list, function(a, b)
        local first, second = a.published or a.newest, b.published or b.newest
        if first ~= second then return first > second end
        return a.version > b.version
    end)
    return list, live
end

-- In one request, which the service does wholly or not at all. A bundle of more files than it takes at once goes in
-- several, the manifest with the first: a version that is half gone is none.
local function remove(target, name)
    local base, names = target:base(name), {}
    local objects = target:objects(name)
    for path in pairs(objects) do names[#names + 1] = base .. "/" .. path end
    local pointer = base .. "/" .. manifest.NAME
    table.sort(names, function(a, b) return a ~= b and (a == pointer or b ~= pointer and a < b) end)
    target.bucket:remove(names)
end

--- Removes old versions: the complete ones beyond the newest `keep`, and incomplete ones that nobody has added to for a
--- day. What `current/` holds stays, whatever its age.
---
--- Raises `publication.manifest` when it cannot be told what `current/` holds, and what `project:request` raises.
---@param options two_tower.TargetOptions|{ keep: integer, dry_run?: boolean, now?: integer }
---@return string[] removed names of versions
function catalog.prune(options)
    local target <close> = targets.open(options)
    local list, live = catalog.list(target)
    if live and not live.version then
        tt.error("publication.manifest", ("current/ has files and no manifest that tells their version (%s); nothing "
            .. "is removed until it is refreshed"):format(live.missing), nil, 2)
    end
    local kept, removed, now = 0, {}, options.now or time.now()
    for _, entry in ipairs(list) do
        local is_old
        if entry.complete then
            kept = kept + 1
            is_old = kept > options.keep
        else
            is_old = now - entry.newest > ABANDONED_US
        end
        if is_old and not entry.current then
            removed[#removed + 1] = entry.version
            say(options.dry_run and "would remove" or "removing", { { "version", entry.version },
                { "files", entry.files }, { "bytes", entry.bytes }, { "missing", entry.missing } })
            if not options.dry_run then remove(target, entry.version) end
        end
    end
    say(options.dry_run and "nothing was removed" or "pruned", { { "removed", #removed },
        { "left", #list - #removed } })
    return removed
end

return catalog
