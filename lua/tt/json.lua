-- The Lua half of tt.json: marks that tell lists from maps and fix the order of members.
-- Documented in lua/meta/tt/json.lua.

local _, json = ...

local ARRAY = { __array = true }

-- Names the caller's line, which the failing of a line in here would not.
local function need_table(value, name)
    if type(value) ~= "table" then
        tt.error("argument", ("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(value)), nil, 3)
    end
end

function json.array(list)
    need_table(list, "array")
    local meta = getmetatable(list)
    if meta and meta.__array then return list end
    return setmetatable(list, ARRAY)
end

function json.object(members)
    need_table(members, "object")
    local result, order = {}, {}
    for index, member in ipairs(members) do
        local name, value
        if type(member) == "table" then name, value = member[1], member[2] end
        if type(name) ~= "string" then
            tt.error("argument", ("json.object: member %d needs a name: { \"name\", value }"):format(index), nil, 2)
        end
        if result[name] ~= nil then
            tt.error("argument", ("json.object: the name '%s' is there twice"):format(name), nil, 2)
        end
        if value ~= nil then
            result[name] = value
            order[#order + 1] = name
        end
    end
    return setmetatable(result, { __order = order })
end

return json
