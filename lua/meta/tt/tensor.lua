---@meta tt.tensor

--- Float32 tensors, row-major, with gradients. Operations make new tensors and follow NumPy's rules for stretching
--- shapes. Positions and dimensions count from 1; a dimension of -1 is the last.
---
--- Loops over numbers are there for several processors. `TT_KERNELS`, read at the start, asks for `avx512`, `avx2` or
--- `portable` in place of the best this processor has. All of them give the same bits: a sum of products is one chain
--- of multiply-adds, each rounded once, in ascending order of the inner dimension, and other sums have a fixed order.
--- So a row of a result depends on the rows it is made of alone, not on those beside it, on threads or on blocks.
---@class tt.tensor
local tensor = {}

---@alias tt.Shape integer|integer[] one size, or a list of sizes

--- Makes a tensor of zeros.
---
---```lua
---assert(tt.tensor.zeros({2, 3}):size() == 6)
---```
---
--- Raises `tensor.shape` for sizes that are negative or too large.
---@param shape tt.Shape
---@return tt.Tensor
function tensor.zeros(shape) end

--- Makes a tensor of ones.
---
---```lua
---assert(tt.tensor.ones({2, 3}):sum():item() == 6)
---```
---
--- Raises `tensor.shape` as `zeros` does.
---@param shape tt.Shape
---@return tt.Tensor
function tensor.ones(shape) end

--- Makes a tensor with one value everywhere.
---
---```lua
---assert(tt.tensor.full(3, 0.5)[2] == 0.5)
---```
---
--- Raises `tensor.shape` as `zeros` does.
---@param shape tt.Shape
---@param value number
---@return tt.Tensor
function tensor.full(shape, value) end

--- Makes a tensor from nested tables of numbers; of a single number a scalar.
---
---```lua
---local m = tt.tensor.from_table {{1, 2, 3}, {4, 5, 6}}
---assert(#m == 2 and m:size(2) == 3)
---```
---
--- Raises `argument` when tables of one depth are not equally long.
---@param values number|table
---@return tt.Tensor
function tensor.from_table(values) end

---@class tt.tensor.UniformOptions
---@field seed? integer default 0
---@field low? number least value, default 0
---@field high? number values are below it, default 1

--- Makes a tensor of uniform random numbers; the same seed gives the same numbers.
---
---```lua
---local u = tt.tensor.uniform({100}, {seed = 1, low = -1})
---assert(u:abs():max():item() <= 1)
---```
---
--- Raises `tensor.shape` as `zeros` does.
---@param shape tt.Shape
---@param opts? tt.tensor.UniformOptions
---@return tt.Tensor
function tensor.uniform(shape, opts) end

--- Makes a tensor of normal random numbers with mean 0 and deviation 1; the same seed gives the same numbers.
---
---```lua
---local a, b = tt.tensor.randn({5}, {seed = 7}), tt.tensor.randn({5}, {seed = 7})
---assert((a - b):norm() == 0)
---```
---
--- Raises `tensor.shape` as `zeros` does.
---@param shape tt.Shape
---@param opts? {seed?: integer} seed: default 0
---@return tt.Tensor
function tensor.randn(shape, opts) end

--- Joins tensors along a dimension; the other sizes must agree.
---
---```lua
---local a = tt.tensor.ones {2, 3}
---assert(tt.tensor.concat({a, a}, 2):size(2) == 6)
---```
---
--- Raises `tensor.shape`.
---@param tensors tt.Tensor[]
---@param dimension? integer default 1
---@return tt.Tensor
function tensor.concat(tensors, dimension) end

--- Makes positions from a list of integers from 1 up.
---
---```lua
---local m = tt.tensor.from_table {{1, 2}, {3, 4}}
---assert(m:rows(tt.tensor.indices {2, 2}):size(1) == 2)
---```
---
--- Raises `tensor.value` for a number below 1 or above 2^31.
---@param list integer[]
---@return tt.Indices
function tensor.indices(list) end

--- Makes the positions from `first` to `last`.
---
---```lua
---assert(#tt.tensor.range(3, 7) == 5)
---```
---@param first integer from 1 up
---@param last integer at least `first - 1`, which gives none
---@return tt.Indices
function tensor.range(first, last) end

---@class tt.tensor.SparsePart
---@field width integer columns of the part
---@field offsets integer[] n + 1 ascending numbers from 0: row i has the entries after offsets[i] up to offsets[i + 1]
---@field codes integer[] column of each entry, from 1 to width
---@field values number[] value of each entry

