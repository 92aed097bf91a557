--- Bundles as their readers get them: by the public address and without a key where the bucket is public, by download
--- where it is not.

local artifacts = require("two_tower.artifacts")
local bundle = require("two_tower.bundle")
local errors = require("tt.supabase_errors")
local fs = require("tt.fs")
local http = require("tt.http")
local json = require("tt.json")
local log = require("tt.log")
local requests = require("tt.storage_requests")
local time = require("tt.time")
local versions = require("two_tower.versions")

local readers = {}

local MANIFEST = versions.MANIFEST
-- Longest time of one file, however slow the line; one that stands still ends sooner.
local TRANSFER_S = 3600
-- An edge that keeps copies takes up to a minute to notice a change; the rest is for its clock and ours.
local SETTLE_S = 90
-- What browsers refuse to load under another type.
local STRICT = { wasm = true, js = true, mjs = true }

-- From so many bytes on an object is not read as a whole where its mark tells what it holds.
local MARKED_BYTES = 64 << 10

local function media_type(value) return (value or ""):match("^[^;%s]*"):lower() end

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

-- Gets files below an address into a folder; gives what came, by path.
---@return table<string, two_tower.Got>
local function get_all(client, address, files, folder, opts)
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
function readers.view(target, options)
    return setmetatable({ target = target, public = options.public, settle_s = options.settle_s or SETTLE_S }, View)
end

local function read(view, files, first_byte)
    local scratch <close> = fs.tempdir()
    local target = view.target
    if view.public then
        local client <close> = http.client({})
        local address = target.bucket:public_url(target:base(versions.CURRENT))
        return get_all(client, address, files, scratch.path,
            { fresh = true, parallel = target.parallel, first_byte = first_byte })
    end
    local ok, contents = pcall(target.fetch, target, versions.CURRENT, files, scratch.path)
    if ok then return contents end
    if type(contents) ~= "table" or contents.code ~= "supabase.not_found" then error(contents, 0) end
    return {}
end

--- Tells whether an object of `current/` is served as it should be: with its type, and to be kept for no longer.
---@param path string
---@param content { content_type?: string, cache_control?: string } as a download tells
---@return boolean
function readers.is_served(path, content)
    local kept_s = tonumber((content.cache_control or ""):match("max%-age=(%d+)")) or 0
    return media_type(content.content_type) == media_type(versions.content_type(path))
        and kept_s <= versions.cache_control(versions.CURRENT, path)
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
        if not content or content.sha256 ~= file.sha256 or not readers.is_served(file.path, content) then
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

-- ---- the check of an address

---@class two_tower.ReaderRow
---@field path string
---@field bytes integer|nil
---@field content_type string|nil
---@field cache_control string|nil
---@field problem string|nil

---@class two_tower.ReaderReport
---@field url string
---@field version string|nil
---@field files two_tower.ReaderRow[]
---@field problems string[] empty when the bundle is whole

-- What is wrong with one file; nil when nothing is.
local function problem_of(file, got, folder)
    if not got.sha256 then return ("HTTP %d: %s"):format(got.status, got.problem) end
    if got.size ~= file.size then return ("%d bytes, listed with %d"):format(got.size, file.size) end
    if got.sha256 ~= file.sha256 then return "the content differs from the manifest's SHA-256" end
    local kind = (file.path:match("%.(%w+)$") or ""):lower()
    if kind == "json" then
        local ok, wrong = pcall(json.read, fs.join(folder, file.path))
        if not ok then return "no strict JSON: " .. wrong.message:gsub("^.-: ", "") end
    end
    local wanted = STRICT[kind] and versions.content_type(file.path)
    if wanted and media_type(got.content_type) ~= wanted then
        return ("browsers load it as %s, it is sent as %s"):format(wanted, got.content_type or "nothing")
    end
    return nil
end

