--- What follows from a list of feature declarations: columns, vocabularies, scalers, stores, schema segments and the
--- configuration section. `two_tower.features` holds the list.

local columns = require("two_tower.columns")
local features = require("tt.features")
local json = require("tt.json")
local payloads = require("two_tower.payloads")

---@class two_tower.Feature
---@field entity "user"|"item"
---@field segment string name of one of the entity's segments
---@field name string
---@field expr? string expression over the payload columns, giving a number
---@field fn? fun(payload: tt.Frame): tt.Column a column of numbers, one per payload row
---@field default? number instead of null (default 0)
---@field vocabulary? string for a bag of tokens, instead of `expr`, `fn` and `default`
---@field listed? "numeric"|"bucketized"|"aggregations" where the configuration's `features` section names it

---@class two_tower.Payload
---@field frame tt.Frame one row per entity: `id` and the columns expressions read
---@field lists table<string, tt.Frame> per token list the frame of pairs (`owner`, `token`)

---@class two_tower.FeatureSet
---@field declared { segments: table, vocabularies: table, features: two_tower.Feature[] }
local FeatureSet = {}
FeatureSet.__index = FeatureSet

local module = {}

local function fail(message, ...)
    tt.error("features.declaration", message:format(...))
end

local ENTITIES = { user = true, item = true }
local FIELDS = { entity = true, segment = true, name = true, expr = true, fn = true, default = true, vocabulary = true,
    listed = true }

local function check(declared)
    local vocabularies, seen = {}, {}
    for _, vocabulary in ipairs(declared.vocabularies) do vocabularies[vocabulary.name] = true end
    for entity, segments in pairs(declared.segments) do
        local bags = false
        for _, segment in ipairs(segments) do
            local is_bag = segment.type == "l2_normalized_bow"
            if bags and not is_bag then
                fail("segment '%s' of %s must stand before the token segments", segment.name, entity)
            end
            bags = bags or is_bag
            seen[entity .. "/" .. segment.name] = segment
        end
    end
    for index, feature in ipairs(declared.features) do
        local label = ("feature %d (%s)"):format(index, tostring(feature.name))
        for field in pairs(feature) do
            if not FIELDS[field] then fail("%s has an unknown field '%s'", label, tostring(field)) end
        end
        if type(feature.name) ~= "string" or feature.name == "" then fail("feature %d has no name", index) end
        if not ENTITIES[feature.entity] then fail("%s: entity must be 'user' or 'item'", label) end
        local segment = seen[feature.entity .. "/" .. tostring(feature.segment)]
        if not segment then
            fail("%s: %s has no segment '%s'", label, feature.entity, tostring(feature.segment))
        end
        local ways = (feature.expr and 1 or 0) + (feature.fn and 1 or 0) + (feature.vocabulary and 1 or 0)
        if ways ~= 1 then fail("%s needs exactly one of expr, fn and vocabulary", label) end
        if feature.vocabulary and not vocabularies[feature.vocabulary] then
            fail("%s: no vocabulary '%s' is declared", label, feature.vocabulary)
        end
        if (segment.type == "l2_normalized_bow") ~= (feature.vocabulary ~= nil) then
            fail("%s: segment '%s' holds %s", label, segment.name, segment.type == "l2_normalized_bow"
                and "a bag of tokens" or "numbers")
        end
        local key = feature.entity .. ":" .. feature.name
        if seen[key] then fail("%s is declared twice for %s", feature.name, feature.entity) end
        seen[key] = true
        if feature.vocabulary then
            local slot = "bag of " .. feature.entity .. "/" .. segment.name
            if seen[slot] then fail("%s: segment '%s' has a bag already; declare another one", label, segment.name) end
            seen[slot] = true
        end
    end
end

--- Checks a list of declarations.
---@param declared { segments: table, vocabularies: table, features: two_tower.Feature[] }
---@return two_tower.FeatureSet
function module.new(declared)
    check(declared)
    return setmetatable({ declared = declared }, FeatureSet)
end

--- A new set with more features, each behind the others of its segment.
---@param more two_tower.Feature[]
---@return two_tower.FeatureSet
function FeatureSet:extend(more)
    local all = table.move(self.declared.features, 1, #self.declared.features, 1, {})
    table.move(more, 1, #more, #all + 1, all)
    return module.new({ segments = self.declared.segments, vocabularies = self.declared.vocabularies, features = all })
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

--- Computes an entity's numbers from its payload.
---@param entity "user"|"item"
---@param payload two_tower.Payload
---@return tt.Frame numbers float64 columns in the order of the vector, defaults in place of nulls
function FeatureSet:compute(entity, payload)
    local numbers = {}
    for _, feature in ipairs(self:features(entity)) do
        if not feature.vocabulary then
            local column = feature.fn and feature.fn(payload.frame) or columns.eval(payload.frame, feature.expr)
            numbers[#numbers + 1] = { feature.name, column:cast("float64"):fill_null(feature.default or 0) }
        end
    end
    return columns.frame(numbers)
end

--- Fits the vocabularies over the items' token lists.
---@param items two_tower.Payload
---@param limits table the configuration's `artifacts` section
---@return table<string, tt.Vocabulary> by name
function FeatureSet:fit_vocabularies(items, limits)
    local fitted = {}
    for _, vocabulary in ipairs(self.declared.vocabularies) do
        local pairs_ = items.lists[vocabulary.tokens]
        fitted[vocabulary.name] = features.fit_vocabulary(pairs_.owner, pairs_.token,
            { min_count = limits[vocabulary.min_freq], max_size = limits[vocabulary.max_size] })
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
            local name, vocabulary = self:vocabulary(feature.vocabulary).tokens, vocabularies[feature.vocabulary]
            local held = payloads.held(payload.lists, name)
            if held then
                bags[#bags + 1] = { owners = held.by.user_id, held = held.by.video_id, tokens = held.tokens.token,
                    token_owners = held.tokens.video_id, vocabulary = vocabulary }
            else
                local pairs_ = payload.lists[name]
                bags[#bags + 1] = { owners = pairs_.owner, tokens = pairs_.token, vocabulary = vocabulary }
            end
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
    fail("no vocabulary '%s' is declared", name)
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
