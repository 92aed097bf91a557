--- The embeddings file: Parquet of one unit vector per id. It is checked as a whole before any of it is used, column by
--- column and a block of rows at a time, so that memory stays at one row group.

local features = require("tt.features")
local frame = require("tt.frame")
local parquet = require("tt.parquet")
local vectors = require("two_tower.vectors.rules")

local vectors_file = {}

-- Rows checked at a time.
local BLOCK = 16384

---@class two_tower.VectorsFile
---@field path string
---@field rows integer distinct ids: rows without equal repeats
---@field repeats integer rows that repeat another
---@field dim integer|nil length of the vectors; nil when there is none
---@field ids tt.Column uuid, distinct, in the order of the file
local File = {}
File.__index = File
File.__close = function(self) self.file:close() end

local function refuse(path, row, id, message, ...)
    local place = row and (", row %d"):format(row) or ""
    local owner = id and (" (id %s)"):format(id) or ""
    tt.error("vectors.invalid", ("'%s'%s%s: "):format(path, place, owner) .. message:format(...),
        { path = path, row = row, id = id }, 2)
end

-- The first row of a block whose numbers are not all finite, by halves.
local function first_not_finite(block)
    local first, last = 1, #block
    while first < last do
        local middle = (first + last) // 2
        if pcall(features.to_tensor, block:slice(first, middle - first + 1).embedding) then
            first = middle + 1
        else
            last = middle
        end
    end
    return first
end

local function check_schema(path, file)
    local found = {}
    for _, column in ipairs(file:schema()) do found[column.name] = column end
    for _, wanted in ipairs({ { "video_id", "string", "uuid" }, { "embedding", "list<float32>" } }) do
        local name, column = wanted[1], found[wanted[1]]
        if not column then refuse(path, nil, nil, "there is no column '%s'", name) end
        if column.dtype ~= wanted[2] and column.dtype ~= wanted[3] then
            refuse(path, nil, nil, "column '%s' is stored as %s%s; it must be %s", name, column.stored_as,
                column.obstacle and (" (%s)"):format(column.obstacle) or "",
                name == "video_id" and "text or a UUID" or "a list of 32-bit floats")
        end
    end
end

-- Checks the ids of a block, and gives them as UUIDs.
local function check_ids(path, ids, before)
    local uuids = ids:cast("uuid", { strict = false })
    if uuids:null_count() > 0 then
        local row = vectors.first(uuids:is_null(), true)
        if ids[row] == nil then refuse(path, before + row, nil, "video_id is null") end
        refuse(path, before + row, nil, "'%s' is no UUID", ids[row])
    end
    return uuids
end

-- Checks the vectors of a block against the dimension, or against their own first where there is none yet.
local function check_vectors(path, uuids, block, before, dim)
    local lists = block.embedding
    local function wrong(row, ...) refuse(path, before + row, uuids[row], ...) end
    if lists:null_count() > 0 then wrong(vectors.first(lists:is_null(), true), "embedding is null") end
    local lengths = lists:len()
    dim = dim or lengths[1]
    if dim == 0 then wrong(1, "embedding is empty") end
    local uneven = lengths:ne(dim)
    if uneven:sum() > 0 then
        local row = vectors.first(uneven, true)
        wrong(row, "embedding holds %d numbers, the rows before it hold %d", lengths[row], dim)
    end
    local fine, tensor = pcall(features.to_tensor, lists)
    if not fine then
        if tensor.code ~= "features.not_finite" then error(tensor, 0) end
        wrong(first_not_finite(block), "embedding holds a null, NaN or an infinity")
    end
    local row, length = vectors.first_not_unit(tensor)
    if row then wrong(row, "embedding is no unit vector, its length is %.6g", length) end
    return dim
end

