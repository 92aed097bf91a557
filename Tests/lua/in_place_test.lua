-- A gradient is worked out with what the operation saw. What was changed in place meanwhile is an error, for every
-- operation that needs it and every way to change it; what no gradient needs may change.
local t = require "tt.test"
local tensor, nn, train = tt.tensor, tt.nn, tt.train

local x = tensor.from_table { { 0.5, -1, 2 }, { 1, 3, -2 } }

-- ---- ways to change the weight `w` (2, 3) of a linear layer

local function with_gradient(w)
    w:zero_grad();
    (w * 0.25):sum():backward()
    return w
end

local function by(make)
    return function(_, w) make({ with_gradient(w) }, { lr = 0.5 }):step() end
end

local changes = {
    ["tensor:copy"] = function(_, w) w:copy(tensor.full({ 2, 3 }, 7)) end,
    ["detach():copy"] = function(_, w) w:detach():copy(tensor.full({ 2, 3 }, 7)) end,
    ["module:init"] = function(layer) layer:init { seed = 99 } end,
    ["module:load_state_dict"] = function(layer) layer:load_state_dict(nn.linear(3, 2, { seed = 5 }):state_dict()) end,
    ["sequential"] = function(layer) nn.sequential({ layer }, { seed = 12 }) end,
    ["sgd:step"] = by(train.sgd), ["adam:step"] = by(train.adam), ["adamw:step"] = by(train.adamw),
    ["trainer:step"] = function(_, w)
        train.trainer { optimizer = train.sgd { w }, loss = function() return (w * 3):sum() end }:step {}
    end,
}

-- ---- operations: `needs` says what the gradient of `w` is worked out from

local square = tensor.from_table { { 1, 2 }, { 3, 4 }, { 5, 6 } }
local places = tensor.indices { 2, 1, 1 }
local labels = tensor.indices { 3, 1 }
local flags = tensor.from_table { { 0, 1, 1 }, { 1, 0, 0 } }

local function parameter() return nn.parameter(x) end

local operations = {
    ["__add"] = { function(w) return w + x end },
    ["__sub"] = { function(w) return x - w end },
    ["__mul"] = { function(w) return w * w end, needs = "operand", name = "mul" },
    ["__mul constant"] = { function(w) return w * x end },
    ["__mul number"] = { function(w) return w * 3 end },
    ["__mul parameter"] = { function(w) return w * parameter() end, needs = "operand", name = "mul" },
    ["__div"] = { function(w) return x / w end, needs = "operand", name = "div" },
    ["__div constant"] = { function(w) return w / x end },
    ["__div parameter"] = { function(w) return w / parameter() end, needs = "operand", name = "div" },
    ["__pow"] = { function(w) return w ^ 3 end, needs = "operand", name = "pow" },
    ["__unm"] = { function(w) return -w end },
    abs = { function(w) return w:abs() end, needs = "operand" },
    clamp = { function(w) return w:clamp(-0.2, 0.2) end, needs = "operand" },
    dot = { function(w) return w:dot(w) end, needs = "operand" },
    ["dot constant"] = { function(w) return w:dot(x) end },
    dropout = { function(w) return w:dropout(0.5, 1) end },
    exp = { function(w) return w:exp() end, needs = "result" },
    log = { function(w) return w:log() end, needs = "operand" },
    log_softmax = { function(w) return w:log_softmax() end, needs = "result" },
    matmul = { function(w) return w:matmul(nn.parameter(square)) end, needs = "operand" },
    ["matmul constant"] = { function(w) return w:matmul(square) end },
    max = { function(w) return (w:max(2)) end },
    mean = { function(w) return w:mean(1) end },
    neg = { function(w) return w:neg() end },
    normalize = { function(w) return w:normalize() end, needs = "result" },
    pow = { function(w) return w:pow(0.5) end, needs = "operand" },
    relu = { function(w) return w:relu() end, needs = "operand" },
    reshape = { function(w) return w:reshape(3, 2) end },
    rows = { function(w) return w:rows(places) end },
    sigmoid = { function(w) return w:sigmoid() end, needs = "result" },
    slice = { function(w) return w:slice(1, 1, 1) end },
    softmax = { function(w) return w:softmax() end, needs = "result" },
    sqrt = { function(w) return w:sqrt() end, needs = "result" },
    sum = { function(w) return w:sum(2) end },
    tanh = { function(w) return w:tanh() end, needs = "result" },
    transpose = { function(w) return w:transpose() end },
    ["tensor.concat"] = { function(w) return tensor.concat { w, x } end },
    ["nn.bce_with_logits"] = { function(w) return nn.bce_with_logits(w, flags) end, needs = "operand" },
    ["nn.cosine"] = { function(w) return nn.cosine(w, x) end },
    ["nn.cross_entropy"] = { function(w) return nn.cross_entropy(w, labels) end },
    ["nn.mse"] = { function(w) return nn.mse(w, x) end },
    -- The layer's own weight, for the gradient of its input.
    ["nn.linear"] = { function(_, layer) return layer(parameter()) end, needs = "operand", name = "linear" },
    ["nn.linear constant"] = { function(_, layer) return layer(x) end },
    ["nn.sequential"] = {
        function(_, layer) return nn.sequential { layer, nn.relu() }(x) end, needs = "result", name = "linear",
    },
    ["nn.parallel"] = {
        function(_, layer)
            local a, b = nn.parallel({ layer, nn.linear(3, 2) }, { parameter(), parameter() })
            return a + b
        end, needs = "operand", name = "linear",
    },
}

