---@meta tt.train

--- Optimizers, clipping, the training step, batches. You write the loop over epochs and batches.
---@class tt.train
local train = {}

---@class tt.train.Group
---@field params tt.Tensor[]
---@field lr? number instead of the option `lr`
---@field weight_decay? number instead of the option `weight_decay`

---@class tt.train.AdamOptions
---@field lr? number learning rate, default 0.001
---@field betas? number[] two numbers in 0 ≤ b < 1, default {0.9, 0.999}
---@field eps? number default 1e-8
---@field weight_decay? number default 0.01 for `adamw`, 0 for `adam`

--- Makes an AdamW optimizer: Adam with decoupled weight decay. Formulas are PyTorch's.
---
---```lua
---local bias = tt.nn.parameter(0)
---local model = tt.nn.linear(3, 1)
---local optimizer = tt.train.adamw({
---    {params = model:parameters()},
---    {params = {bias}, weight_decay = 0},
---}, {lr = 0.001, weight_decay = 1e-5})
---assert(optimizer:lr() == 0.001)
---```
---
--- Raises `train.value` for values out of range, a repeated parameter or one that collects no gradient.
---@param parameters tt.Tensor[]|tt.train.Group[]
---@param opts? tt.train.AdamOptions
---@return tt.Optimizer
function train.adamw(parameters, opts) end

--- Makes an Adam optimizer, which adds weight decay to the gradient.
---
---```lua
---local p = tt.nn.parameter(1)
---local optimizer = tt.train.adam({p}, {lr = 0.1})
---local loss = p * p
---loss:backward()
---optimizer:step()
---assert(math.abs(p:item() - 0.9) < 1e-6)
---```
---
--- Raises `train.value` as `adamw` does.
---@param parameters tt.Tensor[]|tt.train.Group[]
---@param opts? tt.train.AdamOptions
---@return tt.Optimizer
function train.adam(parameters, opts) end

---@class tt.train.SGDOptions
---@field lr? number learning rate, default 0.001
---@field momentum? number default 0
---@field nesterov? boolean Nesterov's momentum, default false
---@field weight_decay? number added to the gradient, default 0

--- Makes an optimizer for stochastic gradient descent.
---
---```lua
---local p = tt.nn.parameter(1)
---local optimizer = tt.train.sgd({p}, {lr = 0.5})
---local loss = p * p
---loss:backward()
---optimizer:step()
---assert(p:item() == 0)
---```
---
--- Raises `train.value` as `adamw` does.
---@param parameters tt.Tensor[]|tt.train.Group[]
---@param opts? tt.train.SGDOptions
---@return tt.Optimizer
function train.sgd(parameters, opts) end

--- Scales gradients so that their total Euclidean norm is at most `max`, and returns the norm before.
---
---```lua
---local p = tt.nn.parameter(3)
---local loss = p * p
---loss:backward()
---assert(tt.train.clip_grad_norm({p}, 1) == 6)
---assert(math.abs(p.grad:item() - 1) < 1e-5)
---```
---
--- Raises `train.non_finite`, `train.value` unless `max` is positive.
---@param parameters tt.Tensor[]
---@param max number
---@return number norm
function train.clip_grad_norm(parameters, max) end

---@class tt.train.TrainerOptions
---@field loss fun(batch: any): tt.Tensor the loss of a batch, a single element
---@field optimizer tt.Optimizer
---@field clip_norm? number maximum total norm of the gradients, default none

--- Makes a trainer, which runs one step at a time.
---
---```lua
---local train, nn, tensor = tt.train, tt.nn, tt.tensor
---local x = tensor.randn({64, 1})
---local y = x * 3 - 1
---local model = nn.linear(1, 1)
---local trainer = train.trainer {
---    loss = function(batch) return nn.mse(model(batch.x), batch.y) end,
---    optimizer = train.adam(model:parameters(), {lr = 0.05}),
---    clip_norm = 5,
---}
---local loss
---for epoch = 1, 100 do
---    for batch in train.batches {size = 16, seed = 1, epoch = epoch, fields = {x = x, y = y}} do
---        loss = trainer:step(batch)
---    end
---end
---assert(loss < 1e-3)
---```
---
--- Raises `train.value` unless `clip_norm` is positive.
---@param opts tt.train.TrainerOptions
---@return tt.Trainer
function train.trainer(opts) end

