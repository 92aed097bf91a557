-- Buckets, against the development server in all its moods.
local fs = require "tt.fs"
local hash = require "tt.hash"
local http = require "tt.http"
local requests = require "tt.storage.requests"
local resumable = require "tt.storage.resumable"
local storage = require "tt.storage"
local supabase = require "tt.supabase"
local t = require "tt.test"

local here = arg[0]:match("^(.*)/[^/]*$")
local dev_server = dofile(here .. "/support/dev_server.lua")

t.test("hidden statuses decide over another try", function()
    local function again(status, text) return requests.retry_when { status = status, body = text } end
    t.equal(again(400, '{"statusCode":"429","error":"SlowDown","message":"x"}'), true)
    t.equal(again(400, '{"statusCode":503,"error":"x","message":"x"}'), true)
    t.equal(again(400, '{"statusCode":"544","error":"DatabaseTimeout","message":"x"}'), true)
    t.equal(again(400, '{"statusCode":"409","error":"Duplicate","message":"x"}'), false)
    t.equal(again(500, '{"statusCode":"413","error":"x","message":"x"}'), false)
    t.equal(again(423, "locked"), true)
    -- What does not hide is left to the client.
    t.equal(again(503, "upstream"), nil)
    t.equal(again(400, '{"statusCode":"400","error":"InvalidKey","message":"x"}'), nil)
end)

t.test("a listing that could be followed for ever is refused", function()
    local listings = 0
    local function listing(entry)
        local project = { send = function(_, spec)
            listings = listings + 1
            local is_page = spec.json.offset == 0
            return { status = 200, json = function() return is_page and { entry } or {} end }
        end }
        local bucket = storage.bucket(project, "things")
        return t.error("supabase.rejected", bucket.list, bucket, "a").message
    end
    t.equal(listing({ name = "" }), "the listing of 'a' in bucket 'things' holds what is no name; remove that object")
    listing({ name = "x/y", id = "1" })
    listing({ id = "1" })
    listing("x")
    listings = 0
    listing({ name = ("x"):rep(100) })
    t.equal(listings, 11)
end)

t.test("an answer that is neither an object nor a list is told", function()
    local answer = { status = 200, url = "http://x/y", json = function() return 7 end }
    local project = { send = function() return answer end }
    local bucket = storage.bucket(project, "things")
    for _, ask in ipairs { bucket.list, bucket.info, bucket.head, function() bucket:remove { "a" } end } do
        local problem = t.error("supabase.rejected", ask, bucket, "a")
        t.equal(problem.message, "http://x/y: the answer is neither an object nor a list")
    end
end)