-- Methods and functions that record nothing.
local unrecorded = {}
for name in ([[backward bytes clone copy detach eq ge gt is_finite item le lt norm requires_grad shape size to_table
    topk zero_grad nn.dropout nn.embed nn.normalize nn.parameter nn.relu nn.sparse_linear nn.topk]]):gmatch("%S+") do
    unrecorded[name] = true
end

local function sorted(entries)
    local names = {}
    for name in pairs(entries) do names[#names + 1] = name end
    table.sort(names)
    return names
end

t.test("every operation is tried", function()
    local methods = tt.class("tt.Tensor")
    for _, name in ipairs(sorted(methods)) do t.ok(operations[name] or unrecorded[name], name) end
    for _, name in ipairs(sorted(nn)) do
        name = "nn." .. name
        if type(nn[name:sub(4)]) == "function" then t.ok(operations[name] or unrecorded[name], name) end
    end
end)

local function fresh()
    local layer = nn.linear(3, 2, { seed = 3, name = "w" })
    local w = layer:parameters()[1]
    return layer, w
end

-- The gradient of the weight from the operation alone; `between` runs before the way back.
local function gradient(operation, between)
    local layer, w = fresh()
    local result = operation[1](w, layer)
    if between then between(layer, w, result) end
    w:zero_grad()
    result:sum():backward()
    return w.grad:to_table()
end

for _, name in ipairs(sorted(operations)) do
    local operation = operations[name]
    local called = operation.name or name:match("[%w_]+$")
    for _, change in ipairs(sorted(changes)) do
        t.test(name .. ", then " .. change, function()
            local undisturbed = gradient(operation)
            local done, raised = pcall(gradient, operation, changes[change])
            if operation.needs == "operand" then
                t.ok(not done, "the change goes unnoticed")
                t.equal(raised.code, "tensor.grad")
                t.ok(raised.message:find(" that " .. called .. " needs for its gradient was changed in place", 1, true),
                    raised.message)
            else
                t.ok(done, not done and tostring(raised))
                t.equal(raised, undisturbed)
            end
        end)
    end
    t.test(name .. ", then its result", function()
        local undisturbed = gradient(operation)
        local done, raised = pcall(gradient, operation, function(_, _, result)
            result:detach():copy(result:detach() * 2)
        end)
        if operation.needs == "result" then
            t.ok(not done, "the change goes unnoticed")
            t.equal(raised.code, "tensor.grad")
            t.ok(raised.message:find(called, 1, true), raised.message)
        else
            t.ok(done, not done and tostring(raised))
            t.equal(raised, undisturbed)
        end
    end)
end

t.test("the order forward, backward, step is fine; a second way back after the step is not", function()
    local layer, w = fresh()
    local optimizer = train.adamw({ w }, { lr = 0.1 })
    for _ = 1, 3 do
        optimizer:zero_grad()
        nn.mse(layer(x), tensor.ones { 2, 2 }):backward()
        optimizer:step()
    end
    local first, second = (w * w):sum(), (w * w):sum()
    first:backward()
    optimizer:step()
    t.error("tensor.grad", second.backward, second)
end)

t.test("what cannot be worked out leaves gradients and graph alone", function()
    local w = tensor.from_table { 3 }:requires_grad(true)
    local y = (w * w):sum()
    w:copy(tensor.from_table { 10 })
    t.error("shape %(1,%) that mul needs for its gradient was changed in place after mul used it", y.backward, y)
    t.equal(w.grad, nil)
    t.error("was changed in place", y.backward, y)
end)
