--- Item vectors: what a checkpoint's item tower makes of videos. A video's vector has the same bits whichever videos
--- are embedded with it, all of them by the embedding stage or a few by a backfill.

local nn = require("tt.nn")
local payloads = require("two_tower.data.payloads")
local tensor = require("tt.tensor")
local vectors = require("two_tower.vectors.rules")

local embedding = {}

-- Rows computed at a time. Products of few rows may round differently from those of many, so a block that would be
-- shorter is filled up with repeats of its last row.
local BLOCK = 4096

--- Rows to ask for at a time: several blocks, which the threads share.
embedding.ROWS = 4 * BLOCK

local function check_unit(part, ids, before)
    local row, length = vectors.first_not_unit(part)
    if row then
        local id = ids[before + row]
        tt.error("artifacts.not_unit", ("the embedding of video %s is no unit vector, its length is %s; train the "
            .. "model again"):format(id, length), { video_id = id })
    end
end

--- Embeds the rows of a matrix as they are asked for.
---
--- Raises `artifacts.not_unit` for what is no unit vector: weights that overflow, or that leave an item no direction.
---@param tower tt.Module
---@param matrix tt.FeatureMatrix n rows
---@param ids tt.Column of the rows
---@return fun(first: integer, last: integer): tt.Tensor part the vectors of some rows, (last - first + 1, e)
function embedding.run(tower, matrix, ids)
    return function(first, last)
        local count = last - first + 1
        local missing = -count % BLOCK
        local places = tensor.range(first, last)
        if missing > 0 then
            local filled = {}
            for index = 1, count + missing do filled[index] = math.min(first + index - 1, last) end
            places = tensor.indices(filled)
        end
        local part = nn.embed(tower, matrix:rows(places), { block = BLOCK })
        if missing > 0 then part = part:slice(1, 1, count) end
        check_unit(part, ids, first - 1)
        return part
    end
end

--- The feature store of videos, with a checkpoint's vocabularies and figures.
---@param loaded two_tower.Loaded
---@param set two_tower.FeatureSet
---@param data { videos: tt.Frame, lists: table<string, tt.Frame> }
---@param newest integer|nil newest release of all videos, for checkpoints that have no reference time
---@return tt.FeatureStore
function embedding.store(loaded, set, data, newest)
    local now = loaded.item_reference_time
    if not loaded.has_item_reference then now = newest end
    return set:store("item", payloads.items(set, data, now), loaded.scalers.item, loaded.vocabularies)
end

return embedding
