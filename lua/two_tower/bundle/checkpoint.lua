--- The checkpoint: written after training, and all that later stages need to know about the model. Files of the same
--- shape saved by PyTorch are read too.

local archive = require("tt.checkpoint")
local features = require("tt.features")
local fs = require("tt.fs")
local json = require("tt.json")
local model = require("two_tower.model")
local time = require("tt.time")

local checkpoint = {}

---@class two_tower.Loaded
---@field path string
---@field state table<string, tt.Tensor>
---@field vocabularies table<string, tt.Vocabulary>
---@field sizes table<string, integer> tokens per vocabulary
---@field scalers { user: tt.Scaler, item: tt.Scaler }
---@field user_dim integer
---@field item_dim integer
---@field embedding_dim integer
---@field hidden integer[]
---@field reference_time integer|nil microseconds UTC
---@field item_reference_time integer|nil
---@field has_item_reference boolean the file says what the item reference time is, be it null
---@field config table as stored
---@field training table|nil figures of the training run
---@field fingerprint string

local function scaler_table(scaler)
    return json.object({ { "feature_names", json.array(scaler:names()) }, { "mean", json.array(scaler:mean()) },
        { "scale", json.array(scaler:scale()) } })
end

local function time_text(micros) return micros and time.format(micros) or json.null end

