---@meta tt.features

-- From frames to model inputs: vocabularies, scalers, bags of tokens, and the store that holds the features of many
-- entities. Row numbers count from 1. Everything is computed in float64 and rounded to float32 once.

---@class tt.features
local features = {}

---@class tt.features.VocabularyOptions
---@field min_count? integer drops tokens of fewer entities (default: 1)
---@field max_size? integer number of tokens to keep; 0 keeps all (default: 0)

---@class tt.features.Bag
---@field owners tt.Column uuid, int64 or string: the owner of each row; ids not in the store are left out
---@field tokens tt.Column string, or list<string>: repeated tokens count each time
---@field held? tt.Column the item that each owner holds: an owner then has all tokens of its items, and `tokens` belong
---  to `token_owners`. Equals a join of both, without materialising it.
---@field token_owners? tt.Column of the type of `held`: the item of each token
---@field vocabulary tt.Vocabulary

---@class tt.features.StoreOptions
---@field ids tt.Column n distinct ids: uuid, int64 or string, no nulls
---@field numbers tt.Frame n rows of numeric columns, no nulls
---@field scaler? tt.Scaler standardises the columns it names; the others are unchanged
---@field bags? tt.features.Bag[] one sparse part each

---@class tt.features.SampleOptions
---@field wanted tt.Column int64: number of items to draw for each group
---@field taken tt.Taken the items that the groups have, and the number of items
---@field before_groups? tt.Column|tt.Indices with `before_items`, pairs to put before those drawn
---@field before_items? tt.Column|tt.Indices likewise
---@field seed? integer (default: 0)
---@field stream? integer separates draws of one seed (default: 0)

--- Collects the most frequent tokens of many entities. A token counts once per entity; tokens are ordered by descending
--- count and then by code point.
---
--- Raises `features.type` for other column types, `features.length` when the columns differ in length.
---
--- ```lua
--- local frame = tt.frame.from_table({
---     { film = 1, tag = "war" }, { film = 1, tag = "war" }, { film = 1, tag = "love" }, { film = 2, tag = "love" },
--- })
--- local vocabulary = tt.features.fit_vocabulary(frame.film, frame.tag, { min_count = 1 })
--- assert(vocabulary:tokens()[1] == "love" and #vocabulary == 2)
--- ```
---@param owners tt.Column uuid, int64 or string: the entity of each row; or a list<string> column, one entity per row
---@param tokens? tt.Column string, as long as `owners`; left out when `owners` holds lists
---@param opts? tt.features.VocabularyOptions
---@return tt.Vocabulary
---@overload fun(lists: tt.Column, opts?: tt.features.VocabularyOptions): tt.Vocabulary
function features.fit_vocabulary(owners, tokens, opts) end

--- Makes a vocabulary of tokens in the given order.
---
--- Raises `features.token` for an empty or repeated token.
---
--- ```lua
--- assert(tt.features.vocabulary({ "a", "b" }):index("b") == 2)
--- ```
---@param tokens string[]
---@return tt.Vocabulary
function features.vocabulary(tokens) end

--- Fits mean and population standard deviation of every column. A negligible deviation (1e-9 of the mean, at least
--- 1e-9) is stored as 1.
---
--- Raises `features.not_finite` for nulls, NaN and infinities, `features.type` for columns that are not numeric.
---
--- ```lua
--- local scaler = tt.features.fit_scaler(tt.frame.from_table({ { x = 1.0 }, { x = 3.0 } }))
--- assert(scaler:mean()[1] == 2 and scaler:scale()[1] == 1)
--- ```
---@param frame tt.Frame
---@return tt.Scaler
function features.fit_scaler(frame) end

--- Makes a scaler from means and scales that were fitted before.
---
--- Raises `features.range` for a mean or scale that is not finite or a scale that is not positive.
---
--- ```lua
--- local scaler = tt.features.scaler({ "x" }, { 10 }, { 5 })
--- assert(scaler:transform(tt.frame.from_table({ { x = 20 } })).x[1] == 2)
--- ```
---@param names string[]
---@param mean number[]
---@param scale number[]
---@return tt.Scaler
function features.scaler(names, mean, scale) end

--- Builds the features of n entities: one dense matrix of standardised numbers, and one sparse matrix per bag with
--- L2-normalised token counts.
---
--- Raises `features.not_finite` naming feature and id, `features.duplicate_id`, `features.null_id`.
---
--- ```lua
--- local films = tt.frame.from_table({ { id = 7, price = 10.0 }, { id = 9, price = 30.0 } })
--- local tags = tt.frame.from_table({ { film = 9, tag = "war" }, { film = 9, tag = "love" } })
--- local numbers = films:select({ "price" })
--- local store = tt.features.store({
---     ids = films.id, numbers = numbers, scaler = tt.features.fit_scaler(numbers),
---     bags = { { owners = tags.film, tokens = tags.tag, vocabulary = tt.features.vocabulary({ "love", "war" }) } },
--- })
--- assert(#store == 2 and store:width() == 3)
--- ```
---@param opts tt.features.StoreOptions
---@return tt.FeatureStore
function features.store(opts) end

