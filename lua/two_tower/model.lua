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
local function layers(inputs, embedding_dim, hidden, seed, name)
    return nn.sequential({
        nn.sparse_linear(inputs, hidden[1]),
        nn.relu(),
        nn.dropout(DROPOUT[1]),
        nn.linear(hidden[1], hidden[2]),
        nn.relu(),
        nn.dropout(DROPOUT[2]),
        nn.linear(hidden[2], embedding_dim),
        nn.normalize(),
    }, { seed = seed, name = name })
end

--- A new model with random weights.
---@param user_dim integer width of the user matrix
---@param item_dim integer width of the item matrix
---@param embedding_dim integer
---@param seed integer
---@return two_tower.Model
function model.new(user_dim, item_dim, embedding_dim, seed)
    return {
        user = layers(user_dim, embedding_dim, HIDDEN, seed, "user_tower"),
        item = layers(item_dim, embedding_dim, HIDDEN, seed, "item_tower"),
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
        for name, tensor in pairs(towers[entry[1]]:state_dict(entry[2])) do state[name] = tensor end
    end
    return state
end

--- One tower of a state.
---@param name "user"|"item"
---@param state table<string, tt.Tensor>
---@param sizes { inputs: integer, hidden: integer[], embedding_dim: integer } as the state's tensors have them
---@return tt.Module
function model.tower(name, state, sizes)
    local prefix = PREFIX[name == "user" and 1 or 2][2]
    local tower, part = layers(sizes.inputs, sizes.embedding_dim, sizes.hidden, 0, name .. "_tower"), {}
    for key, tensor in pairs(state) do
        if key:sub(1, #prefix) == prefix then part[key] = tensor end
    end
    tower:load_state_dict(part, prefix)
    return tower
end

--- SHA-256 over the raw little-endian float32 bytes of the tensors in order: what ties the artifacts together.
---@param state table<string, tt.Tensor>
---@return string hex
function model.fingerprint(state)
    local bytes = {}
    for index, name in ipairs(model.names()) do bytes[index] = state[name]:bytes() end
    return hash.sha256(table.concat(bytes))
end

return model
