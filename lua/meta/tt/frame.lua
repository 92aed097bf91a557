---@meta tt.frame

--- Tables of typed, nullable columns. Frames and columns never change: every operation gives a new one and shares what
--- it did not touch. Operations are native and work on whole columns; only `map`, and `filter` and `with` when given a
--- function, call Lua once a row.
---
--- The types are `int64`, `float64`, `float32`, `bool`, `string` (bytes meant to be UTF-8), `timestamp` (UTC, integer
--- microseconds since 1970 in Lua), `uuid` (text in Lua) and lists such as `list<string>` and `list<float32>`. Each of
--- them may be null, which Lua sees as nil. Null behaves as in SQL: an operation with null gives null, `and` and `or`
--- know three values, filters keep only what is true, aggregates skip nulls, null is a group of its own, null keys
--- join nothing, and nulls sort last.
---
--- **Expressions** are formulas over columns as text, for `filter` and `with`:
---
---     price * 2 > 100 and tag in ('x', 'y') or name is null
---
--- From loosest to tightest: `or`, `and`, `not`; comparisons `== != < <= > >=` (also `=` and `<>`), `is [not] null`,
--- `[not] in (…)`, `[not] between a and b`; `||` joins text; `+ -`; `* / // %`; unary `-`; `^`. Text stands in single
--- quotes (`''` is a quote), double quotes or backticks name a column that is no plain word: `"unit price"`. Text next
--- to a timestamp or uuid column is read as one: `created_at < '2025-01-31'`. Functions:
---
---     abs clamp(x,low,high) coalesce(a,b,…) if(condition,yes,no) least(a,b,…) greatest(a,b,…)
---     isfinite log log1p exp sqrt floor ceil round(x[,digits])
---     days(a - b) seconds(a - b) year month day hour minute second weekday date    (timestamps, UTC)
---     lower upper trim len replace(x,old,new) split(x,'|')
---     contains(x,'part') starts_with(x,'part') ends_with(x,'part')
---     int float string bool timestamp uuid    (casts)
---
--- **Arithmetic**: int64 with int64 stays int64 and raises `frame.overflow` rather than wrap around, `/` and `^` always
--- give float64, anything with a float gives float64. `//` and `%` round down as in Lua; by an int64 zero they raise
--- `frame.zero_division`. The difference of timestamps is int64 microseconds; a timestamp plus or minus int64
--- microseconds is a timestamp, and an int64 minus a timestamp counts as a difference of timestamps.
local frame = {}

---@class tt.frame.FromTableOptions
---@field schema? table<string, tt.dtype> types by column name; a column that no row has is all null
---@field order? string[] columns that come first

---@class tt.frame.MapOptions
---@field dtype? tt.dtype type of the column that results (default inferred)
---@field schema? table<string, tt.dtype> types of the frame that results (default inferred)
---@field order? string[] first columns of the frame that results

---@class tt.frame.JoinOptions
---@field on? string|string[] keys that both frames have
---@field left_on? string|string[] keys of this frame (default `on`)
---@field right_on? string|string[] keys of the other, as many (default `on`)
---@field how? "inner"|"left"|"semi"|"anti" (default inner)
---@field suffix? string added to a column of `other` whose name this frame has (default `_right`)

---@class tt.frame.ToTableOptions
---@field columns? boolean gives `{name = {values}}` instead of rows (default false)
---@field null? any what stands for null (default nil: absent)

---@class tt.frame.FormatOptions
---@field max_rows? integer rows shown; of more, the first and last halves (default 20)
---@field width? integer characters a line may take (default 120)