--- Builds an index from ids to rows.
---
--- ```lua
--- local ids = tt.frame.from_table({ { id = "a" }, { id = "b" } }).id
--- assert(#tt.features.row_index(ids) == 2)
--- ```
---@param ids tt.Column uuid, int64 or string, distinct, no nulls
---@return tt.RowIndex
function features.row_index(ids) end

--- Makes indices from a column of row numbers, or concatenates several indices.
---
--- Raises `features.range` for nulls and numbers below 1.
---
--- ```lua
--- local rows = tt.frame.from_table({ { row = 2 }, { row = 1 } }):col("row")
--- assert(#tt.features.indices(rows) == 2)
--- assert(#tt.features.indices({ tt.features.indices(rows), tt.features.indices(rows) }) == 4)
--- ```
---@param rows tt.Column|tt.Indices[] int64, counting from 1
---@return tt.Indices
function features.indices(rows) end

--- Makes a tensor from a column or frame: [n] from a numeric column, [n, d] from a column of lists of d numbers or a
--- frame of d numeric columns.
---
--- Raises `features.not_finite` for nulls, NaN and infinities, `features.length` for lists of different lengths.
---
--- ```lua
--- local frame = tt.frame.from_table({ { a = 1, b = 2 }, { a = 3, b = 4 } })
--- assert(tt.features.to_tensor(frame):shape()[2] == 2)
--- ```
---@param values tt.Column|tt.Frame
---@param opts? { rows?: integer } pads a column of numbers with zeros to so many rows
---@return tt.Tensor
function features.to_tensor(values, opts) end

--- Makes a column from a tensor: float32 from [n], list<float32> from [n, d]. Indices of any shape become int64, all
--- positions in order, null where there is none.
---
--- ```lua
--- local column = tt.features.to_column(tt.tensor.zeros({ 3, 2 }))
--- assert(#column == 3)
--- ```
---@param values tt.Tensor|tt.Indices
---@return tt.Column
function features.to_column(values) end

--- Records which items each group has.
---
--- ```lua
--- local pairs_ = tt.frame.from_table({ { group = 1, item = 1 }, { group = 1, item = 2 } })
--- assert(#tt.features.taken(pairs_.group, pairs_.item, { groups = 2, population = 3 }) == 2)
--- ```
---
--- Raises `features.range` for a group or item out of range, `features.length`, `memory`.
---@param groups tt.Column|tt.Indices int64 column or indices; pairs with null are ignored
---@param items tt.Column|tt.Indices of the same length
---@param opts { groups: integer, population: integer } the numbers of groups and items, 2147483647 at most
---@return tt.Taken
function features.taken(groups, items, opts) end

--- Draws, for each group, items that the group does not have, uniformly without replacement; all of them if there are
--- fewer than `wanted`.
---
--- ```lua
--- local wanted = tt.frame.from_table({ { n = 1 }, { n = 5 } }).n
--- local pairs_ = tt.frame.from_table({ { group = 1, item = 1 }, { group = 1, item = 2 } })
--- local taken = tt.features.taken(pairs_.group, pairs_.item, { groups = 2, population = 3 })
--- local groups, items = tt.features.sample_without({ wanted = wanted, taken = taken, seed = 1 })
--- assert(#groups == 4 and items:to_table()[1] == 3)
--- ```
---
--- Raises `features.range` for a negative count, `features.length`, `memory`, `interrupted`.
---@param opts tt.features.SampleOptions
---@return tt.Indices groups of the drawn items, ascending
---@return tt.Indices items ascending in each group
function features.sample_without(opts) end

