--- The manifest of a bundle: its fields, its name, and how it is written, read and compared. `files` lists every
--- regular file of the folder with digest and size; `model_version`, `commit_sha`, `generated_at` and `model_meta` say
--- which model they are.

local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local time = require("tt.time")

local manifest = {}

--- The name of the file, in a folder and in the bucket.
manifest.NAME = "manifest.json"

---@class two_tower.BundleFile
---@field path string relative, with `/`
---@field sha256 string 64 lower-case hexadecimal digits
---@field size integer bytes

-- ---- versions

--- Refuses what cannot name a version.
---
--- Raises `usage.version`.
---@param version string
function manifest.check_version(version)
    if #version > 128 or not version:match("^%w[%w._-]*$") or version == "current" then
        tt.error("usage.version", ("--version: '%s' must be 1 to 128 letters, digits, '.', '_' or '-', begin with a "
            .. "letter or digit, and not be 'current'"):format(version))
    end
end

--- Names a version after the time and the commit: `20250101T000000Z-abc1234`.
---@param commit_sha string empty when there is none
---@return string
function manifest.new_version(commit_sha)
    local stamp = time.format(time.now()):gsub("%.%d+", ""):gsub("[-:]", "")
    local commit = commit_sha:match("^%w+")
    return commit and stamp .. "-" .. commit:sub(1, 7) or stamp
end

-- ---- the files of a folder

local function refuse_file(path, why)
    tt.error("manifest.file", ("'%s' %s"):format(path, why), { path = path })
end

