--- The program that serves recommendations, as far as it makes a user's input vector: the features that it knows, how
--- it computes them, and what it reads of a publication. Written for its own sake: no formula is shared with
--- `two_tower.features`, so that comparing the two means something.

local artifacts = require("two_tower.bundle.artifacts")
local fs = require("tt.fs")
local json = require("tt.json")
local tolerant = require("two_tower.data.tolerant")

local consumer = {}

local DAY = 86400 * 1000000

-- ---- features

local function count(payload, name) return tolerant.number(tolerant.at(payload, "decision_stats." .. name)) end

local function decisions(payload)
    return count(payload, "decision_count") or (count(payload, "like_count") or 0) + (count(payload, "nope_count") or 0)
end

local function days_since(payload, place, now)
    local then_ = tolerant.time(tolerant.at(payload, place))
    return then_ and (now - then_) / DAY or 0.0
end

--- The names that the consumer knows, in the contract's order, each with its formula of payload and time. A schema may
--- list others; it reads 0 for them.
consumer.NUMBERS = {
    { "account_age_days", function(payload, now) return days_since(payload, "profile.created_at", now) end },
    { "mean_price", function(payload) return tolerant.number(tolerant.at(payload, "price_stats.mean")) or 0.0 end },
    { "median_price", function(payload) return tolerant.number(tolerant.at(payload, "price_stats.median")) or 0.0 end },
    { "like_ratio", function(payload)
        local all = decisions(payload)
        if all <= 0 then return 0.5 end
        return math.min(math.max((count(payload, "like_count") or 0.0) / all, 0.0), 1.0)
    end },
    { "like_count", function(payload) return count(payload, "like_count") or 0.0 end },
    { "nope_count", function(payload) return count(payload, "nope_count") or 0.0 end },
    { "decision_count", decisions },
    { "recent_like_days", function(payload, now)
        return days_since(payload, "decision_stats.recent_like_at", now)
    end },
}

--- The hour of day, between 0 and 1.
---@param payload table
---@return number
function consumer.hour(payload)
    return math.min(math.max(count(payload, "average_like_hour") or 12.0, 0.0), 23.0) / 23
end

--- The segments that the consumer expects, in this order; bags with the vocabulary and the payload's list.
consumer.SEGMENTS = {
    { name = "numeric", type = "standard_score" },
    { name = "hour_of_day", type = "scaled_bucket" },
    { name = "tag_vector", type = "l2_normalized_bow", vocabulary = "tag", list = "tags" },
    { name = "actress_vector", type = "l2_normalized_bow", vocabulary = "actress", list = "performers" },
}

--- The formulas by name.
consumer.known = {}
for _, entry in ipairs(consumer.NUMBERS) do consumer.known[entry[1]] = entry[2] end

-- ---- the input vector

local function bag(names, tokens)
    local slot, values, square = {}, {}, 0
    for index, token in ipairs(tokens) do
        slot[token], values[index] = index, 0.0
    end
    for _, name in ipairs(names) do
        local index = slot[name]
        if index then values[index] = values[index] + 1 end
    end
    for _, value in ipairs(values) do square = square + value * value end
    if square > 0 then
        local norm = math.sqrt(square)
        for index, value in ipairs(values) do values[index] = value / norm end
    end
    return values
end

local function refuse(message, ...) tt.error("serving.artifacts", message:format(...), nil, 2) end

---@class two_tower.Published
---@field schema table
---@field normalizer table
---@field vocabularies table<string, string[]>
---@field meta table
---@field now integer|nil `reference_time` of the metadata, microseconds UTC

--- Reads what a publication holds beside the model.
---@param folder string
---@return two_tower.Published
function consumer.read(folder)
    local function read(name, key)
        local path = fs.join(folder, name)
        if not fs.exists(path) then refuse("'%s' is missing; run the export stage, or name the folder", path) end
        local content = json.read(path)
        if type(content) ~= "table" then refuse("'%s' holds no JSON object", path) end
        -- What is inside of these is looked at where it is used.
        if key and type(content[key]) ~= "table" then refuse("'%s' has no '%s'", path, key) end
        return content
    end
    local published = { schema = read(artifacts.SCHEMA, "segments"), vocabularies = {},
        normalizer = read(artifacts.NORMALIZER, "user_numeric"), meta = read(artifacts.META) }
    for _, segment in ipairs(consumer.SEGMENTS) do
        if segment.vocabulary then
            local name = artifacts.vocabulary_file(segment.vocabulary)
            published.vocabularies[segment.vocabulary] = read(name, "tokens").tokens
        end
    end
    published.now = tolerant.time(published.meta.reference_time)
    return published
end

--- The input vector of a user.
---@param published two_tower.Published
---@param payload table decoded JSON
---@param now integer microseconds UTC
---@return number[] input each rounded to float32
---@return string[] names of the slots, for messages
function consumer.input(published, payload, now)
    payload = type(payload) == "table" and payload or {}
    local input, names = {}, {}
    local function add(name, value)
        input[#input + 1] = string.unpack("<f", string.pack("<f", value))
        names[#names + 1] = name
    end
    for index, segment in ipairs(published.schema.segments) do
        local expected = consumer.SEGMENTS[index]
        local found = type(segment) == "table" and segment.name
        if not expected or found ~= expected.name then
            refuse("segment %d is '%s', the consumer expects '%s'", index, tostring(found),
                expected and expected.name or "no more")
        end
        if segment.name == "numeric" then
            if type(segment.features) ~= "table" then refuse("the segment 'numeric' lists no features") end
            for _, name in ipairs(segment.features) do
                local scale = published.normalizer.user_numeric[name]
                if type(scale) ~= "table" or type(scale.mean) ~= "number" or type(scale.std) ~= "number" then
                    refuse("%s has no mean and std of '%s'", artifacts.NORMALIZER, name)
                end
                local value = consumer.known[name] and consumer.known[name](payload, now) or 0.0
                add(name, (value - scale.mean) / scale.std)
            end
        elseif segment.name == "hour_of_day" then
            add(segment.name, consumer.hour(payload))
        else
            local tokens = published.vocabularies[expected.vocabulary]
            for place, value in ipairs(bag(tolerant.names(payload[expected.list]), tokens)) do
                add(("%s '%s'"):format(segment.name, tokens[place]), value)
            end
        end
    end
    if #input ~= published.schema.input_dim then
        refuse("the vector has %d numbers, input_dim of %s says %s", #input, artifacts.SCHEMA,
            tostring(published.schema.input_dim))
    end
    return input, names
end

return consumer
