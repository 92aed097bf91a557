-- Publication against the development server: what ends up in the bucket, whatever happens on the way.
local fs = require "tt.fs"
local hash = require "tt.hash"
local json = require "tt.json"
local log = require "tt.log"
local manifest = require "tt.manifest"
local publication = require "two_tower.publication"
local readers = require "two_tower.readers"
local shelf = require "two_tower.shelf"
local supabase = require "tt.supabase"
local t = require "tt.test"
local versions = require "two_tower.versions"

local here = fs.abspath(arg[0]:match("^(.*)/[^/]*$"))
local root = fs.dirname(fs.dirname(here))
local dev_server = dofile(here .. "/support/dev_server.lua")

local shell = dofile(here .. "/support/shell.lua")
local quote, capture, program = shell.quote, shell.capture, shell.program

local function tt_run(environment, script, ...)
    local words = shell.words(program, script:find("/") and root .. "/" .. script or root .. "/lua/" .. script, ...)
    return capture(("cd %s && env -u SUPABASE_URL -u SUPABASE_SERVICE_ROLE_KEY %s %s")
        :format(quote(here), environment, words))
end

local function run_well(...)
    local output, status = tt_run("", ...)
    assert(status == 0, output)
    return output
end

-- ---- bundles

local folder <close> = fs.tempdir()
local function inside(name) return fs.join(folder.path, name) end

local SMALL = { "--set", "training.epochs=1", "--set", "artifacts.embedding_dim=8", "--set", "training.batch_size=256" }
local database = "sqlite:" .. inside("demo.sqlite")
run_well("demo.lua", "--db", database, "--users", "60", "--videos", "120", "--decisions", "1500")
for index, name in ipairs { "one", "two" } do
    run_well("pipeline.lua", "--db", database, "--artifacts", inside(name), "--checkpoint", inside("latest.pt"),
        "--version", name, "--set", "seed=" .. index, table.unpack(SMALL))
end
-- The second one carries more, of which one file goes in pieces.
fs.write(inside("two/ort-wasm-simd-threaded.wasm"), ("\0asm"):rep(1700000))
fs.write(inside("two/ort-wasm-simd-threaded.mjs"), "export default 1;\n")
fs.mkdir(inside("two/more/deep"))
fs.write(inside("two/more/deep/note.txt"), "a note\n")
run_well("build_manifest.lua", "--artifacts-dir", inside("two"), "--version", "two")

local function copy_of(name)
    local copy = fs.join(t.tmpdir(), name)
    os.execute(("cp -R %s %s"):format(quote(inside(name)), quote(copy)))
    return copy
end

-- ---- the server

local server, reason = dev_server.start("tt_publish", inside("dev"), "--dim 8")
local _ <close> = setmetatable({}, { __close = function() if server then server:stop() end end })

