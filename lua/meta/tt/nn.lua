---@meta tt.nn

--- Layers, losses, and modules that run in parallel. A module is called with a tensor (…, in) or, if it starts with a
--- sparse layer, with rows of a feature matrix. Where no `tt.Module` is required, a plain Lua function of tensors will
--- do; make its parameters by `parameter`.
---@class tt.nn
local nn = {}

---@class tt.nn.LayerOptions
---@field bias? boolean add a bias, default true
---@field seed? integer of the initial parameters, default 0
---@field name? string separates streams of one seed, default `module1`, `module2`, … in the order layers are made

--- Makes a layer x · weightᵀ + bias. Weight (outputs, inputs) and bias (outputs) start uniform in ±1/√inputs.
---
---```lua
---local layer = tt.nn.linear(3, 2)
---assert(layer(tt.tensor.ones {5, 3}):size(2) == 2)
---```
---
--- Raises `nn.value` for sizes below 1.
---@param inputs integer
---@param outputs integer
---@param opts? tt.nn.LayerOptions
---@return tt.Module
function nn.linear(inputs, outputs, opts) end

--- Makes a linear layer for sparse rows: it and its gradient touch only the weights of nonzero columns. It takes rows
--- of a feature matrix or a dense tensor. `parameters` gives its weight as (inputs, outputs), `state_dict` as (outputs,
--- inputs).
---
---```lua
---local matrix = tt.tensor.feature_matrix {dense = tt.tensor.ones {4, 2}}
---local layer = tt.nn.sparse_linear(matrix:width(), 8)
---assert(layer(matrix:rows {1, 3}):size(2) == 8)
---```
---
--- Raises `nn.value` for sizes below 1.
---@param inputs integer|integer[] columns, or the widths of the parts
---@param outputs integer
---@param opts? tt.nn.LayerOptions
---@return tt.Module
function nn.sparse_linear(inputs, outputs, opts) end

--- Makes a layer max(x, 0).
---
---```lua
---assert(tt.nn.relu()(tt.tensor.from_table {-1, 2})[1] == 0)
---```
---@return tt.Module
function nn.relu() end

--- Makes a layer x / max(||x||, 1e-12) over the last dimension.
---
---```lua
---assert(tt.nn.normalize()(tt.tensor.from_table {{0, 2}})[1][2] == 1)
---```
---@return tt.Module
function nn.normalize() end

--- Makes a layer that, in training mode, sets elements to 0 with probability p and divides the others by 1 - p. The
--- mask is a function of seed, name, the number of the call and the element's index, not of threads.
---
---```lua
---local drop = tt.nn.dropout(0.5, {seed = 1})
---assert(drop(tt.tensor.ones {100}):max():item() == 2)
---assert(drop:eval()(tt.tensor.ones {100}):max():item() == 1)
---```
---
--- Raises `tensor.value` unless the probability is in 0 ≤ p < 1.
---@param probability number
---@param opts? {seed?: integer, name?: string} as of `linear`
---@return tt.Module
function nn.dropout(probability, opts) end

---@class tt.nn.InitOptions
---@field seed? integer default 0
---@field name? string of the module, such as `user_tower`, default ""; seed and full name determine each parameter

--- Makes a module that runs layers one after the other. Parameters are named by position from 0, as in PyTorch:
--- `0.weight`, `3.bias`. A linear layer, relu and dropout in a row run fused, in one pass.
---
---```lua
---local nn = tt.nn
---local tower = nn.sequential({nn.linear(8, 16), nn.relu(), nn.dropout(0.2), nn.linear(16, 4), nn.normalize()},
---    {seed = 42, name = "tower"})
---assert(tower:state_dict()["3.weight"]:size(1) == 4)
---```
---
--- Raises `nn.value` without layers, with more than 100,000, and when nested more than 200 deep.
---@param layers tt.Module[]
---@param opts? tt.nn.InitOptions reinitialises all parameters, as `init` does
---@return tt.Module
function nn.sequential(layers, opts) end