---@class tt.frame.JSONColumn
---@field [1] string name
---@field [2] tt.dtype|"json" type; `json` keeps any value as compact JSON text in a string column
---@field path? string where the value lies in a row (default: the member of the column's name)

---@class tt.frame.FromJSONOptions
---@field columns tt.frame.JSONColumn[]

---@class tt.frame.ToJSONOptions
---@field columns? string[] which ones, in this order (default all)
---@field json? string[] string columns whose texts are JSON and go in as the values they are

---@alias tt.dtype "int64"|"float32"|"float64"|"bool"|"string"|"timestamp"|"uuid"|"list<string>"|"list<float32>"|string

--- Makes a frame of Lua tables.
---
--- Rows: `{ {id = 1, name = "a"}, … }`; what a row lacks (or has as `tt.json.null`) is null. Columns: `{ id = {1, 2},
--- name = {"a", "b"} }` with lists or columns of equal length, also below a key `cols`. Types are inferred as by
--- `frame.column`. Columns go in order of appearance, those of one row or table sorted by name.
---@param rows_or_columns table
---@param opts? tt.frame.FromTableOptions
---@return tt.Frame frame
---
--- Raises: `frame.type` for a value that is not of its column's type, naming column and row; `frame.length` for lists
--- of different lengths.
---
--- ```lua
--- local f = tt.frame.from_table({{id = 1, name = "a"}, {id = 2}}, {schema = {name = "string"}, order = {"id"}})
--- assert(#f == 2 and f.name[2] == nil)
--- local g = tt.frame.from_table {id = {1, 2}, at = tt.frame.column({"2025-01-31"}, "timestamp"):take {1, 1}}
--- assert(g.at[1] == 1738281600000000)
--- ```
function frame.from_table(rows_or_columns, opts) end

--- Makes a frame of columns in the given order.
---@param list { [1]: string, [2]: tt.Column|any[] }[] pairs of a name and its column, all of equal length
---@return tt.Frame frame
---
--- Raises: `frame.type`, `frame.length` and `frame.columns` as `frame.from_table` does.
---
--- ```lua
--- local f = tt.frame.from_columns {{"id", {1, 2}}, {"age", {30, 40}}}
--- assert(f:columns()[2] == "age" and f.age[2] == 40)
--- ```
function frame.from_columns(list) end

--- Makes a column of a list.
---
--- Without a type: integers give int64, numbers float64, booleans bool, strings string, tables lists; nothing but nil
--- gives string. A type also converts: text to timestamp and uuid, integer microseconds to timestamp, whole floats to
--- int64. Nil and `tt.json.null` are null; give `n` for a list that ends in nil.
---@param values any[]|tt.Column
---@param dtype? tt.dtype
---@return tt.Column column
---
--- Raises: `frame.type` naming the row that does not fit.
---
--- ```lua
--- local c = tt.frame.column({1, nil, 3, n = 4}, "float64")
--- assert(#c == 4 and c:null_count() == 2 and c[3] == 3.0)
--- ```
function frame.column(values, dtype) end

--- Puts frames, or columns, one below the other.
---@param parts tt.Frame[]|tt.Column[] at least one; frames have the same columns, in any order, and the same types
---@return tt.Frame|tt.Column whole columns in the order of the first frame
---
--- Raises: `frame.columns` naming missing and extra columns, `frame.type` when types differ, `frame.empty` for an empty
--- list.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1}, {a = 2}}
--- assert(#tt.frame.concat {f, f:head(1)} == 3)
--- assert(tt.frame.concat {f.a, f.a}:sum() == 6)
--- ```
function frame.concat(parts) end

--- Reads a JSON array of objects, one row an object, as REST services answer.
---
--- Only the columns that are named are kept. A member that is absent or null is null. A path reaches further inside:
--- `a.b` is member `b` of member `a`, and `a[].b` makes a list of what member `b` of each element of the array `a`
--- gives, without nulls (`a[]` lists the elements themselves). A list without a path keeps its nulls.
---
--- Values must be of their column's type, with these freedoms: numbers may stand in strings, where `"NaN"` and
--- `"Infinity"` are null in float columns; `int64` takes `3.0`; `string` takes a number as it is written; a `timestamp`
--- of `"infinity"` is null; a list of floats may stand in a string, `"[1,2.5]"`, as pgvector writes it.
---@param text string
---@param opts tt.frame.FromJSONOptions
---@return tt.Frame frame
---
--- Raises: what `tt.json.decode` raises, but for numbers: they may be of any size where no column holds them;
--- `json.rows` for JSON that is no array of objects; `json.column` for a value that is not of its type, with
--- `details.row`, `details.column` and `details.expected`; `json.path` for a path that cannot be read; `frame.type`.
---
--- ```lua
--- local f = tt.frame.from_json('[{"id": 7, "price": "12.50", "links": [{"tag": {"name": "a"}}, {"tag": null}]}]', {
---     columns = {
---         { "id", "int64" }, { "price", "float64" }, { "added", "timestamp" },
---         { "tags", "list<string>", path = "links[].tag.name" }, { "raw", "json", path = "links" },
---     },
--- })
--- assert(f.id[1] == 7 and f.price[1] == 12.5 and f.added[1] == nil and #f.tags[1] == 1)
--- assert(f.raw[1] == '[{"tag":{"name":"a"}},{"tag":null}]')
--- ```
function frame.from_json(text, opts) end

--- Reads a CSV file, see `tt.csv.read`.
---@param path string
---@param opts? tt.csv.ReadOptions
---@return tt.Frame frame
---
--- Raises: as `tt.csv.read`.
---
--- ```lua
--- tt.frame.from_table {{a = 1}}:write_csv("a.csv")
--- assert(tt.frame.read_csv("a.csv").a[1] == 1)
--- ```
function frame.read_csv(path, opts) end

--- Reads a Parquet file, see `tt.parquet.read`.
---@param path string
---@param opts? table
---@return tt.Frame frame
---
--- Raises: as `tt.parquet.read`.
---
--- ```lua
--- tt.frame.from_table {{a = 1}}:write_parquet("a.parquet")
--- assert(tt.frame.read_parquet("a.parquet").a[1] == 1)
--- ```
function frame.read_parquet(path, opts) end

---@class tt.Frame
--- A table of named columns. `#f` is the number of rows, `f.name` and `f["name"]` are the column `name` where no method
--- has that name (`f:col(name)` always is), `tostring(f)` is a table to look at.
---@operator len: integer
---@field [string] tt.Column
local Frame = {}

--- Returns a column.
---@param name string
---@return tt.Column column
---
--- Raises: `frame.no_column`, suggesting the nearest name.
---
--- ```lua
--- local f = tt.frame.from_table {{count = 1}}
--- assert(f:col("count")[1] == 1)
--- ```
function Frame:col(name) end

--- Lists the column names.
---@return string[] names
---
--- ```lua
--- assert(tt.frame.from_table({{b = 1, a = 2}}):columns()[1] == "a")
--- ```
function Frame:columns() end

--- Returns the type of every column.
---@return table<string, tt.dtype> types
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1.5}}):dtypes().a == "float64")
--- ```
function Frame:dtypes() end

--- Returns the number of rows, as `#f`.
---@return integer n
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 2}}):height() == 2)
--- ```
function Frame:height() end

--- Returns the number of columns.
---@return integer n
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1, b = 2}}):width() == 2)
--- ```
function Frame:width() end