--- Makes a feature matrix from a dense part and sparse parts, side by side. `tt.features` makes large ones.
---
---```lua
---local matrix = tt.tensor.feature_matrix {
---    dense = tt.tensor.from_table {{0.5}, {1.5}},
---    sparse = {{width = 3, offsets = {0, 1, 3}, codes = {2, 1, 3}, values = {1, 1, 1}}},
---}
---assert(#matrix == 2 and matrix:width() == 4)
---```
---
--- Raises `tensor.value` when offsets, codes and values do not fit together.
---@param parts {dense: tt.Tensor, sparse?: tt.tensor.SparsePart[]} dense: (n, d0), d0 may be 0
---@return tt.FeatureMatrix
function tensor.feature_matrix(parts) end

--- Calls a function during which operations record nothing for `backward`, and returns its results.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---local y = tt.tensor.no_grad(function() return w * 2 end)
---assert(y:requires_grad() == false)
---```
---
--- Raises what the function raises.
---@param fn function
---@param ... any arguments of `fn`
---@return any ...
function tensor.no_grad(fn, ...) end

--- Gives memory that is kept for the next tensors and columns back to the system.
---
---```lua
---collectgarbage()
---tt.tensor.empty_cache()
---```
function tensor.empty_cache() end

--- Names the set of kernels in use, `avx512`, `avx2` or `portable`: see the head of this page.
---
---```lua
---assert(tt.tensor.kernels():match("^%a+%d*$"))
---```
---@return string
function tensor.kernels() end

--- Sets how many threads native work may use, and returns the number. Results do not depend on it.
---
---```lua
---assert(tt.tensor.threads() >= 1)
---```
---@param n? integer 1 to 256; at first `TT_THREADS`, else the number of processors
---@return integer
function tensor.threads(n) end

--- A block of float32 numbers with a shape. `#t` is the size of the first dimension; `t[i]` a number of a vector, else
--- the i-th part. `+ - * /` take tensors and numbers, `^` a number; `-t` negates. Equal tensors are compared with `eq`.
---@class tt.Tensor
---@field grad? tt.Tensor the gradient of a leaf after `backward`, the same shape
---@operator add(tt.Tensor|number): tt.Tensor
---@operator sub(tt.Tensor|number): tt.Tensor
---@operator mul(tt.Tensor|number): tt.Tensor
---@operator div(tt.Tensor|number): tt.Tensor
---@operator pow(number): tt.Tensor
---@operator unm: tt.Tensor
---@operator len: integer
local Tensor = {}

--- Returns the sizes; none for a scalar.
---
---```lua
---assert(table.concat(tt.tensor.zeros({4, 2}):shape(), "x") == "4x2")
---```
---@return integer[]
function Tensor:shape() end

--- Returns the size of a dimension, or the number of elements.
---
---```lua
---assert(tt.tensor.zeros({4, 2}):size(-1) == 2 and tt.tensor.zeros({4, 2}):size() == 8)
---```
---@param dimension? integer
---@return integer
function Tensor:size(dimension) end

--- Returns the same elements under another shape; one size may be -1 and is worked out.
---
---```lua
---assert(tt.tensor.zeros({4, 3}):reshape(2, -1):size(2) == 6)
---```
---
--- Raises `tensor.shape` when the numbers of elements differ.
---@param ... integer|integer[] sizes, or one list of them
---@return tt.Tensor
function Tensor:reshape(...) end

--- Exchanges two dimensions, by default the last two.
---
---```lua
---assert(tt.tensor.zeros({4, 3}):transpose():size(1) == 3)
---```
---
--- Raises `tensor.shape`.
---@param first? integer default -2
---@param second? integer default -1
---@return tt.Tensor
function Tensor:transpose(first, second) end

--- Returns the places from `first` to `last` along a dimension; negative places count from the end.
---
---```lua
---local m = tt.tensor.from_table {{1, 2, 3}, {4, 5, 6}}
---assert(m:slice(2, 2):to_table()[1][1] == 2)
---```
---
--- Raises `tensor.shape`, `argument` for places outside.
---@param dimension integer
---@param first? integer default 1
---@param last? integer default the last
---@return tt.Tensor
function Tensor:slice(dimension, first, last) end

--- Gathers parts along the first dimension, in the order given, repeats allowed.
---
---```lua
---local m = tt.tensor.from_table {{1, 2}, {3, 4}}
---assert(m:rows({2, 1, 2}):to_table()[3][1] == 3)
---```
---
--- Raises `tensor.value` for a position outside.
---@param places tt.Indices|integer[]
---@return tt.Tensor
function Tensor:rows(places) end

