--- The rules of the program that serves recommendations, as far as they are about one payload: what it puts up with,
--- the features that it knows and how it computes them. Written for its own sake: no formula is shared with
--- `two_tower.features`, so that comparing the two means something.

local time = require("tt.time")

local consumer = {}

local DAY = 86400 * 1000000

-- ---- what the consumer puts up with

--- A number as the consumer reads it: a number, or the longest number that a text begins with; nil for anything else.
---@param value any decoded JSON
---@return number|nil
function consumer.number(value)
    if type(value) == "string" then
        local text = value:gsub("^%s+", "")
        local digits = text:match("^[+-]?%d+%.?%d*") or text:match("^[+-]?%.%d+")
        if not digits then return nil end
        local exponent = text:sub(#digits + 1):match("^[eE][+-]?%d+") or ""
        value = tonumber(digits:match("[^+].*") .. exponent)
    end
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then return nil end
    return value + 0.0
end

--- A date as the consumer reads it; nil for what is none.
---@param value any decoded JSON
---@return integer|nil micros
function consumer.time(value) return type(value) == "string" and time.parse(value) or nil end

--- A list of names as the consumer reads it: texts that are not empty; a value that is no list is an empty one.
---@param value any decoded JSON
---@return string[]
function consumer.names(value)
    local found = {}
    for _, name in ipairs(type(value) == "table" and value or {}) do
        if type(name) == "string" and name ~= "" then found[#found + 1] = name end
    end
    return found
end

--- The value at a place like `decision_stats.like_count`; nil where there is none.
---@param payload any decoded JSON
---@param place string
function consumer.at(payload, place)
    for name in place:gmatch("[^.]+") do
        if type(payload) ~= "table" then return nil end
        payload = payload[name]
    end
    return payload
end

-- ---- features

local function count(payload, name) return consumer.number(consumer.at(payload, "decision_stats." .. name)) end

local function decisions(payload)
    return count(payload, "decision_count") or (count(payload, "like_count") or 0) + (count(payload, "nope_count") or 0)
end

local function days_since(payload, place, now)
    local then_ = consumer.time(consumer.at(payload, place))
    return then_ and (now - then_) / DAY or 0.0
end

--- The names that the consumer knows, in the contract's order, each with its formula of payload and time. A schema may
--- list others; it reads 0 for them.
consumer.NUMBERS = {
    { "account_age_days", function(payload, now) return days_since(payload, "profile.created_at", now) end },
    { "mean_price", function(payload) return consumer.number(consumer.at(payload, "price_stats.mean")) or 0.0 end },
    { "median_price", function(payload) return consumer.number(consumer.at(payload, "price_stats.median")) or 0.0 end },
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

return consumer
