---@meta tt.yaml

-- YAML 1.2, core schema: `1.0e-5` is a number, `no` and `12:30` are text. Refused by name: duplicate keys, tags, merge
-- keys (`<<`), several documents, integers outside of 64 bits. Aliases work within limits.

---@class tt.yaml
local yaml = {}

--- Reads one YAML document. Maps keep the order of their keys, null inside is `json.null`, a lone null is nil.
---
--- ```lua
--- local value = tt.yaml.decode("lr: 1.0e-5\nbetas: [0.9, 0.999]\nname: '5'")
--- assert(value.lr == 1e-5 and value.betas[2] == 0.999 and value.name == "5")
---
--- local ok, problem = pcall(tt.yaml.decode, "a: 1\na: 2", "my.yaml")
--- assert(not ok and problem.code == "yaml.duplicate_key")
--- assert(problem.message == "invalid YAML at my.yaml:2:1: duplicate key 'a', first on line 1")
--- ```
---
--- Raises `yaml.syntax`, `yaml.duplicate_key`, `yaml.unsupported`, `yaml.number`, `yaml.limit`, with `details.line` and
--- `details.column`.
---@param text string
---@param source? string the file's name, for messages
---@return any value
function yaml.decode(text, source) end

--- Reads a file as one YAML document.
---
--- ```lua
--- tt.fs.write("a.yaml", "a: [1, 2]")
--- assert(tt.yaml.read("a.yaml").a[2] == 2)
--- ```
---
--- Raises `fs.not_found`, `fs.denied`, `fs.failed` and what `yaml.decode` raises, naming the file.
---@param path string
---@return any value
function yaml.read(path) end

--- Writes a value as a YAML document in block style; text that would be read as something else is quoted.
---
--- ```lua
--- local value = tt.json.object { { "name", "no" }, { "list", { 1, 2.5 } } }
--- assert(tt.yaml.encode(value) == "name: 'no'\nlist:\n- 1\n- 2.5\n")
--- ```
---
--- Raises `yaml.limit` for more than 512 levels, `argument` for functions and objects.
---@param value any plain value
---@return string text ends with a newline
function yaml.encode(value) end

--- Tells on which line every key and every list element of a document stands.
---
--- ```lua
--- local lines = tt.yaml.lines("a:\n  b: [x,\n    y]")
--- assert(lines["a"] == 1 and lines["a.b"] == 2 and lines["a.b[2]"] == 3)
--- ```
---
--- Raises what `yaml.decode` raises.
---@param text string
---@param source? string the file's name, for messages
---@return table<string, integer> lines by dotted path, counted from 1
function yaml.lines(text, source) end

return yaml