-- Refuses ids that stand with different vectors. `twice` holds the ids that stand more than once.
local function check_repeats(self, twice, all)
    local parts = {}
    for group in self.file:row_groups({ columns = { "video_id", "embedding" } }) do
        parts[#parts + 1] = group:cast({ video_id = "uuid" }):join(twice, { on = "video_id", how = "semi" })
    end
    local rows = frame.concat(parts)
    local first = rows:unique("video_id")
    local places, firsts = features.row_index(first.video_id), features.to_tensor(first.embedding)
    for start = 1, #rows, BLOCK do
        local block = rows:slice(start, BLOCK)
        local expected = firsts:rows(features.indices(places:rows(block.video_id)))
        local gap = features.to_column((features.to_tensor(block.embedding) - expected):abs():max(2))
        if gap:max() > 0 then
            local id = block.video_id[vectors.first(gap:gt(0), true)]
            local at = {}
            for row, same in ipairs(all:eq(id):to_table()) do
                if same then at[#at + 1] = row end
            end
            refuse(self.path, at[2], id, "stands in rows %s with different embeddings", table.concat(at, ", "))
        end
    end
end

--- Opens an embeddings file and checks all of it: types, UUIDs, one dimension, finite numbers, unit length within 1e-4.
--- Rows that repeat an id with the same vector are dropped; with another vector they are refused.
---
--- Raises `vectors.invalid` naming file, row and id, and what `tt.parquet` raises.
---@param path string
---@param each? fun(rows: integer) called per block checked
---@return two_tower.VectorsFile
function vectors_file.open(path, each)
    local file = parquet.open(path)
    local self = setmetatable({ path = path, file = file }, File)
    check_schema(path, file)
    local ids, before = {}, 0
    for group in file:row_groups({ columns = { "video_id", "embedding" } }) do
        for start = 1, #group, BLOCK do
            local block = group:slice(start, BLOCK)
            local uuids = check_ids(path, block.video_id, before)
            self.dim = check_vectors(path, uuids, block, before, self.dim)
            ids[#ids + 1] = uuids
            before = before + #block
            if each then each(#block) end
        end
    end
    local all = #ids > 0 and frame.concat(ids) or frame.column({}, "uuid")
    local counts = frame.from_columns({ { "video_id", all } })
    local distinct = counts:unique("video_id")
    self.ids, self.rows, self.repeats = distinct.video_id, #distinct, #all - #distinct
    if self.repeats > 0 then
        self.twice = counts:value_counts("video_id"):filter("count > 1"):select({ "video_id" })
        check_repeats(self, self.twice, all)
    end
    return self
end

--- The number of rows in a file's footer, before anything is read.
---@param path string
---@return integer
function vectors_file.height(path)
    local file <close> = parquet.open(path)
    return file:height()
end

-- The row groups with typed ids and without repeats.
local function groups(self)
    local next_group = self.file:row_groups({ columns = { "video_id", "embedding" } })
    local seen
    return function()
        local group = next_group()
        if not group then return nil end
        group = group:cast({ video_id = "uuid" })
        if not self.twice then return group end
        group = group:unique("video_id")
        if seen then group = group:join(seen, { on = "video_id", how = "anti" }) end
        local met = group:select("video_id"):join(self.twice, { on = "video_id", how = "semi" })
        seen = seen and frame.concat({ seen, met }) or met
        return group
    end
end

--- Iterates over the distinct rows in the order of the file, in frames of `size` rows; the last one may be shorter.
---@param size integer
---@return fun(): tt.Frame|nil
function File:batches(size)
    local next_group, group, at = groups(self), nil, 1
    return function()
        local parts, got = {}, 0
        while got < size do
            if not group or at > #group then
                group, at = next_group(), 1
                if not group then break end
            end
            local part = group:slice(at, size - got)
            at, got = at + #part, got + #part
            if #part > 0 then parts[#parts + 1] = part end
        end
        if got == 0 then return nil end
        return #parts == 1 and parts[1] or frame.concat(parts)
    end
end

--- Draws rows by a seed.
---@param count integer at most this many
---@param seed integer
---@return tt.Frame rows video_id, embedding
function File:sample(count, seed)
    local wanted = frame.from_columns({ { "video_id", self.ids } }):sample(math.min(count, self.rows), { seed = seed })
    local parts = { frame.from_columns({ { "video_id", frame.column({}, "uuid") },
        { "embedding", frame.column({}, "list<float32>") } }) }
    for group in groups(self) do parts[#parts + 1] = group:join(wanted, { on = "video_id", how = "semi" }) end
    return frame.concat(parts)
end

--- Closes the file.
function File:close() self.file:close() end

return vectors_file
