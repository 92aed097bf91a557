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

--- Reads a duration: whole numbers with `w`, `d`, `h`, `m` or `s`, larger units first.
---
--- ```lua
--- assert(tt.time.duration("90s") == 90000000)
--- assert(tt.time.duration("1h30m") == tt.time.duration("90m"))
--- assert(tt.time.duration("2w") == 14 * tt.time.duration("1d"))
--- ```
---
--- Raises `time.duration` for any other text.
---@param text string
---@return integer microseconds
function time.duration(text) end

---@class tt.time.Window
---@field from integer microseconds since 1970, the first instant inside
---@field to integer microseconds since 1970, the first instant after it
---@field label string both as text, `2025-01-01T00:00:00Z/2025-01-02T00:00:00Z`

--- Cuts a range of time into windows of one length, beginning at `since`. Each holds `from` and not `to`, so that they
--- meet without overlap; the last one ends at `until_` and may be shorter. Days are of 24 hours.
---
--- ```lua
--- local windows = tt.time.windows("2025-01-01", "2025-01-02T12:00:00Z", "1d")
--- assert(#windows == 2 and windows[1].label == "2025-01-01T00:00:00Z/2025-01-02T00:00:00Z")
--- assert(windows[2].to - windows[2].from == tt.time.duration("12h"))
--- ```
---
--- Raises `time.windows` when nothing lies between, when a bound cannot be read, and for more than a million windows;
--- `time.duration`.
---@param since string|integer a text as `time.parse` reads it, or microseconds since 1970
---@param until_ string|integer
---@param step string|integer as `time.duration` reads it, or microseconds
---@return tt.time.Window[] windows at least one
function time.windows(since, until_, step) end

return time
