--- The refresh of `current/`, the one folder of the bucket that moves. Readers take its manifest first, so it is
--- written last. Its other files are copied from the version inside of the bucket, where they lie already: while that
--- goes on, readers meet files of two versions, so it should not take the time of an upload.

local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local manifest = require("two_tower.bundle.manifest")
local public_view = require("two_tower.publish.public_view")
local targets = require("two_tower.publish.target")
local time = require("tt.time")

local refresh = {}

local CURRENT, MANIFEST = targets.CURRENT, manifest.NAME
-- How long the key must be good for when current/ is about to change: one that expires half-way cannot put back either.
local KEY_S = 300
-- How a service says that it does not copy at all, not this object, or not over another one.
local REFUSALS = { ["supabase.not_found"] = true, ["supabase.rejected"] = true, ["supabase.too_large"] = true,
    ["supabase.conflict"] = true }

local function say(message, fields) log.info(message, json.object(fields)) end

-- ---- copying

-- Some files with what a version's folder knows of them: whether it holds one of this size, and its mark, which tells
-- of the bytes where it is that of the object they were read from.
local function marked(target, version, files)
    local there, list = target:objects(version), {}
    for index, file in ipairs(files) do
        local object = there[file.path]
        local is_held = object ~= nil and object.size == file.size
        local is_known = is_held and (file.etag or object.etag) == object.etag
        list[index] = { path = file.path, size = file.size, sha256 = file.sha256, is_held = is_held,
            etag = is_known and object.etag or nil }
    end
    return list
end

-- Copies files of a version; gives those that readers do not get as they should afterwards.
local function copy(target, plan, version, files)
    if #files == 0 then return {} end
    local items = {}
    for index, file in ipairs(files) do
        items[index] = { from = target:base(version) .. "/" .. file.path, upsert = true, file = file,
            to = target:base(CURRENT) .. "/" .. file.path, content_type = targets.content_type(file.path),
            cache_control = targets.cache_control(CURRENT, file.path) }
    end
    local ok, problem = pcall(target.bucket.copy, target.bucket, items, { parallel = target.parallel,
        on_done = function(item, etag)
            if item.file.etag and etag then item.file.etag = etag end
        end })
    if not ok and not (type(problem) == "table" and REFUSALS[problem.code]) then error(problem, 0) end
    return plan.view:wrong(files)
end

