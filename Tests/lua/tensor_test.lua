local t = require "tt.test"
local tensor = require "tt.tensor"

t.test("tables make tensors and come back", function()
    local m = tensor.from_table {{1, 2, 3}, {4, 5, 6}}
    t.equal(m:shape(), {2, 3})
    t.equal(#m, 2)
    t.equal(m:size(), 6)
    t.equal(m:size(2), 3)
    t.equal(m:size(-1), 3)
    t.equal(m:to_table(), {{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}})
    t.equal(tensor.from_table(2.5):to_table(), 2.5)
    t.equal(tensor.from_table({}):shape(), {0})
    t.equal(tensor.from_table({{{1}, {2}}, {{3}, {4}}}):shape(), {2, 2, 1})
    t.error("others have 2", tensor.from_table, {{1, 2}, {3}})
    t.error("argument", tensor.from_table, {{1, 2}, 3})
    t.error("argument", tensor.from_table, {1, {2}})
    t.error("argument", tensor.from_table, {1, "2"})
    t.error("tensor.shape", tensor.zeros, {2, -1})
    local endless = {}
    endless[1] = endless
    t.error("nest 64 deep", tensor.from_table, endless)
end)

t.test("what no machine can hold is an error", function()
    local column, row = tensor.zeros {1000000, 1}, tensor.zeros {1, 1000000}
    for operation, run in pairs {
        zeros = function() return tensor.zeros {1 << 40} end,
        randn = function() return tensor.randn(1 << 40) end,
        add = function() return column + row end,
        matmul = function() return column:matmul(row) end,
        linear = function() return tt.nn.linear(1 << 20, 1 << 20) end,
        zeros_beside_none = function() return tensor.zeros {0, 1 << 62, 1 << 62} end,
    } do
        local raised = t.error("memory", run)
        t.ok(raised.message:match("^[%w_]+: .* of memory needed, .*; ask for less, or work in parts$"), operation)
    end
end)

t.test("dimensions are at most 64", function()
    local shape = {}
    for place = 1, 64 do shape[place] = 1 end
    t.equal(#tensor.zeros(shape):shape(), 64)
    shape[65] = 1
    t.error("65 dimensions, of at most 64", tensor.zeros, shape)
end)

t.test("indexing counts from one and ends with nil", function()
    local v = tensor.from_table {10, 20, 30}
    t.equal({v[1], v[3], v[4], v[0]}, {10.0, 30.0, nil, nil})
    local count = 0
    for i, value in ipairs(v) do
        count = count + 1
        t.equal(value, 10.0 * i)
    end
    t.equal(count, 3)
    t.equal(tensor.from_table({{1, 2}, {3, 4}})[2]:to_table(), {3.0, 4.0})
end)

t.test("operators take tensors and numbers on either side", function()
    local v = tensor.from_table {1, 2}
    t.equal((v + 1):to_table(), {2.0, 3.0})
    t.equal((1 + v):to_table(), {2.0, 3.0})
    t.equal((v - 1):to_table(), {0.0, 1.0})
    t.equal((1 - v):to_table(), {0.0, -1.0})
    t.equal((2 * v * 3):to_table(), {6.0, 12.0})
    t.equal((v / 2):to_table(), {0.5, 1.0})
    t.equal((2 / v):to_table(), {2.0, 1.0})
    t.equal((v ^ 2):to_table(), {1.0, 4.0})
    t.equal((-v):to_table(), {-1.0, -2.0})
    t.equal((v + v * v - v / v):to_table(), {1.0, 5.0})
    t.equal((tensor.from_table {{1}, {2}} + v):to_table(), {{2.0, 3.0}, {3.0, 4.0}})
    t.error("add: (2,) × (3,): sizes 2 and 3 do not match", function() return v + tensor.zeros {3} end)
    t.error("argument", function() return v + "1" end)
end)

t.test("shapes", function()
    local m = tensor.from_table {{1, 2, 3}, {4, 5, 6}}
    t.equal(m:transpose():to_table(), {{1.0, 4.0}, {2.0, 5.0}, {3.0, 6.0}})
    t.equal(m:reshape(3, -1):shape(), {3, 2})
    t.equal(m:reshape({6}):shape(), {6})
    t.equal(m:slice(2, 2, 3):to_table(), {{2.0, 3.0}, {5.0, 6.0}})
    t.equal(m:slice(1, -1):to_table(), {{4.0, 5.0, 6.0}})
    t.equal(m:rows({2, 1, 2}):to_table(), {{4.0, 5.0, 6.0}, {1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}})
    t.equal(tensor.concat({m, m}, 2):shape(), {2, 6})
    t.equal(tensor.concat({m, m}):shape(), {4, 3})
    t.error("matmul: (2, 3) × (2, 3): inner sizes differ", m.matmul, m, m)
    t.error("rows: position 3 is outside 1 to 2", m.rows, m, {3})
    t.error("places 1 to 4 are outside 1 to 3", m.slice, m, 2, 1, 4)
    t.error("dimensions are counted from 1", m.sum, m, 0)
end)

t.test("reductions", function()
    local m = tensor.from_table {{1, 5, 3}, {4, 2, 6}}
    t.equal(m:sum():item(), 21.0)
    t.equal(m:sum(1):to_table(), {5.0, 7.0, 9.0})
    t.equal(m:mean(-1, {keepdim = true}):to_table(), {{3.0}, {4.0}})
    local values, at = m:max(2)
    t.equal(values:to_table(), {5.0, 6.0})
    t.equal(at:to_table(), {2, 3})
    local top, places = m:topk(2)
    t.equal(top:to_table(), {{5.0, 3.0}, {6.0, 4.0}})
    t.equal(places:to_table(), {{2, 3}, {3, 1}})
    t.equal(m:gt(3):sum():item(), 3.0)
    t.near(m:softmax():sum():item(), 2, 1e-6)
    t.error("argument", m.sum, m, 1, {keep = true})
end)

t.test("gradients go back to leaves", function()
    local x = tensor.from_table({1, 2, 3}):requires_grad(true)
    local y = (x * x + 2 * x):sum()
    t.equal(x:requires_grad(), true)
    y:backward()
    t.equal(x.grad:to_table(), {4.0, 6.0, 8.0})
    t.error("tensor.grad", y.backward, y)
    x:zero_grad()
    t.equal(x.grad, nil)
    x:tanh():backward(tensor.ones {3})
    t.near(x.grad[1], 1 - math.exp(0) * ((math.exp(2) - 1) / (math.exp(2) + 1)) ^ 2, 1e-6)
    t.equal(x:detach():requires_grad(), false)
    t.error("tensor.shape", function() x:exp():backward() end)
end)

t.test("no_grad records nothing, hands results on and ends with an error", function()
    local x = tensor.ones({2}):requires_grad(true)
    local y, second = tensor.no_grad(function(a, b) return a:exp(), b end, x, 7)
    t.equal(y:requires_grad(), false)
    t.equal(second, 7)
    t.error("inside", tensor.no_grad, function() error("inside") end)
    t.equal(x:exp():requires_grad(), true)
end)

t.test("random tensors come from their seed", function()
    t.equal(tensor.randn({4}, {seed = 3}):to_table(), tensor.randn({4}, {seed = 3}):to_table())
    local u = tensor.uniform({1000}, {seed = 1, low = 2, high = 4})
    t.near(u:mean():item(), 3, 0.1)
    assert(u:max():item() < 4 and (-u):max():item() <= -2)
    t.equal(u:dropout(0.5, 9):to_table(), u:dropout(0.5, 9):to_table())
    t.error("unknown option 'sed' (did you mean 'seed'?)", tensor.randn, {4}, {sed = 3})
end)

t.test("indices", function()
    local ix = tensor.indices {3, 1, 2}
    t.equal({#ix, ix[1], ix[3], ix[4]}, {3, 3, 2, nil})
    t.equal(ix:rows({2, 2}):to_table(), {1, 1})
    t.equal(ix:slice(2):to_table(), {1, 2})
    t.equal(tensor.indices({4, 2}):shift(-1):to_table(), {3, 1})
    t.error("position 2 at place 2 moved by -2 is not a position", ix.shift, tensor.indices({4, 2}), -2)
    t.equal(tensor.range(4, 6):to_table(), {4, 5, 6})
    t.equal(#tensor.range(1, 0), 0)
    t.error("element 2: 1 to 2147483647 expected, got 0", tensor.indices, {1, 0})
end)

t.test("feature matrices hold dense and sparse parts side by side", function()
    local matrix = tensor.feature_matrix {
        dense = tensor.from_table {{1}, {2}, {3}},
        sparse = {
            {width = 2, offsets = {0, 1, 1, 3}, codes = {2, 1, 2}, values = {0.5, 1, 1}},
            {width = 1, offsets = {0, 0, 1, 1}, codes = {1}, values = {9}},
        },
    }
    t.equal({#matrix, matrix:width()}, {3, 4})
    t.equal(matrix:to_dense():to_table(), {{1.0, 0.0, 0.5, 0.0}, {2.0, 0.0, 0.0, 9.0}, {3.0, 1.0, 1.0, 0.0}})
    local rows = matrix:rows {3, 1}
    t.equal(#rows, 2)
    t.equal(rows:to_dense():to_table(), {{3.0, 1.0, 1.0, 0.0}, {1.0, 0.0, 0.5, 0.0}})
    t.error("code", tensor.feature_matrix, {
        dense = tensor.zeros {1, 1}, sparse = {{width = 2, offsets = {0, 1}, codes = {3}, values = {1}}},
    })
end)

t.test("memory of dropped tensors is reused", function()
    for _ = 1, 2000 do tensor.zeros {256, 1024} end  -- 2 GB in all
    local file = io.open("/proc/self/status")
    local peak = tonumber(file:read("a"):match("VmHWM:%s*(%d+)"))
    file:close()
    assert(peak < 1000000, peak .. " kB")
end)

t.test("memory kept for reuse goes back to the system when asked", function()
    local function resident() return tonumber(tt.fs.read("/proc/self/status"):match("VmRSS:%s*(%d+)")) end
    do
        local parts = {}
        for index = 1, 10 do parts[index] = tensor.ones({ 10, 1 << 18 }) end  -- 10 MB each
        t.equal(#tensor.concat(parts), 100)
    end
    collectgarbage()
    local before = resident()
    tensor.empty_cache()
    t.ok(resident() < before - 50000, ("%d kB before, %d kB after"):format(before, resident()))
end)

t.test("printing shows shape and values", function()
    t.equal(tostring(tensor.from_table {1, 2.5}), "Tensor(2,)\n[1.0000, 2.5000]")
    t.equal(tostring(tensor.range(1, 3)), "Indices(3,)")
end)
