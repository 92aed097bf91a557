-- Runs the examples in the comments of one carried file, each with globals of its own, in the current folder; what
-- one adds to the folder is removed before the next.
--   tt examples.lua lua/meta/tt/frame.lua
local fs = require "tt.fs"

local path = arg[1]
local failed = 0

local function run(code, line)
    local environment = setmetatable({}, {__index = _G})
    local chunk, message = load(("\n"):rep(line) .. code, "@" .. path, "t", environment)
    if not chunk then return false, message end
    local before = {}
    for _, name in ipairs(fs.list(".")) do before[name] = true end
    local ok, raised = xpcall(chunk, function(raised)
        if type(raised) == "table" and raised.traceback then return tostring(raised) .. "\n" .. raised.traceback end
        return debug.traceback(tostring(raised), 2)
    end)
    collectgarbage()
    for _, name in ipairs(fs.list(".")) do
        if not before[name] then fs.remove(name, {tree = true}) end
    end
    return ok, raised
end

local code, start
local number = 0
for line in (tt.carried(path) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local text = line:match("^%s*%-%-%- ?(.*)$")
    if text == "```lua" then
        code, start = {}, number
    elseif text == "```" and code then
        local ok, message = run(table.concat(code, "\n"), start)
        if not ok then
            failed = failed + 1
            print("the example at line " .. start .. " failed: " .. message)
        end
        code = nil
    elseif code then
        if not text then error(path .. ":" .. number .. ": the example does not end") end
        code[#code + 1] = text
    end
end
if failed > 0 then os.exit(1, true) end