--- Returns the only element as a number.
---
---```lua
---assert(tt.tensor.ones({3}):sum():item() == 3)
---```
---
--- Raises `tensor.shape` unless there is exactly one.
---@return number
function Tensor:item() end

--- Returns the elements as nested tables; of a scalar the number.
---
---```lua
---assert(tt.tensor.ones({2, 2}):to_table()[2][1] == 1)
---```
---@return table|number
function Tensor:to_table() end

--- Returns the elements as they lie in memory: float32, little-endian, row-major. For digests and exact comparison.
---
--- ```lua
--- assert(string.unpack("<f", tt.tensor.ones({2}):bytes()) == 1)
--- ```
---@return string
function Tensor:bytes() end

--- Returns a copy outside the graph.
---
---```lua
---local a = tt.tensor.ones {2}
---local b = a:clone():copy(tt.tensor.zeros {2})
---assert(a[1] == 1 and b[1] == 0)
---```
---@return tt.Tensor
function Tensor:clone() end

--- Overwrites the elements of a leaf with those of another tensor of its shape, and returns the leaf.
---
---```lua
---local w = tt.nn.parameter(tt.tensor.zeros {2})
---assert(w:copy(tt.tensor.ones {2})[2] == 1)
---```
---
--- Raises `tensor.shape`, `tensor.grad` for the result of an operation.
---@param other tt.Tensor
---@return tt.Tensor self
function Tensor:copy(other) end

--- Multiplies matrices: (n, k) by (k, m). Further leading sizes of the left one are rows; if both have them, they must
--- be equal and each pair is multiplied.
---
---```lua
---assert(tt.tensor.ones({2, 3}):matmul(tt.tensor.ones {3, 4}):to_table()[1][1] == 3)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor
---@return tt.Tensor
function Tensor:matmul(other) end

--- Multiplies each row with the same row of another tensor and sums: (…, d) and (…, d) to (…).
---
---```lua
---local a = tt.tensor.from_table {{1, 2}, {3, 4}}
---assert(a:dot(a)[2] == 25)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor
---@return tt.Tensor
function Tensor:dot(other) end

--- Raises each element to a power.
---
---```lua
---assert(tt.tensor.from_table({3}):pow(2)[1] == 9)
---```
---@param exponent number
---@return tt.Tensor
function Tensor:pow(exponent) end

--- Limits each element to `low` … `high`; either may be nil.
---
---```lua
---assert(tt.tensor.from_table({-3, 5}):clamp(0, 1):sum():item() == 1)
---```
---@param low? number
---@param high? number
---@return tt.Tensor
function Tensor:clamp(low, high) end

--- Sets elements to 0 with a probability and divides the others by the rest of it. The choice is a function of the seed
--- and each element's place. In networks use `tt.nn.dropout`.
---
---```lua
---local x = tt.tensor.ones({1000}):dropout(0.5, 1)
---assert(x:max():item() == 2)
---```
---
--- Raises `tensor.value` unless the probability is in 0 ≤ p < 1.
---@param probability number
---@param seed? integer default 0
---@return tt.Tensor
function Tensor:dropout(probability, seed) end

--- Computes the softmax over the last dimension.
---
---```lua
---assert(tt.tensor.zeros({2, 4}):softmax()[1][3] == 0.25)
---```
---
--- Raises `tensor.shape` for a scalar.
---@return tt.Tensor
function Tensor:softmax() end

--- Computes the logarithm of the softmax over the last dimension.
---
---```lua
---assert(math.abs(tt.tensor.zeros({4}):log_softmax()[1] + math.log(4)) < 1e-6)
---```
---
--- Raises `tensor.shape` for a scalar.
---@return tt.Tensor
function Tensor:log_softmax() end

--- Scales rows to length 1: x / max(||x||, 1e-12) over the last dimension.
---
---```lua
---assert(math.abs(tt.tensor.from_table({3, 4}):normalize()[1] - 0.6) < 1e-6)
---```
---
--- Raises `tensor.shape` for a scalar.
---@return tt.Tensor
function Tensor:normalize() end

--- Returns the Euclidean norm of all elements, outside the graph.
---
---```lua
---assert(tt.tensor.from_table({3, 4}):norm() == 5)
---```
---@return number
function Tensor:norm() end

--- Returns whether no element is infinite or NaN.
---
---```lua
---assert(not (tt.tensor.ones({2}) / 0):is_finite())
---```
---@return boolean
function Tensor:is_finite() end