--- Makes a standalone parameter: a copy of a tensor or a number that collects a gradient.
---
---```lua
---local bias = tt.nn.parameter(-1.5)
---assert(bias:requires_grad())
---```
---@param value tt.Tensor|number
---@return tt.Tensor
function nn.parameter(value) end

--- Runs modules on one input each, every one on its own thread, in the forward and backward pass. The results equal
--- those of running them one after the other.
---
---```lua
---local nn, tensor = tt.nn, tt.tensor
---local a, b = nn.linear(3, 2), nn.linear(5, 2)
---local ya, yb = nn.parallel({a, b}, {tensor.ones {4, 3}, tensor.ones {4, 5}})
---assert(ya:dot(yb):size() == 4)
---```
---
--- Raises `nn.input` when the numbers differ, and what the modules raise.
---@param modules tt.Module[]
---@param inputs (tt.Tensor|tt.Rows)[]
---@return tt.Tensor ... one for each module
function nn.parallel(modules, inputs) end

--- Runs a module over all rows in evaluation mode, in blocks on several threads; no gradients. A row's result depends
--- on the row and the weights alone, not on the blocks or the threads.
---
---```lua
---local matrix = tt.tensor.feature_matrix {dense = tt.tensor.ones {1000, 2}}
---assert(tt.nn.embed(tt.nn.sparse_linear(2, 3), matrix):size(1) == 1000)
---```
---
--- Raises what the module raises, `interrupted`.
---@param module tt.Module
---@param rows tt.FeatureMatrix|tt.Rows|tt.Tensor n rows
---@param opts? {block?: integer} block: rows at a time, 1 to 2147483647, default 4096
---@return tt.Tensor embedding (n, e)
function nn.embed(module, rows, opts) end

---@class tt.nn.TopkOptions
---@field exclude? {queries: tt.Indices|integer[], items: tt.Indices|integer[]} pairs to leave out, in any order: query
---  i with item i

--- Finds for each query the `k` items with the greatest dot products, descending, ties by position. The search is
--- exact, in tiles on several threads: it needs half a megabyte per thread beside the result. A score depends on its
--- query and its item alone. No gradients. Where `exclude` leaves fewer than `k` items, the row is padded with score
--- -inf and position 0.
---
---```lua
---local items = tt.tensor.randn({50, 8}):normalize()
---local scores, places = tt.nn.topk(items:slice(1, 7, 7), items, 3)
---assert(places[1] == 7 and scores[1][1] > scores[1][2])
---local _, others = tt.nn.topk(items, items, 2, {exclude = {queries = {7}, items = {7}}})
---assert(others:to_table()[7][1] == places[2])
---```
---
--- Raises `tensor.shape`; `tensor.value` for elements that are not finite, naming the row; `interrupted`.
---@param queries tt.Tensor (n, e)
---@param items tt.Tensor (m, e)
---@param k integer at most m
---@param opts? tt.nn.TopkOptions
---@return tt.Tensor scores (n, k)
---@return tt.Indices places (n, k), rows of `items`
function nn.topk(queries, items, k, opts) end

--- Computes the cosine similarity of each row with the same row of another tensor: (…, d) and (…, d) to (…).
---
---```lua
---local a = tt.tensor.from_table {{1, 0}, {1, 1}}
---assert(math.abs(tt.nn.cosine(a, a)[2] - 1) < 1e-6)
---```
---
--- Raises `tensor.shape`.
---@param a tt.Tensor
---@param b tt.Tensor
---@return tt.Tensor
function nn.cosine(a, b) end

--- Computes the mean binary cross-entropy of logits: the mean of log(1 + e^x) - x · label, numerically stable.
---
---```lua
---local loss = tt.nn.bce_with_logits(tt.tensor.zeros {4}, tt.tensor.ones {4})
---assert(math.abs(loss:item() - math.log(2)) < 1e-6)
---```
---
--- Raises `tensor.shape` when shapes differ or there are no elements.
---@param logits tt.Tensor any shape
---@param labels tt.Tensor the same shape, 0 to 1
---@return tt.Tensor loss scalar
function nn.bce_with_logits(logits, labels) end