--- Keeps the named columns, in the order given.
---@param names string|string[]
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.duplicate` when a name is given twice.
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1, b = 2}}):select({"b", "a"}):columns()[1] == "b")
--- ```
function Frame:select(names) end

--- Leaves out the named columns.
---@param names string|string[]
---@return tt.Frame frame
---
--- Raises: `frame.no_column`.
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1, b = 2}}):drop("a"):width() == 1)
--- ```
function Frame:drop(names) end

--- Gives columns other names.
---@param names table<string, string> new names by old ones
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.duplicate` when a name would be there twice.
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}}):rename({a = "b"}).b[1] == 1)
--- ```
function Frame:rename(names) end

--- Adds columns, or replaces those of the same name in their place.
---
--- A value is an expression as text, a column, one number or boolean for all rows, or a function that is called with
--- every row as a table and returns the row's value. Constant text is an expression too: `"'text'"`. Given by name,
--- each is computed from the frame as it was and new ones go in order of their names; in a list each sees those before
--- it.
---@param columns table `{name = value}` or `{{name, value}, …}`
---@return tt.Frame frame
---
--- Raises: `frame.expression`, `frame.no_column`, `frame.type`, `frame.length` and what the expression raises.
---
--- ```lua
--- local f = tt.frame.from_table {{price = 10, n = 2}, {price = 5}}
--- f = f:with {{"total", "price * coalesce(n, 1)"}, {"share", "total / 25"}}
--- assert(f.total[2] == 5 and f.share[1] == 0.8)
--- f = f:with {n = f.n + 1, label = function(row) return "row of " .. row.price end}
--- assert(f.n[1] == 3 and f.n[2] == nil and f.label[2] == "row of 5")
--- ```
function Frame:with(columns) end

--- Gives the value of an expression for every row, as a column.
---@param expression string
---@return tt.Column column
---
--- Raises: `frame.expression`, `frame.no_column`, `frame.type` and what the expression raises.
---
--- ```lua
--- local f = tt.frame.from_columns {{"price", {10, 5}}, {"n", {2, 3}}}
--- assert(f:eval("price * n")[2] == 15)
--- ```
function Frame:eval(expression) end

--- Converts columns to other types, see `Column:cast`.
---@param types table<string, tt.dtype>
---@param opts? {strict?: boolean} false gives null where a value does not convert (default true)
---@return tt.Frame frame
---
--- Raises: `frame.cast` naming column and row; `frame.type` when the types never convert.
---
--- ```lua
--- local f = tt.frame.from_table {{a = "1"}, {a = "x"}}
--- assert(f:cast({a = "int64"}, {strict = false}).a[2] == nil)
--- assert(not pcall(f.cast, f, {a = "int64"}))
--- ```
function Frame:cast(types, opts) end

--- Replaces nulls.
---@param values table<string, any> by column name a value, or a column of the same length
---@return tt.Frame frame
---
--- Raises: `frame.type` when the value is not of the column's type.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1, b = "x"}, {}}
--- f = f:fill_null {a = 0, b = "?"}
--- assert(f.a[2] == 0 and f.b[2] == "?")
--- ```
function Frame:fill_null(values) end

--- Gives every element of a list column a row of its own, with the other columns repeated. A null or empty list keeps
--- one row, with null.
---@param name string
---@return tt.Frame frame
---
--- Raises: `frame.type` when the column holds no lists.
---
--- ```lua
--- local f = tt.frame.from_table {{id = 1, tags = {"a", "b"}}, {id = 2, tags = {}}}
--- assert(#f:explode("tags") == 3)
--- ```
function Frame:explode(name) end

--- Calls a function with every row as a table and makes a column of its results, or a frame when they are tables with
--- names. Nil is null.
---@param fn fun(row: table): any
---@param opts? tt.frame.MapOptions
---@return tt.Column|tt.Frame result
---
--- Raises: what the function raises; `frame.type` for results that do not fit together.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1}, {a = 2}}
--- assert(f:map(function(row) return row.a * 2 end):sum() == 6)
--- assert(f:map(function(row) return {x = row.a, y = "t"} end).y[1] == "t")
--- ```
function Frame:map(fn, opts) end

--- Keeps the rows for which the condition is true; null counts as false.
---@param condition string|tt.Column|fun(row: table): boolean? an expression, a bool column, or a function
---@return tt.Frame frame
---
--- Raises: `frame.expression` pointing at what could not be read, `frame.no_column`, `frame.type`, `frame.length`.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1, b = "x"}, {a = 5, b = "y"}, {b = "x"}}
--- assert(#f:filter("a > 1 or a is null") == 2)
--- assert(#f:filter(f.a:ge(1) & f.b:eq("x")) == 1)
--- assert(#f:filter(function(row) return row.b == "x" end) == 2)
--- ```
function Frame:filter(condition) end

