---@meta tt.tensor

--- Float32 tensors, row-major, with gradients. Operations make new tensors and broadcast shapes as NumPy does.
--- Positions and dimensions count from 1; a dimension of -1 is the last.
---
--- Kernels are compiled for several instruction sets. `TT_KERNELS`, read at start-up, selects `avx512`, `avx2` or
--- `portable` instead of the best that the processor supports. All give the same bits: an element of a product is one
--- chain of fused multiply-adds in ascending order of the inner dimension, and other sums have a fixed order too. So a
--- row of a result depends only on the rows it is computed from, not on its neighbours, threads or blocks.
---@class tt.tensor
local tensor = {}

---@alias tt.Shape integer|integer[] one size, or a list of sizes

--- Makes a tensor of zeros.
---
---```lua
---assert(tt.tensor.zeros({2, 3}):size() == 6)
---```
---
--- Raises `tensor.shape` for negative sizes, `memory` for more elements than there is memory for.
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

--- Makes a tensor from nested tables of numbers, or a scalar from a number.
---
---```lua
---local m = tt.tensor.from_table {{1, 2, 3}, {4, 5, 6}}
---assert(#m == 2 and m:size(2) == 3)
---```
---
--- Raises `argument` when tables of one depth differ in length.
---@param values number|table
---@return tt.Tensor
function tensor.from_table(values) end

---@class tt.tensor.UniformOptions
---@field seed? integer default 0
---@field low? number least value, default 0
---@field high? number exclusive upper bound, default 1

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

--- Makes a tensor of normal random numbers with mean 0 and standard deviation 1; the same seed gives the same numbers.
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

--- Makes positions from a list of integers, counting from 1.
---
---```lua
---local m = tt.tensor.from_table {{1, 2}, {3, 4}}
---assert(m:rows(tt.tensor.indices {2, 2}):size(1) == 2)
---```
---
--- Raises `argument` for a number that is not in 1 to 2147483647.
---@param list integer[]
---@return tt.Indices
function tensor.indices(list) end

--- Makes the positions from `first` to `last`.
---
---```lua
---assert(#tt.tensor.range(3, 7) == 5)
---```
---
--- Raises `argument` for numbers out of range, `memory`.
---@param first integer 1 to 2147483647
---@param last integer at least `first - 1`, which gives an empty range
---@return tt.Indices
function tensor.range(first, last) end

---@class tt.tensor.SparsePart
---@field width integer columns of the part
---@field offsets integer[] n + 1 ascending numbers from 0 (CSR): row i has entries offsets[i] + 1 to offsets[i + 1]
---@field codes integer[] column of each entry, from 1 to width
---@field values number[] value of each entry

--- Makes a feature matrix from a dense part and sparse parts, side by side. For large ones use `tt.features`.
---
---```lua
---local matrix = tt.tensor.feature_matrix {
---    dense = tt.tensor.from_table {{0.5}, {1.5}},
---    sparse = {{width = 3, offsets = {0, 1, 3}, codes = {2, 1, 3}, values = {1, 1, 1}}},
---}
---assert(#matrix == 2 and matrix:width() == 4)
---```
---
--- Raises `tensor.value` when offsets, codes and values do not fit together, `argument` for numbers out of range.
---@param parts {dense: tt.Tensor, sparse?: tt.tensor.SparsePart[]} dense: (n, d0), d0 may be 0
---@return tt.FeatureMatrix
function tensor.feature_matrix(parts) end

--- Calls a function without recording its operations for `backward`, and returns its results.
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

--- Returns memory cached for new tensors and columns to the system.
---
---```lua
---collectgarbage()
---tt.tensor.empty_cache()
---```
function tensor.empty_cache() end

--- Returns the set of kernels in use, `avx512`, `avx2` or `portable`; see the top of this page.
---
---```lua
---assert(tt.tensor.kernels():match("^%a+%d*$"))
---```
---@return string
function tensor.kernels() end