--- Writes a checkpoint.
---@param path string its folder is made when it is missing
---@param trained { result: two_tower.Result, set: two_tower.FeatureSet, vocabularies: table<string, tt.Vocabulary>,
---  scalers: { user: tt.Scaler, item: tt.Scaler }, user_dim: integer, item_dim: integer, reference_time: integer,
---  item_reference_time: integer|nil, config: table, training: table }
function checkpoint.save(path, trained)
    local state = {}
    for index, name in ipairs(model.names()) do state[index] = { name, trained.result.state[name] } end
    local pipeline = {}
    for _, vocabulary in ipairs(trained.set.declared.vocabularies) do
        pipeline[#pipeline + 1] = { vocabulary.name .. "_vocab",
            json.array(trained.vocabularies[vocabulary.name]:tokens()) }
    end
    for _, field in ipairs({
        { "user_numeric_normalizer", scaler_table(trained.scalers.user) },
        { "item_numeric_normalizer", scaler_table(trained.scalers.item) },
        { "user_feature_dim", trained.user_dim },
        { "item_feature_dim", trained.item_dim },
        { "reference_time", time_text(trained.reference_time) },
        { "item_reference_time", time_text(trained.item_reference_time) },
    }) do pipeline[#pipeline + 1] = field end
    fs.mkdir(fs.dirname(path))
    archive.save(path, json.object({
        { "model_state", json.object(state) },
        { "pipeline", json.object(pipeline) },
        { "config", trained.config },
        { "training", trained.training },
    }))
end

local function refuse(path, message, ...)
    tt.error("checkpoint.content", ("checkpoint '%s': "):format(path) .. message:format(...), { path = path }, 2)
end

local function read_time(path, pipeline, key)
    local text = pipeline[key]
    if text == nil or text == json.null then return nil end
    local micros = type(text) == "string" and time.parse(text) or nil
    if not micros then refuse(path, "pipeline.%s is no RFC 3339 time", key) end
    return micros
end

local function is_list(value, kind)
    if type(value) ~= "table" then return false end
    for _, element in ipairs(value) do
        if type(element) ~= kind then return false end
    end
    return true
end

local function read_scaler(path, pipeline, key, names)
    local stored = pipeline[key]
    if type(stored) ~= "table" or not is_list(stored.feature_names, "string") or not is_list(stored.mean, "number")
        or not is_list(stored.scale, "number") then
        refuse(path, "pipeline.%s must hold feature_names, mean and scale", key)
    end
    local same = #stored.feature_names == #names
    for index, name in ipairs(names) do same = same and stored.feature_names[index] == name end
    if not same then
        refuse(path, "pipeline.%s is about the features (%s), the scripts declare (%s)", key,
            table.concat(stored.feature_names, ", "), table.concat(names, ", "))
    end
    return features.scaler(stored.feature_names, stored.mean, stored.scale)
end

local function read_state(path, stored)
    if type(stored) ~= "table" then refuse(path, "has no model_state") end
    local names, known = model.names(), {}
    for _, name in ipairs(names) do
        known[name] = true
        if not stored[name] then refuse(path, "model_state lacks '%s'", name) end
        if type(stored[name]) ~= "userdata" or stored[name] == json.null then
            refuse(path, "'%s' is no tensor", name)
        end
        if not stored[name]:is_finite() then refuse(path, "'%s' holds numbers that are not finite", name) end
    end
    for name in pairs(stored) do
        if not known[name] then refuse(path, "model_state holds '%s', which is no part of the two towers", name) end
    end
    local function shape(name, ...)
        local actual, expected = stored[name]:shape(), { ... }
        local same = #actual == #expected
        for axis, size in ipairs(expected) do same = same and (size == false or actual[axis] == size) end
        if not same then refuse(path, "'%s' has the shape [%s]", name, table.concat(actual, ", ")) end
        return actual
    end
    local dims = {}
    for _, tower in ipairs({ "user", "item" }) do
        local prefix = tower .. "_tower.backbone."
        local first = shape(prefix .. "0.weight", false, false)
        local second = shape(prefix .. "3.weight", false, first[1])
        local third = shape(prefix .. "6.weight", false, second[1])
        shape(prefix .. "0.bias", first[1])
        shape(prefix .. "3.bias", second[1])
        shape(prefix .. "6.bias", third[1])
        dims[tower] = { input = first[2], hidden = { first[1], second[1] }, output = third[1] }
    end
    if dims.user.output ~= dims.item.output then
        refuse(path, "the towers end in %d and %d dimensions", dims.user.output, dims.item.output)
    end
    if dims.user.hidden[1] ~= dims.item.hidden[1] or dims.user.hidden[2] ~= dims.item.hidden[2] then
        refuse(path, "the towers have hidden layers of different sizes")
    end
    return dims
end

--- Reads a checkpoint and checks that its parts agree with each other and with the declared features.
---@param path string
---@param set two_tower.FeatureSet
---@return two_tower.Loaded
function checkpoint.load(path, set)
    local stored = archive.load(path)
    local pipeline = type(stored) == "table" and stored.pipeline
    if type(pipeline) ~= "table" then refuse(path, "has no pipeline section") end
    local dims = read_state(path, stored.model_state)
    local vocabularies, sizes = {}, {}
    for _, vocabulary in ipairs(set.declared.vocabularies) do
        local tokens = pipeline[vocabulary.name .. "_vocab"]
        if not is_list(tokens, "string") then
            refuse(path, "pipeline lacks %s_vocab, a list of tokens", vocabulary.name)
        end
        vocabularies[vocabulary.name] = features.vocabulary(tokens)
        sizes[vocabulary.name] = #tokens
    end
    local loaded = {
        path = path, state = stored.model_state, vocabularies = vocabularies, sizes = sizes, scalers = {},
        embedding_dim = dims.user.output, hidden = dims.user.hidden,
        reference_time = read_time(path, pipeline, "reference_time"),
        item_reference_time = read_time(path, pipeline, "item_reference_time"),
        has_item_reference = pipeline.item_reference_time ~= nil,
        config = type(stored.config) == "table" and stored.config or {},
        training = type(stored.training) == "table" and stored.training or nil,
        fingerprint = model.fingerprint(stored.model_state),
    }
    for _, entity in ipairs({ "user", "item" }) do
        loaded.scalers[entity] = read_scaler(path, pipeline, entity .. "_numeric_normalizer",
            set:numbers(entity, true))
        local _, width = set:segments(entity, sizes)
        local key = entity .. "_feature_dim"
        if (pipeline[key] or width) ~= width or dims[entity].input ~= width then
            refuse(path, "%s is %s, the first layer takes %d inputs, features and vocabularies make %d", key,
                tostring(pipeline[key]), dims[entity].input, width)
        end
        loaded[entity .. "_dim"] = width
    end
    return loaded
end

--- One tower of a loaded checkpoint.
---@param loaded two_tower.Loaded
---@param name "user"|"item"
---@return tt.Module
function checkpoint.tower(loaded, name)
    return model.tower(name, loaded.state, { inputs = loaded[name .. "_dim"], hidden = loaded.hidden,
        embedding_dim = loaded.embedding_dim })
end

return checkpoint
