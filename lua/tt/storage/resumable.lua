---@meta tt.storage.resumable

-- Large objects of `tt.storage` by the resumable protocol, tus 1.0.0: an upload gets an address, takes the content in
-- pieces, and tells after a break how much of it has arrived.

local errors = require "tt.supabase.errors"
local fs = require "tt.fs"

---@class tt.storage.resumable
local resumable = {}

--- Bytes of a piece. The service takes no other size, but for the last piece.
---
--- ```lua
--- local resumable = require "tt.storage.resumable"
--- assert(resumable.CHUNK == 6 * 1024 * 1024)
--- ```
resumable.CHUNK = 6 * 1024 * 1024

local ENDPOINT = "/storage/v1/upload/resumable"
-- Breaks in a row without a byte more at the server. Each of them has had the client's retries already.
local BREAKS = 3
-- Times that an upload whose address is gone begins again.
local BEGINNINGS = 3

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
    local parts = {}
    for at = 1, #bytes, 3 do
        local a, b, c = bytes:byte(at, at + 2)
        local bits = a << 16 | (b or 0) << 8 | (c or 0)
        for shift = 18, 0, -6 do
            local index = (bits >> shift & 63) + 1
            parts[#parts + 1] = LETTERS:sub(index, index)
        end
        if not c then parts[#parts] = "=" end
        if not b then parts[#parts - 1] = "=" end
    end
    return table.concat(parts)
end

local function send(upload, spec)
    spec.headers["tus-resumable"] = "1.0.0"
    spec.idempotent, spec.retry_when, spec.timeout_s = true, upload.retry_when, upload.timeout_s
    local response = upload.bucket.project:send(spec)
    return response, errors.problem(response, spec)
end

local function raise(problem) tt.error(problem.code, problem.message, problem.details, 2) end

-- The number in a header, which must be one.
local function offset_of(upload, response)
    local offset = math.tointeger(tonumber(response.headers["upload-offset"]))
    if offset and offset >= 0 and offset <= upload.size then return offset end
    return tt.error("supabase.rejected", ("upload of '%s': the server's answer does not say how much has arrived")
        :format(upload.path), { path = upload.path })
end

-- Asks for an address; nil when there is such an object, and an upload before may have made it.
local function begin(upload, is_again)
    local metadata = {}
    for _, pair in ipairs { { "bucketName", upload.bucket.name }, { "objectName", upload.path },
        { "contentType", upload.item.content_type or "application/octet-stream" },
        { "cacheControl", tostring(upload.item.cache_control or 3600) } } do
        metadata[#metadata + 1] = pair[1] .. " " .. base64(pair[2])
    end
    local response, problem = send(upload, {
        method = "POST", url = ENDPOINT,
        headers = {
            ["upload-length"] = tostring(upload.size), ["upload-metadata"] = table.concat(metadata, ","),
            ["x-upsert"] = upload.item.upsert and "true" or "false",
        },
    })
    if problem and is_again and problem.code == "supabase.conflict" then return nil end
    if problem then raise(problem) end
    -- Behind a gateway the address may name a host that cannot be reached from here, and the key goes to no other
    -- host than the project's: only the upload's own name is taken from it.
    local name = (response.headers.location or ""):match("/upload/resumable/([^?#]+)$")
    if not name then
        tt.error("supabase.rejected", ("upload of '%s': the server gave no address for it"):format(upload.path),
            { path = upload.path })
    end
    return ENDPOINT .. "/" .. name
end

-- Sends the piece at an offset.
local function piece(upload, url, offset)
    local item, length = upload.item, math.min(resumable.CHUNK, upload.size - offset)
    return send(upload, {
        method = "PATCH", url = url, body = item.bytes and item.bytes:sub(offset + 1, offset + length),
        file = item.file, file_offset = item.file and offset, file_length = item.file and length,
        headers = {
            ["content-type"] = "application/offset+octet-stream", ["upload-offset"] = tostring(offset),
            ["x-upsert"] = item.upsert and "true" or "false",
        },
    })
end

local function is_gone(problem)
    return problem.code == "supabase.not_found" or problem.details and problem.details.status == 410
end

-- Whether the server may have part of the piece, or may have stored it without being heard.
local function is_break(problem)
    local status = problem.details and problem.details.status
    return problem.code == "supabase.unavailable" or status == 409 or status == 423 or status == 460
        or type(problem.code) == "string" and problem.code:match("^http%.") ~= nil
end

-- One step: sends a piece, and where that breaks, asks how far it has come. Gives the new offset, or nil when the
-- address is gone; and whether the server itself has confirmed the piece.
local function step(upload, url, offset)
    local ok, response, problem = pcall(piece, upload, url, offset)
    if not ok then problem = response end
    if not problem then return offset_of(upload, response), true end
    if type(problem) ~= "table" or not (is_gone(problem) or is_break(problem)) then error(problem, 0) end
    if not is_gone(problem) then
        local answer, unknown = send(upload, { method = "HEAD", url = url, headers = {} })
        if not unknown then return offset_of(upload, answer), false, problem end
        -- The service hides real statuses behind 400, and an answer to HEAD has no body that tells them.
        if answer.status == 400 then return offset, false, problem end
        if not is_gone(unknown) then raise(unknown) end
    end
    return nil, false, problem
end

--- Sends one object in pieces, straight from its file; `bucket:upload` does so with what is large.
---
--- ```lua
--- local resumable = require "tt.storage.resumable"
--- local project <close> = tt.supabase.open { url = "http://127.0.0.1:9", key = "k", retry = false }
--- local bucket, item = project:bucket("models"), { bytes = "abc" }
--- local ok = pcall(resumable.upload, bucket, "a.txt", item, { size = 3 })
--- assert(not ok) -- nobody listens there
--- ```
---
--- Raises what `project:request` does, and the codes of `tt.http` after several breaks without progress.
---@param bucket tt.storage.Bucket
---@param path string
---@param item tt.storage.Upload
---@param opts { size: integer, retry_when?: function, timeout_s?: number } as for a request
---@return boolean certain false when the last piece's answer was lost: then only reading the object tells whether it is
---  this one
function resumable.upload(bucket, path, item, opts)
    local upload = { bucket = bucket, path = path, item = item, size = opts.size, retry_when = opts.retry_when,
        timeout_s = opts.timeout_s }
    if item.file and fs.stat(item.file).size ~= opts.size then
        tt.error("fs.failed", ("'%s' has changed its size"):format(item.file), { path = item.file }, 2)
    end
    local url, offset, breaks, beginnings, certain = nil, 0, 0, 0, false
    while not url or offset < opts.size do
        if not url then
            beginnings = beginnings + 1
            url, offset = begin(upload, beginnings > 1), 0
            if not url then return false end
        end
        local reached, confirmed, problem = step(upload, url, offset)
        if not reached then
            if beginnings == BEGINNINGS then error(problem, 0) end
            url = nil
        else
            breaks = reached > offset and 0 or breaks + 1
            if breaks == BREAKS then error(problem or ("no progress in the upload of '%s'"):format(path), 0) end
            offset, certain = reached, confirmed
            if item.on_progress then item.on_progress(offset, opts.size) end
        end
    end
    return certain
end

return resumable
