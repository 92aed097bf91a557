--- A published bundle as a reader meets it: every file of the manifest at its public address, and whether they belong
--- together.

local artifacts = require("two_tower.bundle.artifacts")
local consistency = require("two_tower.bundle.consistency")
local fs = require("tt.fs")
local http = require("tt.http")
local json = require("tt.json")
local manifest = require("two_tower.bundle.manifest")
local public_view = require("two_tower.publish.public_view")
local text_table = require("two_tower.publish.text_table")
local targets = require("two_tower.publish.target")

local published = {}

-- What browsers refuse to load under another type.
local STRICT = { wasm = true, js = true, mjs = true }

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
    local wanted = STRICT[kind] and targets.content_type(file.path)
    if wanted and public_view.media_type(got.content_type) ~= wanted then
        return ("browsers load it as %s, it is sent as %s"):format(wanted, got.content_type or "nothing")
    end
    return nil
end

-- What only the files together can be wrong about.
local function check_together(report, content, folder, set)
    local ok, meta = pcall(consistency.check, folder, set)
    local function add(text) report.problems[#report.problems + 1] = text end
    if not ok then
        if type(meta) ~= "table" or not meta.message then error(meta, 0) end
        add((meta.message:gsub("^'.-': ", "")))
    elseif not manifest.carries(content, meta) then
        add(("%s carries another model_meta than %s"):format(manifest.NAME, artifacts.META))
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
function published.check(url, set, options)
    url = url:gsub("[?#].*$", ""):gsub("/+$", ""):gsub("/manifest%.json$", "")
    local report = { url = url, files = {}, problems = {} }
    local folder <close> = fs.tempdir()
    local client <close> = http.client({})
    local pointer = public_view.get_all(client, url, { { path = manifest.NAME } }, folder.path, {})[manifest.NAME]
    local function row(path, got, problem)
        report.files[#report.files + 1] = { path = path, bytes = got.size, content_type = got.content_type,
            cache_control = got.cache_control, problem = problem }
        if problem then report.problems[#report.problems + 1] = path .. ": " .. problem end
    end
    if not pointer.sha256 then
        row(manifest.NAME, pointer, ("HTTP %d: %s"):format(pointer.status, pointer.problem))
        return report
    end
    local ok, content, files = pcall(manifest.parse, fs.read(fs.join(folder.path, manifest.NAME)), "it")
    if not ok then
        row(manifest.NAME, pointer, content.message)
        return report
    end
    report.version = content.model_version
    files[#files] = nil
    local got = public_view.get_all(client, url, files, folder.path, options or {})
    for _, file in ipairs(files) do
        row(file.path, got[file.path], problem_of(file, got[file.path], folder.path))
    end
    row(manifest.NAME, pointer, nil)
    if #report.problems == 0 then check_together(report, content, folder.path, set) end
    return report
end

--- Writes a report for people.
---@param report two_tower.ReaderReport
---@return string
function published.table_of(report)
    local rows = { { "file", "bytes", "type", "cache", "state" } }
    for _, file in ipairs(report.files) do
        rows[#rows + 1] = { file.path, tostring(file.bytes or "-"), file.content_type or "-",
            file.cache_control or "-", file.problem or "ok" }
    end
    local text = text_table(rows, { [2] = true })
    if #report.problems == 0 then
        return text .. ("version %s is whole: files, JSON, dimensions, vocabularies, fingerprints and the ONNX "
            .. "file's properties agree\n"):format(report.version)
    end
    return text
end

return published
