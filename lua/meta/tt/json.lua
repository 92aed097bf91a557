---@meta tt.json

-- JSON, strict both ways. Lists are tables with 1..n, maps are tables with text keys; an empty table is a map unless it
-- is marked by `json.array`. Maps that were read keep the order of their members when they are written again.

---@class tt.json
local json = {}

--- Stands for null inside of tables, where nil would mean that nothing is there.
---
--- ```lua
--- assert(tt.json.decode("[null]")[1] == tt.json.null)
--- assert(tt.json.encode({ a = tt.json.null }) == '{"a":null}')
--- ```
---@type lightuserdata
json.null = nil

---@class tt.json.EncodeOptions
---@field indent? integer spaces a level (default: everything on one line, without spaces)

--- Writes a value as JSON text: shortest numbers that read back equal, text outside of ASCII as it is, members in the
--- order of the table's `__order` (set by `json.object` and by reading), otherwise sorted by bytes.
---
--- ```lua
--- local json = tt.json
--- assert(json.encode({ b = { 1, 2.5, "é" }, a = true }) == '{"a":true,"b":[1,2.5,"é"]}')
--- assert(json.encode({ a = {} }, { indent = 2 }) == '{\n  "a": {}\n}')
--- ```
---
--- Raises `json.number` for NaN and infinity, `json.depth`, `argument` for functions and objects.
---@param value any plain value
---@param opts? tt.json.EncodeOptions
---@return string text
function json.encode(value, opts) end

--- Reads one JSON text, as strictly as RFC 8259 says. Numbers without point and exponent are integers, exactly, others
--- floats, correctly rounded; null inside is `json.null`, a lone null is nil. Names that repeat, which the RFC leaves
--- to the reader, are refused; names are compared by their text, escapes undone.
---
--- ```lua
--- local value = tt.json.decode('{"z": [1, 2.0], "a": null}')
--- assert(math.type(value.z[1]) == "integer" and math.type(value.z[2]) == "float")
--- assert(tt.json.encode(value) == '{"z":[1,2.0],"a":null}')
---
--- local ok, problem = pcall(tt.json.decode, '{"a": 1,\n "a": 2}')
--- assert(not ok and problem.code == "json.duplicate_key" and problem.details.line == 2)
--- ```
---
--- Raises `json.syntax`, `json.utf8`, `json.number` (outside of 64 bits), `json.duplicate_key`, `json.depth` (2048),
--- with `details.line` and `details.column`, where the fault begins.
---@param text string
---@return any value
function json.decode(text) end

--- Reads a file as one JSON text.
---
--- ```lua
--- tt.fs.write("a.json", '{"a": 1}')
--- assert(tt.json.read("a.json").a == 1)
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed` and what `json.decode` raises, naming the file.
---@param path string
---@return any value
function json.read(path) end

--- Writes a value as a JSON file, whole or not at all, with a newline at its end.
---
--- ```lua
--- tt.json.write("a.json", { a = 1 }, { indent = 2 })
--- assert(tt.fs.read("a.json") == '{\n  "a": 1\n}\n')
--- ```
---
--- Raises what `json.encode` raises, and `fs.not_found`, `fs.denied`, `fs.failed`.
---@param path string
---@param value any plain value
---@param opts? tt.json.EncodeOptions
function json.write(path, value, opts) end

--- Marks a table as a list, so that an empty one is written as `[]`.
---
--- ```lua
--- assert(tt.json.encode(tt.json.array {}) == "[]")
--- ```
---@generic T: table
---@param list T
---@return T list the same table
function json.array(list) end

--- Makes a map whose members are written in the given order. A member whose value is nil is left out.
---
--- ```lua
--- local value = tt.json.object { { "z", 1 }, { "a", 2 } }
--- assert(value.z == 1 and tt.json.encode(value) == '{"z":1,"a":2}')
--- ```
---
--- Raises `argument` for a member without name and for a name that is there twice.
---@param members table[] each `{ name, value }`
---@return table map
function json.object(members) end

--- Lists the keys of a map: those of its `__order` first, the others sorted as text.
---
--- ```lua
--- local map = tt.json.decode('{"z": 1, "a": 2}')
--- map.b = 3
--- assert(table.concat(tt.json.keys(map), " ") == "z a b")
--- ```
---@param map table
---@return any[] keys
function json.keys(map) end

return json
