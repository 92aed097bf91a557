---@meta tt.manifest

-- Lists the files of a bundle with their digests, and checks a bundle against such a list.

local arguments = require "tt.arguments"
local fs = require "tt.fs"
local hash = require "tt.hash"
local json = require "tt.json"

---@class tt.manifest
local manifest = {}

---@class tt.manifest.File
---@field path string relative, with `/`
---@field sha256 string 64 lower-case hexadecimal digits
---@field size integer bytes

---@class tt.manifest.Options
---@field name? string the manifest's own file, which is never listed (default: "manifest.json")
---@field exclude? string[] relative paths that are not listed either

local NAME = "manifest.json"
local OPTIONS = { name = "string", exclude = "table" }

local function refuse(path, why)
    tt.error("manifest.file", ("'%s' %s"):format(path, why), { path = path })
end

-- Relative paths and sizes of every regular file below `dir`, in any order.
local function collect(dir, prefix, skipped, found)
    for _, name in ipairs(fs.list(prefix == "" and dir or fs.join(dir, prefix))) do
        local path = prefix == "" and name or prefix .. "/" .. name
        local whole = fs.join(dir, path)
        if name:sub(1, 1) ~= "." and not skipped[path] then
            if not utf8.len(name) then refuse(whole, "has a name that is not UTF-8; rename it") end
            local status = fs.stat(whole, { follow = false })
            if status.kind == "folder" then
                collect(dir, path, skipped, found)
            elseif status.kind == "file" then
                found[#found + 1] = { path = path, size = status.size }
            elseif status.kind == "link" then
                refuse(whole, "is a symbolic link; a bundle holds the files themselves")
            else
                refuse(whole, "is no regular file; remove it from the bundle")
            end
        end
    end
    return found
end

local function listed(dir, opts)
    local skipped = { [opts.name or NAME] = true }
    for _, path in ipairs(opts.exclude or {}) do skipped[path] = true end
    local found = collect(dir, "", skipped, {})
    table.sort(found, function(a, b) return a.path < b.path end)
    return found
end

--- Lists every regular file below a folder with digest and size, in byte order of the paths. The manifest itself and
--- files and folders whose names start with a dot are left out.
---
--- ```lua
--- tt.fs.mkdir("bundle/data")
--- tt.fs.write("bundle/data/a.txt", "abc")
--- local files = tt.manifest.build("bundle")
--- assert(#files == 1 and files[1].path == "data/a.txt" and files[1].size == 3)
--- assert(files[1].sha256 == tt.hash.sha256("abc"))
--- ```
---
--- Raises `manifest.file` for symbolic links and what else is no regular file, `fs.not_found` for a missing folder.
---@param dir string
---@param opts? tt.manifest.Options
---@return tt.manifest.File[] files
function manifest.build(dir, opts)
    arguments.check("build", 1, dir, "string")
    opts = arguments.options("build", 2, opts, OPTIONS)
    local files = {}
    for index, file in ipairs(listed(dir, opts)) do
        files[index] = json.object {
            { "path", file.path }, { "sha256", hash.sha256_file(fs.join(dir, file.path)) }, { "size", file.size },
        }
    end
    return json.array(files)
end

-- The parsed manifest, and its entries by path.
local function expected_files(dir, name)
    local path = fs.join(dir, name)
    local function malformed(format, ...)
        tt.error("manifest.format", ("'%s' %s"):format(path, format:format(...)), { path = path })
    end
    local content = json.read(path)
    local files = type(content) == "table" and content.files
    if type(files) ~= "table" then malformed("has no list 'files'") end
    local by_path = {}
    for index, file in ipairs(files) do
        if type(file) ~= "table" or type(file.path) ~= "string" or type(file.sha256) ~= "string"
            or math.type(file.size) ~= "integer" then
            malformed("needs path, sha256 and size in files[%d]", index)
        end
        if by_path[file.path] then malformed("lists '%s' twice", file.path) end
        by_path[file.path] = file
    end
    return content, by_path
end

--- Reads a folder's manifest, computes every digest again and compares.
---
--- ```lua
--- tt.fs.mkdir("checked")
--- tt.fs.write("checked/a.txt", "abc")
--- tt.json.write("checked/manifest.json", { files = tt.manifest.build("checked") })
--- assert(#tt.manifest.verify("checked").files == 1)
---
--- tt.fs.write("checked/a.txt", "abd")
--- tt.fs.write("checked/b.txt", "new")
--- local ok, problem = pcall(tt.manifest.verify, "checked")
--- assert(not ok and problem.code == "manifest.mismatch")
--- assert(problem.message == "'checked/manifest.json' does not fit the files:\n"
---     .. "  a.txt: content differs\n  b.txt: not listed")
--- ```
---
--- Raises `manifest.mismatch` naming every missing, unlisted and changed file, `manifest.format` for a manifest without
--- a proper list, and what `manifest.build` raises.
---@param dir string
---@param opts? tt.manifest.Options
---@return table content the parsed manifest
function manifest.verify(dir, opts)
    arguments.check("verify", 1, dir, "string")
    opts = arguments.options("verify", 2, opts, OPTIONS)
    local name = opts.name or NAME
    local content, expected = expected_files(dir, name)
    local problems = {}
    for _, file in ipairs(listed(dir, opts)) do
        local entry = expected[file.path]
        expected[file.path] = nil
        if not entry then
            problems[#problems + 1] = file.path .. ": not listed"
        elseif entry.size ~= file.size then
            problems[#problems + 1] = ("%s: %d bytes, listed with %d"):format(file.path, file.size, entry.size)
        elseif hash.sha256_file(fs.join(dir, file.path)) ~= entry.sha256:lower() then
            problems[#problems + 1] = file.path .. ": content differs"
        end
    end
    for path in pairs(expected) do problems[#problems + 1] = path .. ": missing" end
    table.sort(problems)
    if #problems > 0 then
        tt.error("manifest.mismatch", ("'%s' does not fit the files:\n  %s"):format(
            fs.join(dir, name), table.concat(problems, "\n  ")), { path = fs.join(dir, name) })
    end
    return content
end

return manifest
