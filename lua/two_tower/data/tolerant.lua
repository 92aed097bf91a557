--- How values of a payload are read: as tolerantly as the program that serves recommendations reads them.

local time = require("tt.time")

local tolerant = {}

--- A number as the consumer reads it: a number, or the longest number that a text begins with; nil for anything else.
---@param value any decoded JSON
---@return number|nil
function tolerant.number(value)
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
function tolerant.time(value) return type(value) == "string" and time.parse(value) or nil end

--- A text; nil for what is none.
---@param value any decoded JSON
---@return string|nil
function tolerant.text(value) return type(value) == "string" and value or nil end

--- A list of names as the consumer reads it: texts that are not empty; a value that is no list is an empty one.
---@param value any decoded JSON
---@return string[]
function tolerant.names(value)
    local found = {}
    for _, name in ipairs(type(value) == "table" and value or {}) do
        if type(name) == "string" and name ~= "" then found[#found + 1] = name end
    end
    return found
end

--- The value at a place like `decision_stats.like_count`; nil where there is none.
---@param payload any decoded JSON
---@param place string
function tolerant.at(payload, place)
    for name in place:gmatch("[^.]+") do
        if type(payload) ~= "table" then return nil end
        payload = payload[name]
    end
    return payload
end

return tolerant
