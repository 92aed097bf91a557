-- `current/` against the development server: how it is brought to a version, and what readers meet meanwhile.
local fs = require "tt.fs"
local hash = require "tt.hash"
local manifest = require "two_tower.bundle.manifest"
local publication = require "two_tower.publish.publication"
local public_view = require "two_tower.publish.public_view"
local supabase = require "tt.supabase"
local t = require "tt.test"
local targets = require "two_tower.publish.target"

local here = fs.abspath(arg[0]:match("^(.*)/two_tower/"))
local root = fs.dirname(fs.dirname(here))
local shell = dofile(here .. "/support/shell.lua")

local stage <close> = dofile(here .. "/support/publishing.lua")("current")
local server = stage.server
local function inside(name) return stage:inside(name) end
local function remote(...) return stage:remote(...) end
local function publish(...) return stage:publish(...) end
local function state(bucket) return stage:state(bucket) end
local function lines() return stage:lines() end

remote("types and cache control fit each file", function(project, bucket)
    publish(project, "two")
    local expected = {
        ["user_tower.onnx"] = "application/octet-stream", ["model_meta.json"] = "application/json",
        ["video_embeddings.parquet"] = "application/vnd.apache.parquet", ["manifest.json"] = "application/json",
        ["ort-wasm-simd-threaded.wasm"] = "application/wasm", ["ort-wasm-simd-threaded.mjs"] = "text/javascript",
        ["more/deep/note.txt"] = "text/plain; charset=utf-8",
    }
    for path, kind in pairs(expected) do
        local version = bucket:head("two-tower/v3/two/" .. path)
        t.equal({ version.content_type, version.cache_control }, { kind, "max-age=31536000" }, path)
        local current = bucket:head("two-tower/v3/current/" .. path)
        t.equal({ current.content_type, current.cache_control },
            { kind, path == "manifest.json" and "no-cache" or "max-age=60" }, path)
    end
end)

remote("a private bucket is checked by download", function(project, bucket)
    publish(project, "one")
    t.equal(state(bucket), { "one", "nothing", "one" })
    t.equal(bucket:info().public, false)
    t.ok(lines():find('"by":"download"', 1, true), lines())
end, false)

-- ---- copies

