--- Publication: a bundle goes to a version of its own, is read back and compared, and only then `current/` follows, its
--- manifest last. Nothing that is published is overwritten or removed on the way, so every step can be cut short and
--- run again: what is there already is compared and left out.
---
--- Two publishers at once: the same bundle is locked on this machine; in the bucket the last writer of `current/` wins,
--- and the other one finds out when it reads `current/` back, and fails.

local artifacts = require("two_tower.bundle.artifacts")
local contract = require("two_tower.check.contract")
local consistency = require("two_tower.bundle.consistency")
local declared = require("two_tower.features")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local log = require("tt.log")
local manifest = require("two_tower.bundle.manifest")
local refresh = require("two_tower.publish.refresh")
local rpc = require("two_tower.data.rpc")
local targets = require("two_tower.publish.target")

local publication = {}

local CURRENT, MANIFEST = targets.CURRENT, manifest.NAME
-- Held while a bundle is published; names with a dot are in no manifest.
local LOCK = ".publish.lock"
-- Characters that the bucket takes in names.
local NAME = "^[%w_/!%-%.%*'%(%) &%$@=;:%+,%?]+$"
local function say(message, fields) log.info(message, json.object(fields)) end

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
--- Raises `bundle.invalid`, `manifest.mismatch`, `manifest.format`.
---@param folder string
---@param set two_tower.FeatureSet
---@return table content the manifest
---@return two_tower.BundleFile[] files with the manifest last
function publication.check(folder, set)
    local function refuse(format, ...)
        tt.error("bundle.invalid", ("'%s': "):format(folder) .. format:format(...), { folder = folder }, 2)
    end
    local meta = consistency.check(folder, set)
    if not fs.exists(fs.join(folder, MANIFEST)) then refuse("%s is missing; run build_manifest.lua", MANIFEST) end
    local content, files = manifest.verify(folder)
    local ok, problem = pcall(manifest.check_version, content.model_version)
    if not ok then refuse("%s", problem.message) end
    if not manifest.carries(content, meta) then
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

-- What the project's function answers with; nil, with a warning, where there is none, or none that can be asked.
local function payload_fields(project, set)
    local source = rpc.rest(project, set)
    local ok, fields = pcall(rpc.payload_fields, source, "user")
    if ok then return fields end
    local problem = fields
    local is_answer = type(problem) == "table" and (problem.code == "rpc.missing"
        or problem.code == "supabase.not_found" or problem.code == "supabase.rejected")
    if not is_answer then error(problem, 0) end
    log.warn("the project's payload function does not answer, so nothing can be served; the bundle is compared with "
        .. "the documented payload", { why = problem.message })
    return nil
end

-- Refuses a bundle whose inputs the payloads cannot give, or that the program which serves would read otherwise.
-- Without a project the payload is what the documents say.
local function check_contract(folder, options, project)
    local schema = json.read(fs.join(folder, artifacts.SCHEMA))
    local set = options.features or declared
    local breaks = contract.breaks(schema, set, project and payload_fields(project, set))
    local lines = {}
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