--- Sorts the rows. Equal rows keep their order; nulls come last, NaN after all numbers; strings compare by their bytes.
---@param names string|string[] the first counts most; `-name` sorts descending
---@param opts? { distinct?: integer } `distinct`: of the rows that agree in so many of the first names only the first
---  is kept (default 0: all are)
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.type` for a list column; `frame.value` for more distinct names than there are.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1, b = 1}, {a = 1, b = 2}, {a = 0}}
--- local sorted = f:sort {"a", "-b"}
--- assert(sorted.a[1] == 0 and sorted.b[2] == 2)
--- assert(#f:sort({"a", "-b"}, {distinct = 1}) == 2)
--- ```
function Frame:sort(names, opts) end

--- Returns the first rows.
---@param n? integer (default 10)
---@return tt.Frame frame
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 2}}):head(1).a[1] == 1)
--- ```
function Frame:head(n) end

--- Returns the last rows.
---@param n? integer (default 10)
---@return tt.Frame frame
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 2}}):tail(1).a[1] == 2)
--- ```
function Frame:tail(n) end

--- Returns `n` rows from row `start` on, fewer where the frame ends.
---@param start integer counted from 1
---@param n? integer (default all that follow)
---@return tt.Frame frame
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 2}, {a = 3}}):slice(2, 1).a[1] == 2)
--- ```
function Frame:slice(start, n) end

--- Returns the rows at these positions, in their order; a position may repeat.
---@param positions integer[]|tt.Column|tt.Indices counted from 1; a column is int64 without nulls
---@return tt.Frame frame
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 2}}):take({2, 1, 2}).a[3] == 2)
--- ```
function Frame:take(positions) end

--- Combines the rows of two frames that have equal keys.
---
--- `inner` gives a row for every matching pair, so duplicates multiply as in SQL; `left` does too and keeps the rows
--- without a match, with nulls; `semi` and `anti` keep the rows of this frame that have, or have not, a match, once
--- each and with this frame's columns only. Null keys match nothing. Rows go in the order of this frame, matches of one
--- row in the order of `other`. The columns are this frame's, then those of `other` without its keys.
---@param other tt.Frame
---@param opts tt.frame.JoinOptions
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.type` when key types differ; `frame.duplicate` when a suffixed name is taken too.
---
--- ```lua
--- local f = tt.frame.from_table {{id = 1, n = "a"}, {id = 2, n = "b"}}
--- local g = tt.frame.from_table {{key = 1, n = "x"}, {key = 1, n = "y"}}
--- assert(#f:join(g, {left_on = "id", right_on = "key"}) == 2)
--- assert(f:join(g, {left_on = "id", right_on = "key", how = "left"}).n_right[3] == nil)
--- assert(f:join(g, {left_on = "id", right_on = "key", how = "anti"}).id[1] == 2)
--- ```
function Frame:join(other, opts) end

--- Puts rows with equal values in these columns into groups; null is a value like any other here.
---@param names string|string[]
---@return tt.Grouping groups
---
--- Raises: `frame.no_column`; `frame.type` for a list column.
---
--- ```lua
--- local f = tt.frame.from_table {{k = "a", v = 1}, {k = "b", v = 5}, {k = "a", v = 2}}
--- local sums = f:group_by("k"):agg {{"v", "sum"}, {"*", "count"}}
--- assert(sums.k[1] == "a" and sums.v_sum[1] == 3 and sums.count[2] == 1)
--- ```
function Frame:group_by(names) end

--- Keeps the first row of every combination of values.
---@param names? string|string[] the columns to compare (default all)
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.type` for a list column.
---
--- ```lua
--- assert(#tt.frame.from_table({{a = 1, b = 1}, {a = 1, b = 2}}):unique("a") == 1)
--- ```
function Frame:unique(names) end

--- Counts the values of a column: a frame of the value and its `count` (`count_rows` for a column that is itself named
--- `count`), most frequent first, ties in order of first appearance.
---@param name string
---@return tt.Frame counts
---
--- Raises: `frame.no_column`; `frame.type` for a list column.
---
--- ```lua
--- local f = tt.frame.from_table({{a = "x"}, {a = "y"}, {a = "y"}}):value_counts("a")
--- assert(f.a[1] == "y" and f.count[1] == 2)
--- ```
function Frame:value_counts(name) end

--- Draws different rows at random, in row order. The same seed gives the same rows.
---@param n integer at most the number of rows
---@param opts? {seed?: integer} (default 0)
---@return tt.Frame frame
---
--- Raises: `frame.value` when there are fewer rows.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1}, {a = 2}, {a = 3}}
--- assert(f:sample(2, {seed = 7}):equals(f:sample(2, {seed = 7})))
--- ```
function Frame:sample(n, opts) end

--- Returns a row as a table by column name, or nil when there is no such row. Null columns are absent.
---@param i integer counted from 1
---@return table? row
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}}):row(1).a == 1)
--- ```
function Frame:row(i) end

--- Iterates over the rows as tables, with their numbers. For a handful of rows: columns are read whole and far faster.
---@return fun(): table?, integer?
---
--- ```lua
--- for row, i in tt.frame.from_table({{a = 1}, {a = 2}}):rows() do assert(row.a == i) end
--- ```
function Frame:rows() end

