--- The artifacts: what serving reads. ONNX user tower, JSON side files, item embeddings; each written whole or not.

local frame = require("tt.frame")
local embedding = require("two_tower.bundle.embedding")
local features = require("tt.features")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local onnx = require("tt.onnx")
local parquet = require("tt.parquet")
local time = require("tt.time")

local artifacts = {}

-- Rows embedded and handed to the Parquet writer at a time.
local ROWS = embedding.ROWS

artifacts.ONNX = "user_tower.onnx"
artifacts.SCHEMA = "feature_schema.json"
artifacts.NORMALIZER = "normalizer.json"
artifacts.META = "model_meta.json"
artifacts.EMBEDDINGS = "video_embeddings.parquet"
artifacts.FINGERPRINT_KEY = "tt.model_fingerprint"
artifacts.SCHEMA_KEY = "tt.feature_schema_sha256"

--- File name of a vocabulary.
---@param name string
function artifacts.vocabulary_file(name) return ("vocab_%s.json"):format(name) end

local function scaler_object(scaler)
    local names, mean, scale = scaler:names(), scaler:mean(), scaler:scale()
    local fields = {}
    for index, name in ipairs(names) do
        fields[index] = { name, json.object({ { "mean", mean[index] }, { "std", scale[index] } }) }
    end
    return json.object(fields)
end

local function time_text(micros) return micros and time.format(micros) or json.null end

local function schema(loaded, set, options)
    return json.object({
        { "version", "v2" },
        { "input_name", options.onnx_user_input_name },
        { "input_dim", loaded.user_dim },
        { "embedding_dim", loaded.embedding_dim },
        { "segments", (set:segments("user", loaded.sizes)) },
    })
end

local function meta(loaded, set, config)
    local fields = {
        { "exported_at", time.format(time.now()) },
        { "embedding_dim", loaded.embedding_dim },
        { "user_feature_dim", loaded.user_dim },
        { "item_feature_dim", loaded.item_dim },
    }
    for _, vocabulary in ipairs(set.declared.vocabularies) do
        fields[#fields + 1] = { vocabulary.name .. "_vocab_size", loaded.sizes[vocabulary.name] }
    end
    fields[#fields + 1] = { "reference_time", time_text(loaded.reference_time) }
    fields[#fields + 1] = { "item_reference_time", time_text(loaded.item_reference_time) }
    fields[#fields + 1] = { "model_fingerprint", loaded.fingerprint }
    fields[#fields + 1] = { "config", config }
    if loaded.training then fields[#fields + 1] = { "training", loaded.training } end
    return json.object(fields)
end

--- Writes the ONNX user tower and the JSON side files.
---
--- All texts are made before the first file is written, and the metadata that later checks rely on comes last.
---@param folder string made when it is missing
---@param loaded two_tower.Loaded
---@param tower tt.Module the user tower
---@param set two_tower.FeatureSet
---@param config table the checkpoint's configuration with the `export` section that is used
---@return string[] names files written
function artifacts.export(folder, loaded, tower, set, config)
    local export = config.export
    local texts = {
        { artifacts.SCHEMA, schema(loaded, set, export) },
        { artifacts.NORMALIZER, json.object({ { "user_numeric", scaler_object(loaded.scalers.user) },
            { "item_numeric", scaler_object(loaded.scalers.item) } }) },
    }
    for _, vocabulary in ipairs(set.declared.vocabularies) do
        texts[#texts + 1] = { artifacts.vocabulary_file(vocabulary.name),
            json.object({ { "tokens", json.array(loaded.vocabularies[vocabulary.name]:tokens()) } }) }
    end
    texts[#texts + 1] = { artifacts.META, meta(loaded, set, config) }
    for _, entry in ipairs(texts) do entry[2] = json.encode(entry[2], { indent = 2 }) .. "\n" end

    fs.mkdir(folder)
    tower:eval()
    onnx.export(fs.join(folder, artifacts.ONNX), tower, {
        input_name = export.onnx_user_input_name,
        output_name = "user_embedding",
        input_dim = loaded.user_dim,
        opset = export.onnx_opset,
        metadata = {
            [artifacts.SCHEMA_KEY] = hash.sha256(texts[1][2]),
            [artifacts.FINGERPRINT_KEY] = loaded.fingerprint,
        },
    })
    local names = { artifacts.ONNX }
    for _, entry in ipairs(texts) do
        fs.write(fs.join(folder, entry[1]), entry[2])
        names[#names + 1] = entry[1]
    end
    return names
end

--- Writes one unit vector per video, ascending by id.
---@param path string its folder is made when it is missing
---@param ids tt.Column uuid, ascending
---@param matrix tt.FeatureMatrix the item store's matrix, same rows
---@param tower tt.Module
---@param fingerprint string
---@param each? fun(rows: integer) called after each part written
function artifacts.write_embeddings(path, ids, matrix, tower, fingerprint, each)
    local texts = frame.from_columns({ { "video_id", ids:cast("string") } })
    local vectors = embedding.run(tower, matrix, ids)
    local first, last = 1, math.min(ROWS, #matrix)
    -- Before there is a folder: what is wrong with a model nearly always shows at once.
    local part = vectors(first, last)
    fs.mkdir(fs.dirname(path))
    local writer <close> = parquet.writer(path, {
        compression = "snappy",
        metadata = { [artifacts.FINGERPRINT_KEY] = fingerprint },
    })
    -- One frame in any case: it tells the writer the schema even when there is no video.
    repeat
        part = part or vectors(first, last)
        writer:write(texts:slice(first, last - first + 1):with({ { "embedding", features.to_column(part) } }))
        if each then each(last - first + 1) end
        first, last, part = last + 1, math.min(last + ROWS, #matrix), nil
    until first > #matrix
    writer:close()
end

return artifacts
