--- What follows from declarations of columns, token lists, vocabularies and features: matrices, scalers, schema
--- segments and the configuration section. `two_tower.features` holds the declarations.

local declarations = require("two_tower.data.declarations")
local features = require("tt.features")
local frame = require("tt.frame")
local json = require("tt.json")

--- The tokens of the rows of a payload: token by token with its owner, or as two tables that are not joined, since a
--- bag can be made of the two: who holds what, and the tokens of what is held.
---@class two_tower.TokenList
---@field owners tt.Column ids of the payload
---@field tokens tt.Column text
---@field held? tt.Column per owner what it holds; then `tokens` are those of `token_owners`
---@field token_owners? tt.Column

---@class two_tower.Payload
---@field frame tt.Frame one row per entity: `id` and the columns expressions read
---@field lists table<string, tt.Frame> per token list the frame of pairs (`owner`, `token`)
---@field bags? table<string, two_tower.TokenList> the same lists, where they are at hand in a form that is cheaper

---@class two_tower.FeatureSet
---@field declared two_tower.Declared
local FeatureSet = {}
FeatureSet.__index = FeatureSet

local module = {}

--- Checks declarations.
---
--- Raises `features.declaration`, which names what is wrong.
---@param declared two_tower.Declared
---@return two_tower.FeatureSet
function module.new(declared)
    declarations.check(declared)
    return setmetatable({ declared = declared }, FeatureSet)
end