--- Returns the whole frame as a list of row tables, or as lists by column name.
---@param opts? tt.frame.ToTableOptions
---@return table rows
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1}, {b = "x"}}
--- assert(f:to_table()[2].b == "x")
--- assert(f:to_table({columns = true, null = false}).a[2] == false)
--- ```
function Frame:to_table(opts) end

--- Writes the frame as JSON text: an array of objects, one a row, members in the order of the columns.
---
--- Floats take the shortest text that reads back equal (`float32` as float32), timestamps are RFC 3339 in UTC, lists
--- arrays, null is null. The text has no spaces and no line ends.
---@param opts? tt.frame.ToJSONOptions
---@return string text
---
--- Raises: `json.number` for NaN and infinity, `json.utf8` for a string that is not UTF-8, `json.syntax` for one of
--- `opts.json` that is no JSON, all with `details.row` and `details.column`; `frame.no_column`; `frame.type`.
---
--- ```lua
--- local f = tt.frame.from_table({{id = 1, v = {0.1, 2.5}}, {id = 2}}, {schema = {v = "list<float32>"}})
--- assert(f:to_json() == '[{"id":1,"v":[0.1,2.5]},{"id":2,"v":null}]')
--- local g = tt.frame.from_table {{meta = '{"a": 1}'}}
--- assert(g:to_json {json = {"meta"}} == '[{"meta":{"a":1}}]')
--- ```
function Frame:to_json(opts) end

--- Sums up every column in a row of a frame: `column`, `type`, `count` (not null), `nulls`, `n_unique`, `mean`,
--- `std`, `min`, `median`, `max`. What a type does not have is null; `min` and `max` are text.
---@return tt.Frame summary
---
--- ```lua
--- assert(tt.frame.from_table({{a = 1}, {a = 3}}):describe().mean[1] == 2)
--- ```
function Frame:describe() end

--- Tells whether another frame has the same names, types and values in the same order. Null equals null, NaN equals
--- NaN.
---@param other tt.Frame
---@return boolean
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1}}
--- assert(f:equals(f:head(1)) and not f:equals(f:with {a = 2}))
--- ```
function Frame:equals(other) end

--- Returns the table that `tostring` shows, in a size of its own.
---@param opts? tt.frame.FormatOptions
---@return string text
---
--- ```lua
--- local f = tt.frame.from_table {{id = 1, name = "a"}, {id = 2}}
--- assert(f:format() == [[
---    id  name
--- int64  string
--- -----  ------
---     1  a
---     2  null
--- 2 rows × 2 columns]])
--- ```
function Frame:format(opts) end

--- Writes a CSV file, see `tt.csv.write`.
---@param path string
---@param opts? tt.csv.WriteOptions
---
--- Raises: as `tt.csv.write`.
---
--- ```lua
--- tt.frame.from_table({{a = 1}}):write_csv("a.csv", {delimiter = ";"})
--- ```
function Frame:write_csv(path, opts) end

--- Writes a Parquet file, see `tt.parquet.write`.
---@param path string
---@param opts? table
---
--- Raises: as `tt.parquet.write`.
---
--- ```lua
--- tt.frame.from_table({{a = 1}}):write_parquet("a.parquet")
--- ```
function Frame:write_parquet(path, opts) end

---@class tt.Grouping
--- The groups that `Frame:group_by` makes. `#g` is how many there are.
---@operator len: integer
local Grouping = {}

--- Makes a frame with one row a group, in order of first appearance: the key columns, then one column an aggregate.
---
--- The aggregates are `count` (of values that are not null), `sum`, `mean`, `median`, `min`, `max`, `std` (sample) and
--- `std_pop` (population), `n_unique`, `first` and `last` (also when null), and `list` (all values in row order, nulls
--- included). Sums of int64 and bool are int64, the others float64. A group without values gives null, and 0 for
--- `count` and `n_unique`. A result is named `<column>_<aggregate>` unless `as` names it; `{"*", "count"}` counts rows
--- and is named `count`.
---@param items table[] `{column, aggregate}` or `{column, aggregate, as = name}`
---@return tt.Frame frame
---
--- Raises: `frame.no_column`; `frame.type` when a column has no such aggregate; `frame.overflow` for an int64 sum.
---
--- ```lua
--- local f = tt.frame.from_table {{k = 1, v = 10}, {k = 1, v = 20}, {k = 2}}
--- local g = f:group_by("k"):agg {{"v", "mean"}, {"v", "max", as = "top"}, {"v", "list"}}
--- assert(g.v_mean[1] == 15 and g.top[2] == nil and g.v_list[1][2] == 20)
--- ```
function Grouping:agg(items) end

--- Counts the rows of every group: the keys and `count`.
---@return tt.Frame frame
---
--- ```lua
--- assert(tt.frame.from_table({{k = 1}, {k = 1}}):group_by("k"):count().count[1] == 2)
--- ```
function Grouping:count() end

---@class tt.Column
--- One column. `#c` is its length, `c[i]` the value of row i (counted from 1, nil for null). The operators
--- `+ - * / // % ^` and unary `-` compute, `& | ~` are `and`, `or`, `not` of bools, `..` joins text; the other side is
--- a column of the same length or one value. Lua's `==` and `<` cannot give columns, so comparisons are methods, or
--- expressions in `filter`.
---@operator len: integer
---@operator add(any): tt.Column
---@operator sub(any): tt.Column
---@operator mul(any): tt.Column
---@operator div(any): tt.Column
---@operator idiv(any): tt.Column
---@operator mod(any): tt.Column
---@operator pow(any): tt.Column
---@operator unm: tt.Column
---@operator band(any): tt.Column
---@operator bor(any): tt.Column
---@operator bnot: tt.Column
---@operator concat(any): tt.Column
---@field [integer] any
local Column = {}

