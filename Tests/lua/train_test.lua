local t = require "tt.test"
local nn = require "tt.nn"
local tensor = require "tt.tensor"
local train = require "tt.train"

t.test("a regression finds its line", function()
    local x = tensor.randn({64, 1}, {seed = 1})
    local y = x * 3 - 1
    local model = nn.linear(1, 1)
    local trainer = train.trainer {
        loss = function(batch) return nn.mse(model(batch.x), batch.y) end,
        optimizer = train.adam(model:parameters(), {lr = 0.05}),
        clip_norm = 5,
    }
    local last
    for epoch = 1, 100 do
        for batch in train.batches {size = 20, seed = 1, epoch = epoch, fields = {x = x, y = y}} do
            last = trainer:step(batch)
        end
    end
    assert(last < 1e-3, last)
    t.equal(trainer:steps(), 400)
    assert(trainer:grad_norm() < 1)
    local state = model:state_dict()
    t.near({state.weight[1][1], state.bias[1]}, {3, -1}, 0.05)
end)

t.test("groups have their own weight decay and learning rate", function()
    local a, b, c = nn.parameter(1), nn.parameter(1), nn.parameter(1)
    local optimizer = train.sgd({{params = {a}}, {params = {b}, weight_decay = 0}, {params = {c}, lr = 0}},
        {lr = 0.1, weight_decay = 1})
    local loss = 0 * a + 0 * b + 0 * c
    loss:backward()
    optimizer:step()
    t.near({a:item(), b:item(), c:item()}, {0.9, 1, 1}, 1e-6)
    optimizer:zero_grad()
    t.equal(a.grad, nil)
    optimizer:set_lr(0.5)
    t.equal({optimizer:lr(), optimizer:steps()}, {0.5, 1})
end)

t.test("clipping returns the norm there was", function()
    local p = nn.parameter(tensor.zeros {2})
    local loss = (p * tensor.from_table {3, 4}):sum()
    loss:backward()
    t.near(train.clip_grad_norm({p}, 1), 5)
    t.near(p.grad:to_table(), {0.6, 0.8}, 1e-5)
    t.error("train.value", train.clip_grad_norm, {p}, 0)
end)

t.test("numbers that are not finite stop the step and leave the weights", function()
    local p = nn.parameter(1)
    local trainer = train.trainer {loss = function(x) return p * x end, optimizer = train.sgd({p}, {lr = 1})}
    trainer:step(0.5)
    local raised = t.error("train.non_finite", trainer.step, trainer, 1e39)
    t.equal(raised.details.step, 2)
    t.equal(p:item(), 0.5)
end)

t.test("an error in the loss function is the error of the step", function()
    local p = nn.parameter(1)
    local trainer = train.trainer {loss = function() error({mark = 1}) end, optimizer = train.sgd({p})}
    local ok, raised = pcall(trainer.step, trainer)
    t.equal({ok, raised.mark}, {false, 1})
    local other = train.trainer {loss = function() return 1 end, optimizer = train.sgd({p})}
    t.error("the loss function must return a tensor", other.step, other)
    local wide = train.trainer {loss = function() return tensor.zeros {2} end, optimizer = train.sgd({p})}
    t.error("single element", wide.step, wide)
end)

t.test("options and parameters are checked", function()
    local p = nn.parameter(1)
    t.error("did you mean 'betas'", train.adamw, {p}, {beta = {0.9, 0.99}})
    t.error("two numbers expected", train.adamw, {p}, {betas = {0.9}})
    t.error("train.value", train.adamw, {p, p})
    t.error("train.value", train.adamw, {tensor.ones {1}})
    t.error("train.value", train.adamw, {})
    t.error("train.value", train.sgd, {p}, {nesterov = true})
    t.error("tt.Tensor expected", train.adamw, {1})
    t.error("tt.Optimizer expected", train.trainer, {loss = print})
end)

t.test("batches hold every sample once, in an order of seed and epoch", function()
    local ids = tensor.range(1, 10)
    local function order(epoch, shuffle)
        local batches = train.batches {
            size = 4, seed = 7, epoch = epoch, shuffle = shuffle, fields = {id = ids, label = tensor.ones {10}},
        }
        t.equal(#batches, 3)
        local found, sizes = {}, {}
        for batch in batches do
            sizes[#sizes + 1] = batch.n
            t.equal(#batch.label, batch.n)
            for i = 1, #batch.id do found[#found + 1] = batch.id[i] end
        end
        t.equal(sizes, {4, 4, 2})
        return found
    end
    local first = order(1)
    t.equal(order(1), first)
    assert(table.concat(order(2), " ") ~= table.concat(first, " "))
    t.equal(order(1, false), ids:to_table())
    table.sort(first)
    t.equal(first, ids:to_table())
    t.error("has 3 rows", train.batches, {size = 2, fields = {a = ids, b = tensor.ones {3}}})
    t.error("choose another name", train.batches, {size = 2, fields = {n = ids}})
    t.error("1 to 2147483647 expected, got 0", train.batches, {size = 0, fields = {a = ids}})
end)

t.test("weights do not depend on threads", function()
    local before = tensor.threads()
    local function run(threads)
        tensor.threads(threads)
        local towers = {}
        for i = 1, 2 do
            towers[i] = nn.sequential({
                nn.linear(8, 300), nn.relu(), nn.dropout(0.3), nn.linear(300, 8), nn.normalize(),
            }, {seed = 5, name = "tower" .. i})
        end
        local bias = nn.parameter(0)
        local parameters = towers[1]:parameters()
        table.move(towers[2]:parameters(), 1, 4, #parameters + 1, parameters)
        local trainer = train.trainer {
            loss = function(batch)
                local a, b = nn.parallel(towers, {batch.a, batch.b})
                return nn.bce_with_logits(a:dot(b) * 10 + bias, batch.y)
            end,
            optimizer = train.adamw {{params = parameters}, {params = {bias}, weight_decay = 0}},
            clip_norm = 1,
        }
        local fields = {
            a = tensor.randn({50, 8}, {seed = 1}), b = tensor.randn({50, 8}, {seed = 2}), y = tensor.ones {50},
        }
        local losses = {}
        for batch in train.batches {size = 16, fields = fields} do losses[#losses + 1] = trainer:step(batch) end
        return losses, towers[2]:state_dict()["0.weight"]:to_table()
    end
    local one, weights = run(1)
    for _, threads in ipairs {2, 3} do
        local losses, others = run(threads)
        t.equal(losses, one)
        t.equal(others, weights)
    end
    tensor.threads(before)
end)
