--- Publication: a bundle goes to a version of its own, is read back and compared, and only then `current/` follows, its
--- manifest last. Nothing that is published is overwritten or removed on the way, so every step can be cut short and
--- run again: what is there already is compared and left out.
---
--- Two publishers at once: the same bundle is locked on this machine; in the bucket the last writer of `current/` wins,
--- and the other one finds out when it reads `current/` back, and fails.

local artifacts = require("two_tower.artifacts")
local bundle = require("two_tower.bundle")
local declared = require("two_tower.features")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local log = require("tt.log")
local manifest = require("tt.manifest")
local readers = require("two_tower.readers")
local serving = require("two_tower.serving")
local time = require("tt.time")
local versions = require("two_tower.versions")

local publication = {}

local CURRENT, MANIFEST = versions.CURRENT, versions.MANIFEST
-- Held while a bundle is published; names with a dot are in no manifest.
local LOCK = ".publish.lock"
-- Characters that the bucket takes in names.
local NAME = "^[%w_/!%-%.%*'%(%) &%$@=;:%+,%?]+$"
-- Incomplete versions are left alone for so long: somebody may be uploading them.
local ABANDONED_US = 24 * 3600 * 1000000

local function say(message, fields) log.info(message, json.object(fields)) end

local function paths_of(files)
    local paths = {}
    for index, file in ipairs(files) do paths[index] = file.path end
    return table.concat(paths, ", ")
end

local function bytes_of(files)
    local total = 0
    for _, file in ipairs(files) do total = total + file.size end
    return total
end

