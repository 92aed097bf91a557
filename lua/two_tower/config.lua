--- The configuration of the pipeline: keys, defaults and ranges, and its agreement with features and models.

local config = require("tt.config")
local declared = require("two_tower.features")
local fs = require("tt.fs")
local json = require("tt.json")
local yaml = require("tt.yaml")

local settings = {}

--- Where the configuration is read from when no `--config` is given and the file exists.
settings.DEFAULT_PATH = "config/default.yaml"

local function schema(set)
    local section = set:config_section()
    local count = function(default) return config.int({ min = 0, default = default }) end
    local names = function(default) return config.list({ of = config.string(), default = default }) end
    return {
        { "experiment_name", config.string({ default = "two_tower_v2_default" }) },
        { "seed", config.int({ default = 42 }) },
        { "artifacts", {
            { "embedding_dim", config.int({ min = 1, max = 65536, default = 256 }) },
            { "max_tag_vocab", count(512) }, { "max_actress_vocab", count(256) },
            { "min_tag_freq", count(3) }, { "min_actress_freq", count(2) },
        } },
        { "training", {
            { "epochs", config.int({ min = 1, default = 25 }) },
            { "batch_size", config.int({ min = 1, default = 256 }) },
            { "lr", config.number({ above = 0, default = 0.001 }) },
            { "weight_decay", config.number({ min = 0, default = 1e-5 }) },
            { "negative_sampling_ratio", count(3) },
            { "train_val_split", config.number({ min = 0, below = 1, default = 0.1 }) },
            { "early_stopping_patience", count(5) },
            { "gradient_clip_norm", config.optional(config.number({ min = 0, default = 5.0 })) },
            { "use_rpc_features", config.bool({ default = true }) },
            { "logit_scale", config.number({ above = 0, default = 1.0 }) },
            { "logit_bias", config.bool({ default = false }) },
        } },
        { "features", {
            { "numeric", names(section.numeric) },
            { "bucketized", names(section.bucketized) },
            { "aggregations", config.map({ of = { { "kind", config.string() } }, default = section.aggregations }) },
        } },
        { "optimizer", {
            { "name", config.choice({ "adamw", "adam", default = "adamw" }) },
            { "parameters", {
                { "betas", config.list({ of = config.number({ min = 0, below = 1 }), min_length = 2, max_length = 2,
                    default = json.array({ 0.9, 0.999 }) }) },
                { "eps", config.number({ above = 0, default = 1e-8 }) },
            } },
        } },
        { "logging", { { "every_n_steps", count(50) } } },
        { "export", {
            { "onnx_opset", config.int({ min = 17, max = 17, default = 17 }) },
            { "onnx_user_input_name", config.string({ default = "user_features", pattern = "[%w_]+" }) },
        } },
    }
end

-- One line per disagreement of two plain values.
local function differences(path, wanted, actual, found)
    if type(wanted) ~= "table" or type(actual) ~= "table" then
        if wanted ~= actual then
            found[#found + 1] = ("%s is %s, the features declare %s"):format(path, json.encode(actual or json.null),
                json.encode(wanted or json.null))
        end
        return found
    end
    local keys = {}
    for key in pairs(wanted) do keys[key] = true end
    for key in pairs(actual) do keys[key] = true end
    local sorted = {}
    for key in pairs(keys) do sorted[#sorted + 1] = key end
    table.sort(sorted, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(sorted) do
        local place = math.type(key) and ("%s[%d]"):format(path, key) or path .. "." .. key
        differences(place, wanted[key], actual[key], found)
    end
    return found
end

--- Checks that the `features` section names exactly the declared features.
---@param effective table
---@param set two_tower.FeatureSet
function settings.check_features(effective, set)
    local found = differences("features", set:config_section(), effective.features, {})
    if #found > 0 then
        tt.error("config.features", "the configuration disagrees with the declared features "
            .. "(lua/two_tower/features.lua): " .. table.concat(found, "; "))
    end
end

--- Reads a configuration, fills in defaults and checks it.
---@param path? string nil reads `config/default.yaml` where it exists, else the copy inside the program
---@param options? { set?: string[], features?: two_tower.FeatureSet } `set` holds overrides, `training.lr=0.01`
---@return table effective
function settings.load(path, options)
    options = options or {}
    local set = options.features or declared
    local source = path
    if not source then
        source = fs.exists(settings.DEFAULT_PATH) and settings.DEFAULT_PATH
            or yaml.decode(tt.carried(settings.DEFAULT_PATH))
    end
    local effective = config.load(source, schema(set), { set = options.set })
    -- Null and 0 both mean no clipping; 0 survives in files that have no null.
    if effective.training.gradient_clip_norm == nil then effective.training.gradient_clip_norm = 0.0 end
    settings.check_features(effective, set)
    return effective
end

--- The configuration stored in a checkpoint, with an `export` section in any case.
---@param stored table
---@return table
function settings.complete(stored)
    local names, copy = {}, {}
    local order = (getmetatable(stored) or {}).__order
    if order then
        table.move(order, 1, #order, 1, names)
    else
        for name in pairs(stored) do names[#names + 1] = name end
        table.sort(names)
    end
    for _, name in ipairs(names) do copy[#copy + 1] = { name, stored[name] } end
    local result = json.object(copy)
    local given = type(stored.export) == "table" and stored.export or {}
    result.export = json.object({ { "onnx_opset", given.onnx_opset or 17 },
        { "onnx_user_input_name", given.onnx_user_input_name or "user_features" } })
    return result
end

--- Refuses a configuration that contradicts a model.
---@param effective table
---@param loaded two_tower.Loaded
function settings.check_model(effective, loaded)
    local function refuse(key, wanted, actual)
        tt.error("config.checkpoint", ("%s is %s in the configuration, checkpoint '%s' has %s; use the "
            .. "configuration it was trained with, or none"):format(key, wanted, loaded.path, actual))
    end
    local limits = effective.artifacts
    if limits.embedding_dim ~= loaded.embedding_dim then
        refuse("artifacts.embedding_dim", limits.embedding_dim, loaded.embedding_dim)
    end
    for name, size in pairs(loaded.sizes) do
        local key = ("max_%s_vocab"):format(name)
        local cap = limits[key]
        if cap and cap > 0 and size > cap then refuse("artifacts." .. key, cap, size .. " tokens") end
    end
end

return settings
