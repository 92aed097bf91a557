--- Item vectors: what a checkpoint's item tower makes of videos. A video's vector has the same bits whichever videos
--- are embedded with it, all of them by the embedding stage or a few by a backfill.

local nn = require("tt.nn")
local payloads = require("two_tower.payloads")
local tensor = require("tt.tensor")
local vectors = require("two_tower.vectors")

local embedding = {}

-- Rows computed at a time. Products of few rows may round differently from those of many, so a block that would be
-- shorter is filled up with repeats of its last row.
local BLOCK = 4096

-- The rows from `first` on, fewer than a block.
local function rest(tower, matrix, first)
    local places = {}
    for index = 1, BLOCK do places[index] = math.min(first + index - 1, #matrix) end
    tower:eval()
    return tensor.no_grad(function()
        return tower(matrix:rows(tensor.indices(places))):slice(1, 1, #matrix - first + 1)
    end)
end

local function check_unit(part, ids, before)
    local row, length = vectors.first_not_unit(part)
    if row then
        local id = ids[before + row]
        tt.error("artifacts.not_unit", ("the embedding of video %s is no unit vector, its length is %s; train the "
            .. "model again"):format(id, length), { video_id = id })
    end
end

--- Embeds all rows of a matrix.
---
--- Raises `artifacts.not_unit` for what is no unit vector: weights that overflow, or that leave an item no direction.
---@param tower tt.Module
---@param matrix tt.FeatureMatrix n rows
---@param ids tt.Column of the rows
---@return fun(first: integer, last: integer): tt.Tensor part the vectors of some rows, (last - first + 1, e)
function embedding.run(tower, matrix, ids)
    local whole = #matrix - #matrix % BLOCK
    local tail = whole < #matrix and rest(tower, matrix, whole + 1)
    local body = (whole > 0 or not tail) and nn.embed(tower, matrix, { block = BLOCK })
    if body then check_unit(body, ids, 0) end
    if tail then check_unit(tail, ids, whole) end
    return function(first, last)
        local parts = {}
        if first <= whole or not tail then parts[1] = body:slice(1, first, math.min(last, whole)) end
        if last > whole then
            parts[#parts + 1] = tail:slice(1, math.max(first, whole + 1) - whole, last - whole)
        end
        return #parts == 1 and parts[1] or tensor.concat(parts)
    end
end

--- The feature store of videos, with a checkpoint's vocabularies and figures.
---@param loaded two_tower.Loaded
---@param set two_tower.FeatureSet
---@param data { videos: tt.Frame, tags: tt.Frame, performers: tt.Frame }
---@param newest integer|nil newest release of all videos, for checkpoints that have no reference time
---@return tt.FeatureStore
function embedding.store(loaded, set, data, newest)
    local now = loaded.item_reference_time
    if not loaded.has_item_reference then now = newest end
    return set:store("item", payloads.items(data, now), loaded.scalers.item, loaded.vocabularies)
end

return embedding
