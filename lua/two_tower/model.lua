--- The model: two towers of the same shape that share nothing, each ending in a unit vector.
---
--- To try another tower, change `layers`; the rest (checkpoint, ONNX, embeddings) follows the module it returns.

local hash = require("tt.hash")
local nn = require("tt.nn")

local model = {}

---@class two_tower.Model
---@field user tt.Module from rows of the user store to unit rows
---@field item tt.Module from rows of the item store to unit rows
---@field embedding_dim integer

local HIDDEN = { 512, 256 }
local DROPOUT = { 0.2, 0.1 }

-- Linear - ReLU - Dropout - Linear - ReLU - Dropout - Linear - L2 normalise. The positions of the linear layers (0, 3,
-- 6) are part of their names in the checkpoint.
local function layers(widths, embedding_dim, hidden, seed)
    return nn.sequential({
        nn.sparse_linear(widths, hidden[1], { seed = seed }),
        nn.relu(),
        nn.dropout(DROPOUT[1], { seed = seed + 1 }),
        nn.linear(hidden[1], hidden[2], { seed = seed + 2 }),
        nn.relu(),
        nn.dropout(DROPOUT[2], { seed = seed + 3 }),
        nn.linear(hidden[2], embedding_dim, { seed = seed + 4 }),
        nn.normalize(),
    })
end

--- A new model with random weights.
---@param user_widths integer[] columns of the user matrix: dense, then one number per vocabulary
---@param item_widths integer[] the same for items
---@param embedding_dim integer
---@param seed integer
---@param hidden? integer[] sizes of the two hidden layers (default 512, 256)
---@return two_tower.Model
function model.new(user_widths, item_widths, embedding_dim, seed, hidden)
    hidden = hidden or HIDDEN
    return {
        user = layers(user_widths, embedding_dim, hidden, seed * 100 + 10),
        item = layers(item_widths, embedding_dim, hidden, seed * 100 + 20),
        embedding_dim = embedding_dim,
    }
end

local PREFIX = { { "user", "user_tower.backbone." }, { "item", "item_tower.backbone." } }

--- Names of the tensors of `model_state`, in order.
---@return string[]
function model.names()
    local names = {}
    for _, entry in ipairs(PREFIX) do
        for _, layer in ipairs({ 0, 3, 6 }) do
            names[#names + 1] = entry[2] .. layer .. ".weight"
            names[#names + 1] = entry[2] .. layer .. ".bias"
        end
    end
    return names
end

--- A copy of the weights.
---@param towers two_tower.Model
---@return table<string, tt.Tensor> state by name
function model.copy_state(towers)
    local state = {}
    for _, entry in ipairs(PREFIX) do
        for name, tensor in pairs(towers[entry[1]]:state_dict(entry[2])) do state[name] = tensor:detach():clone() end
    end
    return state
end

--- Puts weights into a model.
---@param towers two_tower.Model
---@param state table<string, tt.Tensor>
function model.load_state(towers, state)
    for _, entry in ipairs(PREFIX) do
        local part = {}
        for name in pairs(towers[entry[1]]:state_dict("")) do part[name] = state[entry[2] .. name] end
        towers[entry[1]]:load_state_dict(part)
    end
end

--- SHA-256 over the raw little-endian float32 bytes of the tensors in order: what ties the artifacts together.
---@param state table<string, tt.Tensor>
---@return string hex
function model.fingerprint(state)
    local bytes = {}
    for index, name in ipairs(model.names()) do bytes[index] = state[name]:bytes() end
    return hash.sha256(table.concat(bytes))
end

--- Unit rows of one tower for a whole matrix, computed in blocks without gradients or dropout.
---@param tower tt.Module
---@param matrix tt.FeatureMatrix n rows
---@param each fun(first: integer, block: tt.Tensor) called per block with its first row (from 1) and its rows [b, e]
---@param block_rows? integer (default 4096)
function model.embed(tower, matrix, each, block_rows)
    block_rows = block_rows or 4096
    tower:eval()
    for first = 1, #matrix, block_rows do
        local last = math.min(first + block_rows - 1, #matrix)
        each(first, nn.no_grad(function() return tower(matrix:range(first, last)) end))
    end
end

return model
