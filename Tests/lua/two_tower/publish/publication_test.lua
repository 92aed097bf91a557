-- Publication against the development server: what ends up in the bucket, whatever happens on the way. What concerns
-- `current/` alone is in current_test.lua.
local fs = require "tt.fs"
local hash = require "tt.hash"
local json = require "tt.json"
local manifest = require "two_tower.bundle.manifest"
local publication = require "two_tower.publish.publication"
local catalog = require "two_tower.publish.catalog"
local text_table = require "two_tower.publish.text_table"
local supabase = require "tt.supabase"
local t = require "tt.test"
local targets = require "two_tower.publish.target"

local here = fs.abspath(arg[0]:match("^(.*)/two_tower/"))
local root = fs.dirname(fs.dirname(here))
local shell = dofile(here .. "/support/shell.lua")
local quote, program = shell.quote, shell.program

local stage <close> = dofile(here .. "/support/publishing.lua")("publish")
local server, database, tt_run, run_well, held = stage.server, stage.database, stage.run, stage.run_well, stage.held
local SMALL = stage.SMALL
local function inside(name) return stage:inside(name) end
local function copy_of(name) return stage:copy_of(name) end
local function remote(...) return stage:remote(...) end
local function publish(...) return stage:publish(...) end
local function state(bucket) return stage:state(bucket) end
local function lines() return stage:lines() end

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
        local problem = t.error("manifest.format", manifest.parse, json.encode({ model_version = "x",
            files = { file } }), "it")
        t.ok(problem.message:find(words, 1, true), problem.message)
    end
    for _, path in ipairs { "../x", "/x", "a/../../x", "a//b", "./a", "", "a\\b", "manifest.json", "a\nb" } do
        refused("no usable path", path)
    end
    refused("sha256", "a", { sha256 = "abc" })
    refused("size", "a", { size = -1 })
    t.error("manifest.format", manifest.parse, "{", "it")
    t.error("manifest.format", manifest.parse, "[]", "it")
    t.error("manifest.format", manifest.parse, '{"files": []}', "it")
end)

t.test("a table shows no control characters", function()
    t.equal(text_table({ { "name", "type" }, { "a\27[2Jb\n", "x" } }, {}), "name     type\na?[2Jb?  x\n")
end)

t.test("objects whose names lead elsewhere are not fetched", function()
    local project <close> = supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
    local target, to = targets.open { project = project }, t.tmpdir()
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

    t.equal(publish(project, "two"), { version = "two", sent = 11, refreshed = true })
    t.equal(state(bucket), { "one", "two", "two" })

    t.equal(publication.rollback { project = project, version = "one" }, { version = "one", refreshed = true })
    t.equal(state(bucket), { "one", "two", "one" })
    t.equal(bucket:exists("two-tower/v3/current/more/deep/note.txt"), false)
    t.equal(publication.rollback { project = project, version = "one" }.refreshed, false)
    t.equal(publication.rollback { project = project, version = "two", dry_run = true }.refreshed, false)
    t.equal(held(bucket, "current"), "one")
    t.error("publication.unknown", publication.rollback, { project = project, version = "three" })
end)

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
                content_type = targets.content_type(path) })
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
    manifest.write(copy, json.read(copy .. "/model_meta.json"), { version = "mixed", commit_sha = "" })
    for _, file in ipairs(fs.list(copy)) do
        bucket:upload("two-tower/v3/mixed/" .. file, { file = copy .. "/" .. file,
            content_type = targets.content_type(file) })
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
        return catalog.prune(options)
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
    server:faults { { match = { path = "/object/list/" }, fault = "slow", args = { delay_s = 2 } } }
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
