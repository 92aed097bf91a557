---@meta tt.time

-- Instants are integers: microseconds since 1970-01-01T00:00:00Z, always UTC.

---@class tt.time
local time = {}

---@class tt.time.Date
---@field year integer
---@field month integer 1..12
---@field day integer 1..31
---@field hour integer 0..23
---@field minute integer 0..59
---@field second integer 0..59
---@field microsecond integer 0..999999
---@field weekday integer 1 Monday .. 7 Sunday

--- Tells the time of the machine's clock.
---
--- ```lua
--- assert(math.type(tt.time.now()) == "integer")
--- ```
---@return integer microseconds since 1970, UTC
function time.now() end

--- Tells seconds since some moment in the past. Never jumps, so differences are durations.
---
--- ```lua
--- local start = tt.time.monotonic()
--- assert(tt.time.monotonic() >= start)
--- ```
---@return number seconds
function time.monotonic() end

--- Reads ISO 8601 and RFC 3339 as databases write it: a date, or date and time with `T` or a space, with or without
--- seconds, fraction and zone. Without a zone it is UTC.
---
--- ```lua
--- assert(tt.time.parse("1970-01-01 09:00:00.5+09") == 500000)
--- assert(tt.time.parse("yesterday") == nil)
--- ```
---@param text string
---@return integer? microseconds since 1970, UTC; nil for what is no such text, for impossible dates, for `infinity`
function time.parse(text) end

--- Writes an instant as RFC 3339, with six digits of fraction unless they are zero.
---
--- ```lua
--- assert(tt.time.format(0) == "1970-01-01T00:00:00Z")
--- assert(tt.time.format(500000) == "1970-01-01T00:00:00.500000Z")
--- ```
---@param microseconds integer since 1970, UTC
---@return string text
function time.format(microseconds) end

--- Splits an instant into its parts in UTC.
---
--- ```lua
--- local date = tt.time.date(tt.time.parse("2025-01-31T12:30:00Z"))
--- assert(date.year == 2025 and date.month == 1 and date.day == 31 and date.hour == 12 and date.weekday == 5)
--- ```
---@param microseconds integer since 1970, UTC
---@return tt.time.Date
function time.date(microseconds) end

--- Waits. Ctrl-C ends the wait.
---
--- ```lua
--- tt.time.sleep(0.01)
--- ```
---
--- Raises `interrupted`.
---@param seconds number
function time.sleep(seconds) end

return time