-- What only the files together can be wrong about.
local function check_together(report, content, folder, set)
    local ok, meta = pcall(bundle.check, folder, set)
    local function add(text) report.problems[#report.problems + 1] = text end
    if not ok then
        if type(meta) ~= "table" or not meta.message then error(meta, 0) end
        add((meta.message:gsub("^'.-': ", "")))
    elseif json.encode(content.model_meta or {}) ~= json.encode(meta) then
        add(("%s carries another model_meta than %s"):format(MANIFEST, artifacts.META))
    end
end

--- Fetches a bundle from a public address as a reader does, and checks it: every file of the manifest with its size and
--- SHA-256, JSON that can be read, dimensions, vocabularies and fingerprints that agree, the ONNX file's properties.
---
--- Raises the codes of `tt.http` when there is no answer.
---@param url string the folder's address
---@param set two_tower.FeatureSet
---@param options? { parallel?: integer }
---@return two_tower.ReaderReport
function readers.check(url, set, options)
    url = url:gsub("[?#].*$", ""):gsub("/+$", ""):gsub("/manifest%.json$", "")
    local report = { url = url, files = {}, problems = {} }
    local folder <close> = fs.tempdir()
    local client <close> = http.client({})
    local pointer = get_all(client, url, { { path = MANIFEST } }, folder.path, {})[MANIFEST]
    local function row(path, got, problem)
        report.files[#report.files + 1] = { path = path, bytes = got.size, content_type = got.content_type,
            cache_control = got.cache_control, problem = problem }
        if problem then report.problems[#report.problems + 1] = path .. ": " .. problem end
    end
    if not pointer.sha256 then
        row(MANIFEST, pointer, ("HTTP %d: %s"):format(pointer.status, pointer.problem))
        return report
    end
    local ok, content, files = pcall(versions.read_manifest, fs.read(fs.join(folder.path, MANIFEST)), "it")
    if not ok then
        row(MANIFEST, pointer, content.message)
        return report
    end
    report.version = content.model_version
    files[#files] = nil
    local got = get_all(client, url, files, folder.path, options or {})
    for _, file in ipairs(files) do
        row(file.path, got[file.path], problem_of(file, got[file.path], folder.path))
    end
    row(MANIFEST, pointer, nil)
    if #report.problems == 0 then check_together(report, content, folder.path, set) end
    return report
end

local function padded(text, width, right)
    local gap = (" "):rep(width - (utf8.len(text) or #text))
    return right and gap .. text or text .. gap
end

--- Lays out rows of texts as a table.
---@param rows string[][] the first one is the head
---@param right table<integer, boolean> columns that stand at the right
---@return string
function readers.layout(rows, right)
    local widths, lines = {}, {}
    for _, cells in ipairs(rows) do
        for index, cell in ipairs(cells) do
            -- Names and headers are others' words; a terminal would obey what is in them.
            cell = cell:gsub("%c", "?")
            cells[index] = cell
            widths[index] = math.max(widths[index] or 0, utf8.len(cell) or #cell)
        end
    end
    for number, cells in ipairs(rows) do
        local parts = {}
        for index, cell in ipairs(cells) do parts[index] = padded(cell, widths[index], right[index]) end
        lines[number] = table.concat(parts, "  "):gsub("%s+$", "")
    end
    return table.concat(lines, "\n") .. "\n"
end

--- Writes a report for people.
---@param report two_tower.ReaderReport
---@return string
function readers.table_of(report)
    local rows = { { "file", "bytes", "type", "cache", "state" } }
    for _, file in ipairs(report.files) do
        rows[#rows + 1] = { file.path, tostring(file.bytes or "-"), file.content_type or "-",
            file.cache_control or "-", file.problem or "ok" }
    end
    local text = readers.layout(rows, { [2] = true })
    if #report.problems == 0 then
        return text .. ("version %s is whole: files, JSON, dimensions, vocabularies, fingerprints and the ONNX "
            .. "file's properties agree\n"):format(report.version)
    end
    return text
end

return readers
