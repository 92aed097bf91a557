local t = require "tt.test"
local nn = require "tt.nn"
local tensor = require "tt.tensor"

local function tower(inputs, seed)
    return nn.sequential({
        nn.linear(inputs, 16), nn.relu(), nn.dropout(0.2), nn.linear(16, 4), nn.normalize(),
    }, {seed = seed or 1, name = "tower"})
end

-- Blocks that end inside, at and behind whatever is multiplied or cut at once.
local COUNTS = { 1, 2, 3, 5, 17, 512, 1000, 4096 }

-- The row (1, width) n times.
local function repeated(row, n) return tensor.zeros({ n, row:size(2) }) + row end

-- A column that is 1 at the places and 0 elsewhere.
local function marks(n, places)
    local list = {}
    for place = 1, n do list[place] = { 0 } end
    for _, place in ipairs(places) do list[place] = { 1 } end
    return tensor.from_table(list)
end

-- How many of the n rows differ from `expected`, one row, in any bit, those at `others` left aside.
local function differing(expected, result, n, others)
    local differ = (repeated(expected, n):eq(result) * -1 + 1):sum(2, { keepdim = true }):gt(0)
    return math.tointeger((differ * (marks(n, others) * -1 + 1)):sum():item())
end

t.test("a row's result depends on the row and the weights alone", function()
    tensor.no_grad(function()
        for _, shape in ipairs({ { 777, 512 }, { 512, 256 }, { 256, 256 }, { 128, 256 }, { 100, 130 }, { 65, 17 },
            { 7, 1 }, { 1, 33 } }) do
            local inputs, outputs = shape[1], shape[2]
            local what = ("%d to %d"):format(inputs, outputs)
            local plain = nn.linear(inputs, outputs, { seed = 1 })
            -- Behind a ReLU zeros are skipped, and the first layer of a tower takes sparse rows.
            local tower_of = nn.sequential({ nn.sparse_linear(inputs, 40, { seed = 2 }), nn.relu(), nn.dropout(0.1),
                nn.linear(40, outputs, { seed = 3 }), nn.relu(), nn.linear(outputs, 19, { seed = 4 }), nn.normalize() })
            tower_of:eval()
            local row = tensor.randn({ 1, inputs }, { seed = 5 }):relu()
            local right = plain:state_dict().weight:transpose()
            local alone = { plain(row), tower_of(row), row:matmul(right) }
            for _, n in ipairs(COUNTS) do
                -- At every place but two, where the neighbours are zero and full.
                local others = n > 4 and { 2, n - 1 } or {}
                local block = repeated(row, n) * (marks(n, others) * -1 + 1) + marks(n, { others[2] }) * 3
                local found = { linear = differing(alone[1], plain(block), n, others),
                    tower = differing(alone[2], tower_of(block), n, others),
                    matmul = differing(alone[3], block:matmul(right), n, others) }
                for _, cut in ipairs({ 1000, 1537, n < 20 and 1 or 100 }) do
                    local embedded = nn.embed(tower_of, block, { block = cut })
                    found["embed by " .. cut] = differing(alone[2], embedded, n, others)
                end
                for way, count in pairs(found) do t.equal(count, 0, ("%s, %s: rows of %d"):format(way, what, n)) end
            end
        end
    end)
end)

t.test("a score depends on the query and the item alone", function()
    for _, width in ipairs({ 256, 64, 9 }) do
        local query = tensor.randn({ 1, width }, { seed = 1 })
        local item = tensor.randn({ 1, width }, { seed = 2 })
        local alone = nn.topk(query, item, 1)[1][1]
        t.equal(query:matmul(item:transpose()):item(), alone)
        for _, n in ipairs(COUNTS) do
            local queries, items = repeated(query, n), repeated(item, n)
            t.equal(differing(tensor.full({ 1, 1 }, alone), nn.topk(queries, items, 1), n, {}), 0)
            local dots = queries:dot(items)
            t.equal(differing(dots:slice(1, 1, 1):reshape(1, 1), dots:reshape(n, 1), n, {}), 0)
        end
    end
end)

