---@meta tt.storage.writes

-- How objects come to be in a bucket: sent from here, or copied from another object of it. Either may be repeated: what
-- a try whose answer was lost has left is not mistaken for somebody else's.

local errors = require "tt.supabase.errors"
local fs = require "tt.fs"
local hash = require "tt.hash"
local requests = require "tt.storage.requests"
local resumable = require "tt.storage.resumable"

---@class tt.storage.writes
local writes = {}

-- The service answers when it has copied, and sends nothing before.
local COPY_IDLE_S = 300

local function cache_rule(seconds) return seconds == 0 and "no-cache" or ("max-age=%d"):format(seconds) end

-- The digest of an object as it is there now; nil when there is none.
local function digest_of(bucket, path)
    local folder <close> = fs.tempdir()
    local ok, content = pcall(bucket.download, bucket, path, { save = fs.join(folder.path, "content"), fresh = true })
    if ok then return content.sha256 end
    if content.code ~= "supabase.not_found" then error(content, 0) end
    return nil
end

-- Sends the requests of some items, several at once. After a failure those under way are waited for: one that was given
-- up could still be stored later, over what the caller does next.
local function write_all(bucket, items, kind, opts)
    local item_of, index, failed = {}, 0, nil
    local function next_request()
        index = index + 1
        local item = items[index]
        if failed or not item then return nil end
        local request = kind.request(bucket, item)
        item_of[request] = item
        return request
    end
    for request, response in bucket.project:each(next_request, { parallel = opts.parallel or 4 }) do
        local item = item_of[request]
        local problem = errors.problem(response, request)
        if problem and problem.code == "supabase.conflict" and (response.attempts > 1 or item.accept_equal)
            and kind.is_done(bucket, item) then
            problem = nil
        end
        failed = failed or problem
        if not problem then kind.done(item, response) end
    end
    if failed then requests.raise(failed, 3) end
end

-- Uploads

local function checked(item)
    if (item.file == nil) == (item.bytes == nil) then
        tt.error("argument", "an upload needs either 'file' or 'bytes'", nil, 3)
    end
    local status = item.file and fs.stat(item.file)
    if item.file and not (status and status.kind == "file") then
        tt.error("fs.not_found", ("'%s' is no file"):format(item.file), { path = item.file }, 3)
    end
    return status and status.size or #item.bytes
end

local function upload_request(bucket, item)
    return {
        method = "POST", url = requests.address(bucket, "", item.path), file = item.file, body = item.bytes,
        -- The same bytes under the same name: sending them again does no harm.
        idempotent = true, retry_when = requests.retry_when, timeout_s = requests.TRANSFER_S,
        headers = {
            ["content-type"] = item.content_type or "application/octet-stream",
            ["cache-control"] = cache_rule(item.cache_control or 3600),
            ["x-upsert"] = item.upsert and "true" or "false",
        },
    }
end

local function is_sent(bucket, item)
    return digest_of(bucket, item.path) == (item.file and hash.sha256_file(item.file) or hash.sha256(item.bytes))
end

local function upload_large(bucket, item, size)
    local ok, certain = pcall(resumable.upload, bucket, item.path, item,
        { size = size, retry_when = requests.retry_when, timeout_s = requests.TRANSFER_S })
    local is_conflict = not ok and type(certain) == "table" and certain.code == "supabase.conflict"
    if ok and certain or is_conflict and item.accept_equal and is_sent(bucket, item) then return end
    if not ok then error(certain, 0) end
    if not is_sent(bucket, item) then
        tt.error("supabase.conflict", ("'%s' in bucket '%s' holds other bytes than were sent: something else wrote it "
            .. "at the same time"):format(item.path, bucket.name), { path = item.path, bucket = bucket.name }, 3)
    end
end

--- Stores several objects, as `bucket:upload_all` does.
---
--- ```lua
--- local writes = require "tt.storage.writes"
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- writes.upload(project:bucket("models"), {})
--- ```
---
--- Raises what `bucket:upload` does.
---@param bucket tt.storage.Bucket
---@param items tt.storage.Upload[] each with `path`
---@param opts? { parallel?: integer, on_done?: fun(item: table) }
function writes.upload(bucket, items, opts)
    opts = opts or {}
    local small, sizes, large = {}, {}, {}
    for _, item in ipairs(items) do
        sizes[item] = checked(item)
        local list = sizes[item] > resumable.CHUNK and large or small
        list[#list + 1] = item
    end
    local function done(item)
        if opts.on_done then opts.on_done(item) end
    end
    write_all(bucket, small, { request = upload_request, is_done = is_sent, done = function(item)
        if item.on_progress then item.on_progress(sizes[item], sizes[item]) end
        done(item)
    end }, opts)
    for _, item in ipairs(large) do
        upload_large(bucket, item, sizes[item])
        done(item)
    end
end

-- Copies

local function copy_request(bucket, item)
    local changes = item.content_type or item.cache_control
    return {
        method = "POST", url = "/storage/v1/object/copy", idempotent = true, retry_when = requests.retry_when,
        timeout_s = requests.TRANSFER_S, idle_timeout_s = COPY_IDLE_S,
        headers = { ["x-upsert"] = item.upsert and "true" or "false" },
        json = {
            bucketId = bucket.name, sourceKey = item.from, destinationKey = item.to, copyMetadata = not changes,
            metadata = changes and { mimetype = item.content_type,
                cacheControl = item.cache_control and cache_rule(item.cache_control) } or nil,
        },
    }
end

-- The mark of the copy: newer services describe it in their answers, older ones give its name only.
local function copied_etag(response)
    local ok, content = pcall(response.json, response)
    local metadata = ok and type(content) == "table" and content.metadata
    return type(metadata) == "table" and requests.etag(metadata.eTag) or nil
end

local function is_copied(bucket, item)
    local digest = digest_of(bucket, item.to)
    return digest ~= nil and digest == digest_of(bucket, item.from)
end

--- Copies several objects, as `bucket:copy` does.
---
--- ```lua
--- local writes = require "tt.storage.writes"
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- writes.copy(project:bucket("models"), {})
--- ```
---
--- Raises what `bucket:copy` does.
---@param bucket tt.storage.Bucket
---@param items tt.storage.Copy[]
---@param opts? { parallel?: integer, on_done?: fun(item: tt.storage.Copy, etag: string?) }
function writes.copy(bucket, items, opts)
    opts = opts or {}
    write_all(bucket, items, { request = copy_request, is_done = is_copied, done = function(item, response)
        if opts.on_done then opts.on_done(item, copied_etag(response)) end
    end }, opts)
end

return writes
