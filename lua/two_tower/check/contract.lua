--- The contract between features, payloads and the consumer: where they disagree, a publication would serve other
--- vectors than the model was trained on.

local consumer = require("two_tower.check.consumer")
local frame = require("tt.frame")
local payloads = require("two_tower.data.payloads")
local time = require("tt.time")
local tolerant = require("two_tower.data.tolerant")

local contract = {}

local TYPES = { number = "float64", time = "timestamp", text = "string" }

--- Decoded payloads as the payload frame that features are computed from, read as the consumer reads them.
---@param list table[]
---@param shape two_tower.PayloadShape
---@param now integer
---@return tt.Frame
function contract.frame(list, shape, now)
    local rows, types = {}, {}
    for index, payload in ipairs(list) do
        rows[index] = { place = index }
        for _, field in ipairs(shape.fields) do
            local name, kind, place = table.unpack(field)
            rows[index][name] = tolerant[kind](tolerant.at(payload, place))
            types[name] = TYPES[kind]
        end
    end
    local whole = frame.from_table(rows, { schema = types })
    return payloads.with_now(types.like_count and payloads.fill("user", whole) or whole, now)
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
local function difference(declared, feature, rows, formula)
    local ok, values = pcall(declared.value, declared, feature, rows)
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

--- Tells whether a payload has what a number is computed from.
---@param declared two_tower.FeatureSet
---@param feature two_tower.Feature a number
---@param rows tt.Frame a payload's
---@return boolean
function contract.can_give(declared, feature, rows)
    local ok, problem = pcall(declared.value, declared, feature, rows:head(0))
    if not ok and not (type(problem) == "table" and problem.code == "frame.no_column") then error(problem, 0) end
    return ok
end

--- Tells which features are made of columns or token lists that the payload functions do not give.
---@param declared two_tower.FeatureSet
---@param entity "user"|"item"
---@return { name: string, reason: string }[]
function contract.not_given(declared, entity)
    local shape, lists, found = payloads.shapes(declared)[entity], {}, {}
    for _, list in ipairs(shape.lists) do lists[list.name] = true end
    local rows = contract.frame({ {} }, shape, PROBE_NOW)
    for _, feature in ipairs(declared:features(entity)) do
        local reason
        if feature.vocabulary then
            local list = declared:vocabulary(feature.vocabulary).tokens
            reason = not lists[list] and ("the payload has no list '%s'"):format(list)
        elseif not contract.can_give(declared, feature, rows) then
            reason = "the payload lacks a column that it is computed from"
        end
        if reason then found[#found + 1] = { name = feature.name, reason = reason } end
    end
    return found
end

-- The payload frame of the probes, with the columns that a payload of these fields can fill, and the lists it has.
local function probe_rows(shape, payload_fields)
    local there, missing, lists = {}, {}, {}
    for _, place in ipairs(payload_fields or {}) do there[place] = true end
    for _, field in ipairs(shape.fields) do
        if payload_fields and not there[field[3]] then missing[#missing + 1] = field[1] end
    end
    for _, list in ipairs(shape.lists) do lists[list.name] = not payload_fields or there[list.place] end
    return contract.frame(PROBES, shape, PROBE_NOW):drop(missing), lists
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
function contract.breaks(schema, declared, payload_fields)
    local breaks = {}
    local function add(name, reason) breaks[#breaks + 1] = { name = name, reason = reason } end
    local segments = schema and schema.segments or declared.declared.segments.user
    check_segments(segments, add)
    local rows, lists = probe_rows(payloads.shapes(declared).user, payload_fields)
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
                if not lists[list] then
                    add(name, ("the payload has no list '%s'"):format(list))
                end
                for _, expected in ipairs(consumer.SEGMENTS) do
                    if expected.name == segment.name and expected.list ~= list then
                        add(name, ("it counts '%s', the consumer counts '%s'"):format(list, expected.list))
                    end
                end
            else
                local formula = segment.name == "hour_of_day" and consumer.hour or consumer.known[name]
                local reason = difference(declared, feature, rows, formula)
                if reason then add(name, reason) end
            end
        end
    end
    return breaks
end

return contract
