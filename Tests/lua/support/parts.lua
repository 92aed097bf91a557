-- Parts of what a stage leaves, each told by a text that is equal for equal contents: tables, files, vectors, and
-- folders of a bucket as readers see them.
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local manifest = require("two_tower.bundle.manifest")
local sql = require("tt.sql")
local t = require("tt.test")

local Parts = {}
Parts.__index = Parts

local function digest(value) return hash.sha256(value):sub(1, 16) end

-- Tables of the local database.
local ORDER = { profiles = "user_id", videos = "id", video_tags = "video_id, tag_name",
    video_performers = "video_id, performer_name", user_video_decisions = "user_id, video_id" }
--- The tables of a folder's database. A row that came while they were read may be there or not.
function Parts.add_tables(state, place)
    local db <close> = sql.open(("sqlite:%s/local.sqlite"):format(place))
    for name, order in pairs(ORDER) do
        state["table " .. name] = digest(db:query(("SELECT * FROM %s%s ORDER BY %s"):format(name, name == "profiles"
            and " WHERE display_name IS DISTINCT FROM 'came meanwhile'" or "", order)):to_json())
    end
end

--- The vectors that serving reads, one by one.
function Parts:add_vectors(state)
    local rows = self.server.db:query("SELECT v.id::text AS id, e.embedding::text AS embedding FROM videos AS v "
        .. "LEFT JOIN video_embeddings AS e ON e.video_id = v.id")
    for _, row in ipairs(rows:to_table()) do state["vector of " .. row.id] = row.embedding or "none" end
end

--- A file that is there or not.
function Parts.add_file(state, path, name)
    state[name] = fs.exists(path) and hash.sha256_file(path):sub(1, 16) or "none"
end

-- Times and versions that differ between two runs on the same data.
local function timeless(text)
    return (text:gsub('"exported_at": "[^"]*",?', ""):gsub('"generated_at": "[^"]*",?', "")
        :gsub('"model_version": "[^"]*",?', ""))
end

--- A bundle on disk, without what differs between two exports of one model.
function Parts.add_bundle(state, place)
    local parts = {}
    for _, name in ipairs(fs.list(place)) do
        if name:sub(1, 1) ~= "." and name ~= "manifest.json" then
            parts[#parts + 1] = name .. " " .. digest(timeless(fs.read(fs.join(place, name))))
        end
    end
    state.bundle = (pcall(manifest.verify, place) and "" or "not as listed: ") .. digest(table.concat(parts, "\n"))
end

local function sha256_of(self, object)
    local mark = ("%s %d"):format(object.etag, object.size)
    if not self.digests[mark] then self.digests[mark] = self.bucket:download(object.name).sha256 end
    return self.digests[mark]
end

-- The objects of a prefix's folders, by folder and path.
local function folders_of(self, prefix)
    local found = {}
    for _, object in ipairs(self.bucket:list(prefix)) do
        local name, path = object.name:match("^" .. prefix:gsub("%p", "%%%0") .. "/([^/]+)/(.+)$")
        found[name] = found[name] or {}
        found[name][path] = object
    end
    return found
end

-- A folder as a digest of what a reader gets: a manifest and the files it lists. Without a manifest it is not there.
local function seen_by_readers(self, name, objects, is_timeless)
    local pointer = objects["manifest.json"]
    if not pointer then return name == "current" and next(objects) and "files without a manifest" or "none" end
    local text = self.bucket:download(pointer.name).body
    local parts, listed = { is_timeless and "" or text }, { ["manifest.json"] = true }
    for _, file in ipairs(json.decode(text).files) do
        listed[file.path] = true
        if not objects[file.path] then return file.path .. " is missing" end
        if sha256_of(self, objects[file.path]) ~= file.sha256 then
            return ("%s differs, under the manifest of %s"):format(file.path, json.decode(text).model_version)
        end
        parts[#parts + 1] = file.path .. " " .. (is_timeless and file.path == "model_meta.json" and digest(timeless(
            self.bucket:download(objects[file.path].name).body)) or file.sha256)
    end
    for path in pairs(objects) do
        if not listed[path] then return path .. " is too many" end
    end
    return digest(table.concat(parts, "\n"))
end

-- What the manifest of current/ leads a reader to who takes what differs there from the version that it names.
local function led_to(self, found, is_timeless)
    local pointer = (found.current or {})["manifest.json"]
    if not pointer then return "none" end
    local text = self.bucket:download(pointer.name).body
    local objects = { ["manifest.json"] = pointer }
    for _, file in ipairs(json.decode(text).files) do
        local there = found.current[file.path]
        if not there or sha256_of(self, there) ~= file.sha256 then
            there = (found[json.decode(text).model_version] or {})[file.path]
        end
        objects[file.path] = there
    end
    return seen_by_readers(self, "current", objects, is_timeless)
end

--- The folders of a prefix by their names.
function Parts:add_folders(state, prefix, names)
    local found = folders_of(self, prefix)
    for _, name in ipairs(names) do state[name .. "/"] = seen_by_readers(self, name, found[name] or {}) end
    state["what current/ leads to"] = led_to(self, found)
    for name in pairs(found) do t.ok(state[name .. "/"], "there is a folder of another name: " .. name) end
end

--- What current/ holds, without what differs between two exports; and that each version is whole, or not there.
function Parts:add_current(state, prefix)
    local found = folders_of(self, prefix)
    state["what current/ leads to"] = led_to(self, found, true)
    for name, objects in pairs(found) do
        local seen = seen_by_readers(self, name, objects, true)
        if name == "current" then
            state["current/"] = seen
        elseif seen:find(" ") then
            state.versions = ("%s: %s"):format(name, seen)
        end
    end
end

--- Brings a prefix of the bucket to hold some bundles: { folder, source }. The version "new" is the newest.
function Parts:fill(prefix, wanted)
    local bucket, etags = self.bucket, self.etags
    local found, extra, changed = folders_of(self, prefix), {}, false
    local function send(name, source, paths)
        local items = {}
        for index, path in ipairs(paths) do
            items[index] = { path = ("%s/%s/%s"):format(prefix, name, path), file = fs.join(source, path),
                upsert = true, content_type = path:find("wasm$") and "application/wasm" or nil }
        end
        bucket:upload_all(items)
        for _, item in ipairs(items) do etags[item.path] = bucket:head(item.path).etag end
        changed = changed or #items > 0
    end
    for _, entry in ipairs(wanted) do
        local name, source, missing = entry[1], entry[2], {}
        local there = found[name] or {}
        for _, path in ipairs(fs.list(source)) do
            local object = there[path]
            if path:sub(1, 1) ~= "." and not (object and object.etag == etags[object.name]) then
                missing[#missing + 1] = path
            end
            there[path] = nil
        end
        -- A version is as old as its manifest.
        if changed and name == "new" then
            bucket:remove({ ("%s/new/manifest.json"):format(prefix) })
            missing[#missing + 1] = "manifest.json"
        end
        send(name, source, missing)
    end
    for _, objects in pairs(found) do
        for _, object in pairs(objects) do extra[#extra + 1] = object.name end
    end
    bucket:remove(extra)
end


--- Parts of a project.
---@param server table
---@param bucket tt.storage.Bucket
return function(server, bucket)
    -- Digests by an object's mark, and the marks of what was sent from here.
    return setmetatable({ server = server, bucket = bucket, digests = {}, etags = {} }, Parts)
end