---@class tt.tensor.ReduceOptions
---@field keepdim? boolean keep the dimension with size 1, default false

--- Sums over a dimension, or over everything to a scalar.
---
---```lua
---assert(tt.tensor.ones({2, 3}):sum(1)[3] == 2)
---```
---
--- Raises `tensor.shape`.
---@param dimension? integer default all
---@param opts? tt.tensor.ReduceOptions
---@return tt.Tensor
function Tensor:sum(dimension, opts) end

--- Averages over a dimension, or over everything to a scalar; over nothing it is NaN.
---
---```lua
---assert(tt.tensor.from_table({1, 3}):mean():item() == 2)
---```
---
--- Raises `tensor.shape`.
---@param dimension? integer default all
---@param opts? tt.tensor.ReduceOptions
---@return tt.Tensor
function Tensor:mean(dimension, opts) end

--- Returns the greatest values over a dimension, or of everything, and where they are; of equals the first.
---
---```lua
---local value, place = tt.tensor.from_table({1, 9, 3}):max()
---assert(value:item() == 9 and place[1] == 2)
---```
---
--- Raises `tensor.shape`, also when there is nothing.
---@param dimension? integer default all
---@param opts? tt.tensor.ReduceOptions
---@return tt.Tensor values
---@return tt.Indices places along the dimension; among all elements when none is given
function Tensor:max(dimension, opts) end

--- Returns the `k` greatest of each row, descending, and their places; equals in order of place. No gradient.
---
---```lua
---local values, places = tt.tensor.from_table({{1, 9, 3}}):topk(2)
---assert(values[1][2] == 3 and places[1] == 2)
---```
---
--- Raises `tensor.shape` when a row is shorter.
---@param k integer
---@return tt.Tensor values (…, k)
---@return tt.Indices places (…, k)
function Tensor:topk(k) end

--- Negates each element.
---
---```lua
---assert(tt.tensor.ones({2}):neg()[1] == -1)
---```
---@return tt.Tensor
function Tensor:neg() end

--- Computes e to the power of each element.
---
---```lua
---assert(tt.tensor.zeros({2}):exp()[1] == 1)
---```
---@return tt.Tensor
function Tensor:exp() end

--- Computes the natural logarithm of each element.
---
---```lua
---assert(tt.tensor.ones({2}):log()[1] == 0)
---```
---@return tt.Tensor
function Tensor:log() end

--- Computes the square root of each element.
---
---```lua
---assert(tt.tensor.from_table({9}):sqrt()[1] == 3)
---```
---@return tt.Tensor
function Tensor:sqrt() end

--- Computes the hyperbolic tangent of each element.
---
---```lua
---assert(tt.tensor.zeros({2}):tanh()[1] == 0)
---```
---@return tt.Tensor
function Tensor:tanh() end

--- Computes 1 / (1 + e^-x) of each element.
---
---```lua
---assert(tt.tensor.zeros({2}):sigmoid()[1] == 0.5)
---```
---@return tt.Tensor
function Tensor:sigmoid() end

--- Computes max(x, 0) of each element.
---
---```lua
---assert(tt.tensor.from_table({-2, 3}):relu()[1] == 0)
---```
---@return tt.Tensor
function Tensor:relu() end

--- Computes the absolute value of each element.
---
---```lua
---assert(tt.tensor.from_table({-2, 3}):abs()[1] == 2)
---```
---@return tt.Tensor
function Tensor:abs() end

--- Gives 1 where elements are equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):eq(2):sum():item() == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:eq(other) end

--- Gives 1 where elements are less, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):lt(2)[1] == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:lt(other) end

--- Gives 1 where elements are less or equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):le(2):sum():item() == 2)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:le(other) end

--- Gives 1 where elements are greater, else 0; no gradient.
---
---```lua
---local logits, labels = tt.tensor.from_table {-1, 2}, tt.tensor.from_table {0, 1}
---local accuracy = logits:gt(0):eq(labels):mean():item()
---assert(accuracy == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:gt(other) end

--- Gives 1 where elements are greater or equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):ge(2)[2] == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:ge(other) end

--- Makes a leaf collect a gradient or stop doing so, and returns it; without an argument, returns whether gradients
--- flow through the tensor.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---assert(w:requires_grad())
---```
---
--- Raises `tensor.grad` for the result of an operation.
---@param flag? boolean
---@return tt.Tensor|boolean
function Tensor:requires_grad(flag) end