--- Returns the type.
---@return tt.dtype dtype
---
--- ```lua
--- assert(tt.frame.column({"a"}):dtype() == "string")
--- ```
function Column:dtype() end

--- Compares for equality: a bool column, null where either side is null. Numbers compare across types, strings by their
--- bytes, text with timestamp and uuid columns as such a value.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: `frame.type` for types that do not compare, `frame.length`.
---
--- ```lua
--- local c = tt.frame.column {1, nil, 3}
--- assert(c:eq(3)[3] == true and c:eq(3)[2] == nil)
--- ```
function Column:eq(other) end

--- Compares for inequality, see `eq`.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: as `eq`.
---
--- ```lua
--- assert(tt.frame.column({"a", "b"}):ne("a"):sum() == 1)
--- ```
function Column:ne(other) end

--- Tells where values are less, see `eq`.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: as `eq`.
---
--- ```lua
--- assert(tt.frame.column({1, 2}):lt(2)[1])
--- ```
function Column:lt(other) end

--- Tells where values are less or equal, see `eq`.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: as `eq`.
---
--- ```lua
--- assert(tt.frame.column({1, 2}):le(2):sum() == 2)
--- ```
function Column:le(other) end

--- Tells where values are greater, see `eq`.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: as `eq`.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31"}, "timestamp"):gt("2025-01-30")[1])
--- ```
function Column:gt(other) end

--- Tells where values are greater or equal, see `eq`.
---@param other tt.Column|any
---@return tt.Column flags
---
--- Raises: as `eq`.
---
--- ```lua
--- assert(tt.frame.column({1, 2}):ge(2)[2])
--- ```
function Column:ge(other) end

--- Tells where values are null. The result is never null.
---@return tt.Column flags
---
--- ```lua
--- assert(tt.frame.column({1, nil, n = 2}):is_null()[2] == true)
--- ```
function Column:is_null() end

--- Tells where values are among the given ones; null where the value is null, or where there is no match and a null is
--- among them, as SQL's `in`.
---@param values any[]|tt.Column
---@return tt.Column flags
---
--- Raises: `frame.type` when types differ.
---
--- ```lua
--- local c = tt.frame.column {"a", "b", "c"}
--- assert(c:is_in({"a", "c"}):sum() == 2)
--- ```
function Column:is_in(values) end

--- Tells which strings have a text in them, byte for byte, or which lists hold a value.
---@param part any
---@return tt.Column flags
---
--- Raises: `frame.type` for other columns.
---
--- ```lua
--- assert(tt.frame.column({"abc"}):contains("bc")[1])
--- assert(tt.frame.column({{"a", "b"}}):contains("b")[1])
--- ```
function Column:contains(part) end

--- Tells which strings start with a text.
---@param part string
---@return tt.Column flags
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({"abc"}):starts_with("ab")[1])
--- ```
function Column:starts_with(part) end

--- Tells which strings end with a text.
---@param part string
---@return tt.Column flags
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({"abc"}):ends_with("bc")[1])
--- ```
function Column:ends_with(part) end

--- Converts to another type.
---
--- Numbers convert when they fit exactly (a fraction or NaN is no int64; float64 to float32 rounds), bool is 0 and 1,
--- int64 and timestamp are microseconds, text is read as the type (lists as JSON arrays), and every type has a text:
--- floats in the shortest form that reads back equal, timestamps RFC 3339 in UTC.
---@param dtype tt.dtype
---@param opts? {strict?: boolean} false gives null where a value does not convert (default true)
---@return tt.Column column
---
--- Raises: `frame.cast` naming the row; `frame.type` when the types never convert.
---
--- ```lua
--- local c = tt.frame.column {"2025-01-31T12:00:00Z", "never"}
--- assert(c:cast("timestamp", {strict = false})[2] == nil)
--- assert(tt.frame.column({1, 2}):cast("float64")[1] == 1.0)
--- ```
function Column:cast(dtype, opts) end

--- Replaces nulls.
---@param value any one value, or a column of the same length
---@return tt.Column column
---
--- Raises: `frame.type` when the value is not of the column's type.
---
--- ```lua
--- assert(tt.frame.column({1, nil, 3}):fill_null(0):sum() == 4)
--- ```
function Column:fill_null(value) end

--- Takes, by a bool column, `yes` where it is true and `no` where it is false or null.
---@param yes any a column or one value
---@param no any a column or one value
---@return tt.Column column
---
--- Raises: `frame.type` when this is no bool column, or the two sides do not fit together.
---
--- ```lua
--- local c = tt.frame.column {1, 5}
--- assert(c:gt(3):choose(c, 0)[1] == 0)
--- ```
function Column:choose(yes, no) end

--- Returns absolute values; int64 stays int64.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers; `frame.overflow` for the smallest int64.
---
--- ```lua
--- assert(tt.frame.column({-2}):abs()[1] == 2)
--- ```
function Column:abs() end

--- Raises values below `low` to `low` and lowers values above `high` to `high`. int64 stays int64 when the bounds are
--- whole.
---@param low? number (default open)
---@param high? number (default open)
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers; `frame.value` when low > high.
---
--- ```lua
--- assert(tt.frame.column({-5, 5}):clamp(0, 3):sum() == 3)
--- ```
function Column:clamp(low, high) end

--- Returns natural logarithms as float64: -inf of 0, NaN of negative numbers.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({1}):log()[1] == 0)
--- ```
function Column:log() end