-- The manifest among some files, and the others.
local function split(files)
    local pointer, others = {}, {}
    for _, file in ipairs(files) do
        local list = file.path == MANIFEST and pointer or others
        list[#list + 1] = file
    end
    return pointer, others
end

-- ---- the bundle on disk

local function is_checkpoint(path)
    if path:lower():match("%.pth?$") or path:lower():match("%.ckpt$") then return true end
    local file <close> = io.open(path, "rb")
    local head = file and file:read(64) or ""
    return head:sub(1, 4) == "PK\3\4" and head:find("/data.pkl", 1, true) ~= nil
end

--- Checks a bundle on disk as a whole: its files belong together, the manifest fits them and is of this export, and
--- there is nothing in it that is not to be published.
---
--- Raises `bundle.invalid`, `manifest.mismatch`, `publication.manifest`.
---@param folder string
---@param set two_tower.FeatureSet
---@return table content the manifest
---@return two_tower.BundleFile[] files with the manifest last
function publication.check(folder, set)
    local function refuse(format, ...)
        tt.error("bundle.invalid", ("'%s': "):format(folder) .. format:format(...), { folder = folder }, 2)
    end
    local path = fs.join(folder, MANIFEST)
    local meta = bundle.check(folder, set)
    if not fs.exists(path) then refuse("%s is missing; run build_manifest.lua", MANIFEST) end
    local content, files = versions.read_manifest(fs.read(path), ("'%s'"):format(path))
    manifest.verify(folder)
    local ok, problem = pcall(bundle.check_version, content.model_version)
    if not ok then refuse("%s", problem.message) end
    if type(content.model_meta) ~= "table" or json.encode(content.model_meta) ~= json.encode(meta) then
        refuse("%s carries another model_meta.json than the one there; run build_manifest.lua again", MANIFEST)
    end
    for _, file in ipairs(files) do
        if is_checkpoint(fs.join(folder, file.path)) then
            refuse("%s is a checkpoint, which is not published; move it out and run build_manifest.lua again",
                file.path)
        end
        if not file.path:match(NAME) then
            refuse("'%s' has a name that the bucket does not take; rename it and run build_manifest.lua again",
                file.path)
        end
    end
    return content, files
end

-- Refuses a bundle whose inputs the payloads cannot give, or that the program which serves would read otherwise.
local function check_contract(folder, options)
    local schema = json.read(fs.join(folder, artifacts.SCHEMA))
    local breaks, lines = serving.contract_breaks(schema, options.features or declared), {}
    for index, found in ipairs(breaks) do lines[index] = ("%s: %s"):format(found.name, found.reason) end
    if #lines == 0 then return end
    if not options.allow_contract_break then
        tt.error("publication.contract", ("the bundle breaks the contract with what reads it:\n  %s\n"
            .. "Give --allow-contract-break when the reader has been changed to fit."):format(
            table.concat(lines, "\n  ")), { breaks = lines }, 3)
    end
    log.warn("published in spite of a contract break", { breaks = table.concat(lines, "; ") })
end

-- ---- sending and reading back

-- The files whose content, as read, is not what is listed.
local function differing(files, contents)
    local wrong = {}
    for _, file in ipairs(files) do
        local content = contents[file.path]
        if not content or content.size ~= file.size or content.sha256 ~= file.sha256 then wrong[#wrong + 1] = file end
    end
    return wrong
end

-- Sends files of a version and reads each back. What comes back otherwise is sent once more; what still does is taken
-- away again, since nobody has been told of it yet.
local function deliver(target, version, folder, files)
    local wrong = files
    for try = 1, 2 do
        target:send(version, folder, wrong, try > 1)
        local scratch <close> = fs.tempdir()
        wrong = differing(wrong, target:fetch(version, wrong, scratch.path))
        if #wrong == 0 then return end
        log.warn("read back otherwise than sent", { files = paths_of(wrong) })
    end
    local names, why = {}, "the bucket gives back other bytes than were sent"
    for index, file in ipairs(wrong) do
        names[index] = target:base(version) .. "/" .. file.path
        if hash.sha256_file(fs.join(folder, file.path)) ~= file.sha256 then
            why = "the files have changed since they were checked; publish again"
        end
    end
    target.bucket:remove(names)
    tt.error("publication.differs", ("version '%s': %s: %s"):format(version, paths_of(wrong), why),
        { version = version }, 2)
end

-- Brings a version's folder to what the bundle holds, or refuses when it holds something else. Gives the files sent.
local function upload_version(target, folder, version, files)
    local there, listed, held, missing, wrong = target:objects(version), {}, {}, {}, {}
    for _, file in ipairs(files) do
        listed[file.path] = true
        local list = there[file.path] and held or missing
        list[#list + 1] = file
    end
    for path in pairs(there) do
        if not listed[path] then wrong[#wrong + 1] = path .. " (not in this bundle)" end
    end
    do
        local scratch <close> = fs.tempdir()
        for _, file in ipairs(differing(held, target:fetch(version, held, scratch.path))) do
            wrong[#wrong + 1] = file.path
        end
    end
    if #wrong > 0 then
        table.sort(wrong)
        tt.error("publication.exists", ("version '%s' is already in the bucket with other bytes: %s\nA version never "
            .. "changes: run build_manifest.lua with a new --version"):format(version, table.concat(wrong, ", ")),
            { version = version }, 2)
    end
    local pointer, others = split(missing)
    if #held > 0 and #missing > 0 then say("goes on with a version begun before", { { "version", version },
        { "there", #held }, { "missing", #missing } }) end
    if #others > 0 then deliver(target, version, folder, others) end
    -- The manifest makes it a version: it comes when all that it lists is there and has been compared.
    if #pointer > 0 then deliver(target, version, folder, pointer) end
    return missing
end

-- ---- current/

-- Puts back what `current/` held. Where the manifest may have been replaced, it follows the files it lists; where there
-- was none before, it goes first.
local function put_back(target, plan, backup)
    local base, restored, added = target:base(CURRENT), {}, {}
    for _, file in ipairs(plan.others) do
        local held = plan.held[file.path]
        if held then
            restored[#restored + 1] = { path = file.path, size = held.size, sha256 = held.sha256 }
        else
            added[#added + 1] = base .. "/" .. file.path
        end
    end
    log.warn("current/ is put back", json.object({ { "files", #restored }, { "removed", #added } }))
    local pointer = plan.held[MANIFEST]
    if plan.is_pointer_sent and not pointer then target.bucket:remove({ base .. "/" .. MANIFEST }) end
    target:send(CURRENT, backup, restored, true)
    if plan.is_pointer_sent and pointer then
        target:send(CURRENT, backup, { { path = MANIFEST, size = pointer.size } }, true)
    end
    target.bucket:remove(added)
end

-- Runs a step of the refresh before the manifest counts; when it fails, current/ is put back, and the error says how
-- that went.
local function or_put_back(target, plan, backup, step)
    local ok, problem = pcall(step)
    if ok then return end
    local back, trouble = pcall(put_back, target, plan, backup)
    if type(problem) == "table" then
        problem.message = problem.message .. (back and "\ncurrent/ holds what it held before"
            or ("\ncurrent/ could not be put back (%s): until this is run again its files are of two versions, under "
                .. "the manifest of '%s'"):format(type(trouble) == "table" and trouble.message or tostring(trouble),
                plan.before or "none"))
    end
    error(problem, 0)
end

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

-- Sends the manifest of `current/`. When the answer is lost, reading tells whether it came to be.
local function send_pointer(target, folder, file)
    local ok, problem = pcall(target.send, target, CURRENT, folder, { file }, true)
    if ok then return end
    local read, content = pcall(target.bucket.download, target.bucket, target:base(CURRENT) .. "/" .. MANIFEST,
        { fresh = true })
    if not (read and content.sha256 == file.sha256) then error(problem, 0) end
end

-- Brings `current/` to a version whose files lie in `folder`. Gives whether anything was sent.
local function refresh(target, folder, version, files, options)
    local backup <close> = fs.tempdir()
    local plan = plan_refresh(target, files, backup.path)
    local public = (target.bucket:info() or {}).public
    local view = readers.view(target, { public = public, settle_s = options.settle_s })
    local changed = #plan.others + #plan.pointer
    if changed == 0 and #plan.extra == 0 then
        say("current/ already holds this version; nothing is sent", { { "version", version } })
    elseif options.dry_run then
        say("would refresh current/", { { "from", plan.before }, { "to", version }, { "replaced", changed },
            { "removed", #plan.extra } })
        return false
    end
    if changed > 0 then
        or_put_back(target, plan, backup.path, function()
            target:send(CURRENT, folder, plan.others, true)
            -- Readers must be able to get every file before the manifest sends them there.
            view:await(plan.others)
            if plan.pointer[1] then
                plan.is_pointer_sent = true
                send_pointer(target, folder, plan.pointer[1])
            end
        end)
    end
    view:await(files, plan.held[MANIFEST] and plan.held[MANIFEST].sha256)
    if #plan.extra > 0 then
        target.bucket:remove(plan.extra)
        say("removed from current/ what the version does not have", { { "files", #plan.extra } })
    end
    say("current/ is verified", { { "version", version }, { "before", plan.before },
        { "by", public and "its public address" or "download" }, { "sent", changed } })
    return changed > 0
end

-- ---- what people call

---@class two_tower.PublishOptions: two_tower.TargetOptions
---@field artifacts string the bundle's folder
---@field features? two_tower.FeatureSet
---@field allow_contract_break? boolean publish although the payloads cannot give every feature
---@field dry_run? boolean check the bundle and tell what would be sent; needs no credentials, opens no connection
---@field settle_s? number how long caches may take to notice that current/ has changed (default: 90)

local function tell_plan(options, content, files)
    local prefix = versions.clean_prefix(options.prefix)
    for _, name in ipairs({ content.model_version, CURRENT }) do
        for _, file in ipairs(files) do
            say("would send", { { "object", ("%s/%s/%s"):format(prefix, name, file.path) }, { "bytes", file.size },
                { "type", versions.content_type(file.path) },
                { "cache_s", versions.cache_control(name, file.path) } })
        end
    end
end

--- Publishes a bundle.
---
--- Raises `bundle.invalid` and `manifest.mismatch` for a bundle that is not whole, `publication.contract` for one that
--- serving cannot use, `publication.exists` when its version is there with other bytes, `publication.differs` and
--- `publication.overtaken` when reading back shows other bytes, `fs.locked`, and what `project:request` raises.
---@param options two_tower.PublishOptions
---@return { version: string, sent: integer, refreshed: boolean } published files sent to the version's folder, and
---  whether current/ was changed
function publication.publish(options)
    local folder = options.artifacts
    local content, files = publication.check(folder, options.features or declared)
    local version = content.model_version
    say("the bundle is whole", { { "version", version }, { "files", #files }, { "bytes", bytes_of(files) } })
    check_contract(folder, options)
    if options.dry_run then
        tell_plan(options, content, files)
        return { version = version, sent = 0, refreshed = false }
    end
    local lock <close> = fs.lock(fs.join(folder, LOCK)) -- luacheck: ignore
    local target <close> = versions.open(options)
    if target.bucket:create({ public = true }) then
        say("made the bucket", { { "bucket", target.bucket.name }, { "public", true } })
    end
    local sent = upload_version(target, folder, version, files)
    say(#sent > 0 and "the version is stored and compared" or "the version is there already, with these bytes",
        { { "version", version }, { "prefix", target:base(version) }, { "sent", #sent }, { "bytes", bytes_of(sent) } })
    local refreshed = refresh(target, folder, version, files, options)
    return { version = version, sent = #sent, refreshed = refreshed }
end

--- Brings `current/` back to a version of the bucket, after reading every object of it and comparing.
---
--- Raises `publication.unknown` when there is no such version, `publication.damaged` when it is not whole, and what
--- `publication.publish` raises.
---@param options two_tower.TargetOptions|{ version: string, dry_run?: boolean, settle_s?: number }
---@return { version: string, refreshed: boolean }
function publication.rollback(options)
    local version = options.version
    bundle.check_version(version)
    local target <close> = versions.open(options)
    local found = target:manifest(version)
    if not found then
        tt.error("publication.unknown", ("the bucket has no version '%s' with a manifest; --list shows what there is")
            :format(version), { version = version }, 2)
    end
    local function damaged(what)
        tt.error("publication.damaged", ("version '%s' is not whole: %s; current/ is left as it is")
            :format(version, what), { version = version }, 3)
    end
    if found.content.model_version ~= version then
        damaged(("its manifest is that of '%s'"):format(found.content.model_version))
    end
    local there, missing = target:objects(version), {}
    for _, file in ipairs(found.files) do
        if not there[file.path] then missing[#missing + 1] = file end
    end
    if #missing > 0 then damaged(paths_of(missing) .. " missing") end
    local folder <close> = fs.tempdir()
    local wrong = differing(found.files, target:fetch(version, found.files, folder.path))
    if #wrong > 0 then damaged(paths_of(wrong) .. " with other bytes than listed") end
    say("the version is whole", { { "version", version }, { "files", #found.files },
        { "bytes", bytes_of(found.files) } })
    return { version = version, refreshed = refresh(target, folder.path, version, found.files, options) }
end

-- The manifest goes first, so that a version that is half gone is none.
local function remove(target, name)
    local base, names = target:base(name), {}
    local objects = target:objects(name)
    if objects[MANIFEST] then target.bucket:remove({ base .. "/" .. MANIFEST }) end
    for path in pairs(objects) do
        if path ~= MANIFEST then names[#names + 1] = base .. "/" .. path end
    end
    table.sort(names)
    target.bucket:remove(names)
end

--- Removes old versions: the complete ones beyond the newest `keep`, and incomplete ones that nobody has added to for a
--- day. What `current/` holds stays, whatever its age.
---
--- Raises `publication.manifest` when it cannot be told what `current/` holds, and what `project:request` raises.
---@param options two_tower.TargetOptions|{ keep: integer, dry_run?: boolean, now?: integer }
---@return string[] removed names of versions
function publication.prune(options)
    local target <close> = versions.open(options)
    local list, current = target:list()
    if current and not current.version then
        tt.error("publication.manifest", ("current/ has files and no manifest that tells their version (%s); nothing "
            .. "is removed until it is refreshed"):format(current.missing), nil, 2)
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

return publication
