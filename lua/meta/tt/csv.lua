---@meta tt.csv

--- Comma-separated values (RFC 4180) to frames and back.
local csv = {}

---@class tt.csv.ReadOptions
---@field header? boolean the first line holds the column names (default true); else they are `column_1`, `column_2` …
---@field delimiter? string one ASCII character between fields (default `,`)
---@field names? string[] column names instead of the file's
---@field types? table<string, string> types by column name, see `tt.Column`; the others are inferred
---@field columns? string[] the columns to keep, in this order (default all)
---@field null? string|string[] unquoted fields that mean null (default the empty field)

---@class tt.csv.WriteOptions
---@field header? boolean writes the column names first (default true)
---@field delimiter? string one ASCII character between fields (default `,`)
---@field null? string what stands for null (default nothing)

--- Reads a file into a frame.
---
--- A byte order mark is skipped, lines end in LF, CRLF or CR, blank lines are skipped where there are several columns.
--- Types that are not given are inferred from the whole file: int64 (not for digits with leading zeros or too many for
--- int64, which are kept as text), float64, bool (`true`, `false`), timestamp (ISO 8601, UTC where no zone is given),
--- uuid, else string; a column without values is string. Quoting does not make a number text. A quoted empty field is
--- an empty string in a string column and null in others. Columns given as a list type are read as JSON arrays.
---@param path string
---@param opts? tt.csv.ReadOptions
---@return tt.Frame frame
---
--- Raises: `fs.not_found` and other `fs.*`; `csv.syntax` for quotes, `csv.fields` for a row of the wrong length,
--- `csv.header` for column names that repeat, `csv.value` for a field that is not of its given type, `csv.column` for
--- an option that names no column. All but the last name the file and the line.
---
--- ```lua
--- local out <close> = assert(io.open("prices.csv", "w"))
--- out:write("id,price,added\n007,10,2025-01-31\n008,,2025-02-01\n")
--- out:close()
--- local f = tt.csv.read("prices.csv", {types = {price = "float64"}})
--- assert(f.id[1] == "007" and f.price[1] == 10.0 and f.price[2] == nil)
--- assert(f.added:dtype() == "timestamp")
--- ```
function csv.read(path, opts) end

--- Reads CSV text into a frame.
---@param text string
---@param opts? tt.csv.ReadOptions
---@return tt.Frame frame
---
--- Raises: as `csv.read`, without `fs.*`.
---
--- ```lua
--- local f = tt.csv.decode("a;b\n1;x\n2;-\n", {delimiter = ";", null = "-"})
--- assert(f.b[1] == "x" and f.b[2] == nil)
--- ```
function csv.decode(text, opts) end

--- Writes a frame to a file, whole or not at all.
---
--- Floats are written in the shortest form that reads back equal, timestamps as RFC 3339 in UTC, lists as JSON arrays.
--- Null is an empty field and the empty string is `""`, so that reading gives both back.
---@param path string
---@param frame tt.Frame
---@param opts? tt.csv.WriteOptions
---
--- Raises: `fs.*` when the file cannot be written.
---
--- ```lua
--- local f = tt.frame.from_table {{id = 1, name = 'say "hi"'}, {id = 2}}
--- tt.csv.write("names.csv", f)
--- assert(tt.csv.read("names.csv"):equals(f))
--- ```
function csv.write(path, frame, opts) end

--- Writes a frame as CSV text.
---@param frame tt.Frame
---@param opts? tt.csv.WriteOptions
---@return string text
---
--- Raises: `memory` when the text does not fit into memory.
---
--- ```lua
--- local f = tt.frame.from_table {{a = 1, b = "x, y"}, {a = 2}}
--- assert(tt.csv.encode(f) == 'a,b\n1,"x, y"\n2,\n')
--- ```
function csv.encode(frame, opts) end

return csv
