---@meta tt.log

-- Writes what happens to standard error: lines for people, or JSON lines for machines.

local arguments = require "tt.internal.arguments"
local json = require "tt.json"
local secrets = require "tt.internal.secrets"
local time = require "tt.time"

---@class tt.log
local log = {}

local LEVELS = { debug = 1, info = 2, warn = 3, error = 4 }
local NAMES = { "debug", "info", "warn", "error" }

local settings = { json = false, level = LEVELS.info }
local overlay

---@class tt.log.Settings
---@field json? boolean one JSON object a line instead of text (default at the start: false)
---@field level? "debug"|"info"|"warn"|"error" what is less important is left out (default at the start: "info")
---@field output? fun(line: string) takes each line instead of standard error; `false` goes back to standard error
---@field clock? fun(): integer gives the time, microseconds since 1970; `false` goes back to the machine's clock

-- Secrets

--- Hides secrets inside a text: the password of a URL, the `password=` of a connection string, keys as Supabase makes
--- them, and the key of a project that is open.
---
--- ```lua
--- assert(tt.log.masked("postgresql://me:hidden@host/db") == "postgresql://me:***@host/db")
--- assert(tt.log.masked("host=a password='x y' dbname=b") == "host=a password=*** dbname=b")
--- assert(tt.log.masked([[password='it\'s' dbname=b]]) == "password=*** dbname=b")
--- ```
---@param text string
---@return string
function log.masked(text) return secrets.hide(text) end

-- Text as JSON can hold it: bytes that are no UTF-8 are spelled out.
local function valid(text)
    if utf8.len(text) then return text end
    return (text:gsub("[\128-\255]", function(byte) return ("\\x%02X"):format(byte:byte()) end))
end

-- A value as JSON can hold it, with secrets hidden. A log line never fails because of what is in it.
local function plain(name, value, depth)
    local hides = type(name) == "string" and secrets.is_secret(name)
    if hides and type(value) ~= "boolean" and type(value) ~= "nil" then return "***" end
    local kind = type(value)
    if kind == "string" then return valid(log.masked(value)) end
    if kind == "boolean" or value == json.null then return value end
    if kind == "number" then
        local finite = value == value and value ~= math.huge and value ~= -math.huge
        return finite and value or tostring(value)
    end
    local meta = getmetatable(value)
    if kind == "table" and (meta == nil or type(meta) == "table" and (meta.__order or meta.__array)) then
        -- Deeper than a line should show, or a table that contains itself.
        if depth > 5 then return "..." end
        local copy = setmetatable({}, meta)
        for key, inner in pairs(value) do
            local is_text = type(key) == "string"
            copy[is_text and valid(key) or key] = plain(is_text and key or nil, inner, depth + 1)
        end
        return pcall(json.encode, copy) and copy or tostring(value)
    end
    return valid(log.masked(tostring(value)))
end

local function in_text(value)
    if math.type(value) == "float" then return ("%.6g"):format(value) end
    if type(value) == "table" then return json.encode(value) end
    local text = value == json.null and "null" or tostring(value)
    if text == "" or text:find('[%s"=%c]') then return json.encode(text) end
    return text
end