--- Marks the first trunc(n * fraction) rows in ascending order of the SHA-256 of `<prefix>:<key 1>:<key 2>…`: a split
--- that depends on the keys alone, not on row order.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = 1 }, { id = 2 }, { id = 3 }, { id = 4 } })
--- local marked = tt.features.digest_split("42", { frame.id }, 0.5)
--- assert(frame:filter(marked):height() == 2)
--- ```
---@param prefix string
---@param keys tt.Column[] uuid, int64 or string, no nulls
---@param fraction number 0..1
---@param opts? { among?: tt.Column } bool: splits only the n rows where it is true (default: all)
---@return tt.Column marked bool
function features.digest_split(prefix, keys, fraction, opts) end

--- Computes the area under the ROC curve: the probability that a row labelled 1 scores above one labelled 0; ties count
--- half.
---
--- ```lua
--- local frame = tt.frame.from_table({ { score = 0.9, label = 1 }, { score = 0.2, label = 0 } })
--- assert(tt.features.auc(frame.score, frame.label) == 1)
--- ```
---@param scores tt.Column|tt.Tensor
---@param labels tt.Column|tt.Tensor above 0.5 is positive
---@return number|nil auc nil when all labels are equal
function features.auc(scores, labels) end

---@class tt.Vocabulary
---@operator len: integer
local Vocabulary = {}

--- Lists the tokens in order.
---
--- ```lua
--- assert(tt.features.vocabulary({ "a", "b" }):tokens()[2] == "b")
--- ```
---@return string[]
function Vocabulary:tokens() end

--- Returns the index of a token.
---
--- ```lua
--- assert(tt.features.vocabulary({ "a" }):index("x") == nil)
--- ```
---@param token string
---@return integer|nil index from 1; nil when the token is not in the vocabulary
function Vocabulary:index(token) end

---@class tt.Scaler
local Scaler = {}

--- Lists the columns it standardises.
---
--- ```lua
--- assert(tt.features.scaler({ "x" }, { 0 }, { 1 }):names()[1] == "x")
--- ```
---@return string[]
function Scaler:names() end

--- Lists the means, in the order of the names.
---
--- ```lua
--- assert(tt.features.scaler({ "x" }, { 3 }, { 1 }):mean()[1] == 3)
--- ```
---@return number[]
function Scaler:mean() end

--- Lists the standard deviations, in the order of the names.
---
--- ```lua
--- assert(tt.features.scaler({ "x" }, { 0 }, { 2 }):scale()[1] == 2)
--- ```
---@return number[]
function Scaler:scale() end

--- Standardises the columns it names, as float64; other columns are unchanged.
---
--- ```lua
--- local scaled = tt.features.scaler({ "x" }, { 1 }, { 2 }):transform(tt.frame.from_table({ { x = 5 } }))
--- assert(scaled.x[1] == 2)
--- ```
---@param frame tt.Frame
---@return tt.Frame
function Scaler:transform(frame) end

---@class tt.FeatureStore
---@operator len: integer
local FeatureStore = {}

--- Lists the dense columns.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = 1, x = 2.0 } })
--- local store = tt.features.store({ ids = frame.id, numbers = frame:select({ "x" }) })
--- assert(store:names()[1] == "x")
--- ```
---@return string[]
function FeatureStore:names() end

--- Returns the input matrix of a network: the dense columns, then each bag.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = 1, x = 2.0 } })
--- local store = tt.features.store({ ids = frame.id, numbers = frame:select({ "x" }) })
--- assert(#store:matrix() == 1)
--- ```
---@return tt.FeatureMatrix
function FeatureStore:matrix() end

--- Returns the number of columns, bags included.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = 1, x = 2.0 } })
--- assert(tt.features.store({ ids = frame.id, numbers = frame:select({ "x" }) }):width() == 1)
--- ```
---@return integer
function FeatureStore:width() end

--- Finds the rows of ids.
---
--- Raises `features.unknown_id`, naming the first id that is not in the store.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = "a", x = 2.0 }, { id = "b", x = 3.0 } })
--- local store = tt.features.store({ ids = frame.id, numbers = frame:select({ "x" }) })
--- local rows = store:matrix():rows(store:indices(frame.id))
--- assert(#rows == 2)
--- ```
---@param ids tt.Column of the type of the store's ids
---@return tt.Indices
function FeatureStore:indices(ids) end

--- The items of each group; its length is the number of groups.
---@class tt.Taken
---@operator len: integer
local Taken = {}

---@class tt.RowIndex
---@operator len: integer
local RowIndex = {}

--- Finds the rows of ids.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = "a" }, { id = "b" } })
--- local rows = tt.features.row_index(frame.id):rows(tt.frame.from_table({ { id = "b" }, { id = "x" } }).id)
--- assert(rows[1] == 2 and rows[2] == nil)
--- ```
---@param ids tt.Column of the type of the index's ids
---@return tt.Column rows int64 from 1; null for null and for ids that are not in the index
function RowIndex:rows(ids) end

--- Finds the rows of ids, as indices: half the memory of a column.
---
--- ```lua
--- local frame = tt.frame.from_table({ { id = "a" }, { id = "b" } })
--- assert(#tt.features.row_index(frame.id):indices(frame.id) == 2)
--- ```
---@param ids tt.Column of the type of the index's ids
---@return tt.Indices rows none for null and for ids that are not in the index
function RowIndex:indices(ids) end

return features