--- Sets, if given, the number of threads for native work, and returns it. Results do not depend on it.
---
---```lua
---assert(tt.tensor.threads() >= 1)
---```
---@param n? integer 1 to 256; initially `TT_THREADS`, else the number of processors
---@return integer
function tensor.threads(n) end

--- An n-dimensional array of float32. `#t` is the size of the first dimension; `t[i]` is a number for a vector, else
--- the i-th slice. `+ - * /` take tensors and numbers, `^` a number; `-t` negates. To compare elements use `eq`.
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

--- Returns the sizes; an empty list for a scalar.
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

--- Returns the same elements in another shape; one size may be -1 and is inferred.
---
---```lua
---assert(tt.tensor.zeros({4, 3}):reshape(2, -1):size(2) == 6)
---```
---
--- Raises `tensor.shape` when the numbers of elements differ.
---@param ... integer|integer[] sizes, or one list of them
---@return tt.Tensor
function Tensor:reshape(...) end

--- Transposes two dimensions, by default the last two.
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

--- Returns positions `first` to `last` along a dimension; negative positions count from the end.
---
---```lua
---local m = tt.tensor.from_table {{1, 2, 3}, {4, 5, 6}}
---assert(m:slice(2, 2):to_table()[1][1] == 2)
---```
---
--- Raises `tensor.shape`, `argument` for positions out of range.
---@param dimension integer
---@param first? integer default 1
---@param last? integer default the last
---@return tt.Tensor
function Tensor:slice(dimension, first, last) end

--- Gathers entries along the first dimension, in the given order, with repeats.
---
---```lua
---local m = tt.tensor.from_table {{1, 2}, {3, 4}}
---assert(m:rows({2, 1, 2}):to_table()[3][1] == 3)
---```
---
--- Raises `tensor.value` for a position out of range, `argument` for a number that is not a position.
---@param places tt.Indices|integer[]
---@return tt.Tensor
function Tensor:rows(places) end

--- Returns the only element as a number.
---
---```lua
---assert(tt.tensor.ones({3}):sum():item() == 3)
---```
---
--- Raises `tensor.shape` unless there is exactly one element.
---@return number
function Tensor:item() end

--- Returns the elements as nested tables, or the number of a scalar.
---
---```lua
---assert(tt.tensor.ones({2, 2}):to_table()[2][1] == 1)
---```
---@return table|number
function Tensor:to_table() end

--- Returns the raw elements: float32, little-endian, row-major. For digests and exact comparison.
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

--- Multiplies matrices: (n, k) by (k, m). Leading dimensions of the left one alone are rows; if both have them, they
--- must be equal and are a batch.
---
---```lua
---assert(tt.tensor.ones({2, 3}):matmul(tt.tensor.ones {3, 4}):to_table()[1][1] == 3)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor
---@return tt.Tensor
function Tensor:matmul(other) end

--- Computes the dot product of each row with the same row of another tensor: (…, d) and (…, d) to (…).
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

--- Clamps each element to `low` … `high`; either may be nil.
---
---```lua
---assert(tt.tensor.from_table({-3, 5}):clamp(0, 1):sum():item() == 1)
---```
---@param low? number
---@param high? number
---@return tt.Tensor
function Tensor:clamp(low, high) end

--- Sets elements to 0 with probability p and divides the others by 1 - p. The mask is a function of the seed and each
--- element's index. In networks use `tt.nn.dropout`.
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

--- Scales rows to unit length: x / max(||x||, 1e-12) over the last dimension.
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

--- Sums over a dimension, or over all elements to a scalar.
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

--- Averages over a dimension, or over all elements to a scalar; the mean of no elements is NaN.
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

--- Returns the maxima over a dimension, or of all elements, and their positions, the first among equals.
---
---```lua
---local value, place = tt.tensor.from_table({1, 9, 3}):max()
---assert(value:item() == 9 and place[1] == 2)
---```
---
--- Raises `tensor.shape`, also when there are no elements.
---@param dimension? integer default all
---@param opts? tt.tensor.ReduceOptions
---@return tt.Tensor values
---@return tt.Indices places along the dimension; among all elements when none is given
function Tensor:max(dimension, opts) end

--- Returns the `k` greatest elements of each row, descending, and their positions; ties by position. No gradient.
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

--- Returns 1 where elements are equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):eq(2):sum():item() == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:eq(other) end

--- Returns 1 where elements are less, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):lt(2)[1] == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:lt(other) end

--- Returns 1 where elements are less or equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):le(2):sum():item() == 2)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:le(other) end

--- Returns 1 where elements are greater, else 0; no gradient.
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

--- Returns 1 where elements are greater or equal, else 0; no gradient.
---
---```lua
---assert(tt.tensor.from_table({1, 2}):ge(2)[2] == 1)
---```
---
--- Raises `tensor.shape`.
---@param other tt.Tensor|number
---@return tt.Tensor
function Tensor:ge(other) end

--- Makes a leaf collect a gradient or stop doing so, and returns it; without an argument, returns whether the tensor
--- requires a gradient.
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

--- Clears the gradient, and returns the tensor.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---w:sum():backward()
---assert(w.grad and not w:zero_grad().grad)
---```
---@return tt.Tensor self
function Tensor:zero_grad() end