t.test("a copy has the mark that its answer tells, if it does", function()
    local function mark_of(body)
        local project = { each = function(_, next_request)
            return function()
                local request = next_request()
                local function content() return tt.json.decode(body) end
                return request, request and { status = 200, attempts = 1, json = content }
            end
        end }
        local marks = {}
        storage.bucket(project, "things"):copy({ { from = "a", to = "b" } }, { on_done = function(item, etag)
            marks[#marks + 1] = item.to .. " " .. tostring(etag)
        end })
        return marks
    end
    t.equal(mark_of '{"Key":"things/b","metadata":{"eTag":"\\"abc\\""}}', { "b abc" })
    for _, body in ipairs { '{"Key":"things/b"}', '{"Key":"things/b","metadata":null}', "7", "no JSON",
        '{"metadata":{"eTag":null}}' } do
        t.equal(mark_of(body), { "b nil" })
    end
end)

t.test("names of buckets are checked", function()
    for _, name in ipairs { "", "a/b" } do t.error("argument", storage.bucket, {}, name) end
end)

local folder <close> = fs.tempdir()
local server <close>, reason = dev_server.start("storage", fs.join(folder.path, "dev"))

-- A test with a project that does not wait long between tries.
local function remote(name, run)
    t.test(name, function()
        if not server then t.skip(reason) end
        server:faults {}
        server:forget_requests()
        local project <close> = supabase.open { url = server.url, key = server.key, on_retry = function() end,
            retry = { base_s = 0.01, max_s = 0.05 } }
        local bucket = project:bucket("things")
        bucket:create { public = true }
        run(bucket, project)
        server:faults {}
    end)
end

-- Text of a size that looks like no other.
local function blob(size, seed) return (hash.sha256(tostring(seed)):rep(size // 64 + 1)):sub(1, size) end

-- Requests of a kind since the log was emptied.
local function asked(method, pattern)
    local found = {}
    for _, entry in ipairs(server:requests()) do
        if entry.method == method and entry.path:find(pattern) then found[#found + 1] = entry end
    end
    return found
end

local function names(objects)
    local list = {}
    for index, object in ipairs(objects) do list[index] = object.name end
    return list
end

remote("a bucket is made once and tells whether it is public", function(_, project)
    local bucket = project:bucket("made")
    t.equal(bucket:info(), nil)
    t.equal(bucket:create(), true)
    t.equal(bucket:create { public = true }, false)
    t.equal(bucket:info().public, false)
    t.equal(project:bucket("things"):info().public, true)
end)

remote("what is sent comes back, with its type and cache control", function(bucket)
    local work = t.tmpdir()
    fs.write(work .. "/a.bin", "\0\1\2" .. blob(5000, 1))
    bucket:upload("kinds/a.bin", { file = work .. "/a.bin", cache_control = 60 })
    bucket:upload("kinds/b.json", { bytes = '{"é": 1}', content_type = "application/json", cache_control = 0 })
    bucket:upload("kinds/empty", { bytes = "" })
    local a = bucket:download("kinds/a.bin")
    t.equal({ a.body == fs.read(work .. "/a.bin"), a.size }, { true, 5003 })
    t.equal(a.sha256, hash.sha256_file(work .. "/a.bin"))
    t.equal({ a.content_type, a.cache_control }, { "application/octet-stream", "max-age=60" })
    local b = bucket:download("kinds/b.json", { save = work .. "/b", fresh = true })
    t.equal({ b.body, b.size, fs.read(work .. "/b") }, { nil, 9, '{"é": 1}' })
    t.equal({ b.content_type, b.cache_control }, { "application/json", "no-cache" })
    t.equal(bucket:download("kinds/empty").size, 0)
    local head = bucket:head("kinds/a.bin")
    t.equal({ head.size, head.content_type, head.cache_control, head.etag },
        { 5003, "application/octet-stream", "max-age=60", a.etag })
    t.equal({ bucket:exists("kinds/a.bin"), bucket:exists("kinds/c"), bucket:head("kinds/c") }, { true, false, nil })
    t.equal(bucket:list("kinds")[1].etag, a.etag)
end)

remote("a listing goes through all pages and folders", function(bucket)
    local items, expected = {}, {}
    for index = 1, 205 do
        local path = ("many/%03d"):format(index)
        items[index], expected[index] = { path = path, bytes = path }, path
    end
    for _, path in ipairs { "many/a/b/c.txt", "many/a.txt", "many/Z", "many/a/0" } do
        items[#items + 1], expected[#expected + 1] = { path = path, bytes = path }, path
    end
    bucket:upload_all(items, { parallel = 8 })
    bucket:upload("manyfold", { bytes = "" })
    table.sort(expected)
    local listed = bucket:list("many")
    t.equal(names(listed), expected)
    t.equal({ listed[1].size, listed[1].content_type }, { 8, "application/octet-stream" })
    t.ok(listed[1].updated_at > 0 and listed[1].created_at > 0)
    t.equal(names(bucket:list("/many/a/")), { "many/a/0", "many/a/b/c.txt" })
    t.equal(bucket:list("nothing"), {})
    t.ok(#bucket:list() >= 210)
    -- In batches, and what is not there does not matter.
    expected[#expected + 1] = "many/not there"
    t.equal(bucket:remove(expected), 209)
    t.equal(bucket:list("many"), {})
    t.equal(#asked("DELETE", "/object/things$"), 3)
end)

remote("names with signs arrive as they are", function(bucket)
    local path = "odd names/a b+c&d=e;f,g'h(1)@$!*:?.txt"
    bucket:upload(path, { bytes = "odd" })
    t.equal(names(bucket:list("odd names")), { path })
    t.equal(bucket:download(path).body, "odd")
    t.equal(http.get(bucket:public_url(path), { proxy = "" }).body, "odd")
    t.equal(bucket:remove { path }, 1)
end)

remote("an object is not replaced unless that is asked for", function(bucket)
    bucket:upload("once", { bytes = "first" })
    local problem = t.error("supabase.conflict", bucket.upload, bucket, "once", { bytes = "second" })
    t.equal({ problem.details.status, problem.details.code }, { 409, "Duplicate" })
    t.error("supabase.conflict", bucket.upload_all, bucket, { { path = "once", bytes = "third" } })
    t.equal(bucket:download("once").body, "first")
    bucket:upload("once", { bytes = "fourth", upsert = true })
    t.equal(bucket:download("once").body, "fourth")
    t.error("argument", bucket.upload, bucket, "x", {})
    t.error("fs.not_found", bucket.upload, bucket, "x", { file = "/no/such/file" })
end)

remote("errors are the server's, with their real status, and never show the key", function(bucket, project)
    local seen = {}
    local function refused(code, status, run, ...)
        local problem = t.error(code, run, ...)
        t.equal(problem.details.status, status)
        seen[#seen + 1] = tostring(problem) .. tt.json.encode(problem.details)
        return problem
    end
    refused("supabase.not_found", 404, bucket.download, bucket, "nothing")
    refused("supabase.not_found", 404, project:bucket("none").upload, project:bucket("none"), "x", { bytes = "x" })
    refused("supabase.rejected", 400, bucket.upload, bucket, "日本", { bytes = "x" })
    server:forget_requests()
    server:faults { { match = { method = "POST", path = "^/storage/v1/object/things/x" }, fault = "413" } }
    refused("supabase.too_large", 413, bucket.upload, bucket, "x", { bytes = "x" })
    t.equal(#asked("POST", "/x$"), 1)
    server:faults { { match = {}, fault = "expired_token" } }
    t.ok(refused("supabase.auth", 403, bucket.list, bucket).message:find("expired", 1, true))
    server:faults {}
    local stranger <close> = supabase.open { url = server.url, key = "marker-of-a-key", retry = false }
    refused("supabase.auth", 403, stranger:bucket("things").list, stranger:bucket("things"))
    seen[#seen + 1] = tostring(bucket) .. tostring(project) .. tostring(stranger)
    for _, text in ipairs(seen) do
        t.equal(text:find("marker-of-a-key", 1, true) or text:find(server.key, 1, true), nil, text)
    end
end)

local UPLOAD, READ = "^/storage/v1/object/things/moody", "^/storage/v1/object/authenticated/things/moody"
local PASSING = {
    { "429", { retry_after = 0 } }, { "500" }, { "503" }, { "502" }, { "reset" }, { "reset", { at = "before" } },
    { "storage_wrapped", { status = 503 } }, { "storage_wrapped", { status = 429, retry_after = 0 } },
    { "storage_wrapped", { status = 544 } }, { "applied_then_reset" }, { "short_length" },
    { "slow", { bytes_per_s = 200000, delay_s = 0.05 } },
}

for index, fault in ipairs(PASSING) do
    remote(("what passes is waited out: %s %s"):format(fault[1], tt.json.encode(fault[2] or {})), function(bucket)
        local rules = {}
        for _, place in ipairs { { "POST", UPLOAD }, { "GET", READ }, { "POST", "/object/list/" },
            { "DELETE", "/object/things$" } } do
            rules[#rules + 1] = { match = { method = place[1], path = place[2], times = 2 }, fault = fault[1],
                args = fault[2] }
        end
        server:faults(rules)
        local path, content = "moody/" .. index, blob(30000, index)
        bucket:upload(path, { bytes = content })
        t.equal(bucket:download(path).sha256, hash.sha256(content))
        t.equal(names(bucket:list("moody")), { path })
        bucket:remove { path }
        local times = fault[1] == "slow" and 1 or 2
        t.equal(server:fired(), { times, times, times, times })
        server:faults {}
        t.equal(bucket:list("moody"), {})
    end)
end

remote("an upload whose answer was lost is no conflict, another one's object is", function(bucket)
    bucket:remove { "lost/a", "lost/b", "lost/c" }
    -- On a connection of its own, which is not one that was kept and turned out dead.
    local function fresh(run)
        local project <close> = supabase.open { url = server.url, key = server.key, on_retry = function() end,
            retry = { base_s = 0.01 } }
        run(project:bucket("things"))
    end
    local lost = { match = { method = "POST", path = "^/storage/v1/object/things/lost", times = 1 },
        fault = "applied_then_reset" }
    server:faults { lost }
    fresh(function(things) things:upload("lost/a", { bytes = "mine" }) end)
    t.equal(#asked("POST", "/lost/a$"), 2)
    server:faults { lost }
    fresh(function(things) things:upload_all { { path = "lost/b", bytes = "b" }, { path = "lost/c", bytes = "c" } } end)
    t.equal(bucket:download("lost/b").body .. bucket:download("lost/c").body, "bc")
    -- The first try is lost before it does anything; what is there is not ours.
    server:faults { { match = { method = "POST", path = "/lost/a$", times = 1 }, fault = "500" } }
    t.error("supabase.conflict", bucket.upload, bucket, "lost/a", { bytes = "other" })
    -- Equal bytes are no conflict for those who say so, different ones are.
    server:faults {}
    t.error("supabase.conflict", bucket.upload, bucket, "lost/a", { bytes = "mine" })
    bucket:upload("lost/a", { bytes = "mine", accept_equal = true })
    t.error("supabase.conflict", bucket.upload, bucket, "lost/a", { bytes = "other", accept_equal = true })
    t.equal(bucket:download("lost/a").body, "mine")
end)

-- What a download tells of an object, but for its marks.
local function told(bucket, path)
    local content = bucket:download(path)
    return { content.body, content.content_type, content.cache_control }
end

remote("a copy has the same bytes, and its own type and cache control where they are given", function(bucket)
    bucket:upload("copies/a", { bytes = "first", content_type = "application/json", cache_control = 31536000 })
    local done = {}
    bucket:copy({ { from = "copies/a", to = "copies/same" },
        { from = "copies/a", to = "copies/short", cache_control = 60 },
        { from = "copies/a", to = "copies/odd b+c", cache_control = 0, content_type = "text/plain" },
    }, { on_done = function(item) done[#done + 1] = item.to end })
    table.sort(done)
    t.equal(done, { "copies/odd b+c", "copies/same", "copies/short" })
    t.equal(told(bucket, "copies/same"), { "first", "application/json", "max-age=31536000" })
    t.equal(told(bucket, "copies/short"), { "first", "application/json", "max-age=60" })
    t.equal(told(bucket, "copies/odd b+c"), { "first", "text/plain", "no-cache" })
    t.equal(told(bucket, "copies/a"), { "first", "application/json", "max-age=31536000" })
    -- Nothing but a small request goes over the line for each.
    for _, entry in ipairs(asked("POST", "/object/copy$")) do t.ok(entry.request_bytes < 300) end
    t.equal(#asked("POST", "/object/copy$"), 3)
end)

remote("a copy replaces nothing unless that is asked for", function(bucket)
    bucket:upload_all { { path = "copies/new", bytes = "new" }, { path = "copies/old", bytes = "old" } }
    local problem = t.error("supabase.conflict", bucket.copy, bucket, { { from = "copies/new", to = "copies/old" } })
    t.equal({ problem.details.status, problem.details.code }, { 409, "Duplicate" })
    t.equal(bucket:download("copies/old").body, "old")
    bucket:copy { { from = "copies/new", to = "copies/old", upsert = true } }
    t.equal(bucket:download("copies/old").body, "new")
    problem = t.error("supabase.not_found", bucket.copy, bucket, { { from = "copies/none", to = "copies/x" } })
    t.equal({ problem.details.status, problem.details.message }, { 404, "Object not found" })
    t.error("supabase.rejected", bucket.copy, bucket, { { from = "copies/new", to = "日本" } })
    t.equal(bucket:exists("copies/x"), false)
end)

remote("a copy is tried again, and one whose answer was lost is no conflict", function(_, project)
    local bucket = project:bucket("things")
    bucket:upload_all { { path = "again/a", bytes = "a", upsert = true }, { path = "again/b", bytes = "b" } }
    for index, fault in ipairs { "429", "503", "reset", "applied_then_reset", "storage_wrapped" } do
        server:faults { { match = { path = "/object/copy$", times = 2 }, fault = fault, args = { retry_after = 0 } } }
        bucket:copy { { from = "again/a", to = "again/to" .. index } }
        t.equal(server:fired(), { 2 })
        t.equal(bucket:download("again/to" .. index).body, "a")
    end
    -- The first try is lost before it does anything; what is there is not ours.
    server:faults { { match = { path = "/object/copy$", times = 1 }, fault = "500" } }
    t.error("supabase.conflict", bucket.copy, bucket, { { from = "again/b", to = "again/a" } })
    t.equal(bucket:download("again/a").body, "a")
    server:faults { { match = { path = "/object/copy$" }, fault = "503" } }
    server:forget_requests()
    t.error("supabase.unavailable", bucket.copy, bucket, { { from = "again/b", to = "again/c" } })
    t.equal(#asked("POST", "/object/copy$"), 6)
end)

remote("after a copy that fails those under way are waited for, and no other begins", function(bucket)
    local items = {}
    for index = 1, 9 do
        bucket:upload("group/" .. index, { bytes = tostring(index), upsert = true })
        items[index] = { from = "group/" .. index, to = "grouped/" .. index }
    end
    bucket:remove { "grouped/1" }
    server:forget_requests()
    -- The failure is there before those that begin after it are done.
    server:faults { { match = { path = "/object/copy$", nth = 2 }, fault = "413" },
        { match = { path = "/object/copy$", after = 2 }, fault = "slow", args = { delay_s = 0.5 } } }
    t.error("supabase.too_large", bucket.copy, bucket, items, { parallel = 3 })
    local begun = #asked("POST", "/object/copy$")
    t.ok(begun >= 3 and begun < 9, begun)
    t.equal(#bucket:list("grouped"), begun - 1)
end)

remote("what does not pass ends with the last answer, and is not asked for ever", function(bucket)
    server:faults { { match = { path = "/object/list/" }, fault = "storage_wrapped", args = { status = 503 } } }
    local problem = t.error("supabase.unavailable", bucket.list, bucket, "x")
    t.equal({ problem.details.status, #asked("POST", "/object/list/") }, { 503, 6 })
end)

remote("several objects are read at once, in the order asked for", function(bucket)
    local items, order = {}, {}
    for index = 1, 9 do items[index] = { path = "row/" .. index, bytes = blob(100 * index, index) } end
    bucket:upload_all(items)
    server:faults { { match = { method = "GET", path = "/row/1$" }, fault = "slow", args = { delay_s = 1 } } }
    local contents = bucket:download_all(items, { parallel = 3, on_done = function(item, content)
        order[#order + 1] = item.path
        t.equal(content.sha256, hash.sha256(item.bytes))
    end })
    for index, content in ipairs(contents) do t.equal(content.body, items[index].bytes) end
    t.equal({ #contents, #order, order[#order] ~= "row/9" or order[1] ~= "row/1" }, { 9, 9, true })
    t.error("supabase.not_found", bucket.download_all, bucket, { items[1], { path = "row/none" } })
end)

-- ---- large objects

local SIZE = 2 * resumable.CHUNK + 1234567

local function large_file()
    local path = t.tmpdir() .. "/large"
    fs.write(path, blob(SIZE, "large"))
    return path, hash.sha256_file(path)
end

local function stored(bucket, path)
    local scratch = t.tmpdir() .. "/back"
    return bucket:download(path, { save = scratch }).sha256
end

local function pieces()
    local sizes = {}
    for index, entry in ipairs(asked("PATCH", "/upload/resumable/")) do sizes[index] = entry.request_bytes end
    return sizes
end

remote("a large object goes in pieces of 6 MiB", function(bucket)
    local path, digest = large_file()
    local progress = {}
    bucket:upload("large/a", { file = path, content_type = "application/wasm", cache_control = 31536000,
        on_progress = function(sent, total) progress[#progress + 1] = { sent, total } end })
    t.equal(stored(bucket, "large/a"), digest)
    t.equal(pieces(), { resumable.CHUNK, resumable.CHUNK, 1234567 })
    t.equal(progress, { { resumable.CHUNK, SIZE }, { 2 * resumable.CHUNK, SIZE }, { SIZE, SIZE } })
    t.equal(#asked("POST", "^/storage/v1/object/things/"), 0)
    local head = bucket:head("large/a")
    t.equal({ head.size, head.content_type, head.cache_control }, { SIZE, "application/wasm", "max-age=31536000" })
    t.error("supabase.conflict", bucket.upload, bucket, "large/a", { file = path })
    bucket:upload("large/a", { bytes = blob(SIZE, "other"), upsert = true })
    t.equal(stored(bucket, "large/a"), hash.sha256(blob(SIZE, "other")))
end)

remote("up to 6 MiB an object goes at once", function(bucket)
    bucket:upload("large/b", { bytes = blob(resumable.CHUNK, 1), upsert = true })
    t.equal({ #asked("POST", "^/storage/v1/object/things/"), #pieces() }, { 1, 0 })
    bucket:upload("large/c", { bytes = blob(resumable.CHUNK + 1, 1), upsert = true })
    t.equal(pieces(), { resumable.CHUNK, 1 })
end)

local PIECE, BEGIN = "^/storage/v1/upload/resumable/", "^/storage/v1/upload/resumable$"
local BREAKS = {
    { "a break inside of a piece", { match = { method = "PATCH", path = PIECE, nth = 2 }, fault = "reset" } },
    { "breaks inside of every other piece", { match = { method = "PATCH", path = PIECE, every = 2 },
        fault = "reset" } },
    { "a lost answer", { match = { method = "PATCH", path = PIECE, nth = 1 }, fault = "applied_then_reset" } },
    { "the last answer lost", { match = { method = "PATCH", path = PIECE, nth = 3 }, fault = "applied_then_reset" } },
    { "a lost address", { match = { method = "POST", path = BEGIN, nth = 1 }, fault = "applied_then_reset" } },
    { "429", { match = { method = "PATCH", path = PIECE, every = 2 }, fault = "429", args = { retry_after = 0 } } },
    { "500", { match = { method = "PATCH", path = PIECE, every = 2 }, fault = "500" } },
    { "503", { match = { path = "/upload/resumable", every = 2 }, fault = "503" } },
    { "423", { match = { method = "PATCH", path = PIECE, nth = 2 }, fault = "423" } },
    { "a hidden 503", { match = { path = "/upload/resumable", every = 2 }, fault = "storage_wrapped",
        args = { status = 503 } } },
    { "an address that is gone", { match = { method = "PATCH", path = PIECE, nth = 2 }, fault = "404" } },
    { "an address that has expired", { match = { method = "PATCH", path = PIECE, nth = 3 }, fault = "410" } },
}

for index, case in ipairs(BREAKS) do
    remote("a large object survives " .. case[1], function(bucket)
        local path, digest = large_file()
        local last = 0
        server:faults { case[2] }
        bucket:upload("broken/" .. index, { file = path, on_progress = function(sent) last = sent end })
        t.ok(server:fired()[1] > 0)
        server:faults {}
        t.equal({ stored(bucket, "broken/" .. index), last }, { digest, SIZE })
    end)
end

remote("a large object that was complete with its address gone is no conflict", function(bucket)
    local path, digest = large_file()
    server:faults {
        { match = { method = "PATCH", path = PIECE, nth = 3 }, fault = "applied_then_reset" },
        { match = { method = "PATCH", path = PIECE, after = 3 }, fault = "404" },
    }
    bucket:upload("broken/gone", { file = path })
    t.equal(server:fired(), { 1, 1 })
    t.equal(stored(bucket, "broken/gone"), digest)
    -- The same with another one's object in the place.
    server:faults { { match = { method = "PATCH", path = PIECE, nth = 1 }, fault = "404" } }
    t.error("supabase.conflict", bucket.upload, bucket, "broken/gone", { bytes = blob(SIZE, "not it") })
    t.equal(stored(bucket, "broken/gone"), digest)
end)

remote("a large object is given up when nothing helps, and nothing is there", function(bucket)
    local path = large_file()
    local function given_up(code, rule)
        server:faults { rule }
        t.error(code, bucket.upload, bucket, "broken/never", { file = path })
        server:faults {}
        t.equal(bucket:exists("broken/never"), false)
    end
    given_up("supabase.unavailable", { match = { method = "PATCH", path = PIECE }, fault = "503" })
    given_up("supabase.not_found", { match = { method = "PATCH", path = PIECE }, fault = "404" })
    given_up("supabase.too_large", { match = { method = "POST", path = BEGIN }, fault = "413" })
    given_up("supabase.auth", { match = { method = "PATCH", path = PIECE, nth = 2 }, fault = "expired_token" })
    server:forget_requests()
    given_up("http.", { match = { method = "PATCH", path = PIECE }, fault = "reset", args = { after_bytes = 0 } })
    t.ok(#asked("PATCH", PIECE) <= 40)
end)
