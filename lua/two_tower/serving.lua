--- The consumer's side: how the program that serves recommendations makes a user's input vector, from the published
--- JSON files and one payload alone; and where features, payload and consumer disagree.

local artifacts = require("two_tower.artifacts")
local columns = require("two_tower.columns")
local consumer = require("two_tower.consumer")
local frame = require("tt.frame")
local fs = require("tt.fs")
local json = require("tt.json")
local payloads = require("two_tower.payloads")
local time = require("tt.time")

local serving = {}

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
function serving.read(folder)
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
    published.now = consumer.time(published.meta.reference_time)
    return published
end

--- The input vector of a user.
---@param published two_tower.Published
---@param payload table decoded JSON
---@param now integer microseconds UTC
---@return number[] input each rounded to float32
---@return string[] names of the slots, for messages
function serving.input(published, payload, now)
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
            for place, value in ipairs(bag(consumer.names(payload[expected.list]), tokens)) do
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

-- ---- the contract between features, payload and consumer

--- Decoded payloads of users as the payload frame that features are computed from, read as the consumer reads them.
---@param list table[]
---@param now integer
---@return tt.Frame
function serving.frame(list, now)
    local rows, types = {}, {}
    for index, payload in ipairs(list) do
        rows[index] = { place = index }
        for _, field in ipairs(payloads.SHAPES.user.fields) do
            local name, kind, place = table.unpack(field)
            rows[index][name] = consumer[kind](consumer.at(payload, place))
            types[name] = kind == "time" and "timestamp" or "float64"
        end
    end
    return payloads.with_now(payloads.fill("user", frame.from_table(rows, { schema = types })), now)
end

-- Payloads that tell formulas apart: the contract's example, nothing at all, and values beyond their bounds.
local PROBE_NOW = time.parse("2025-01-31T12:00:00Z")
local PROBES = {
    { profile = { created_at = "2025-01-01T00:00:00Z" }, price_stats = { mean = 1980.5, median = 1500 },
        decision_stats = { like_count = 3, nope_count = 1, decision_count = 4, average_like_hour = 0,
            recent_like_at = "2025-01-31T00:00:00Z" } },
    {},
    { profile = { created_at = "2025-03-01T00:00:00.000001Z" }, price_stats = { mean = -3, median = 0.25 },
        decision_stats = { like_count = 5, nope_count = 2, decision_count = 0, average_like_hour = 40 } },
    { decision_stats = { like_count = 9, nope_count = 0, decision_count = 6, average_like_hour = 13.75 } },
}

local function close(a, b) return math.abs(a - b) <= 1e-6 * math.max(1, math.abs(a), math.abs(b)) end

-- Why a declared number is not what the consumer computes from the same payload; nil when it is.
local function difference(feature, rows, formula)
    local ok, values = pcall(function()
        local column = feature.fn and feature.fn(rows) or columns.eval(rows, feature.expr)
        return column:cast("float64"):fill_null(feature.default or 0)
    end)
    if not ok then
        local message = type(values) == "table" and values.message or tostring(values)
        return "the payload cannot produce it: " .. message:gsub("\n.*", ""):gsub(" %(the columns are .*", "")
    end
    for index, payload in ipairs(PROBES) do
        local wanted = formula and formula(payload, PROBE_NOW)
        if wanted and not close(values[index], wanted) then
            return ("it is not what the consumer computes: %s gives %.9g, the consumer's formula %.9g")
                :format(feature.expr and ("'%s'"):format(feature.expr) or "its function", values[index], wanted)
        end
    end
end

-- The payload frame of the probes, with the columns that a payload of these fields can fill.
local function probe_rows(payload_fields)
    local there = {}
    for _, place in ipairs(payload_fields or {}) do there[place] = true end
    local rows, missing = serving.frame(PROBES, PROBE_NOW), {}
    for _, field in ipairs(payloads.SHAPES.user.fields) do
        if payload_fields and not there[field[3]] then missing[#missing + 1] = field[1] end
    end
    if not payload_fields then
        for _, list in ipairs(payloads.SHAPES.user.lists) do there[list] = true end
    end
    return rows:drop(missing), function(list) return there[list] == true end
end

local function check_segments(segments, add)
    for index = 1, math.max(#segments, #consumer.SEGMENTS) do
        local found, expected = segments[index], consumer.SEGMENTS[index]
        if not expected then
            add(found.name, "the consumer knows no such segment")
        elseif not found or found.name ~= expected.name then
            add(expected.name, ("segment %d must be this one, not %s"):format(index,
                found and ("'%s'"):format(found.name) or "missing"))
        elseif found.type ~= expected.type then
            add(found.name, ("the segment's type must be '%s', not '%s'"):format(expected.type, tostring(found.type)))
        end
    end
end

local function check_names(names, add)
    for _, name in ipairs(names) do
        if not consumer.known[name] then add(name, "the consumer does not know it and would read 0") end
    end
    local places = {}
    for index, name in ipairs(names) do places[name] = index end
    local last = 0
    for _, entry in ipairs(consumer.NUMBERS) do
        local place = places[entry[1]]
        if not place then
            add(entry[1], "it is missing from the segment 'numeric'")
        elseif place < last then
            add(entry[1], "it stands in another place than the contract gives it")
        end
        last = place or last
    end
end

--- Tells how features, payload and consumer disagree: features that the payload cannot produce, that the consumer does
--- not know or computes otherwise, and segments out of order. A publication with any of them would serve other vectors
--- than the model was trained on.
---@param schema table|nil parsed feature_schema.json; nil: what the declared features would give
---@param declared two_tower.FeatureSet
---@param payload_fields? string[] what payloads hold, as `decision_stats.like_count` (default: all of the contract)
---@return { name: string, reason: string }[] breaks none when all agree
function serving.contract_breaks(schema, declared, payload_fields)
    local breaks = {}
    local function add(name, reason) breaks[#breaks + 1] = { name = name, reason = reason } end
    local segments = schema and schema.segments or declared.declared.segments.user
    check_segments(segments, add)
    local rows, has_list = probe_rows(payload_fields)
    for _, segment in ipairs(segments) do
        local features, by_name = declared:features("user", segment.name), {}
        for _, feature in ipairs(features) do by_name[feature.name] = feature end
        local names = segment.features
        if not names then
            names = {}
            for index, feature in ipairs(features) do names[index] = feature.name end
            if #names == 0 then add(segment.name, "the scripts declare no feature of this segment") end
        end
        if segment.name == "numeric" then check_names(names, add) end
        for _, name in ipairs(names) do
            local feature = by_name[name]
            if not feature then
                add(name, "the scripts declare no such feature, so it cannot be compared with the payload")
            elseif feature.vocabulary then
                local list = declared:vocabulary(feature.vocabulary).tokens
                if not has_list(list) then
                    add(name, ("the payload has no list '%s'"):format(list))
                end
                for _, expected in ipairs(consumer.SEGMENTS) do
                    if expected.name == segment.name and expected.list ~= list then
                        add(name, ("it counts '%s', the consumer counts '%s'"):format(list, expected.list))
                    end
                end
            else
                local formula = segment.name == "hour_of_day" and consumer.hour or consumer.known[name]
                local reason = difference(feature, rows, formula)
                if reason then add(name, reason) end
            end
        end
    end
    return breaks
end

return serving