--- Returns the same elements outside the graph, sharing memory: a change in place affects both, and `backward` detects
--- it.
---
---```lua
---local w = tt.tensor.ones({2}):requires_grad(true)
---assert(not (w * 2):detach():requires_grad())
---```
---@return tt.Tensor
function Tensor:detach() end

--- Adds the gradient of this tensor to `grad` of every leaf it was computed from, and releases the graph.
---
--- Gradients need the elements that the operations read. If these were changed in place since (by `copy`,
--- `module:init`, `load_state_dict`, an optimizer's step), an error names the operation: call `backward` before the
--- change, or change a `clone`.
---
---```lua
---local w = tt.tensor.from_table({1, 2}):requires_grad(true)
---local loss = (w * w):sum()
---loss:backward()
---assert(w.grad[2] == 4)
---```
---
--- Raises `tensor.grad` without a graph, when it was used before, and when a saved tensor was changed in place;
--- `tensor.shape`; `interrupted`.
---@param gradient? tt.Tensor to start from, the same shape; default 1 for a single element
function Tensor:backward(gradient) end

--- Positions, counting from 1. `#indices` is their number, `indices[i]` one of them.
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
--- Raises `tensor.value` for a place out of range.
---@param places tt.Indices|integer[]
---@return tt.Indices
function Indices:rows(places) end

--- Returns the positions at places `first` to `last`; negative places count from the end.
---
---```lua
---assert(#tt.tensor.range(1, 9):slice(-3) == 3)
---```
---
--- Raises `argument` for places out of range.
---@param first? integer default 1
---@param last? integer default the last
---@return tt.Indices
function Indices:slice(first, last) end

--- Returns the positions, each shifted by a distance.
---
---```lua
---assert(tt.tensor.indices({7, 9}):shift(-6)[2] == 3)
---```
---
--- Raises `tensor.value` when one would be below 1 or above 2147483647.
---@param by integer -2147483647 to 2147483647
---@return tt.Indices
function Indices:shift(by) end

--- n rows of a dense part and sparse parts side by side, stored once per entity. `#matrix` is n.
---@class tt.FeatureMatrix
---@operator len: integer
local FeatureMatrix = {}

--- Returns rows by position, as input of a module, without copying them.
---
---```lua
---local matrix = tt.tensor.feature_matrix {dense = tt.tensor.ones {4, 2}}
---assert(#matrix:rows {4, 4, 1} == 3)
---```
---
--- Raises `tensor.value` for a position out of range.
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

--- Returns the matrix as one dense tensor.
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