-- Adds every regular file below `folder`, in any order.
local function collect(folder, prefix, skipped, found)
    for _, name in ipairs(fs.list(prefix == "" and folder or fs.join(folder, prefix))) do
        local path = prefix == "" and name or prefix .. "/" .. name
        local whole = fs.join(folder, path)
        if name:sub(1, 1) ~= "." and not skipped[path] then
            if not utf8.len(name) then refuse_file(whole, "has a name that is not UTF-8; rename it") end
            local status = fs.stat(whole, { follow = false })
            if status.kind == "folder" then
                collect(folder, path, skipped, found)
            elseif status.kind == "file" then
                found[#found + 1] = { path = path, size = status.size }
            elseif status.kind == "link" then
                refuse_file(whole, "is a symbolic link; a bundle holds the files themselves")
            else
                refuse_file(whole, "is no regular file; remove it from the bundle")
            end
        end
    end
    return found
end

-- Every regular file below a folder, in byte order of the paths. The manifest is left out, by its name and, where it
-- lies in the folder under another one, by its place; and so are files and folders whose names start with a dot.
local function present(folder, output)
    local base, skipped = fs.abspath(folder) .. "/", { [manifest.NAME] = true }
    local place = output and fs.abspath(output) or base
    if place:sub(1, #base) == base then skipped[place:sub(#base + 1)] = true end
    local found = collect(folder, "", skipped, {})
    table.sort(found, function(a, b) return a.path < b.path end)
    return found
end

-- ---- reading

--- Tells whether a path stays inside of the folder it is put behind.
---@param path any
---@return boolean
function manifest.is_safe_path(path)
    if type(path) ~= "string" or path == "" or path:find("[%c\\]") then return false end
    for part in (path .. "/"):gmatch("(.-)/") do
        if part == "" or part == "." or part == ".." then return false end
    end
    return true
end

--- Reads a manifest. Its paths are used as names of files, so none may lead out of a folder.
---
--- Raises `manifest.format`.
---@param text string
---@param where string for messages
---@return table content
---@return two_tower.BundleFile[] files those it lists, and last the manifest itself
function manifest.parse(text, where)
    local function refuse(format, ...)
        tt.error("manifest.format", ("%s %s"):format(where, format:format(...)), { where = where }, 2)
    end
    local ok, content = pcall(json.decode, text)
    if not ok then refuse("is not readable: %s", content.message or tostring(content)) end
    if type(content) ~= "table" or type(content.files) ~= "table" then refuse("has no list 'files'") end
    if type(content.model_version) ~= "string" then refuse("has no model_version") end
    local files, seen = {}, {}
    for index, file in ipairs(content.files) do
        if type(file) ~= "table" or not manifest.is_safe_path(file.path) or file.path == manifest.NAME then
            refuse("has no usable path in files[%d]", index)
        end
        if type(file.sha256) ~= "string" or not file.sha256:match("^%x+$") or #file.sha256 ~= 64
            or math.type(file.size) ~= "integer" or file.size < 0 then
            refuse("needs sha256 and size of '%s'", file.path)
        end
        if seen[file.path] then refuse("lists '%s' twice", file.path) end
        seen[file.path] = true
        files[index] = { path = file.path, sha256 = file.sha256:lower(), size = file.size }
    end
    files[#files + 1] = { path = manifest.NAME, sha256 = hash.sha256(text), size = #text }
    return content, files
end

--- Reads the manifest of a folder, computes every digest again and compares.
---
--- Raises `manifest.mismatch` naming every missing, unlisted and changed file, `manifest.format`, `manifest.file`, and
--- `fs.not_found` without a manifest.
---@param folder string
---@param output? string where the manifest lies, when it is not in the folder under its own name
---@return table content
---@return two_tower.BundleFile[] files those it lists, and last the manifest itself
function manifest.verify(folder, output)
    local path = output or fs.join(folder, manifest.NAME)
    local content, files = manifest.parse(fs.read(path), ("'%s'"):format(path))
    local expected, problems = {}, {}
    for index = 1, #files - 1 do expected[files[index].path] = files[index] end
    for _, file in ipairs(present(folder, output)) do
        local entry = expected[file.path]
        expected[file.path] = nil
        if not entry then
            problems[#problems + 1] = file.path .. ": not listed"
        elseif entry.size ~= file.size then
            problems[#problems + 1] = ("%s: %d bytes, listed with %d"):format(file.path, file.size, entry.size)
        elseif hash.sha256_file(fs.join(folder, file.path)) ~= entry.sha256 then
            problems[#problems + 1] = file.path .. ": content differs"
        end
    end
    for missing in pairs(expected) do problems[#problems + 1] = missing .. ": missing" end
    table.sort(problems)
    if #problems > 0 then
        tt.error("manifest.mismatch", ("'%s' does not fit the files:\n  %s"):format(path,
            table.concat(problems, "\n  ")), { path = path })
    end
    return content, files
end

-- ---- writing

--- Writes the manifest of a folder, reads it back and compares every digest.
---
--- Raises what `manifest.verify` raises, and `manifest.file` for symbolic links and what else is no regular file.
---@param folder string
---@param meta table the parsed model_meta.json
---@param options { version: string, commit_sha: string, output?: string } `output`: another place than the folder's
---  manifest.json
---@return table content
function manifest.write(folder, meta, options)
    local output = options.output or fs.join(folder, manifest.NAME)
    local entries = present(folder, output)
    for index, file in ipairs(entries) do
        entries[index] = json.object({
            { "path", file.path }, { "sha256", hash.sha256_file(fs.join(folder, file.path)) }, { "size", file.size },
        })
    end
    fs.mkdir(fs.dirname(output))
    json.write(output, json.object({
        { "model_version", options.version },
        { "generated_at", time.format(time.now()) },
        { "commit_sha", options.commit_sha },
        { "files", json.array(entries) },
        { "model_meta", meta },
    }), { indent = 2 })
    return (manifest.verify(folder, output))
end

-- ---- comparing

--- Names files for a message.
---@param files { path: string }[]
---@return string
function manifest.paths(files)
    local paths = {}
    for index, file in ipairs(files) do paths[index] = file.path end
    return table.concat(paths, ", ")
end

--- Adds up the bytes of files.
---@param files { size: integer }[]
---@return integer
function manifest.bytes(files)
    local total = 0
    for _, file in ipairs(files) do total = total + file.size end
    return total
end

--- Splits files into the manifest, which goes last, and the others.
---@param files two_tower.BundleFile[]
---@return two_tower.BundleFile[] pointer empty when the manifest is not among them
---@return two_tower.BundleFile[] others
function manifest.split(files)
    local pointer, others = {}, {}
    for _, file in ipairs(files) do
        local list = file.path == manifest.NAME and pointer or others
        list[#list + 1] = file
    end
    return pointer, others
end

--- Gives the files whose content, as read, is not what is listed.
---@param files two_tower.BundleFile[]
---@param contents table<string, { size: integer, sha256: string }> by path
---@return two_tower.BundleFile[]
function manifest.differing(files, contents)
    local wrong = {}
    for _, file in ipairs(files) do
        local content = contents[file.path]
        if not content or content.size ~= file.size or content.sha256 ~= file.sha256 then wrong[#wrong + 1] = file end
    end
    return wrong
end

--- Tells whether a manifest carries this metadata.
---@param content table a manifest's
---@param meta table the parsed model_meta.json
---@return boolean
function manifest.carries(content, meta)
    return type(content.model_meta) == "table" and json.encode(content.model_meta) == json.encode(meta)
end

return manifest
