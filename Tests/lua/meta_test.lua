-- The documentation says what is there: names in lua/meta against exported names both ways, and every example runs.
local t = require "tt.test"

local here = arg[0]:match("^(.*)/[^/]*$")

local function sorted_keys(set)
    local keys = {}
    for key in pairs(set) do keys[#keys + 1] = key end
    table.sort(keys)
    return keys
end

-- What a meta file, or a module documented in place, declares: {[variable] = {[name] = true}}, the classes of the
-- variables, the variable it returns, and names that stand there without a comment.
local function declarations(text)
    local names, classes, undocumented = {}, {}, {}
    local class, comment
    for line in (text .. "\n"):gmatch("(.-)\n") do
        if line:match("^%-%-%-") then
            class = line:match("^%-%-%-@class ([%w_.]+)") or class
            comment = true
        else
            local variable = line:match("^local ([%w_]+) = ") or line:match("^([%w_]+) = ")
            if variable and class then classes[variable] = class end
            local owner, name = line:match("^function ([%w_]+)[.:]([%w_]+)%(")
            if not owner then owner, name = line:match("^([%w_]+)%.([%w_]+) = ") end
            if owner then
                names[owner] = names[owner] or {}
                names[owner][name] = true
                if not comment and line:match("^function") then undocumented[#undocumented + 1] = name end
            end
            class, comment = nil, false
        end
    end
    return names, classes, text:match("return ([%w_]+)%s*$"), undocumented
end

local function exported(table)
    local names = {}
    for name in next, table do
        if type(name) == "string" and name:sub(1, 1) ~= "_" then names[name] = true end
    end
    return names
end

local function compare(what, documented, present)
    local wrong = {}
    for _, name in ipairs(sorted_keys(documented)) do
        if not present[name] then wrong[#wrong + 1] = what .. ": '" .. name .. "' is documented and not there" end
    end
    for _, name in ipairs(sorted_keys(present)) do
        if not documented[name] then wrong[#wrong + 1] = what .. ": '" .. name .. "' is there and not documented" end
    end
    if #wrong > 0 then error(table.concat(wrong, "\n"), 0) end
end

local documented_classes = {}
for _, module in ipairs(tt.modules()) do
    local path = module:gsub("%.", "/")
    local meta = tt.carried("lua/meta/" .. path .. ".lua")
    local half = tt.carried("lua/" .. path .. ".lua")

    t.test(module .. " exports what is documented", function()
        local text = meta or half
        if not text then error("lua/meta/" .. path .. ".lua is missing", 0) end
        if not text:find("^%-%-%-@meta " .. module:gsub("%.", "%%.") .. "\n") then
            error("the file does not start with ---@meta " .. module, 0)
        end
        local names, classes, variable, undocumented = declarations(text)
        if not variable then error("the file does not end by returning the module's table", 0) end
        compare(module, names[variable] or {}, exported(require(module)))
        t.equal(undocumented, {}, "functions without a comment")
        for owner, class in pairs(classes) do
            if owner ~= variable and meta then documented_classes[class] = names[owner] or {} end
        end
    end)
end

t.test("classes have the documented methods", function()
    local present = {}
    for _, class in ipairs(tt.classes()) do present[class] = true end
    local native = {}
    for class, names in pairs(documented_classes) do
        if present[class] then native[class] = names end
    end
    compare("classes", native, present)
    for _, class in ipairs(tt.classes()) do compare(class, native[class], exported(tt.class(class))) end
end)

t.test("the global table is documented", function()
    local names = declarations(tt.carried "lua/meta/tt.lua")
    local present = {}
    for name in next, tt do present[name] = true end
    for _, module in ipairs(tt.modules()) do present[module:match("^tt%.([%w_]+)$")] = true end
    compare("tt", names.tt, present)
end)

-- ---- examples

local shell = dofile(here .. "/support/shell.lua")

for _, path in ipairs(tt.carried()) do
    local examples = 0
    if path:match("^lua/meta/.*%.lua$") or path:match("^lua/tt/.*%.lua$") then
        for _ in tt.carried(path):gmatch("\n%-%-%- ?```lua\n") do examples = examples + 1 end
    end
    if examples > 0 then
        t.test(path .. ": " .. examples .. " examples run", function()
            local folder = t.tmpdir()
            local script = tt.fs.abspath(here .. "/support/examples.lua")
            local output, status = shell.capture(("cd %s && %s"):format(shell.quote(folder),
                shell.words(shell.program, script, path)))
            if status ~= 0 then error(output, 0) end
        end)
    end
end
