-- Runs the Lua tests beside this file: all *_test.lua, or those named.
--   tt Tests/lua/run.lua [NAME…]       NAME as in NAME_test.lua
local test = require "tt.test"

io.stdout:setvbuf("line")
local folder = arg[0]:match("^(.*)/[^/]*$") or "."

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function all_names()
    local names = {}
    local pipe = assert(io.popen("cd " .. quote(folder) .. " && ls"))
    for line in pipe:lines() do names[#names + 1] = line:match("^(.*)_test%.lua$") end
    pipe:close()
    table.sort(names)
    return names
end

local names = #arg > 0 and table.move(arg, 1, #arg, 1, {}) or all_names()
local passed, failed, skipped = 0, 0, 0
for _, name in ipairs(names) do
    local path = folder .. "/" .. name .. "_test.lua"
    -- Each file has globals of its own.
    local environment = setmetatable({arg = {[0] = path}}, {__index = _G})
    local counts = test.collect(function() assert(loadfile(path, "t", environment))() end)
    print(string.format("%s: %d passed, %d failed%s", name, counts.passed, counts.failed,
        counts.skipped > 0 and ", " .. counts.skipped .. " skipped" or ""))
    passed, failed, skipped = passed + counts.passed, failed + counts.failed, skipped + counts.skipped
    collectgarbage()
end
if #names == 0 then print("no tests found in " .. folder) end
if skipped > 0 then print(skipped .. " skipped") end
print(string.format("%d passed, %d failed", passed, failed))
if failed > 0 or #names == 0 then os.exit(1, true) end
