-- Runs the Lua tests beside this file and in folders below: all *_test.lua, or those named.
--   tt Tests/lua/run.lua [NAME…]       NAME as in NAME_test.lua, or of a folder: frame, two_tower, two_tower/data/rpc
local fs = require "tt.fs"
local test = require "tt.test"

io.stdout:setvbuf("line")
local folder = arg[0]:match("^(.*)/[^/]*$") or "."

-- The tests below a place, by name: `""` for all, a folder, or the file of a test.
local function names_below(place)
    if fs.exists(fs.join(folder, place .. "_test.lua")) then return { place } end
    local names, inside = {}, fs.join(folder, place)
    if not fs.exists(inside) then error("no tests are named '" .. place .. "'", 0) end
    for _, name in ipairs(fs.list(inside)) do
        local inner = place == "" and name or place .. "/" .. name
        if name:find("_test%.lua$") then
            names[#names + 1] = inner:match("^(.*)_test%.lua$")
        elseif fs.stat(fs.join(inside, name)).kind == "folder" then
            local below = names_below(inner)
            table.move(below, 1, #below, #names + 1, names)
        end
    end
    return names
end

local names = {}
for _, place in ipairs(#arg > 0 and arg or { "" }) do
    local found = names_below(place)
    table.move(found, 1, #found, #names + 1, names)
end
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
