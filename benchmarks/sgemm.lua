-- The rate of matrix products in float32, GFLOP/s on one thread and on two. Prints JSON.

local json = require("tt.json")
local tensor = require("tt.tensor")
local time = require("tt.time")

local N, ROUNDS = 2048, 12

local a, b = tensor.uniform({ N, N }, { seed = 1 }), tensor.uniform({ N, N }, { seed = 2 })
local found = {}
for _, threads in ipairs({ 1, 2 }) do
    tensor.threads(threads)
    local best = math.huge
    for _ = 1, ROUNDS do
        local started = time.monotonic()
        tensor.no_grad(function() return a:matmul(b) end)
        best = math.min(best, time.monotonic() - started)
    end
    found[#found + 1] = { tostring(threads), 2 * N ^ 3 / best / 1e9 }
end
print(json.encode(json.object(found)))
