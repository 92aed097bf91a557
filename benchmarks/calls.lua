-- What a call from Lua costs, in nanoseconds: a plain C function of Lua's own, native functions of tt, and methods of
-- native objects. The loop around the call is measured alone and taken off. Prints JSON.

local frame = require("tt.frame")
local json = require("tt.json")
local tensor = require("tt.tensor")

local CALLS, ROUNDS = 1000000, 9

local small = frame.from_table({ a = { 1, 2, 3 } })
local vector = tensor.zeros({ 4 })
local abs, threads = math.abs, tensor.threads

-- Each body is a loop of its own: a closure per call would be measured with it.
local bodies = {
    { "loop", function() for _ = 1, CALLS do end end },
    { "math.abs(x)", function() for index = 1, CALLS do abs(index) end end },
    { "tensor.threads()", function() for _ = 1, CALLS do threads() end end },
    { "frame:height()", function() for _ = 1, CALLS do small:height() end end },
    { "frame:width()", function() for _ = 1, CALLS do small:width() end end },
    { "tensor:size(1)", function() for _ = 1, CALLS do vector:size(1) end end },
    { "#tensor", function() local n for _ = 1, CALLS do n = #vector end return n end },
}

local function median(list)
    table.sort(list)
    return list[#list // 2 + 1]
end

-- The bodies take turns, so that a slow moment does not fall on one of them.
local seconds = {}
for index in ipairs(bodies) do seconds[index] = {} end
for round = 0, ROUNDS do
    for index, body in ipairs(bodies) do
        local started = os.clock()
        body[2]()
        if round > 0 then seconds[index][round] = os.clock() - started end
    end
end
local loop = median(seconds[1])
local found = {}
for index = 2, #bodies do
    found[#found + 1] = { bodies[index][1], (median(seconds[index]) - loop) / CALLS * 1e9 }
end
print(json.encode(json.object(found)))