-- Copies what a version has of some marked files; gives those that are left to be sent. The smallest one goes alone: it
-- tells whether the service heeds the cache control of copies. Where it does not, readers would keep for a year, as a
-- file of the version, what the next publication replaces.
local function copy_marked(target, plan, version, files)
    local sources, left = {}, {}
    for _, file in ipairs(files) do
        local list = file.is_held and sources or left
        list[#list + 1] = file
    end
    table.sort(sources, function(a, b) return a.size < b.size or a.size == b.size and a.path < b.path end)
    local wrong = copy(target, plan, version, { sources[1] })
    if #wrong == 0 then
        wrong = copy(target, plan, version, table.move(sources, 2, #sources, 1, {}))
    else
        wrong = sources
    end
    return table.move(wrong, 1, #wrong, #left + 1, left)
end

-- ---- putting back

-- Sends files of the backup until the bucket gives them back: an upload that broke off may still be stored after this
-- one.
local function restore(target, backup, files)
    local wrong = files
    for try = 1, 3 do
        if try > 1 then time.sleep(try) end
        target:send(CURRENT, backup, wrong, true)
        local scratch <close> = fs.tempdir()
        wrong = manifest.differing(wrong, target:fetch(CURRENT, wrong, scratch.path))
        if #wrong == 0 then return end
    end
    tt.error("publication.differs", ("current/ gives back other bytes of %s"):format(manifest.paths(wrong)), nil, 2)
end

-- Puts back what `current/` held. Where the manifest may have been replaced, it follows the files it lists; where there
-- was none before, it goes first.
local function put_back(target, plan, backup)
    local base, restored, added = target:base(CURRENT), {}, {}
    for _, file in ipairs(plan.others) do
        local held = plan.held[file.path]
        if held then
            restored[#restored + 1] = { path = file.path, size = held.size, sha256 = held.sha256, etag = held.etag }
        else
            added[#added + 1] = base .. "/" .. file.path
        end
    end
    log.warn("current/ is put back", json.object({ { "files", #restored }, { "removed", #added } }))
    local pointer = plan.held[MANIFEST]
    if plan.is_pointer_sent and not pointer then target.bucket:remove({ base .. "/" .. MANIFEST }) end
    -- The version that was there before still lies in the bucket, as a rule.
    if plan.before then restored = copy_marked(target, plan, plan.before, marked(target, plan.before, restored)) end
    if #restored > 0 then restore(target, backup, restored) end
    if plan.is_pointer_sent and pointer then
        restore(target, backup, { { path = MANIFEST, size = pointer.size, sha256 = pointer.sha256 } })
    end
    target.bucket:remove(added)
end

-- Runs a step of the refresh before the manifest counts; when it fails, current/ is put back, and the error says how
-- that went. It is left as it is when it may be complete: where the manifest was sent and cannot be read.
local function or_put_back(target, plan, backup, step)
    local function add(problem, text, ...)
        if type(problem) == "table" then problem.message = problem.message .. text:format(...) end
    end
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if problem == nil then return end
        local before = plan.before or "none"
        if plan.is_pointer_unknown then
            return add(problem, "\ncurrent/ holds the files of this version; whether its manifest is already this "
                .. "version's too, or still that of '%s', cannot be told until this is run again", before)
        end
        local back, trouble = pcall(put_back, target, plan, backup)
        if back then return add(problem, "\ncurrent/ holds what it held before") end
        add(problem, "\ncurrent/ could not be put back (%s): until this is run again its files are of two versions, "
            .. "under the manifest of '%s'", type(trouble) == "table" and trouble.message or tostring(trouble), before)
    end })
    step()
end

-- ---- the refresh

-- What is to change in `current/`; everything that is there is read into `backup`.
local function plan_refresh(target, files, backup)
    local there, list = target:objects(CURRENT), {}
    for path, object in pairs(there) do list[#list + 1] = { path = path, size = object.size } end
    local held = target:fetch(CURRENT, list, backup)
    local plan = { held = held, others = {}, pointer = {}, extra = {}, before = nil }
    local listed = {}
    for _, file in ipairs(files) do
        listed[file.path] = true
        local content, object = held[file.path], there[file.path]
        -- A cache on the way may give what was there before; the listing's mark tells.
        local is_same = content and content.sha256 == file.sha256
            and (not content.etag or not object.etag or content.etag == object.etag)
            and public_view.is_served(file.path, content)
        if not is_same then
            local into = file.path == MANIFEST and plan.pointer or plan.others
            into[#into + 1] = file
        end
    end
    for path in pairs(there) do
        if not listed[path] then plan.extra[#plan.extra + 1] = target:base(CURRENT) .. "/" .. path end
    end
    table.sort(plan.extra)
    if held[MANIFEST] then
        local ok, content = pcall(json.read, fs.join(backup, MANIFEST))
        plan.before = ok and type(content) == "table" and tostring(content.model_version) or "unreadable"
    end
    return plan
end

-- The likeliest fault that begins half-way and lasts can be told beforehand.
local function require_lasting_key(target)
    local ends = target.project:expires_at()
    if ends and ends - time.now() < KEY_S * 1000000 then
        tt.error("publication.key", ("the key expires at %s, which may be while current/ is replaced; take one that is "
            .. "good for longer and run this again: nothing of current/ has been changed"):format(time.format(ends)),
            nil, 3)
    end
end

-- Brings the other files of a version to current/; gives those that had to be sent.
local function bring(target, plan, folder, version, files)
    local sent = copy_marked(target, plan, version, files)
    if #sent > 0 and #sent < #files then
        say("sent to current/ what the service does not copy", { { "files", manifest.paths(sent) } })
    elseif #sent > 0 then
        say("the service makes no copies as they must be served; current/ is sent file by file", { { "files", #sent } })
    end
    target:send(CURRENT, folder, sent, true)
    -- Readers must be able to get every file before the manifest sends them there.
    plan.view:await(sent)
    return sent
end

-- Sends the manifest of `current/`, which is hardly larger than a request for a copy, and is never to be there by the
-- rules of a version. When the answer is lost, reading tells whether it came to be.
local function send_pointer(target, plan, folder)
    local file = plan.pointer[1]
    plan.is_pointer_sent = true
    local ok, problem = pcall(target.send, target, CURRENT, folder, { file }, true)
    if ok then return end
    local read, content = pcall(target.bucket.download, target.bucket, target:base(CURRENT) .. "/" .. MANIFEST,
        { fresh = true })
    if read and content.sha256 == file.sha256 then return end
    plan.is_pointer_unknown = not read and not (type(content) == "table" and content.code == "supabase.not_found")
    error(problem, 0)
end

--- Brings `current/` to a version of the bucket, whose files lie in a folder too: every other file first, its manifest
--- last; then what the version does not have is removed. Until the manifest is replaced a failure puts back what was
--- there.
---
--- Raises `publication.key` for a key that is about to expire, `publication.overtaken`, `publication.stale`,
--- `publication.differs`, and what `project:request` raises.
---@param target two_tower.Target
---@param folder string
---@param version string
---@param files two_tower.BundleFile[] the manifest last
---@param options { settle_s?: number, dry_run?: boolean }
---@return boolean changed whether anything was sent
function refresh.run(target, folder, version, files, options)
    local backup <close> = fs.tempdir()
    local plan = plan_refresh(target, files, backup.path)
    local public = (target.bucket:info() or {}).public
    local view, sent = public_view.new(target, { public = public, settle_s = options.settle_s }), {}
    plan.view = view
    local changed = #plan.others + #plan.pointer
    if changed == 0 and #plan.extra == 0 then
        say("current/ already holds this version; nothing is sent", { { "version", version } })
    elseif options.dry_run then
        say("would refresh current/", { { "from", plan.before }, { "to", version }, { "replaced", changed },
            { "removed", #plan.extra } })
        return false
    end
    if changed > 0 or #plan.extra > 0 then require_lasting_key(target) end
    if changed > 0 then
        local others = marked(target, version, plan.others)
        or_put_back(target, plan, backup.path, function()
            sent = bring(target, plan, folder, version, others)
            if plan.pointer[1] then send_pointer(target, plan, folder) end
        end)
    end
    view:await(files, plan.held[MANIFEST] and plan.held[MANIFEST].sha256)
    if #plan.extra > 0 then
        target.bucket:remove(plan.extra)
        say("removed from current/ what the version does not have", { { "files", #plan.extra } })
    end
    say("current/ is verified", { { "version", version }, { "before", plan.before },
        { "by", public and "its public address" or "download" }, { "copied", #plan.others - #sent },
        { "sent", #sent + #plan.pointer } })
    return changed > 0
end

return refresh
