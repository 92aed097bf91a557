--- `current/` as its readers get it: by the public address and without a key where the bucket is public, by download
--- where it is not.

local errors = require("tt.supabase.errors")
local fs = require("tt.fs")
local http = require("tt.http")
local log = require("tt.log")
local manifest = require("two_tower.bundle.manifest")
local requests = require("tt.storage.requests")
local targets = require("two_tower.publish.target")
local time = require("tt.time")

local public_view = {}

local MANIFEST = manifest.NAME
-- Longest time of one file, however slow the line; one that stands still ends sooner.
local TRANSFER_S = 3600
-- An edge that keeps copies takes up to a minute to notice a change; the rest is for its clock and ours.
local SETTLE_S = 90

-- From so many bytes on an object is not read as a whole where its mark tells what it holds.
local MARKED_BYTES = 64 << 10

--- The media type of a header, without its parameters, in lower case.
---@param value string|nil
---@return string
function public_view.media_type(value) return (value or ""):match("^[^;%s]*"):lower() end

local function escaped(path) return (path:gsub("[^/]+", http.escape)) end

---@class two_tower.Got
---@field status integer the real one
---@field problem string|nil the server's words, when it gave no file
---@field sha256 string|nil of what came as a whole
---@field size integer|nil
---@field etag string|nil without quotes
---@field content_type string|nil
---@field cache_control string|nil

-- The facts of an answer whose bytes were saved; where only the first byte was asked for, those of the whole.
local function facts_of(response, saved)
    local total = response.status == 206 and (response.headers["content-range"] or ""):match("/(%d+)$")
    return {
        status = response.status, sha256 = response.status == 200 and response.sha256 or nil,
        size = math.tointeger(tonumber(total)) or fs.stat(saved).size,
        etag = requests.etag(response.headers.etag),
        content_type = response.headers["content-type"], cache_control = response.headers["cache-control"],
    }
end

--- Gets files below an address into a folder.
---@param client tt.http.Client
---@param address string
---@param files { path: string }[]
---@param folder string
---@param opts { parallel?: integer, fresh?: boolean, first_byte?: boolean } `fresh`: past caches; `first_byte`: no more
---  than what tells the size and the mark
---@return table<string, two_tower.Got>
function public_view.get_all(client, address, files, folder, opts)
    local asked, path_of, got = {}, {}, {}
    for index, file in ipairs(files) do
        local save = fs.join(folder, file.path)
        fs.mkdir(fs.dirname(save))
        asked[index] = { method = "GET", url = address .. "/" .. escaped(file.path), sha256 = true, save = save,
            query = opts.fresh and { { "fresh", tostring(time.now()) } } or nil, timeout_s = TRANSFER_S,
            headers = opts.first_byte and { range = "bytes=0-0" } or nil, retry_when = requests.retry_when }
        path_of[asked[index]] = file.path
    end
    for request, response in client:each(asked, { parallel = opts.parallel or 4 }) do
        local path, problem = path_of[request], errors.problem(response)
        got[path] = problem and { status = problem.details.status, problem = problem.details.message }
            or facts_of(response, fs.join(folder, path))
    end
    return got
end

-- ---- waiting until readers get what was written

---@class two_tower.MarkedFile: two_tower.BundleFile
---@field etag? string of an object of the bucket that holds these bytes

---@class two_tower.View
local View = {}
View.__index = View

--- Gives the way in which readers see `current/`.
---@param target two_tower.Target
---@param options { public?: boolean, settle_s?: number }
---@return two_tower.View
function public_view.new(target, options)
    return setmetatable({ target = target, public = options.public, settle_s = options.settle_s or SETTLE_S }, View)
end

local function read(view, files, first_byte)
    local scratch <close> = fs.tempdir()
    local target = view.target
    if view.public then
        local client <close> = http.client({})
        local address = target.bucket:public_url(target:base(targets.CURRENT))
        return public_view.get_all(client, address, files, scratch.path,
            { fresh = true, parallel = target.parallel, first_byte = first_byte })
    end
    local ok, contents = pcall(target.fetch, target, targets.CURRENT, files, scratch.path)
    if ok then return contents end
    if type(contents) ~= "table" or contents.code ~= "supabase.not_found" then error(contents, 0) end
    return {}
end

--- Tells whether an object of `current/` is served as it should be: with its type, and to be kept for no longer.
---@param path string
---@param content { content_type?: string, cache_control?: string } as a download tells
---@return boolean
function public_view.is_served(path, content)
    local kept_s = tonumber((content.cache_control or ""):match("max%-age=(%d+)")) or 0
    return public_view.media_type(content.content_type) == public_view.media_type(targets.content_type(path))
        and kept_s <= targets.cache_control(targets.CURRENT, path)
end

--- Gives those files that readers of `current/` do not get as they should: with their bytes, type and cache control.
--- Large ones are not read when they bear the mark of an object that holds their bytes.
---@param files two_tower.MarkedFile[]
---@return two_tower.MarkedFile[]
function View:wrong(files)
    local large, whole, wrong = {}, {}, {}
    for _, file in ipairs(files) do
        local list = self.public and file.etag and file.size >= MARKED_BYTES and large or whole
        list[#list + 1] = file
    end
    local contents = read(self, large, true)
    for _, file in ipairs(large) do
        local content = contents[file.path]
        if content.etag == file.etag and content.size == file.size then
            content.sha256 = file.sha256
        elseif not content.problem then
            whole[#whole + 1] = file
        end
    end
    for path, content in pairs(read(self, whole)) do contents[path] = content end
    for _, file in ipairs(files) do
        local content = contents[file.path]
        if not content or content.sha256 ~= file.sha256 or not public_view.is_served(file.path, content) then
            wrong[#wrong + 1] = file
        end
    end
    return wrong
end

--- Waits until readers of `current/` get these files: the bucket has them at once, caches before it may not.
---
--- Raises `publication.overtaken` when they get a manifest that is neither this one nor the one before,
--- `publication.stale` when they get other bytes after the time it may take.
---@param files two_tower.BundleFile[]
---@param before? string SHA-256 of the manifest that was there before
function View:await(files, before)
    local deadline, pause, waiting = time.monotonic() + self.settle_s, 0.5, files
    while #waiting > 0 do
        local got, wrong, names, answer = read(self, waiting), {}, {}, nil
        for _, file in ipairs(waiting) do
            local content = got[file.path]
            if not content or content.sha256 ~= file.sha256 then
                if file.path == MANIFEST and content and content.sha256 and content.sha256 ~= before then
                    tt.error("publication.overtaken", "another publisher has refreshed current/ at the same time: what "
                        .. "it holds now is theirs or mixed; publish again, one after the other", nil, 2)
                end
                wrong[#wrong + 1], names[#names + 1] = file, file.path
                answer = answer or content and content.problem and ("HTTP %d: %s"):format(content.status,
                    content.problem)
            end
        end
        waiting = wrong
        if #waiting > 0 then
            if time.monotonic() + pause > deadline then
                tt.error("publication.stale", ("readers of current/ still get %s of %s after %g s: a cache on the way, "
                    .. "or another publisher; see --verify current"):format(answer and ("no bytes (%s)"):format(answer)
                    or "other bytes", table.concat(names, ", "), self.settle_s), nil, 2)
            end
            if pause == 0.5 then log.info("waiting for caches on the way", { files = table.concat(names, ", ") }) end
            time.sleep(pause)
            pause = math.min(pause * 2, 5)
        end
    end
end

return public_view
