--- Whether the files of an artifacts directory belong together: dimensions, vocabularies, fingerprints, digests.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local hash = require("tt.hash")
local json = require("tt.json")
local onnx_properties = require("two_tower.bundle.onnx_properties")
local parquet = require("tt.parquet")

local consistency = {}

local function refuse(folder, message, ...)
    tt.error("bundle.invalid", ("'%s': "):format(folder) .. message:format(...), { folder = folder }, 2)
end

local function read_json(folder, name)
    local path = fs.join(folder, name)
    if not fs.exists(path) then refuse(folder, "%s is missing; run the export stage", name) end
    local ok, value = pcall(json.read, path)
    if not ok then refuse(folder, "%s is not readable: %s", name, value.message or tostring(value)) end
    if type(value) ~= "table" then refuse(folder, "%s holds no JSON object", name) end
    return value
end

-- agree(folder, what, {name, number}…): all numbers are equal.
local function agree(folder, what, ...)
    local first = (...)
    for _, entry in ipairs({ ... }) do
        if entry[2] ~= first[2] then
            refuse(folder, "%s is %s in %s and %s in %s; they come from different runs", what, tostring(first[2]),
                first[1], tostring(entry[2]), entry[1])
        end
    end
end

local function check_tokens(folder, name)
    local tokens = read_json(folder, name).tokens
    if type(tokens) ~= "table" then refuse(folder, "%s has no tokens", name) end
    local seen = {}
    for _, token in ipairs(tokens) do
        if type(token) ~= "string" or token == "" or seen[token] then
            refuse(folder, "%s holds an empty, repeated or non-text token", name)
        end
        seen[token] = true
    end
    return #tokens
end

local function check_normalizer(folder, schema)
    local normalizer = read_json(folder, artifacts.NORMALIZER)
    for _, group in ipairs({ "user_numeric", "item_numeric" }) do
        if type(normalizer[group]) ~= "table" then refuse(folder, "%s has no %s", artifacts.NORMALIZER, group) end
        for name, entry in pairs(normalizer[group]) do
            if type(entry) ~= "table" or type(entry.mean) ~= "number" or type(entry.std) ~= "number"
                or entry.std <= 0 then
                refuse(folder, "%s: '%s' needs a mean and a positive std", artifacts.NORMALIZER, name)
            end
        end
    end
    for _, name in ipairs(schema.segments[1] and schema.segments[1].features or {}) do
        if not normalizer.user_numeric[name] then
            refuse(folder, "%s says nothing about '%s' of %s", artifacts.NORMALIZER, name, artifacts.SCHEMA)
        end
    end
end

-- The length of the first vector; nil when there is none.
local function embedding_dim(folder, file)
    local dtypes = {}
    for _, column in ipairs(file:schema()) do dtypes[column.name] = column.dtype end
    if dtypes.video_id ~= "string" and dtypes.video_id ~= "uuid" or dtypes.embedding ~= "list<float32>" then
        refuse(folder, "%s lacks the columns video_id (text) and embedding (a list of 32-bit floats)",
            artifacts.EMBEDDINGS)
    end
    for group, rows in ipairs(file:row_group_heights()) do
        if rows > 0 then
            local dim = file:read_row_group(group, { columns = { "embedding" } }):head(1).embedding:len()[1]
            if not dim then refuse(folder, "the first video of %s has no vector", artifacts.EMBEDDINGS) end
            return dim
        end
    end
end

--- Checks a directory: every required artifact is there and readable, dimensions and fingerprints agree.
---@param folder string
---@param set two_tower.FeatureSet
---@return table meta the parsed model_meta.json
function consistency.check(folder, set)
    if not fs.exists(folder) then refuse(folder, "there is no such directory; run the export stage") end
    for _, name in ipairs({ artifacts.ONNX, artifacts.EMBEDDINGS }) do
        if not fs.exists(fs.join(folder, name)) then
            refuse(folder, "%s is missing; run the %s stage", name,
                name == artifacts.ONNX and "export" or "embeddings")
        end
    end
    local meta, schema = read_json(folder, artifacts.META), read_json(folder, artifacts.SCHEMA)
    if type(schema.segments) ~= "table" then refuse(folder, "%s has no segments", artifacts.SCHEMA) end
    local width, sizes = 0, {}
    for _, segment in ipairs(schema.segments) do
        if type(segment) ~= "table" or type(segment.name) ~= "string" or math.type(segment.size) ~= "integer" then
            refuse(folder, "%s: a segment has no name or no size", artifacts.SCHEMA)
        end
        width = width + segment.size
        sizes[segment.name] = segment.size
    end
    agree(folder, "the input dimension", { artifacts.SCHEMA, schema.input_dim }, { "its segments", width },
        { artifacts.META, meta.user_feature_dim })
    for _, vocabulary in ipairs(set.declared.vocabularies) do
        local name = artifacts.vocabulary_file(vocabulary.name)
        local found = { { name, check_tokens(folder, name) },
            { artifacts.META, meta[vocabulary.name .. "_vocab_size"] } }
        for _, feature in ipairs(set:features("user")) do
            if feature.vocabulary == vocabulary.name then
                found[#found + 1] = { artifacts.SCHEMA, sizes[feature.segment] }
            end
        end
        agree(folder, ("the size of the %s vocabulary"):format(vocabulary.name), table.unpack(found))
    end
    check_normalizer(folder, schema)

    local file <close> = parquet.open(fs.join(folder, artifacts.EMBEDDINGS))
    agree(folder, "the embedding dimension", { artifacts.SCHEMA, schema.embedding_dim },
        { artifacts.META, meta.embedding_dim },
        { artifacts.EMBEDDINGS, embedding_dim(folder, file) or meta.embedding_dim })
    local fingerprint = meta.model_fingerprint
    if type(fingerprint) ~= "string" or not fingerprint:match("^%x+$") or #fingerprint ~= 64 then
        refuse(folder, "%s has no model_fingerprint", artifacts.META)
    end
    local properties = onnx_properties.read(fs.join(folder, artifacts.ONNX))
    if not properties then refuse(folder, "%s is no ONNX model", artifacts.ONNX) end
    agree(folder, "the model's fingerprint", { artifacts.META, fingerprint },
        { artifacts.EMBEDDINGS, file:metadata()[artifacts.FINGERPRINT_KEY] },
        { artifacts.ONNX, properties[artifacts.FINGERPRINT_KEY] })
    agree(folder, "the schema's SHA-256",
        { artifacts.SCHEMA, hash.sha256_file(fs.join(folder, artifacts.SCHEMA)) },
        { artifacts.ONNX, properties[artifacts.SCHEMA_KEY] })
    return meta
end

return consistency