--- Returns log(1 + x) as float64, exact near 0.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({0}):log1p()[1] == 0)
--- ```
function Column:log1p() end

--- Returns e to the power of x as float64.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({0}):exp()[1] == 1)
--- ```
function Column:exp() end

--- Returns square roots as float64, NaN of negative numbers.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({9}):sqrt()[1] == 3)
--- ```
function Column:sqrt() end

--- Tells which numbers are neither NaN nor infinite; null stays null.
---@return tt.Column flags bool
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({1, 1 / 0}):isfinite():to_table()[2] == false)
--- ```
function Column:isfinite() end

--- Rounds down; floats stay float64, int64 stays as it is.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({-1.5}):floor()[1] == -2.0)
--- ```
function Column:floor() end

--- Rounds up; floats stay float64, int64 stays as it is.
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({1.2}):ceil()[1] == 2.0)
--- ```
function Column:ceil() end

--- Rounds to the nearest, halves away from zero.
---@param digits? integer decimals (default 0)
---@return tt.Column column
---
--- Raises: `frame.type` unless numbers.
---
--- ```lua
--- assert(tt.frame.column({2.5}):round()[1] == 3.0)
--- assert(tt.frame.column({0.126}):round(2)[1] == 0.13)
--- ```
function Column:round(digits) end

--- Turns differences of timestamps, in microseconds, into days: exact, fractional, signed float64.
---@return tt.Column days
---
--- Raises: `frame.type` for anything but numbers.
---
--- ```lua
--- local t = tt.frame.column({"2025-01-31T12:00:00Z", "2025-01-30"}, "timestamp")
--- assert((t - "2025-01-31"):days()[1] == 0.5)
--- ```
function Column:days() end

--- Turns differences of timestamps, in microseconds, into seconds as float64.
---@return tt.Column seconds
---
--- Raises: `frame.type` for anything but numbers.
---
--- ```lua
--- assert(tt.frame.column({1500000}):seconds()[1] == 1.5)
--- ```
function Column:seconds() end

--- Returns the start of each timestamp's day in UTC, as timestamp.
---@return tt.Column dates
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- local t = tt.frame.column({"2025-01-31T12:00:00Z"}, "timestamp")
--- assert(t:date():cast("string")[1] == "2025-01-31T00:00:00Z")
--- ```
function Column:date() end

--- Returns the year of timestamps, in UTC.
---@return tt.Column years int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31"}, "timestamp"):year()[1] == 2025)
--- ```
function Column:year() end

--- Returns the month of timestamps, 1 to 12, in UTC.
---@return tt.Column months int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31"}, "timestamp"):month()[1] == 1)
--- ```
function Column:month() end

--- Returns the day of the month of timestamps, in UTC.
---@return tt.Column days int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31"}, "timestamp"):day()[1] == 31)
--- ```
function Column:day() end

--- Returns the hour of timestamps, 0 to 23, in UTC.
---@return tt.Column hours int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31T09:00:00+09:00"}, "timestamp"):hour()[1] == 0)
--- ```
function Column:hour() end

--- Returns the minute of timestamps, 0 to 59, in UTC.
---@return tt.Column minutes int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31T09:30:00Z"}, "timestamp"):minute()[1] == 30)
--- ```
function Column:minute() end

--- Returns the whole second of timestamps, 0 to 59, in UTC.
---@return tt.Column seconds int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31T09:30:15.5Z"}, "timestamp"):second()[1] == 15)
--- ```
function Column:second() end

--- Returns the day of the week of timestamps, 1 for Monday to 7 for Sunday, in UTC.
---@return tt.Column weekdays int64
---
--- Raises: `frame.type` unless timestamps.
---
--- ```lua
--- assert(tt.frame.column({"2025-01-31"}, "timestamp"):weekday()[1] == 5)
--- ```
function Column:weekday() end

--- Returns strings in lower case.
---@return tt.Column column
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({"ÄB"}):lower()[1] == "äb")
--- ```
function Column:lower() end

--- Returns strings in upper case.
---@return tt.Column column
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({"äb"}):upper()[1] == "ÄB")
--- ```
function Column:upper() end

--- Returns strings without white space at their ends.
---@return tt.Column column
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({" a "}):trim()[1] == "a")
--- ```
function Column:trim() end

--- Replaces every occurrence of a text in strings.
---@param old string
---@param new string
---@return tt.Column column
---
--- Raises: `frame.type` unless strings.
---
--- ```lua
--- assert(tt.frame.column({"a-b-c"}):replace("-", "")[1] == "abc")
--- ```
function Column:replace(old, new) end

--- Cuts strings at every separator into lists of their parts; the empty string has none.
---@param separator string
---@return tt.Column lists list<string>
---
--- Raises: `frame.type` unless strings; `frame.value` for an empty separator.
---
--- ```lua
--- assert(tt.frame.column({"a|b"}):split("|")[1][2] == "b")
--- ```
function Column:split(separator) end

