-- The publication stage: a verified bundle into the project's bucket, first as a version of its own, then as current/;
-- and what goes with it: list, verify, roll back, prune.

local artifacts = require("two_tower.bundle.artifacts")
local catalog = require("two_tower.publish.catalog")
local declared = require("two_tower.features")
local fs = require("tt.fs")
local json = require("tt.json")
local log = require("tt.log")
local options = require("two_tower.options")
local publication = require("two_tower.publish.publication")
local published = require("two_tower.check.published")
local stages = require("two_tower.stages")
local targets = require("two_tower.publish.target")
local text_table = require("two_tower.publish.text_table")
local time = require("tt.time")

local given = options.parse({
    name = "publish.lua",
    summary = "Publishes a bundle of artifacts in a bucket of a Supabase project: under its version, read back and "
        .. "compared, and only then as current/. Without an action below it publishes.",
    remote = true,
    options = {
        { flag = "--artifacts", type = "path", value = "DIR", default = "artifacts",
            help = "the bundle, with its manifest.json" },
        { flag = "--bucket", value = "NAME", default = targets.BUCKET,
            help = "the bucket; made, for everybody to read, when it is not there" },
        { flag = "--prefix", value = "PATH", default = targets.PREFIX, help = "the folder of all versions" },
        { flag = "--parallel", default = 4, min = 1, max = 64, help = "requests in flight" },
        { flag = "--embeddings", help = "then upload the version's vectors, as upload_embeddings.lua does; also with "
            .. "--rollback" },
        { flag = "--allow-contract-break", help = "publish although serving cannot give the model every feature" },
        { flag = "--dry-run", help = "tell what would be done; publishing needs no credentials then" },
        { flag = "--list", help = "action: list the versions in the bucket" },
        { flag = "--json", help = "the list or the check as JSON" },
        { flag = "--rollback", value = "VERSION", help = "action: check a version in the bucket and make it current/" },
        { flag = "--verify", value = "URL", help = "action: check a public folder as a reader does, without a key; "
            .. "also a version's name, or current, when the project's address is given" },
        { flag = "--prune", type = "int", value = "KEEP", min = 1, help = "action: remove all but the newest KEEP "
            .. "complete versions, and what current/ holds; incomplete ones when a day old" },
    },
    exclusive = {
        { "--list", "--rollback", "--verify", "--prune", "--allow-contract-break" },
        { "--dry-run", "--list", "--verify" },
        { "--embeddings", "--list", "--verify", "--prune" },
    },
    examples = {
        "tt publish.lua --supabase-url https://PROJECT.supabase.co",
        "tt publish.lua --list",
        "tt publish.lua --verify current",
        "tt publish.lua --rollback 20250101T000000Z-abc1234 --embeddings",
    },
})
if given.json and not (given.list or given.verify) then
    tt.error("usage", "--json goes with --list or --verify")
end

local place = { url = given.supabase_url, key = given.service_role_key, bucket = given.bucket, prefix = given.prefix,
    parallel = given.parallel, dry_run = given.dry_run }
local as_json = given.json or log.is_json()

-- Where a version, or current/, is read without a key.
local function public_address(name)
    if name:find("://", 1, true) then return name end
    if not given.supabase_url then
        tt.error("usage", ("--verify: '%s' is no address; for the name of a version give SUPABASE_URL or "
            .. "--supabase-url"):format(name))
    end
    return targets.public_address(given.supabase_url, place, name)
end

local function cell(value) return value ~= nil and value ~= json.null and tostring(value) or "-" end

local function show_list()
    local target <close> = targets.open(place)
    local is_there = target.bucket:info() ~= nil
    local list, live = {}, nil
    if is_there then list, live = catalog.list(target) end
    if as_json then
        for _, entry in ipairs(list) do
            for _, name in ipairs({ "published", "newest" }) do
                entry[name] = entry[name] and time.format(entry[name])
            end
        end
        print(json.encode({ versions = json.array(list), current = live and live.version or json.null }))
        return
    end
    local rows = { { "", "version", "published", "files", "bytes", "state" } }
    for _, entry in ipairs(list) do
        local date = entry.published and time.format(entry.published):sub(1, 19):gsub("T", " ")
        rows[#rows + 1] = { entry.current and "*" or "", entry.version, cell(date), cell(entry.files),
            cell(entry.bytes), entry.complete and "complete" or "incomplete: " .. entry.missing }
    end
    if #list > 0 then io.write(text_table(rows, { [4] = true, [5] = true })) end
    if not is_there then
        print(("there is no bucket '%s' yet"):format(given.bucket))
    elseif not live then
        print("current/ is empty")
    else
        print(("current/ holds %s%s"):format(live.version or "no manifest that tells its version",
            live.complete and "" or (" and is incomplete: %s"):format(live.missing)))
    end
end

local function show_check()
    local report = published.check(public_address(given.verify), declared, { parallel = given.parallel })
    if as_json then print(json.encode(report)) else io.write(published.table_of(report)) end
    if #report.problems > 0 then
        tt.error("publication.damaged", ("'%s' is not whole:\n  %s"):format(report.url,
            table.concat(report.problems, "\n  ")), { url = report.url })
    end
end

-- Vectors and user tower of different trainings do not belong together. When current/ has moved here, what an earlier
-- upload of this file did counts no more: others may have come in between.
local function store_vectors(folder, has_moved)
    stages.upload({ parquet = fs.join(folder, artifacts.EMBEDDINGS), url = given.supabase_url,
        key = given.service_role_key, restart = has_moved })
end

if given.list then
    show_list()
elseif given.verify then
    show_check()
elseif given.rollback then
    place.version = given.rollback
    place.on_current = given.embeddings and store_vectors or nil
    publication.rollback(place)
elseif given.prune then
    place.keep = given.prune
    for _, name in ipairs(catalog.prune(place)) do print(name) end
else
    place.artifacts, place.allow_contract_break = given.artifacts, given.allow_contract_break
    local outcome = stages.publish(place)
    if given.embeddings and not given.dry_run then store_vectors(given.artifacts, outcome.refreshed) end
end