--- Computes the mean squared error.
---
---```lua
---assert(tt.nn.mse(tt.tensor.zeros {4}, tt.tensor.full(4, 3)):item() == 9)
---```
---
--- Raises `tensor.shape` when shapes differ or there are no elements.
---@param values tt.Tensor any shape
---@param targets tt.Tensor the same shape
---@return tt.Tensor loss scalar
function nn.mse(values, targets) end

--- Computes the mean of -log softmax(logits)[label] over rows.
---
---```lua
---local loss = tt.nn.cross_entropy(tt.tensor.zeros {2, 4}, {1, 4})
---assert(math.abs(loss:item() - math.log(4)) < 1e-6)
---```
---
--- Raises `tensor.shape`, `tensor.value` for a label out of range.
---@param logits tt.Tensor (n, c)
---@param labels tt.Indices|integer[] n numbers from 1 to c
---@return tt.Tensor loss scalar
function nn.cross_entropy(logits, labels) end

--- A layer, or a nested set of layers. `module(x)` is `module:forward(x)`. New modules are in training mode.
---@class tt.Module
---@overload fun(x: tt.Tensor|tt.Rows): tt.Tensor
local Module = {}

--- Computes the module's result, recorded for `backward` unless gradients are off.
---
---```lua
---assert(tt.nn.relu():forward(tt.tensor.ones {2})[1] == 1)
---```
---
--- Raises `tensor.shape` when the input does not fit.
---@param x tt.Tensor|tt.Rows
---@return tt.Tensor
function Module:forward(x) end

--- Returns the live parameters, in the order of `state_dict`.
---
---```lua
---assert(#tt.nn.linear(3, 2):parameters() == 2)
---```
---@return tt.Tensor[]
function Module:parameters() end

--- Returns copies of all parameters under PyTorch's names, weights as (outputs, inputs). The metatable's `__order`
--- lists the names in order.
---
---```lua
---local state = tt.nn.sequential({tt.nn.linear(3, 2)}):state_dict("user_tower.")
---assert(state["user_tower.0.weight"]:size(2) == 3)
---```
---@param prefix? string of every name, default ""
---@return table<string, tt.Tensor>
function Module:state_dict(prefix) end

--- Overwrites all parameters, and returns the module. Names and shapes must be exactly those of `state_dict`; otherwise
--- nothing changes.
---
---```lua
---local a, b = tt.nn.linear(3, 2), tt.nn.linear(3, 2)
---b:load_state_dict(a:state_dict())
---local x = tt.tensor.ones {1, 3}
---assert((a(x) - b(x)):norm() == 0)
---```
---
--- Raises `nn.state`, which names keys and shapes.
---@param state table<string, tt.Tensor>
---@param prefix? string as of `state_dict`
---@return tt.Module self
function Module:load_state_dict(state, prefix) end

--- Switches to training mode, in which dropout is active, or back, and returns the module.
---
---```lua
---assert(tt.nn.dropout(0.5):eval():train():is_training())
---```
---@param flag? boolean default true
---@return tt.Module self
function Module:train(flag) end

--- Switches to evaluation mode, and returns the module.
---
---```lua
---assert(not tt.nn.dropout(0.5):eval():is_training())
---```
---@return tt.Module self
function Module:eval() end

--- Returns whether the module is in training mode.
---
---```lua
---assert(tt.nn.relu():is_training())
---```
---@return boolean
function Module:is_training() end

--- Reinitialises all parameters, restarts dropout, and returns the module. Each parameter has its own random stream,
--- from the seed and its full name, so its values depend on nothing else.
---
---```lua
---local a = tt.nn.linear(3, 2):init {seed = 1, name = "x"}
---local b = tt.nn.linear(3, 2):init {seed = 1, name = "x"}
---assert((a:state_dict().weight - b:state_dict().weight):norm() == 0)
---```
---@param opts? tt.nn.InitOptions
---@return tt.Module self
function Module:init(opts) end

return nn
