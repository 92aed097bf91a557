---@meta tt.random

-- Columns of random numbers, millions of rows at a time. The same calls in the same order on the same seed give
-- the same columns. Counts are 0 to 2147483646; what there is no memory for raises `memory`.

---@class tt.random
local random = {}

---@class tt.random.Options
---@field stream? integer separates independent generators of one seed (default: 0)

--- Makes a generator.
---
--- ```lua
--- assert(tt.random.new(7):integers(1, 1, 100)[1] == tt.random.new(7):integers(1, 1, 100)[1])
--- ```
---@param seed integer
---@param opts? tt.random.Options
---@return tt.RandomColumns
function random.new(seed, opts) end

---@class tt.RandomColumns
local RandomColumns = {}

--- Draws numbers uniformly from low..<high.
---
--- ```lua
--- local column = tt.random.new(1):uniform(1000, 5, 6)
--- assert(column:min() >= 5 and column:max() < 6)
--- ```
---@param count integer
---@param low? number (default: 0)
---@param high? number (default: 1)
---@return tt.Column float64
function RandomColumns:uniform(count, low, high) end

--- Draws numbers from a normal distribution.
---
--- ```lua
--- assert(math.abs(tt.random.new(1):normal(10000, 3, 1):mean() - 3) < 0.1)
--- ```
---@param count integer
---@param mean? number (default: 0)
---@param std? number (default: 1)
---@return tt.Column float64
function RandomColumns:normal(count, mean, std) end

--- Draws whole numbers uniformly from low..high, both included.
---
--- ```lua
--- assert(tt.random.new(1):integers(1000, 1, 3):max() == 3)
--- ```
---@param count integer
---@param low integer
---@param high integer
---@return tt.Column int64
function RandomColumns:integers(count, low, high) end

--- Draws true with a probability.
---
--- ```lua
--- assert(#tt.random.new(1):bools(10, 0.2) == 10)
--- ```
---@param count integer
---@param probability? number (default: 0.5)
---@return tt.Column bool
function RandomColumns:bools(count, probability) end

--- Makes random UUIDs (version 4).
---
--- ```lua
--- assert(#tostring(tt.random.new(1):uuids(1)[1]) == 36)
--- ```
---@param count integer
---@return tt.Column uuid
function RandomColumns:uuids(count) end

--- Draws 1..#weights, each with a probability in proportion to its weight.
---
--- ```lua
--- assert(tt.random.new(1):weighted(100, { 0, 1, 0 }):min() == 2)
--- ```
---@param count integer
---@param weights number[] finite, not negative, one of them positive
---@return tt.Column int64
function RandomColumns:weighted(count, weights) end

--- Draws 1..size where k has a weight of 1 / k^exponent: few values are frequent, many are rare.
---
--- ```lua
--- assert(tt.random.new(1):zipf(1000, 50, 1.1):max() <= 50)
--- ```
---@param count integer
---@param size integer
---@param exponent? number (default: 1)
---@return tt.Column int64
function RandomColumns:zipf(count, size, exponent) end

--- Puts the numbers 1..count in random order.
---
--- ```lua
--- assert(tt.random.new(1):permutation(10):sum() == 55)
--- ```
---@param count integer
---@return tt.Column int64
function RandomColumns:permutation(count) end

return random