local said = {}
log.configure { json = true, output = function(line) said[#said + 1] = line end }
local _ <close> = setmetatable({}, { __close = function() log.configure { json = false, output = false } end })

-- A test with an empty bucket and a project that does not wait long between tries.
local function remote(name, run, public)
    t.test(name, function()
        if not server then t.skip(reason) end
        server:faults {}
        local project <close> = supabase.open { url = server.url, key = server.key, on_retry = function() end,
            retry = { base_s = 0.01, max_s = 0.05 } }
        local bucket = project:bucket(versions.BUCKET)
        if bucket:info() then
            local names = {}
            for index, object in ipairs(bucket:list()) do names[index] = object.name end
            bucket:remove(names)
            project:request { method = "DELETE", url = "/storage/v1/bucket/" .. bucket.name }
        end
        if public == false then bucket:create { public = false } end
        said = {}
        run(project, bucket)
        server:faults {}
    end)
end

local function publish(project, artifacts, more)
    local options = { project = project, artifacts = artifacts:find("/") and artifacts or inside(artifacts),
        settle_s = 3 }
    for key, value in pairs(more or {}) do options[key] = value end
    return publication.publish(options)
end

-- What a folder of the bucket holds, seen by itself: a version when it is that bundle and nothing else, "nothing",
-- "unannounced" for files without a manifest, otherwise what is wrong.
local function held(bucket, name)
    local base = versions.PREFIX .. "/" .. name
    local objects, there = bucket:list(base), {}
    if #objects == 0 then return "nothing" end
    for _, object in ipairs(objects) do there[object.name:sub(#base + 2)] = true end
    if not there["manifest.json"] then return "unannounced" end
    there["manifest.json"] = nil
    local content = json.decode(bucket:download(base .. "/manifest.json").body)
    local scratch <close> = fs.tempdir()
    for _, file in ipairs(content.files) do
        if not there[file.path] then return file.path .. " is missing" end
        there[file.path] = nil
        local got = bucket:download(base .. "/" .. file.path, { save = fs.join(scratch.path, "x") })
        if got.sha256 ~= file.sha256 then return file.path .. " differs" end
    end
    local extra = next(there)
    return extra and extra .. " is too many" or content.model_version
end

local function state(bucket)
    server:faults {}
    return { held(bucket, "one"), held(bucket, "two"), held(bucket, "current") }
end

local function lines() return table.concat(said, "\n") end

-- ---- without a server

t.test("wrong usage exits with 2", function()
    local function wrong(expected, ...)
        local output, status = tt_run("", "publish.lua", ...)
        t.equal(status, 2, output)
        t.ok(output:find(expected, 1, true), output)
    end
    wrong("exclude each other", "--list", "--rollback", "one")
    wrong("exclude each other", "--verify", "http://x", "--prune", "3")
    wrong("exclude each other", "--list", "--allow-contract-break")
    wrong("exclude each other", "--list", "--dry-run")
    wrong("--json", "--json")
    wrong("--prune", "--prune", "0")
    wrong("SUPABASE_URL", "--list")
    wrong("SUPABASE_SERVICE_ROLE_KEY", "--list", "--supabase-url", "http://127.0.0.1:9")
    wrong("is no address", "--verify", "current")
    wrong("--prefix", "--list", "--prefix", "a/../b", "--supabase-url", "http://127.0.0.1:9")
    wrong("be 'current'", "--rollback", "current", "--supabase-url", "http://127.0.0.1:9", "--service-role-key", "k")
    local output, status = tt_run("SUPABASE_SERVICE_ROLE_KEY=sb_publishable_x", "publish.lua", "--list",
        "--supabase-url", "http://127.0.0.1:9")
    t.equal(status, 2, output)
    t.ok(output:find("role is 'anon'", 1, true), output)
end)

t.test("a dry run needs no project and tells every object", function()
    local output, status = tt_run("", "publish.lua", "--artifacts", inside("two"), "--dry-run")
    t.equal(status, 0, output)
    local function told(...)
        for _, words in ipairs { ... } do t.ok(output:find(words, 1, true), words .. " in " .. output) end
    end
    told("two-tower/v3/two/user_tower.onnx", "two-tower/v3/current/manifest.json", "type=application/wasm",
        "type=text/javascript cache_s=31536000", "type=application/vnd.apache.parquet cache_s=60", "cache_s=0")
    local _, count = output:gsub("would send", "")
    t.equal(count, 2 * (#json.read(inside("two/manifest.json")).files + 1))
    t.equal(output:find("latest.pt", 1, true), nil)
end)

t.test("a bundle that is not whole is refused before anything is sent", function()
    local nowhere = supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
    local function refused(code, words, change, allowed)
        local copy = copy_of("one")
        change(copy)
        local problem = t.error(code, publish, nowhere, copy, { allow_contract_break = allowed })
        t.ok(problem.message:find(words, 1, true), problem.message)
    end
    local function rebuild(copy) run_well("build_manifest.lua", "--artifacts-dir", copy, "--version", "one") end
    refused("bundle.invalid", "manifest.json is missing", function(copy) fs.remove(copy .. "/manifest.json") end)
    refused("manifest.mismatch", "normalizer.json", function(copy)
        fs.write(copy .. "/normalizer.json", fs.read(copy .. "/normalizer.json") .. " ")
    end)
    refused("manifest.mismatch", "new.txt: not listed", function(copy) fs.write(copy .. "/new.txt", "x") end)
    refused("bundle.invalid", "user_tower.onnx is missing", function(copy) fs.remove(copy .. "/user_tower.onnx") end)
    refused("bundle.invalid", "model.pt is a checkpoint", function(copy)
        fs.copy(inside("latest.pt"), copy .. "/model.pt")
        rebuild(copy)
    end)
    refused("bundle.invalid", "weights.bin is a checkpoint", function(copy)
        fs.copy(inside("latest.pt"), copy .. "/weights.bin")
        rebuild(copy)
    end)
    refused("bundle.invalid", "has a name that the bucket does not take", function(copy)
        fs.write(copy .. "/日本.txt", "x")
        rebuild(copy)
    end)
    refused("bundle.invalid", "carries another model_meta.json", function(copy)
        local content = json.read(copy .. "/manifest.json")
        content.model_meta.embedding_dim = 9
        json.write(copy .. "/manifest.json", content)
    end)
    refused("bundle.invalid", "not be 'current'", function(copy)
        local content = json.read(copy .. "/manifest.json")
        content.model_version = "current"
        json.write(copy .. "/manifest.json", content)
    end)
end)

t.test("manifests whose paths lead elsewhere are no manifests", function()
    local function refused(words, path, more)
        local file = { path = path, sha256 = ("a"):rep(64), size = 1 }
        for key, value in pairs(more or {}) do file[key] = value end
        local problem = t.error("publication.manifest", versions.read_manifest, json.encode({ model_version = "x",
            files = { file } }), "it")
        t.ok(problem.message:find(words, 1, true), problem.message)
    end
    for _, path in ipairs { "../x", "/x", "a/../../x", "a//b", "./a", "", "a\\b", "manifest.json", "a\nb" } do
        refused("no usable path", path)
    end
    refused("sha256", "a", { sha256 = "abc" })
    refused("size", "a", { size = -1 })
    t.error("publication.manifest", versions.read_manifest, "{", "it")
    t.error("publication.manifest", versions.read_manifest, "[]", "it")
    t.error("publication.manifest", versions.read_manifest, '{"files": []}', "it")
end)

t.test("a table shows no control characters", function()
    t.equal(readers.layout({ { "name", "type" }, { "a\27[2Jb\n", "x" } }, {}), "name     type\na?[2Jb?  x\n")
end)

t.test("objects whose names lead elsewhere are not fetched", function()
    local project <close> = supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
    local target, to = versions.open { project = project }, t.tmpdir()
    for _, path in ipairs { "../x", "a/../../x", "/x", "a//b", "..", "" } do
        local problem = t.error("publication.name", target.fetch, target, "current", { { path = path, size = 1 } },
            to .. "/a/b")
        t.ok(problem.message:find("the bucket holds 'two-tower/v3/current/" .. path .. "'", 1, true), problem.message)
    end
    t.equal(fs.list(to), {})
end)

-- ---- the course of things

remote("from an empty bucket to a second version and back", function(project, bucket)
    t.equal(publish(project, "one"), { version = "one", sent = 8, refreshed = true })
    t.equal(state(bucket), { "one", "nothing", "one" })
    t.equal(bucket:info().public, true)

    -- Once more: nothing is sent.
    server:forget_requests()
    t.equal(publish(project, "one"), { version = "one", sent = 0, refreshed = false })
    t.ok(lines():find("already holds this version; nothing is sent", 1, true))
    for _, entry in ipairs(server:requests()) do
        local reads = entry.method == "GET" or entry.path:find("/object/list/") or entry.path:find("^/rest/v1/rpc/get_")
        t.ok(reads, entry.method .. " " .. entry.path)
    end

    server:forget_requests()
    t.equal(publish(project, "two"), { version = "two", sent = 11, refreshed = true })
    t.equal(state(bucket), { "one", "two", "two" })
    -- Every other file of current/ first, its manifest last; nothing is removed before.
    local order = {}
    for _, entry in ipairs(server:requests()) do
        local path = entry.path:match("/current/(.*)$")
        if entry.method == "POST" and path then order[#order + 1] = path end
        if entry.method == "DELETE" then order[#order + 1] = "removed" end
    end
    t.equal({ order[#order], #order > 3 }, { "manifest.json", true })

    t.equal(publication.rollback { project = project, version = "one" }, { version = "one", refreshed = true })
    t.equal(state(bucket), { "one", "two", "one" })
    t.equal(bucket:exists("two-tower/v3/current/more/deep/note.txt"), false)
    t.equal(publication.rollback { project = project, version = "one" }.refreshed, false)
    t.equal(publication.rollback { project = project, version = "two", dry_run = true }.refreshed, false)
    t.equal(held(bucket, "current"), "one")
    t.error("publication.unknown", publication.rollback, { project = project, version = "three" })
end)

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

remote("a version never changes", function(project, bucket)
    publish(project, "one")
    local other = copy_of("two")
    local content = json.read(other .. "/manifest.json")
    content.model_version = "one"
    json.write(other .. "/manifest.json", content)
    local problem = t.error("publication.exists", publish, project, other)
    t.ok(problem.message:find("user_tower.onnx", 1, true) and problem.message:find("new --version", 1, true))
    -- The same files under a manifest made anew are other bytes too.
    local again = copy_of("one")
    run_well("build_manifest.lua", "--artifacts-dir", again, "--version", "one")
    problem = t.error("publication.exists", publish, project, again)
    t.ok(problem.message:find("manifest.json", 1, true), problem.message)
    t.equal(state(bucket), { "one", "nothing", "one" })
end)

remote("a version begun before is completed, one with other bytes is not", function(project, bucket)
    bucket:create { public = true }
    for _, name in ipairs { "model_meta.json", "user_tower.onnx" } do
        bucket:upload("two-tower/v3/one/" .. name, { file = inside("one/" .. name) })
    end
    t.equal(publish(project, "one").sent, 6)
    t.equal(state(bucket), { "one", "nothing", "one" })
    bucket:upload("two-tower/v3/two/model_meta.json", { file = inside("one/model_meta.json") })
    bucket:upload("two-tower/v3/two/strange.txt", { bytes = "x" })
    local problem = t.error("publication.exists", publish, project, "two")
    t.ok(problem.message:find("model_meta.json, strange.txt", 1, true), problem.message)
    t.equal(state(bucket), { "one", "unannounced", "one" })
end)

remote("a bucket that cannot take the bundle is found out before anything is sent", function(project, bucket)
    local function refused(words, settings)
        settings.id, settings.name = bucket.name, bucket.name
        project:request { method = "POST", url = "/storage/v1/bucket", json = settings }
        local problem = t.error("publication.bucket", publish, project, "one")
        t.ok(problem.message:find(words, 1, true), problem.message)
        t.equal(bucket:list(), {})
        project:request { method = "DELETE", url = "/storage/v1/bucket/" .. bucket.name }
    end
    refused("files up to 100000 bytes, user_tower.onnx has", { file_size_limit = 100000 })
    refused("type application/octet-stream of user_tower.onnx", { allowed_mime_types = { "application/json" } })
    project:request { method = "POST", url = "/storage/v1/bucket", json = { id = bucket.name, name = bucket.name,
        public = true, file_size_limit = 1000000, allowed_mime_types = { "application/*" } } }
    publish(project, "one")
    t.equal(held(bucket, "current"), "one")
end)

remote("a bundle that serving cannot feed needs a word", function(project, bucket)
    run_well("examples/add_features.lua", "--db", database, "--output-dir", inside("added"), "--set",
        "training.epochs=1", "--set", "artifacts.embedding_dim=8")
    local added = inside("added/artifacts")
    local problem = t.error("publication.contract", publish, project, added)
    t.ok(problem.message:find("price_spread", 1, true), problem.message)
    t.equal(bucket:info(), nil)
    local published = publish(project, added, { allow_contract_break = true })
    t.equal(held(bucket, published.version), published.version)
    t.ok(lines():find("contract break", 1, true))
end)

remote("a bundle is published by one at a time", function(_, bucket)
    local lock <close> = fs.lock(inside("one/.publish.lock")) -- luacheck: ignore
    local output, status = tt_run(server:environment(), "publish.lua", "--artifacts", inside("one"))
    t.equal(status, 1, output)
    t.ok(output:find("stage 'publish': ", 1, true) and output:find("in use by another process", 1, true), output)
    t.equal(bucket:info(), nil)
end)

-- ---- in every mood of the server

local STORAGE = "^/storage/v1/(object|upload|bucket)"
local MOODS = {
    { "429", { retry_after = 0 } }, { "500" }, { "503" }, { "reset" }, { "short_length" },
    { "slow", { bytes_per_s = 20000000, delay_s = 0.02 } }, { "storage_wrapped", { status = 503 } },
    { "storage_wrapped", { status = 429, retry_after = 0 } }, { "applied_then_reset" },
}

for _, mood in ipairs(MOODS) do
    remote(("a server in this mood gets the version all the same: %s %s"):format(mood[1], json.encode(mood[2] or {})),
        function(project, bucket)
            publish(project, "one")
            server:faults { { match = { path = STORAGE, every = 3 }, fault = mood[1], args = mood[2] } }
            publish(project, "two")
            t.ok(server:fired()[1] > 5)
            t.equal(state(bucket), { "one", "two", "two" })
            server:faults { { match = { path = STORAGE, every = 4 }, fault = mood[1], args = mood[2] } }
            publication.rollback { project = project, version = "one" }
            t.equal(state(bucket), { "one", "two", "one" })
        end)
end

-- Faults that do not pass, from the n-th request on: what is there is whole, or as it was.
for _, mood in ipairs { { "413" }, { "expired_token" }, { "503" }, { "duplicate_key" } } do
    remote("a server that refuses in the middle leaves whole things: " .. mood[1], function(project, bucket)
        publish(project, "one")
        local impatient <close> = supabase.open { url = server.url, key = server.key, retry = false }
        for after = 0, 40, 5 do
            server:faults { { match = { method = "POST", path = "^/storage/v1/(object/model|upload)", after = after },
                fault = mood[1] } }
            local ok, problem = pcall(publish, impatient, "two")
            local found = state(bucket)
            t.equal(found[1], "one")
            t.ok(found[2] == "two" or found[2] == "unannounced" or found[2] == "nothing", found[2])
            if ok then break end
            -- Where not even putting back is allowed any more, that is said, and the manifest is still the old one.
            if problem.message:find("could not be put back", 1, true) then
                t.equal(json.decode(bucket:download("two-tower/v3/current/manifest.json").body).model_version, "one")
            else
                t.equal(found[3], "one")
            end
        end
        publish(project, "two")
        t.equal(state(bucket), { "one", "two", "two" })
    end)
end

remote("current/ is put back when its refresh fails", function(project, bucket)
    publish(project, "one")
    local function fails(code, rule)
        server:faults { rule }
        local problem = t.error(code, publish, project, "two")
        t.ok(problem.message:find("current/ holds what it held before", 1, true), problem.message)
        t.equal(state(bucket), { "one", "two", "one" })
    end
    local function at(path) return { method = "POST", path = "/current/" .. path, times = 1 } end
    fails("supabase.too_large", { match = at("normalizer"), fault = "413" })
    fails("supabase.auth", { match = at("ort.*mjs"), fault = "expired_token" })
    fails("supabase.too_large", { match = at("manifest"), fault = "413" })
    local six = at("manifest")
    six.times = 6
    fails("supabase.unavailable", { match = six, fault = "503" })
    -- An answer that is lost each time: reading tells that it is done.
    server:faults { { match = six, fault = "applied_then_reset" } }
    publish(project, "two")
    t.equal(state(bucket), { "one", "two", "two" })
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

remote("a version that comes back damaged is not announced", function(project, bucket)
    local copy = copy_of("one")
    -- The file changes after it was checked; the bucket then has what the manifest does not list.
    local check = publication.check
    publication.check = function(...)
        local content, files = check(...)
        fs.write(copy .. "/normalizer.json", "{}")
        return content, files
    end
    local problem = t.error("publication.differs", publish, project, copy)
    publication.check = check
    t.ok(problem.message:find("normalizer.json: the files have changed", 1, true), problem.message)
    t.equal(state(bucket), { "unannounced", "nothing", "nothing" })
    t.equal(bucket:exists("two-tower/v3/one/normalizer.json"), false)
    publish(project, "one")
    t.equal(state(bucket), { "one", "nothing", "one" })
end)

remote("what readers still get is waited for, what another publisher wrote is not", function(project, bucket)
    -- A cache on the way does not know the file yet.
    server:faults { { match = { path = "/public/.*/current/model_meta", times = 2 }, fault = "storage_wrapped",
        args = { status = 404 } } }
    publish(project, "one")
    t.equal(server:fired(), { 2 })
    t.ok(lines():find("waiting for caches on the way", 1, true), lines())
    t.equal(state(bucket), { "one", "nothing", "one" })
    local _, files = versions.read_manifest(fs.read(inside("two/manifest.json")), "two")
    local target <close> = versions.open { project = project }
    local pointer = { files[#files] }
    local before = hash.sha256_file(inside("one/manifest.json"))
    local view = readers.view(target, { public = true, settle_s = 0 })
    t.error("publication.stale", view.await, view, pointer, before)
    t.error("publication.overtaken", view.await, view, pointer, "another")
    t.error("publication.stale", view.await, view, { { path = "none.json", sha256 = "x", size = 1 } })
    local behind = readers.view(target, { public = false, settle_s = 0 })
    server:faults { { match = { path = "/current/none" }, fault = "500" } }
    local stale = t.error("publication.stale", view.await, view, { { path = "none.json", sha256 = "x", size = 1 } })
    t.ok(stale.message:find("no bytes (HTTP 500: Internal Server Error) of none.json", 1, true), stale.message)
    server:faults {}
    t.error("publication.stale", behind.await, behind, { { path = "none.json", sha256 = "x", size = 1 } })
end)

-- ---- list, verify, prune

-- The bundle "one" under another version's name.
local function renamed(version)
    local copy = copy_of("one")
    local content = json.read(copy .. "/manifest.json")
    content.model_version = version
    json.write(copy .. "/manifest.json", content)
    return copy
end

remote("the list tells what is complete and what is current", function(project, bucket)
    local listed, status = tt_run(server:environment(), "publish.lua", "--list")
    t.equal({ status, listed }, { 0, "there is no bucket 'model-artifacts' yet\n" })
    bucket:create { public = true }
    t.equal(tt_run(server:environment(), "publish.lua", "--list"), "current/ is empty\n")
    publish(project, "one")
    publish(project, "two")
    bucket:upload("two-tower/v3/begun/model_meta.json", { bytes = "{}" })
    bucket:remove { "two-tower/v3/one/normalizer.json" }
    listed = tt_run(server:environment(), "publish.lua", "--list")
    for _, words in ipairs { "*  two ", "complete\n", "begun ", "incomplete: no manifest.json",
        "incomplete: 'normalizer.json' is missing", "current/ holds two\n" } do
        t.ok(listed:find(words, 1, true), words .. " in " .. listed)
    end
    local value = json.decode((tt_run(server:environment(), "publish.lua", "--list", "--json")))
    t.equal({ value.current, #value.versions }, { "two", 3 })
    for _, entry in ipairs(value.versions) do
        t.equal({ entry.complete, entry.current }, { entry.version == "two", entry.version == "two" })
    end
    t.error("publication.damaged", publication.rollback, { project = project, version = "one" })
    t.equal(held(bucket, "current"), "two")
end)

remote("verify finds what a reader would stumble over", function(project, bucket)
    publish(project, "two")
    local address = ("SUPABASE_URL=%s"):format(quote(server.url))
    local function verified(name) return tt_run(address, "publish.lua", "--verify", name) end
    local output, status = verified("current")
    t.equal(status, 0, output)
    t.ok(output:find("version two is whole", 1, true), output)
    t.equal(select(2, verified("two")), 0)
    t.equal(select(2, tt_run("", "publish.lua", "--verify",
        server.url .. "/storage/v1/object/public/model-artifacts/two-tower/v3/current/")), 0)
    local function broken(words, path, item)
        local whole = "two-tower/v3/current/" .. path
        if item then
            item.upsert = true
            bucket:upload(whole, item)
        else
            bucket:remove { whole }
        end
        local text, code = verified("current")
        t.equal(code, 1, text)
        t.ok(text:find(words, 1, true), words .. " in " .. text)
        if fs.exists(inside("two/" .. path)) then
            bucket:upload(whole, { file = inside("two/" .. path), upsert = true,
                content_type = versions.content_type(path) })
        end
    end
    broken("normalizer.json: HTTP 404", "normalizer.json")
    broken("normalizer.json: 2 bytes, listed with", "normalizer.json", { bytes = "{}" })
    local schema = fs.read(inside("two/feature_schema.json"))
    broken("feature_schema.json: the content differs", "feature_schema.json", { bytes = (schema:gsub("v2", "v3")) })
    broken("sent as text/plain", "ort-wasm-simd-threaded.wasm",
        { file = inside("two/ort-wasm-simd-threaded.wasm"), content_type = "text/plain" })
    broken("sent as application/octet-stream", "ort-wasm-simd-threaded.mjs",
        { file = inside("two/ort-wasm-simd-threaded.mjs") })
    broken("manifest.json: it is not readable", "manifest.json", { bytes = "{" })
    broken("manifest.json: HTTP 404", "manifest.json")
    t.equal(select(2, verified("current")), 0)
    -- A manifest that lists the files as they are does not make them fit together.
    local copy = copy_of("one")
    fs.copy(inside("two/user_tower.onnx"), copy .. "/user_tower.onnx")
    json.write(copy .. "/manifest.json", { model_version = "mixed", files = manifest.build(copy),
        model_meta = json.read(copy .. "/model_meta.json") })
    for _, file in ipairs(fs.list(copy)) do
        bucket:upload("two-tower/v3/mixed/" .. file, { file = copy .. "/" .. file,
            content_type = versions.content_type(file) })
    end
    output, status = verified("mixed")
    t.equal(status, 1, output)
    t.ok(output:find("fingerprint", 1, true), output)
    local text = tt_run(address, "publish.lua", "--verify", "mixed", "--json")
    t.equal(#json.decode(text:match("^[^\n]*")).problems, 1)
end)

remote("the pipeline stores all vectors again when others may have stored theirs", function(_, bucket)
    local function run(version)
        local output, status = tt_run(server:environment(), "pipeline.lua", "--db", database, "--artifacts",
            inside("whole"), "--checkpoint", inside("whole.pt"), "--publish", "--version", version,
            table.unpack(SMALL))
        t.equal(status, 0, output)
        t.equal(output:find(server.key, 1, true), nil)
        t.equal(held(bucket, "current"), version)
        return server.db:read("SELECT video_id, embedding FROM public.video_embeddings"):sort { "video_id" }
    end
    local vectors = run("first")
    t.equal(#vectors, 120)
    -- Somebody else publishes another training.
    server.db:exec("UPDATE public.video_embeddings SET embedding = '[1,0,0,0,0,0,0,0]'")
    t.ok(run("second"):equals(vectors))
end)

remote("prune keeps the newest, what is current, and what is being uploaded", function(project, bucket)
    for _, name in ipairs { "v1", "v2", "v3", "v4" } do publish(project, renamed(name)) end
    publication.rollback { project = project, version = "v1" }
    bucket:upload("two-tower/v3/begun/model_meta.json", { bytes = "{}" })
    local function prune(more)
        local options = { project = project, keep = 2 }
        for key, value in pairs(more or {}) do options[key] = value end
        return shelf.prune(options)
    end
    t.equal(prune { dry_run = true }, { "v2" })
    t.equal(held(bucket, "v2"), "v2")
    server:forget_requests()
    t.equal(prune(), { "v2" })
    local removals = 0
    for _, entry in ipairs(server:requests()) do removals = removals + (entry.method == "DELETE" and 1 or 0) end
    t.equal(removals, 1, "a version goes in one request")
    t.equal({ held(bucket, "v1"), held(bucket, "v2"), held(bucket, "v3"), held(bucket, "v4") },
        { "v1", "nothing", "v3", "v4" })
    t.equal(held(bucket, "begun"), "unannounced")
    server:faults { { match = { method = "DELETE" }, fault = "413" } }
    t.error("supabase.too_large", prune, { keep = 1 })
    server:faults {}
    t.equal(held(bucket, "v3"), "v3")
    -- What has lost its manifest is none, and goes with the incomplete ones.
    bucket:remove { "two-tower/v3/v3/manifest.json" }
    local day = 24 * 3600 * 1000000
    t.equal(prune { now = require("tt.time").now() + day // 2 }, {})
    local removed = prune { now = require("tt.time").now() + 2 * day }
    table.sort(removed)
    t.equal(removed, { "begun", "v3" })
    t.equal({ held(bucket, "current"), held(bucket, "v1"), held(bucket, "v4") }, { "v1", "v1", "v4" })
    bucket:upload("two-tower/v3/current/manifest.json", { bytes = "{", upsert = true })
    t.error("publication.manifest", prune)
end)

-- ---- the key

remote("the key is in no output, object, file or process list", function(_, bucket)
    local texts = {}
    local function keep(environment, ...) texts[#texts + 1] = tt_run(environment, "publish.lua", ...) end
    local artifacts = copy_of("one")
    for _, more in ipairs { {}, { "--log-json" } } do
        local function with(...)
            local words = { ... }
            table.move(more, 1, #more, #words + 1, words)
            return table.unpack(words)
        end
        keep(server:environment(), with("--artifacts", artifacts))
        keep(server:environment(), with("--list"))
        keep(server:environment(), with("--rollback", "one"))
        keep(server:environment(), with("--rollback", "none"))
        keep(server:environment(), with("--prune", "1"))
        keep("", with("--list", "--supabase-url", server.url, "--service-role-key", server.key))
        keep("", with("--list", "--supabase-url", server.key, "--service-role-key", server.key))
        keep(("SUPABASE_URL=%s"):format(server.url), with("--list", "--service-role-key", server.key .. "x"))
        keep("", with("--list", "--supabase-url", "http://127.0.0.1:9", "--service-role-key", "marker of a key"))
        server:faults { { match = { method = "POST", path = "/current/manifest" }, fault = "expired_token" } }
        keep(server:environment(), with("--rollback", "two", "--help"))
        keep(server:environment(), with("--artifacts", inside("two")))
        server:faults {}
    end
    for _, object in ipairs(bucket:list()) do
        if object.name:find("%.json$") then texts[#texts + 1] = bucket:download(object.name).body end
    end
    for _, name in ipairs(fs.list(artifacts)) do texts[#texts + 1] = fs.read(artifacts .. "/" .. name) end
    for _, text in ipairs(texts) do
        t.equal(text:find(server.key, 1, true) or text:find("marker of a key", 1, true), nil, text)
    end
    t.ok(#texts > 30)
    -- Given by the environment it is on no command line, while the request waits for its answer.
    local mark = hash.sha256(tostring(math.random()))
    fs.write(inside("environment"), server:environment():gsub(" ", "\n"))
    server:faults { { match = { path = "/object/list/" }, fault = "slow", args = { delay_s = 1 } } }
    local running = assert(io.popen(("set -a; . %s; exec %s %s --list --prefix %s"):format(quote(inside("environment")),
        quote(program), quote(root .. "/lua/publish.lua"), mark)))
    local seen, deadline = 0, os.time() + 60
    while seen == 0 and os.time() < deadline do
        for _, process in ipairs(fs.list("/proc")) do
            local file <close> = io.open("/proc/" .. process .. "/cmdline", "rb")
            local words = file and file:read("a") or ""
            if words:find(mark, 1, true) and not words:find("set -a", 1, true) then
                seen = seen + 1
                t.equal(words:find(server.key, 1, true), nil)
            end
        end
    end
    t.equal({ seen, running:read("a") }, { 1, "current/ is empty\n" })
    running:close()
end)