local function text_line(now, level, message, fields)
    -- Local time, as a person at the terminal reads it; the JSON form has UTC.
    local line = ("%s %-5s %s"):format(os.date("%H:%M:%S", now // 1000000), level, message)
    local first = true
    for _, name in ipairs(json.keys(fields)) do
        line = ("%s%s%s=%s"):format(line, first and "  " or " ", name, in_text(plain(name, fields[name], 1)))
        first = false
    end
    return line
end

local RESERVED = { ts = true, level = true, msg = true }

local function json_line(now, level, message, fields)
    local members = { { "ts", time.format(now) }, { "level", level }, { "msg", message } }
    for _, name in ipairs(json.keys(fields)) do
        local shown = valid(tostring(name))
        members[#members + 1] = { RESERVED[shown] and shown .. "_" or shown, plain(name, fields[name], 1) }
    end
    return json.encode(json.object(members))
end

local function write(level, message, fields)
    if fields ~= nil and type(fields) ~= "table" then
        arguments.refuse(level, 2, "table expected, got " .. type(fields), 4)
    end
    if LEVELS[level] < settings.level then return end
    local now = settings.clock and settings.clock() or time.now()
    message = valid(log.masked(tostring(message)))
    local line = (settings.json and json_line or text_line)(now, level, message, fields or {})
    if settings.output then
        settings.output(line)
    else
        log.raw(line .. "\n")
    end
end

--- Writes text to standard error as it is, above a progress bar if one is shown.
---
--- ```lua
--- tt.log.raw("a line\n")
--- ```
---@param text string
function log.raw(text)
    io.stdout:flush()
    if overlay then overlay.clear() end
    io.stderr:write(text)
    if overlay then overlay.draw() end
end

--- Names what stands on the terminal's last line, so that log lines can step around it.
---
--- ```lua
--- tt.log.overlay({ clear = function() end, draw = function() end })
--- tt.log.overlay(nil)
--- ```
---@param shown { clear: fun(), draw: fun() }? nil when nothing is shown any more
function log.overlay(shown) overlay = shown end

--- Changes how the log is written; what is not named stays.
---
--- ```lua
--- local lines = {}
--- tt.log.configure { json = true, output = function(line) lines[#lines + 1] = line end }
--- tt.log.info("read", { rows = 5, api_key = "hidden" })
--- local line = tt.json.decode(lines[1])
--- assert(line.level == "info" and line.msg == "read" and line.rows == 5 and line.api_key == "***")
--- tt.log.configure { json = false, output = false }
--- ```
---
--- Raises `argument` for an unknown setting or level.
---@param changes tt.log.Settings
function log.configure(changes)
    arguments.check("configure", 1, changes, "table")
    arguments.options("configure", 1, changes, { json = "boolean", level = "string", output = "any", clock = "any" })
    if changes.level and not LEVELS[changes.level] then
        arguments.refuse("configure", 1, ("field 'level': one of %s expected, got '%s'"):format(
            table.concat(NAMES, ", "), changes.level))
    end
    for _, name in ipairs { "output", "clock" } do
        if changes[name] and type(changes[name]) ~= "function" then
            arguments.refuse("configure", 1, ("field '%s': function or false expected, got %s"):format(
                name, type(changes[name])))
        end
    end
    for name, value in pairs(changes) do
        if name == "level" then value = LEVELS[value] end
        settings[name] = value
    end
end

--- Tells whether the log is written as JSON lines.
---
--- ```lua
--- assert(tt.log.is_json() == false)
--- ```
---@return boolean
function log.is_json() return settings.json end

--- Writes a line that only a developer wants.
---
--- ```lua
--- tt.log.debug("looked up", { key_count = 3 })
--- ```
---@param message string
---@param fields? table<string, any> shown as `name=value`; values of names like `token` or `api_key` are hidden
function log.debug(message, fields) write("debug", message, fields) end

--- Writes a line about the normal course of things: `12:00:01 info  wrote file  path=a.onnx rows=5`.
---
--- ```lua
--- tt.log.info("wrote file", { path = "a.onnx", rows = 5 })
--- ```
---@param message string
---@param fields? table<string, any> shown as `name=value`; values of names like `token` or `api_key` are hidden
function log.info(message, fields) write("info", message, fields) end

--- Writes a line about something that is odd but handled.
---
--- ```lua
--- tt.log.warn("function is missing, computing here", { name = "f" })
--- ```
---@param message string
---@param fields? table<string, any> shown as `name=value`; values of names like `token` or `api_key` are hidden
function log.warn(message, fields) write("warn", message, fields) end

--- Writes a line about a failure.
---
--- ```lua
--- tt.log.error("stage failed", { stage = "export" })
--- ```
---@param message string
---@param fields? table<string, any> shown as `name=value`; values of names like `token` or `api_key` are hidden
function log.error(message, fields) write("error", message, fields) end

return log
