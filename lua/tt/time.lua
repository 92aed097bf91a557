-- The Lua half of tt.time: durations as text, and ranges cut into windows. Documented in lua/meta/tt/time.lua.

local _, time = ...

local SIZES <const> = { w = 7 * 86400000000, d = 86400000000, h = 3600000000, m = 60000000, s = 1000000 }
local MAX_WINDOWS <const> = 1000000

local function refuse_duration(text, problem)
    tt.error("time.duration", ("%s %s; write whole numbers with w, d, h, m or s, larger units first, as in '90s', "
        .. "'6h', '1h30m' or '1d'"):format(text, problem))
end

function time.duration(text)
    if type(text) ~= "string" then refuse_duration("a " .. type(text), "is no duration") end
    local total, last, at = 0, math.huge, 1
    repeat
        local digits, unit, following = text:match("^(%d+)([wdhms])()", at)
        local size = SIZES[unit]
        if not size or size >= last then refuse_duration("'" .. text .. "'", "is no duration") end
        local number = math.tointeger(tonumber(digits))
        if not number or number > (math.maxinteger - total) // size then
            refuse_duration("'" .. text .. "'", "is too long")
        end
        total, last, at = total + number * size, size, following
    until at > #text
    return total
end

local function refuse(format, ...) tt.error("time.windows", format:format(...)) end

local function instant(value, name)
    if type(value) == "string" then
        return time.parse(value) or refuse("%s: '%s' is no date or time such as '2025-01-31'", name, value)
    end
    return math.type(value) == "integer" and value
        or refuse("%s: a date as text or integer microseconds expected, got %s", name, math.type(value) or type(value))
end

function time.windows(since, until_, step)
    local from, stop = instant(since, "since"), instant(until_, "until")
    local width = math.type(step) == "integer" and step or time.duration(step)
    if width <= 0 then refuse("the step must be longer than zero") end
    if from >= stop then
        refuse("there is nothing from %s until %s; 'until' must be the later one", time.format(from), time.format(stop))
    end
    -- A span beyond int64 wraps around to a negative one.
    local span = stop - from
    if span <= 0 or (span - 1) // width >= MAX_WINDOWS then
        refuse("%s until %s makes more than %d windows; take a longer step", time.format(from), time.format(stop),
            MAX_WINDOWS)
    end
    local windows = {}
    while from < stop do
        local to = stop - from > width and from + width or stop
        windows[#windows + 1] = { from = from, to = to, label = time.format(from) .. "/" .. time.format(to) }
        from = to
    end
    return windows
end

return time