t.test("state dicts have PyTorch's names, in order", function()
    local state = tower(6):state_dict("user.")
    t.equal(getmetatable(state).__order, {"user.0.weight", "user.0.bias", "user.3.weight", "user.3.bias"})
    t.equal(state["user.0.weight"]:shape(), {16, 6})
    local sparse = nn.sequential {nn.sparse_linear({4, 2}, 16)}
    t.equal(sparse:state_dict()["0.weight"]:shape(), {16, 6})
    t.equal(#tower(6):parameters(), 4)
end)

t.test("loading is strict and names the key", function()
    local a, b = tower(6, 1), tower(6, 2)
    local x = tensor.randn({3, 6})
    b:load_state_dict(a:state_dict("x."), "x.")
    t.equal(b:eval()(x):to_table(), a:eval()(x):to_table())
    local state = a:state_dict()
    state["3.bias"] = nil
    t.error('load_state_dict: missing "3.bias"', b.load_state_dict, b, state)
    state["3.bias"] = tensor.zeros {5}
    t.error('"3.bias" has shape (5,), the module has (4,)', b.load_state_dict, b, state)
    state["3.bias"], state["4.bias"] = tensor.zeros {4}, tensor.zeros {4}
    t.error('unexpected "4.bias"', b.load_state_dict, b, state)
end)

t.test("the seed decides the numbers, whatever else was made", function()
    local first = tower(6):state_dict()["0.weight"]:to_table()
    nn.linear(3, 3)
    t.equal(tower(6):state_dict()["0.weight"]:to_table(), first)
    t.equal(nn.linear(6, 16):init({seed = 1, name = "tower.0"}):state_dict().weight:to_table(), first)
    local a, b = nn.linear(3, 3), nn.linear(3, 3)
    assert(a:state_dict().weight[1][1] ~= b:state_dict().weight[1][1])
end)

t.test("dropout works in training mode only", function()
    local module, x = tower(6), tensor.randn({3, 6})
    t.equal(module:is_training(), true)
    assert((module(x) - module(x)):norm() > 0)
    module:eval()
    t.equal(module(x):to_table(), module(x):to_table())
    module:train()
    t.equal(module:is_training(), true)
end)

t.test("parallel gives each module's result and gradients", function()
    local a, b = tower(6, 1):eval(), tower(5, 2):eval()
    local xa, xb = tensor.randn({3, 6}), tensor.randn({3, 5})
    local ya, yb = nn.parallel({a, b}, {xa, xb})
    t.equal(ya:to_table(), a(xa):to_table())
    t.equal(yb:to_table(), b(xb):to_table())
    ya:dot(yb):sum():backward()
    for _, parameter in ipairs(a:parameters()) do assert(parameter.grad) end
    local grads = {}
    for i, parameter in ipairs(b:parameters()) do
        grads[i] = parameter.grad:to_table()
        parameter:zero_grad()
    end
    a(xa):dot(b(xb)):sum():backward()
    for i, parameter in ipairs(b:parameters()) do t.equal(parameter.grad:to_table(), grads[i]) end
    t.error("2 modules and 1 inputs", nn.parallel, {a, b}, {xa})
    t.error("tt.Module expected", nn.parallel, {a, function() end}, {xa, xb})
end)

t.test("sparse rows and dense rows give the same", function()
    local matrix = tensor.feature_matrix {
        dense = tensor.randn({3, 2}),
        sparse = {{width = 4, offsets = {0, 1, 1, 3}, codes = {2, 1, 4}, values = {0.5, 1, 1}}},
    }
    local layer = nn.sparse_linear(matrix:width(), 8)
    local rows = matrix:rows {3, 1, 3}
    t.near(layer(rows):to_table(), layer(rows:to_dense()):to_table(), 1e-6)
    local module = nn.sequential {layer, nn.relu(), nn.dropout(0.5), nn.normalize()}
    local all = nn.embed(module, matrix, {block = 2})
    t.equal(all:shape(), {3, 8})
    t.equal(module:is_training(), true)
    t.equal(all:requires_grad(), false)
    t.error("tt.Tensor or tt.Rows expected", module, {1, 2})
end)

t.test("topk finds the best items for every query", function()
    local queries, items = tensor.randn({70, 5}, {seed = 1}), tensor.randn({90, 5}, {seed = 2})
    local values, places = nn.topk(queries, items, 3)
    local top, at = queries:matmul(items:transpose()):topk(3)
    t.near(values:to_table(), top:to_table(), 1e-5)
    t.equal(places:to_table(), at:to_table())
    t.error("there are 90 items", nn.topk, queries, items, 91)
end)

t.test("topk leaves out pairs", function()
    -- Products are 1 to 6 for the first query, 6 to 1 for the second.
    local items = tensor.from_table({{1, 6}, {2, 5}, {3, 4}, {4, 3}, {5, 2}, {6, 1}})
    local queries = tensor.from_table({{1, 0}, {0, 1}})
    local exclude = {queries = {2, 1, 1, 2}, items = tensor.indices {2, 5, 6, 1}}
    local scores, places = nn.topk(queries, items, 2, {exclude = exclude})
    t.equal(places:to_table(), {{4, 3}, {3, 4}})
    t.equal(scores:to_table(), {{4.0, 3.0}, {4.0, 3.0}})
    scores, places = nn.topk(queries, items, 6, {exclude = exclude})
    t.equal(places:to_table(), {{4, 3, 2, 1, 0, 0}, {3, 4, 5, 6, 0, 0}})
    t.equal(scores:to_table()[1][5], -math.huge)
    t.error("exclude has 1 queries and 2 items", nn.topk, queries, items, 2,
        {exclude = {queries = {1}, items = {1, 2}}})
    t.error("exclude, items: position 7 is outside 1 to 6", nn.topk, queries, items, 2,
        {exclude = {queries = {1}, items = {7}}})
    t.error("unknown option 'exlude'", nn.topk, queries, items, 2, {exlude = {}})
    t.error("item 2 has an element that is not finite", nn.topk, queries, tensor.from_table {{1, 1}, {0 / 0, 1}}, 1)
end)

t.test("losses", function()
    local logits = tensor.from_table {0, 2}
    t.near(nn.bce_with_logits(logits, tensor.from_table {1, 0}):item(), (math.log(2) + 2.126928) / 2, 1e-5)
    t.near(nn.mse(logits, tensor.zeros {2}):item(), 2)
    t.near(nn.cross_entropy(tensor.from_table {{0, 0}}, {2}):item(), math.log(2), 1e-6)
    t.near(nn.cosine(tensor.from_table {{3, 4}}, tensor.from_table {{6, 8}}):to_table(), {1}, 1e-6)
    t.error("bce_with_logits: (2,) × (3,): shapes differ", nn.bce_with_logits, logits, tensor.zeros {3})
    t.error("outside 1 to 2", nn.cross_entropy, tensor.from_table {{0, 0}}, {3})
end)

t.test("parameters are copies that learn", function()
    local start = tensor.zeros {2}
    local p = nn.parameter(start)
    p:copy(tensor.ones {2})
    t.equal(start:to_table(), {0.0, 0.0})
    t.equal(p:requires_grad(), true)
    t.equal(nn.parameter(-1.5):item(), -1.5)
end)

t.test("modules print their layers", function()
    t.equal(tostring(nn.sequential {nn.linear(3, 2), nn.relu(), nn.dropout(0.25)}),
        "Sequential\n  0: Linear(3, 2)\n  1: ReLU\n  2: Dropout(0.25)")
end)
