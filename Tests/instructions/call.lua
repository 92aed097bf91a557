-- N calls of a native function, or of a native method with "method" after N.
local tensor = require "tt.tensor"
local n, kind = math.tointeger(arg[1]), arg[2]
if kind == "method" then
    local x = tensor.zeros {2, 3}
    for _ = 1, n do x:size(1) end
else
    local threads = tensor.threads
    for _ = 1, n do threads() end
end