-- Sends files of a version and reads each back. What comes back otherwise is sent once more; what still does is taken
-- away again, since nobody has been told of it yet.
local function deliver(target, version, folder, files)
    local wrong = files
    for try = 1, 2 do
        target:send(version, folder, wrong, try > 1)
        local scratch <close> = fs.tempdir()
        wrong = manifest.differing(wrong, target:fetch(version, wrong, scratch.path))
        if #wrong == 0 then return end
        log.warn("read back otherwise than sent", { files = manifest.paths(wrong) })
    end
    local names, why = {}, "the bucket gives back other bytes than were sent"
    for index, file in ipairs(wrong) do
        names[index] = target:base(version) .. "/" .. file.path
        if hash.sha256_file(fs.join(folder, file.path)) ~= file.sha256 then
            why = "the files have changed since they were checked; publish again"
        end
    end
    target.bucket:remove(names)
    tt.error("publication.differs", ("version '%s': %s: %s"):format(version, manifest.paths(wrong), why),
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
        for _, file in ipairs(manifest.differing(held, target:fetch(version, held, scratch.path))) do
            wrong[#wrong + 1] = file.path
        end
    end
    if #wrong > 0 then
        table.sort(wrong)
        tt.error("publication.exists", ("version '%s' is already in the bucket with other bytes: %s\nA version never "
            .. "changes: run build_manifest.lua with a new --version"):format(version, table.concat(wrong, ", ")),
            { version = version }, 2)
    end
    local pointer, others = manifest.split(missing)
    if #held > 0 and #missing > 0 then say("goes on with a version begun before", { { "version", version },
        { "there", #held }, { "missing", #missing } }) end
    if #others > 0 then deliver(target, version, folder, others) end
    -- The manifest makes it a version: it comes when all that it lists is there and has been compared.
    if #pointer > 0 then deliver(target, version, folder, pointer) end
    return missing
end

-- Refuses what the bucket is set up not to take, before the first file is sent.
local function check_bucket(target, files)
    local info = target.bucket:info() or {}
    local limit, types = math.tointeger(info.file_size_limit), info.allowed_mime_types
    local function refuse(format, ...)
        tt.error("publication.bucket", ("bucket '%s' "):format(target.bucket.name) .. format:format(...)
            .. "; change its settings", { bucket = target.bucket.name }, 3)
    end
    for _, file in ipairs(files) do
        if limit and file.size > limit then
            refuse("takes files up to %d bytes, %s has %d", limit, file.path, file.size)
        end
        local kind, is_taken = targets.content_type(file.path):match("^[^;]*"), type(types) ~= "table" or #types == 0
        for _, allowed in ipairs(is_taken and {} or types) do
            is_taken = is_taken or allowed == kind
                or allowed:sub(-2) == "/*" and kind:find(allowed:sub(1, -2), 1, true) == 1
        end
        if not is_taken then refuse("does not take the type %s of %s", kind, file.path) end
    end
end

-- ---- what people call

---@class two_tower.PublishOptions: two_tower.TargetOptions
---@field artifacts string the bundle's folder
---@field features? two_tower.FeatureSet
---@field allow_contract_break? boolean publish although the payloads cannot give every feature
---@field dry_run? boolean check the bundle and tell what would be sent; needs no credentials, opens no connection
---@field settle_s? number how long caches may take to notice that current/ has changed (default: 90)

local function tell_plan(options, content, files)
    local prefix = targets.clean_prefix(options.prefix)
    for _, name in ipairs({ content.model_version, CURRENT }) do
        for _, file in ipairs(files) do
            say("would send", { { "object", ("%s/%s/%s"):format(prefix, name, file.path) }, { "bytes", file.size },
                { "type", targets.content_type(file.path) },
                { "cache_s", targets.cache_control(name, file.path) } })
        end
    end
end

--- Publishes a bundle.
---
--- Raises `bundle.invalid` and `manifest.mismatch` for a bundle that is not whole, `publication.contract` for one that
--- serving cannot use, `publication.bucket` for a bucket that is set up not to take it, `publication.exists` when its
--- version is there with other bytes, `publication.differs`, `publication.stale` and `publication.overtaken` when
--- reading back shows other bytes, `fs.locked`, and what `project:request` raises.
---@param options two_tower.PublishOptions
---@return { version: string, sent: integer, refreshed: boolean } published files sent to the version's folder, and
---  whether current/ was changed
function publication.publish(options)
    local folder = options.artifacts
    local content, files = publication.check(folder, options.features or declared)
    local version = content.model_version
    say("the bundle is whole", { { "version", version }, { "files", #files }, { "bytes", manifest.bytes(files) } })
    if options.dry_run then
        check_contract(folder, options)
        tell_plan(options, content, files)
        return { version = version, sent = 0, refreshed = false }
    end
    local lock <close> = fs.lock(fs.join(folder, LOCK)) -- luacheck: ignore
    local target <close> = targets.open(options)
    check_contract(folder, options, target.project)
    if target.bucket:create({ public = true }) then
        say("made the bucket", { { "bucket", target.bucket.name }, { "public", true } })
    end
    check_bucket(target, files)
    local sent = upload_version(target, folder, version, files)
    say(#sent > 0 and "the version is stored and compared" or "the version is there already, with these bytes",
        { { "version", version }, { "prefix", target:base(version) }, { "sent", #sent },
            { "bytes", manifest.bytes(sent) } })
    local refreshed = refresh.run(target, folder, version, files, options)
    return { version = version, sent = #sent, refreshed = refreshed }
end

--- Brings `current/` back to a version of the bucket, after reading every object of it and comparing.
---
--- Raises `publication.unknown` when there is no such version, `publication.damaged` when it is not whole, and what
--- `publication.publish` raises.
---@param options two_tower.TargetOptions|{ version: string, dry_run?: boolean, settle_s?: number,
---  on_current?: fun(folder: string) } `on_current` is called with the version's files once current/ holds them
---@return { version: string, refreshed: boolean }
function publication.rollback(options)
    local version = options.version
    manifest.check_version(version)
    local target <close> = targets.open(options)
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
    if #missing > 0 then damaged(manifest.paths(missing) .. " missing") end
    local folder <close> = fs.tempdir()
    local wrong = manifest.differing(found.files, target:fetch(version, found.files, folder.path))
    if #wrong > 0 then damaged(manifest.paths(wrong) .. " with other bytes than listed") end
    say("the version is whole", { { "version", version }, { "files", #found.files },
        { "bytes", manifest.bytes(found.files) } })
    local refreshed = refresh.run(target, folder.path, version, found.files, options)
    if options.on_current and not options.dry_run then options.on_current(folder.path) end
    return { version = version, refreshed = refreshed }
end

return publication