--- Forgets the gradient, and returns the tensor.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---w:sum():backward()
---assert(w.grad and not w:zero_grad().grad)
---```
---@return tt.Tensor self
function Tensor:zero_grad() end

--- Returns the same numbers outside the graph; they share memory.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---assert(not (w * 2):detach():requires_grad())
---```
---@return tt.Tensor
function Tensor:detach() end

--- Adds the gradient of this tensor to `grad` of every leaf it was computed from, and lets go of the graph.
---
---```lua
---local w = tt.tensor.from_table({1, 2}):requires_grad(true)
---local loss = (w * w):sum()
---loss:backward()
---assert(w.grad[2] == 4)
---```
---
--- Raises `tensor.grad` without a graph or when it was used before; `tensor.shape`; `interrupted`.
---@param gradient? tt.Tensor to start from, the same shape; 1 for a single element
function Tensor:backward(gradient) end

--- Positions, from 1 up. `#indices` is their number, `indices[i]` one of them.
---@class tt.Indices
---@operator len: integer
local Indices = {}

--- Returns the positions as a table, nested as the shape.
---
---```lua
---assert(tt.tensor.range(4, 6):to_table()[1] == 4)
---```
---@return table
function Indices:to_table() end

--- Returns the positions at `places`.
---
---```lua
---assert(tt.tensor.indices({7, 8, 9}):rows({3, 1})[1] == 9)
---```
---
--- Raises `tensor.value` for a place outside.
---@param places tt.Indices|integer[]
---@return tt.Indices
function Indices:rows(places) end

--- Returns the positions at the places from `first` to `last`; negative places count from the end.
---
---```lua
---assert(#tt.tensor.range(1, 9):slice(-3) == 3)
---```
---
--- Raises `argument` for places outside.
---@param first? integer default 1
---@param last? integer default the last
---@return tt.Indices
function Indices:slice(first, last) end

--- Returns the positions, each moved by a distance.
---
---```lua
---assert(tt.tensor.indices({7, 9}):shift(-6)[2] == 3)
---```
---
--- Raises `tensor.value` when one would be below 1.
---@param by integer
---@return tt.Indices
function Indices:shift(by) end

--- n rows of a dense part and sparse parts side by side, kept once per entity. `#matrix` is n.
---@class tt.FeatureMatrix
---@operator len: integer
local FeatureMatrix = {}

--- Returns rows by position, for a module; nothing is copied yet.
---
---```lua
---local matrix = tt.tensor.feature_matrix {dense = tt.tensor.ones {4, 2}}
---assert(#matrix:rows {4, 4, 1} == 3)
---```
---
--- Raises `tensor.value` for a position outside.
---@param places tt.Indices|integer[]
---@return tt.Rows
function FeatureMatrix:rows(places) end

--- Returns the number of columns: of the dense part and all sparse parts.
---
---```lua
---assert(tt.tensor.feature_matrix({dense = tt.tensor.ones {4, 2}}):width() == 2)
---```
---@return integer d
function FeatureMatrix:width() end

--- Returns the dense part.
---
---```lua
---assert(tt.tensor.feature_matrix({dense = tt.tensor.ones {4, 2}}):dense():size(1) == 4)
---```
---@return tt.Tensor dense (n, d0)
function FeatureMatrix:dense() end

--- Returns everything as one dense tensor.
---
---```lua
---assert(tt.tensor.feature_matrix({dense = tt.tensor.ones {4, 2}}):to_dense():size() == 8)
---```
---@return tt.Tensor dense (n, d)
function FeatureMatrix:to_dense() end

--- Rows of a feature matrix, by position: input of a module that starts with `tt.nn.sparse_linear`. `#rows` is b.
---@class tt.Rows
---@operator len: integer
local Rows = {}

--- Returns the rows as a dense tensor.
---
---```lua
---local matrix = tt.tensor.feature_matrix {dense = tt.tensor.ones {4, 2}}
---assert(matrix:rows({1, 2}):to_dense():size() == 4)
---```
---@return tt.Tensor dense (b, d)
function Rows:to_dense() end

--- Returns the number of columns.
---
---```lua
---assert(tt.tensor.feature_matrix({dense = tt.tensor.ones {4, 2}}):rows({1}):width() == 2)
---```
---@return integer d
function Rows:width() end

--- Returns the positions of the rows in their matrix.
---
---```lua
---assert(tt.tensor.feature_matrix({dense = tt.tensor.ones {4, 2}}):rows({3}):indices()[1] == 3)
---```
---@return tt.Indices
function Rows:indices() end

return tensor