---@class tt.train.BatchOptions
---@field fields table<string, tt.Indices|tt.Tensor|tt.Rows> with equally many rows; the name `n` is reserved
---@field size integer samples in a batch; the last one may have fewer
---@field seed? integer default 0
---@field epoch? integer each epoch of a seed has its own order, default 0
---@field shuffle? boolean default true

--- Makes an iterator over batches: tables with the gathered rows of each field, and their number `n`.
--- `#batches` is the number of batches.
---
---```lua
---local train, tensor = tt.train, tt.tensor
---local total = 0
---for batch in train.batches {size = 4, fields = {id = tensor.range(1, 10), label = tensor.ones {10}}} do
---    assert(#batch.id == batch.n and #batch.label == batch.n)
---    total = total + batch.n
---end
---assert(total == 10)
---```
---
--- Raises `train.value` when lengths differ or there are no fields.
---@param opts tt.train.BatchOptions
---@return tt.Batches
function train.batches(opts) end

--- Updates parameters from their gradients.
---@class tt.Optimizer
local Optimizer = {}

--- Makes one step. Parameters without a gradient do not change.
---
---```lua
---local p = tt.nn.parameter(1)
---p:copy(tt.tensor.from_table(2))
---tt.train.sgd({p}):step()
---assert(p:item() == 2)
---```
function Optimizer:step() end

--- Clears the gradients of all parameters.
---
---```lua
---tt.train.sgd({tt.nn.parameter(1)}):zero_grad()
---```
function Optimizer:zero_grad() end

--- Sets the learning rate of all groups.
---
---```lua
---local optimizer = tt.train.sgd({tt.nn.parameter(1)})
---optimizer:set_lr(0.5)
---assert(optimizer:lr() == 0.5)
---```
---
--- Raises `train.value` for a negative rate.
---@param lr number
function Optimizer:set_lr(lr) end

--- Returns the learning rate of the first group.
---
---```lua
---assert(tt.train.sgd({tt.nn.parameter(1)}, {lr = 0.25}):lr() == 0.25)
---```
---@return number
function Optimizer:lr() end

--- Returns the number of steps made.
---
---```lua
---assert(tt.train.sgd({tt.nn.parameter(1)}):steps() == 0)
---```
---@return integer
function Optimizer:steps() end

--- Runs training steps. Holds its loss function until it is closed or collected.
---@class tt.Trainer
local Trainer = {}

--- Clears gradients, calls the loss function, runs `backward`, clips and updates; returns the loss before the update.
---
---```lua
---local p = tt.nn.parameter(3)
---local trainer = tt.train.trainer {
---    loss = function(x) return p * x end,
---    optimizer = tt.train.sgd({p}, {lr = 1}),
---}
---assert(trainer:step(2) == 6 and p:item() == 1)
---```
---
--- Raises `train.non_finite`, naming the step, for a loss or gradient that is not finite; the parameters do not change;
--- `interrupted`; what the loss function raises.
---@param batch any passed to the loss function
---@return number loss
function Trainer:step(batch) end

--- Returns the number of steps begun.
---
---```lua
---local p = tt.nn.parameter(3)
---local trainer = tt.train.trainer {loss = function() return p * p end, optimizer = tt.train.sgd {p}}
---trainer:step()
---assert(trainer:steps() == 1)
---```
---@return integer
function Trainer:steps() end

--- Returns the total norm of the gradients in the last step, before clipping.
---
---```lua
---local p = tt.nn.parameter(3)
---local trainer = tt.train.trainer {loss = function() return p * p end, optimizer = tt.train.sgd {p}, clip_norm = 1}
---trainer:step()
---assert(trainer:grad_norm() == 6)
---```
---@return number
function Trainer:grad_norm() end

--- Batches, for the generic `for`; see `batches`.
---@class tt.Batches
---@operator len: integer
---@overload fun(): table|nil
local Batches = {}

return train