-- Requests that change current/ since the log was emptied, in order: "copy", the path of what was sent, "removed".
local function changes()
    local list = {}
    for _, entry in ipairs(server:requests()) do
        local sent = entry.method == "POST"
            and entry.path:match("^/storage/v1/object/model%-artifacts/.*/current/(.*)$")
        local is_piece = entry.method == "PATCH"
        list[#list + 1] = sent or entry.path == "/storage/v1/object/copy" and "copy" or is_piece and "piece"
            or entry.method == "DELETE" and "removed" or nil
    end
    return list
end

local function count(list, wanted)
    local found = 0
    for _, value in ipairs(list) do found = found + (value == wanted and 1 or 0) end
    return found
end

-- What a reader gets from current/ with another type or time to keep it than it should have.
local function served_wrong(bucket)
    local wrong = {}
    for _, object in ipairs(bucket:list("two-tower/v3/current")) do
        local path, content = object.name:match("/current/(.*)$"), bucket:download(object.name)
        local kept = path == "manifest.json" and "no-cache" or "max-age=60"
        if content.content_type ~= targets.content_type(path) or content.cache_control ~= kept then
            wrong[#wrong + 1] = ("%s: %s %s"):format(path, content.content_type, content.cache_control)
        end
    end
    return wrong
end

local COPY = "/storage/v1/object/copy$"
-- What a service answers that has no copies.
local NO_ROUTE = { match = { path = COPY }, fault = "404", args = { content_type = "application/json",
    body = '{"message":"Route POST:/object/copy not found","error":"Not Found","statusCode":404}' } }

remote("current/ is copied from the version, and only its manifest is sent, as the last", function(project, bucket)
    publish(project, "one")
    publish(project, "two")
    for _, version in ipairs { "one", "two" } do
        server:forget_requests()
        publication.rollback { project = project, version = version }
        t.equal(state(bucket)[3], version)
        t.equal(served_wrong(bucket), {})
        local asked, others = changes(), 0
        while asked[others + 1] == "copy" do others = others + 1 end
        t.ok(others >= 4)
        t.equal({ table.unpack(asked, others + 1) }, { "manifest.json", version == "one" and "removed" or nil })
        local read = {}
        for _, entry in ipairs(server:requests()) do
            local path = entry.method == "GET" and entry.path:match("^/storage/v1/object/public/.*/current/(.*)$")
            if entry.method == "POST" and entry.path:find("/current/manifest.json", 1, true) then break end
            if path then read[path] = (read[path] or 0) + entry.bytes end
            if entry.path == "/storage/v1/object/copy" then t.ok(entry.request_bytes < 400) end
        end
        -- Until the manifest is there, what is large is not read by its readers' way either.
        t.equal(read["user_tower.onnx"], 1)
        t.equal(read["ort-wasm-simd-threaded.wasm"], version == "two" and 1 or nil)
        t.ok(read["feature_schema.json"] == nil or read["feature_schema.json"] > 100)
    end
    t.ok(lines():find('"copied":', 1, true) and not lines():find("makes no copies", 1, true))
end)

remote("a private bucket's current/ is copied too", function(project, bucket)
    publish(project, "one")
    server:forget_requests()
    publish(project, "two")
    t.equal(state(bucket), { "one", "two", "two" })
    t.equal(served_wrong(bucket), {})
    local asked = changes()
    t.equal({ asked[#asked], asked[#asked - 1], count(asked, "user_tower.onnx") }, { "manifest.json", "copy", 0 })
end, false)

remote("where copies are served by the rules of the version, current/ is sent", function(project, bucket)
    publish(project, "one")
    local as_source = { match = { path = COPY }, fault = "copy_serves_source" }
    server:faults { as_source }
    server:forget_requests()
    publish(project, "two")
    t.equal(state(bucket), { "one", "two", "two" })
    t.equal(served_wrong(bucket), {})
    -- The smallest file has told.
    local asked = changes()
    t.equal({ count(asked, "copy"), count(asked, "user_tower.onnx"), asked[#asked] }, { 1, 1, "manifest.json" })
    t.ok(lines():find("the service makes no copies as they must be served", 1, true), lines())
    -- A publisher that was killed has left what readers would keep for a year, with the right bytes.
    server:faults { as_source }
    bucket:copy { { from = "two-tower/v3/two/normalizer.json", to = "two-tower/v3/current/normalizer.json",
        cache_control = 60, upsert = true } }
    t.equal(served_wrong(bucket), { "normalizer.json: application/json max-age=31536000" })
    t.equal(publish(project, "two").refreshed, true)
    t.equal(served_wrong(bucket), {})
    t.equal(publish(project, "two").refreshed, false)
end)

remote("where there are no copies, or not of everything, the others are sent", function(project, bucket)
    publish(project, "one")
    server:faults { NO_ROUTE }
    server:forget_requests()
    publish(project, "two")
    local asked = changes()
    t.equal({ count(asked, "copy"), count(asked, "user_tower.onnx"), asked[#asked] }, { 1, 1, "manifest.json" })
    t.equal(state(bucket), { "one", "two", "two" })
    for _, fault in ipairs { "413", "duplicate_key", "400" } do
        server:faults { { match = { path = COPY, after = 2 }, fault = fault } }
        server:forget_requests()
        publication.rollback { project = project, version = "one" }
        asked = changes()
        t.equal({ asked[1], asked[2], asked[3], #asked }, { "copy", "copy", "copy", 4 + 2 + 2 },
            table.concat(asked, " "))
        t.equal(state(bucket)[3], "one")
        t.equal(served_wrong(bucket), {})
        publication.rollback { project = project, version = "two" }
    end
    t.ok(lines():find("sent to current/ what the service does not copy", 1, true), lines())
end)

-- A key of the project that is good until then.
local function key_until(seconds)
    local secret = fs.read(inside("dev/secret")):gsub("%s+$", "")
    local code = ("from supabase_dev import auth; print(auth.sign(%q, {'role': 'service_role', 'exp': %d}))")
        :format(secret, seconds)
    local output, status = shell.capture(("cd %s && %s -c %s"):format(shell.quote(root .. "/Tests/support"),
        shell.quote(os.getenv("TT_PYTHON") or root .. "/.venv/bin/python"), shell.quote(code)))
    assert(status == 0, output)
    return (output:gsub("%s+$", ""))
end

remote("a key that is about to expire changes nothing of current/", function(project, bucket)
    publish(project, "one")
    local now = os.time()
    local soon <close> = supabase.open { url = server.url, key = key_until(now + 200) }
    server:forget_requests()
    local problem = t.error("publication.key", publish, soon, "two")
    t.ok(problem.message:find("nothing of current/ has been changed", 1, true), problem.message)
    t.ok(problem.message:find(tt.time.format((now + 200) * 1000000), 1, true), problem.message)
    t.equal({ count(changes(), "copy"), count(changes(), "manifest.json") }, { 0, 0 })
    t.equal(state(bucket), { "one", "two", "one" })
    -- Where there is nothing to change it is good enough.
    t.equal(publish(soon, "one").refreshed, false)
    local later <close> = supabase.open { url = server.url, key = key_until(now + 3600) }
    t.equal(publish(later, "two").refreshed, true)
    t.equal(state(bucket), { "one", "two", "two" })
end)
-- ---- failures

remote("current/ is put back when its refresh fails", function(project, bucket)
    publish(project, "one")
    local function fails(code, ...)
        server:faults { ... }
        local problem = t.error(code, publish, project, "two")
        t.ok(problem.message:find("current/ holds what it held before", 1, true), problem.message)
        t.equal(state(bucket), { "one", "two", "one" })
    end
    local function at(path) return { method = "POST", path = "/current/" .. path, times = 1 } end
    -- By copies, in the midst of which the key is refused once; and after them, where it is put back by copies too.
    fails("supabase.auth", { match = { path = COPY, nth = 4 }, fault = "expired_token" })
    server:forget_requests()
    fails("supabase.too_large", { match = at("manifest"), fault = "413" })
    local asked = changes()
    t.equal({ count(asked, "manifest.json"), count(asked, "user_tower.onnx"), count(asked, "piece") }, { 2, 0, 0 })
    local six = at("manifest")
    six.times = 6
    fails("supabase.unavailable", { match = six, fault = "503" })
    -- And with a service that does not copy.
    fails("supabase.too_large", NO_ROUTE, { match = at("normalizer"), fault = "413" })
    fails("supabase.too_large", NO_ROUTE, { match = at("manifest"), fault = "413" })
    t.equal(served_wrong(bucket), {})
    -- An answer that is lost each time: reading tells that it is done.
    server:faults { { match = six, fault = "applied_then_reset" } }
    publish(project, "two")
    t.equal(state(bucket), { "one", "two", "two" })
end)

remote("what current/ held is put back, also where its version has other bytes or is gone", function(project, bucket)
    publish(project, "one")
    -- Of the same size as the version's file, which is a copy away.
    local changed = fs.read(inside("one/normalizer.json")):gsub("%d", "7")
    local path = "two-tower/v3/current/normalizer.json"
    bucket:upload(path, { bytes = changed, content_type = "application/json", cache_control = 60, upsert = true })
    local refused = { match = { method = "POST", path = "/current/manifest", times = 1 }, fault = "413" }
    server:faults { refused }
    t.error("supabase.too_large", publish, project, "two")
    t.equal(bucket:download(path).body, changed)
    local names = {}
    for index, object in ipairs(bucket:list("two-tower/v3/one")) do names[index] = object.name end
    bucket:remove(names)
    server:faults { refused }
    t.error("supabase.too_large", publish, project, "two")
    t.equal(bucket:download(path).body, changed)
    t.equal(served_wrong(bucket), {})
end)

remote("current/ is left alone when its manifest may have been replaced", function(project, bucket)
    publish(project, "one")
    -- From the manifest on no answer comes through, whether it was stored or not.
    for _, case in ipairs { { "applied_then_reset", "two" }, { "reset", "model_meta.json differs" } } do
        server:faults { { match = { path = "/current/manifest", after = 1 }, fault = case[1] } }
        local problem = t.error("http.incomplete", publish, project, "two")
        t.ok(problem.message:find("or still that of 'one', cannot be told until this is run again", 1, true),
            problem.message)
        t.equal(state(bucket), { "one", "two", case[2] })
        publish(project, "two")
        t.equal(state(bucket), { "one", "two", "two" })
        publication.rollback { project = project, version = "one" }
    end
end)

remote("a first refresh that fails leaves current/ empty", function(project, bucket)
    server:faults { { match = { method = "POST", path = "/current/manifest", times = 1 }, fault = "413" } }
    t.error("supabase.too_large", publish, project, "one")
    t.equal(state(bucket), { "one", "nothing", "nothing" })
end)

remote("what readers still get is waited for, what another publisher wrote is not", function(project, bucket)
    -- A cache on the way does not know the file yet.
    server:faults { { match = { path = "/public/.*/current/model_meta", times = 2 }, fault = "storage_wrapped",
        args = { status = 404 } } }
    publish(project, "one", { settle_s = 60 })
    t.equal(server:fired(), { 2 })
    t.ok(lines():find("waiting for caches on the way", 1, true), lines())
    t.equal(state(bucket), { "one", "nothing", "one" })
    local _, files = manifest.parse(fs.read(inside("two/manifest.json")), "two")
    local target <close> = targets.open { project = project }
    local pointer = { files[#files] }
    local before = hash.sha256_file(inside("one/manifest.json"))
    local view = public_view.new(target, { public = true, settle_s = 0 })
    t.error("publication.stale", view.await, view, pointer, before)
    t.error("publication.overtaken", view.await, view, pointer, "another")
    t.error("publication.stale", view.await, view, { { path = "none.json", sha256 = "x", size = 1 } })
    local behind = public_view.new(target, { public = false, settle_s = 0 })
    server:faults { { match = { path = "/current/none" }, fault = "500" } }
    local stale = t.error("publication.stale", view.await, view, { { path = "none.json", sha256 = "x", size = 1 } })
    t.ok(stale.message:find("no bytes (HTTP 500: Internal Server Error) of none.json", 1, true), stale.message)
    server:faults {}
    t.error("publication.stale", behind.await, behind, { { path = "none.json", sha256 = "x", size = 1 } })
end)