local function joined(first, second)
    local all = table.move(first, 1, #first, 1, {})
    return table.move(second or {}, 1, #(second or {}), #all + 1, all)
end

--- A new set with more columns, token lists, segments, vocabularies and features, each behind those there are; features
--- go behind the others of their segment.
---
--- Raises `features.declaration`.
---@param more { columns?: table, tokens?: two_tower.Tokens[], segments?: table, vocabularies?: two_tower.Vocabulary[],
---  features?: two_tower.Feature[] }
---@return two_tower.FeatureSet
function FeatureSet:extend(more)
    declarations.check_sections(more)
    local all = {}
    for _, section in ipairs(declarations.SECTIONS) do
        local mine, theirs = self.declared[section], more[section] or {}
        if section == "columns" or section == "segments" then
            all[section] = { user = joined(mine.user, theirs.user), item = joined(mine.item, theirs.item) }
        else
            all[section] = joined(mine, theirs)
        end
    end
    return module.new(all)
end

-- ---- asking

--- The token lists of an entity's payload: its own, and for users those of what they like.
---@param entity "user"|"item"
---@return two_tower.Tokens[]
function FeatureSet:tokens(entity)
    local found = {}
    for _, tokens in ipairs(self.declared.tokens) do
        if entity == "user" or tokens.of ~= "user" then found[#found + 1] = tokens end
    end
    return found
end

--- The features of one segment, or with no segment given all of an entity, in the order of the vector.
---@param entity "user"|"item"
---@param wanted? string
---@return two_tower.Feature[]
function FeatureSet:features(entity, wanted)
    local found = {}
    for _, segment in ipairs(self.declared.segments[entity]) do
        for _, feature in ipairs(self.declared.features) do
            if feature.entity == entity and feature.segment == segment.name
                and (not wanted or wanted == segment.name) then
                found[#found + 1] = feature
            end
        end
    end
    return found
end

--- Names of an entity's numbers, or only of those that are standardised.
---@param entity "user"|"item"
---@param only_scaled? boolean
---@return string[]
function FeatureSet:numbers(entity, only_scaled)
    local names = {}
    for _, segment in ipairs(self.declared.segments[entity]) do
        if segment.type == "standard_score" or (segment.type ~= "l2_normalized_bow" and not only_scaled) then
            for _, feature in ipairs(self:features(entity, segment.name)) do names[#names + 1] = feature.name end
        end
    end
    return names
end

--- Computes one feature, a number.
---@param feature two_tower.Feature
---@param rows tt.Frame a payload's
---@return tt.Column numbers float64, the default in place of nulls
function FeatureSet.value(_, feature, rows)
    local column = feature.fn and feature.fn(rows) or rows:eval(feature.expr)
    return column:cast("float64"):fill_null(feature.default or 0)
end

--- Computes an entity's numbers from its payload.
---@param entity "user"|"item"
---@param payload two_tower.Payload
---@return tt.Frame numbers float64 columns in the order of the vector, defaults in place of nulls
function FeatureSet:compute(entity, payload)
    local numbers = {}
    for _, feature in ipairs(self:features(entity)) do
        if not feature.vocabulary then
            numbers[#numbers + 1] = { feature.name, self:value(feature, payload.frame) }
        end
    end
    return frame.from_columns(numbers)
end

-- A limit of a vocabulary as a number.
local function limit(vocabulary, field, limits, default)
    local value = vocabulary[field]
    if type(value) ~= "string" then return value or default end
    if math.type(limits[value]) ~= "integer" then
        declarations.fail("vocabulary '%s': %s names '%s', which is no number of the configuration's artifacts "
            .. "section; name one that is, or give a number", vocabulary.name, field, value)
    end
    return limits[value]
end

--- Fits the vocabularies.
---
--- Raises `features.declaration` for a limit that the configuration does not hold.
---@param lists table<string, tt.Frame> per token list the frame of pairs (`owner`, `token`)
---@param limits table the configuration's `artifacts` section
---@return table<string, tt.Vocabulary> by name
function FeatureSet:fit_vocabularies(lists, limits)
    local fitted = {}
    for _, vocabulary in ipairs(self.declared.vocabularies) do
        local list = lists[vocabulary.tokens]
        fitted[vocabulary.name] = features.fit_vocabulary(list.owner, list.token, {
            min_count = limit(vocabulary, "min_freq", limits, 1), max_size = limit(vocabulary, "max_size", limits, 0) })
    end
    return fitted
end

--- Builds the feature store of an entity: numbers standardised, tokens as bags.
---@param entity "user"|"item"
---@param payload two_tower.Payload
---@param scaler tt.Scaler
---@param vocabularies table<string, tt.Vocabulary>
---@param numbers? tt.Frame what `compute` gave, when it is at hand
---@return tt.FeatureStore
function FeatureSet:store(entity, payload, scaler, vocabularies, numbers)
    local bags = {}
    for _, feature in ipairs(self:features(entity)) do
        if feature.vocabulary then
            local name = self:vocabulary(feature.vocabulary).tokens
            local list = payload.bags and payload.bags[name]
                or { owners = payload.lists[name].owner, tokens = payload.lists[name].token }
            bags[#bags + 1] = { owners = list.owners, held = list.held, tokens = list.tokens,
                token_owners = list.token_owners, vocabulary = vocabularies[feature.vocabulary] }
        end
    end
    return features.store({ ids = payload.frame.id, numbers = numbers or self:compute(entity, payload), scaler = scaler,
        bags = bags })
end

--- The declaration of a vocabulary.
---@param name string
function FeatureSet:vocabulary(name)
    for _, vocabulary in ipairs(self.declared.vocabularies) do
        if vocabulary.name == name then return vocabulary end
    end
    declarations.fail("no vocabulary '%s' is declared", name)
end

--- The schema of an entity's vector: what `feature_schema.json` lists for users.
---@param entity "user"|"item"
---@param sizes table<string, integer> tokens per vocabulary
---@return table segments ordered objects with name, size, type and what belongs to the type
---@return integer width
function FeatureSet:segments(entity, sizes)
    local list, width = {}, 0
    for _, segment in ipairs(self.declared.segments[entity]) do
        local size, names = 0, {}
        for _, feature in ipairs(self:features(entity, segment.name)) do
            size = size + (feature.vocabulary and sizes[feature.vocabulary] or 1)
            names[#names + 1] = feature.name
        end
        local fields = { { "name", segment.name }, { "size", size } }
        if segment.type == "standard_score" then fields[#fields + 1] = { "features", json.array(names) } end
        fields[#fields + 1] = { "type", segment.type }
        if segment.range then fields[#fields + 1] = { "range", json.array({ table.unpack(segment.range) }) } end
        list[#list + 1] = json.object(fields)
        width = width + size
    end
    return json.array(list), width
end

--- The configuration's `features` section as these declarations would spell it.
---@return table
function FeatureSet:config_section()
    local numeric, bucketized, aggregations, seen = {}, {}, {}, {}
    for _, feature in ipairs(self.declared.features) do
        local listed = feature.listed
        if not listed and feature.entity == "user" and not feature.vocabulary then
            listed = feature.segment == "numeric" and "numeric" or "bucketized"
        end
        if listed == "numeric" then
            numeric[#numeric + 1] = feature.name
        elseif listed == "bucketized" then
            bucketized[#bucketized + 1] = feature.name
        elseif listed == "aggregations" and not seen[feature.name] then
            seen[feature.name] = true
            aggregations[#aggregations + 1] = { feature.name,
                json.object({ { "kind", feature.vocabulary or "numeric" } }) }
        end
    end
    -- Numbers before bags, as the documented file lists them.
    local ordered = {}
    for _, wants_number in ipairs({ true, false }) do
        for _, entry in ipairs(aggregations) do
            if (entry[2].kind == "numeric") == wants_number then ordered[#ordered + 1] = entry end
        end
    end
    return json.object({ { "numeric", json.array(numeric) }, { "bucketized", json.array(bucketized) },
        { "aggregations", json.object(ordered) } })
end

return module