--- Returns the number of code points of strings, or of elements of lists.
---@return tt.Column lengths int64
---
--- Raises: `frame.type` for other columns.
---
--- ```lua
--- assert(tt.frame.column({"日本"}):len()[1] == 2)
--- ```
function Column:len() end

--- Returns the distinct values in order of first appearance; null is one of them.
---@return tt.Column column
---
--- Raises: `frame.type` for lists.
---
--- ```lua
--- assert(#tt.frame.column({1, 1, 2}):unique() == 2)
--- ```
function Column:unique() end

--- Sorts the values, nulls last.
---@param opts? {descending?: boolean} (default false)
---@return tt.Column column
---
--- Raises: `frame.type` for lists.
---
--- ```lua
--- assert(tt.frame.column({2, 3, 1}):sort({descending = true})[1] == 3)
--- ```
function Column:sort(opts) end

--- Returns the values at these positions.
---@param positions integer[]|tt.Column|tt.Indices counted from 1; a column is int64 without nulls
---@return tt.Column column
---
--- ```lua
--- assert(tt.frame.column({"a", "b"}):take({2, 2})[1] == "b")
--- ```
function Column:take(positions) end

--- Calls a function with every value (nil for null) and makes a column of the results.
---@param fn fun(value: any): any
---@param dtype? tt.dtype (default inferred)
---@return tt.Column column
---
--- Raises: what the function raises; `frame.type` for results that do not fit together.
---
--- ```lua
--- assert(tt.frame.column({"a", "b"}):map(string.byte)[2] == 98)
--- ```
function Column:map(fn, dtype) end

--- Counts the values that are not null.
---@return integer n
---
--- ```lua
--- assert(tt.frame.column({1, nil, 3}):count() == 2)
--- ```
function Column:count() end

--- Counts the nulls.
---@return integer n
---
--- ```lua
--- assert(tt.frame.column({1, nil, 3}):null_count() == 1)
--- ```
function Column:null_count() end

--- Counts the distinct values that are not null.
---@return integer n
---
--- Raises: `frame.type` for lists.
---
--- ```lua
--- assert(tt.frame.column({1, 1, 2}):n_unique() == 2)
--- ```
function Column:n_unique() end

--- Adds the values in row order; bool counts what is true. Nil without values.
---@return integer|number? sum integer for int64 and bool
---
--- Raises: `frame.type` unless numbers or bools; `frame.overflow`.
---
--- ```lua
--- assert(tt.frame.column({1, nil, 3}):sum() == 4)
--- ```
function Column:sum() end

--- Returns the arithmetic mean. Nil without values.
---@return number? mean
---
--- Raises: `frame.type` unless numbers or bools.
---
--- ```lua
--- assert(tt.frame.column({1, 2}):mean() == 1.5)
--- ```
function Column:mean() end

--- Returns the middle value, or the mid-point of the two middle ones. Nil without values.
---@return number? median
---
--- Raises: `frame.type` unless numbers or bools.
---
--- ```lua
--- assert(tt.frame.column({9, 1, 2, 3}):median() == 2.5)
--- ```
function Column:median() end

--- Returns the least value. Nil without values.
---@return any min
---
--- Raises: `frame.type` for lists.
---
--- ```lua
--- assert(tt.frame.column({"b", "a"}):min() == "a")
--- ```
function Column:min() end

--- Returns the greatest value, NaN if there is one. Nil without values.
---@return any max
---
--- Raises: `frame.type` for lists.
---
--- ```lua
--- assert(tt.frame.column({1, 3, 2}):max() == 3)
--- ```
function Column:max() end

--- Returns the sample standard deviation (divided by n - 1), in two passes. Nil for fewer than two values.
---@return number? std
---
--- Raises: `frame.type` unless numbers or bools.
---
--- ```lua
--- assert(tt.frame.column({1, 2, 3}):std() == 1)
--- ```
function Column:std() end

--- Returns the population standard deviation (divided by n), in two passes. Nil without values.
---@return number? std
---
--- Raises: `frame.type` unless numbers or bools.
---
--- ```lua
--- assert(tt.frame.column({1, 3}):std_pop() == 1)
--- ```
function Column:std_pop() end

--- Returns the first row's value, nil if that is null.
---@return any value
---
--- ```lua
--- assert(tt.frame.column({"a", "b"}):first() == "a")
--- ```
function Column:first() end

--- Returns the last row's value, nil if that is null.
---@return any value
---
--- ```lua
--- assert(tt.frame.column({"a", "b"}):last() == "b")
--- ```
function Column:last() end

--- Returns the values as a list.
---@param opts? {null?: any} what stands for null (default nil: a hole in the list, whose length is `#column`)
---@return any[] values
---
--- ```lua
--- assert(tt.frame.column({1, nil, 3}):to_table({null = 0})[2] == 0)
--- ```
function Column:to_table(opts) end

--- Tells whether another column has the same type and values. Null equals null, NaN equals NaN.
---@param other tt.Column
---@return boolean
---
--- ```lua
--- assert(tt.frame.column({1, 2}):equals(tt.frame.column {1, 2}))
--- ```
function Column:equals(other) end

return frame
