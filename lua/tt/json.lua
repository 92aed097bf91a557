-- The Lua half of tt.json: marks that tell lists from maps and fix the order of members.
-- Documented in lua/meta/tt/json.lua.

local arguments = require "tt.internal.arguments"

local _, json = ...

local ARRAY = { __array = true }

function json.array(list)
    arguments.check("array", 1, list, "table")
    local meta = getmetatable(list)
    if meta and meta.__array then return list end
    return setmetatable(list, ARRAY)
end

function json.object(members)
    arguments.check("object", 1, members, "table")
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

function json.keys(map)
    arguments.check("keys", 1, map, "table")
    local meta = getmetatable(map)
    local keys, seen = {}, {}
    for _, key in ipairs(type(meta) == "table" and meta.__order or {}) do
        if map[key] ~= nil and not seen[key] then
            keys[#keys + 1] = key
            seen[key] = true
        end
    end
    local rest = {}
    for key in pairs(map) do
        if not seen[key] then rest[#rest + 1] = key end
    end
    table.sort(rest, function(a, b) return tostring(a) < tostring(b) end)
    return table.move(rest, 1, #rest, #keys + 1, keys)
end

return json
