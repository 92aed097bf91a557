---@meta

--- The program's own table. `tt.sql` is `require "tt.sql"`, and so for every module: it is loaded on first use.
---
--- ```lua
--- assert(tt.test == require "tt.test")
--- ```
tt = {}

--- The version of the program, as `tt --version` prints it.
---@type string
tt.version = ""

---@class tt.Error
---@field code string what to match on: `sql.connect`, `argument`, `interrupted`
---@field message string for people
---@field details? table facts: file, row, column, option
---@field where? string the script and line, `script.lua:12`
---@field traceback? string the calls it was raised in, innermost first
---@field cause? tt.Error what made it fail
local Error = {}

--- Raises an error object as native functions do. `tostring` of it is the message with its place before it.
---@param code string stable, in dotted words: `config.unknown_key`. `usage` and `config` end the program with status 2
---@param message string for people: what is wrong and what to do
---@param details? table plain values
---@param level? integer whose line is `where`: 1 the caller of tt.error (default), 2 its caller
---
--- Raises: what it is given.
---
--- ```lua
--- local ok, raised = pcall(tt.error, "shop.sold_out", "no apples are left", {wanted = 3})
--- assert(not ok and raised.code == "shop.sold_out" and raised.details.wanted == 3)
--- ```
function tt.error(code, message, details, level) end

--- Lists the modules there are; not what belongs to one of them, as `tt.storage.writes` does.
---@return string[] names with their `tt.`, in order
---
--- ```lua
--- for _, name in ipairs(tt.modules()) do require(name) end
--- ```
function tt.modules() end

--- Lists the native classes.
---@return string[] names, in order
---
--- ```lua
--- for _, name in ipairs(tt.classes()) do assert(type(tt.class(name)) == "table") end
--- ```
function tt.classes() end

--- Returns the table of a class's methods. A method set in it is there for every object of the class.
---@param name string as `tt.classes` lists it
---@return table methods
---
--- Raises: `argument` for an unknown name.
---
--- ```lua
--- assert(not pcall(tt.class, "no such class"))
--- ```
function tt.class(name) end

--- Returns a file that is carried inside the program, or lists them.
---@param path? string in the project: `config/default.yaml`
---@return string|string[]|nil content nil when there is no such file; without a path, the list of paths
---
--- ```lua
--- assert(tt.carried("lua/tt/test.lua"):find("tt.test", 1, true))
--- assert(tt.carried("no/such/file") == nil)
--- assert(#tt.carried() > 0)
--- ```
function tt.carried(path) end

--- PyTorch archives and safetensors files.
tt.checkpoint = require "tt.checkpoint"

--- Declares a script's options; gives its help.
tt.cli = require "tt.cli"

--- Reads a configuration by a schema, strictly.
tt.config = require "tt.config"

--- CSV files to frames and back.
tt.csv = require "tt.csv"

--- Vocabularies, scalers and the feature store.
tt.features = require "tt.features"

--- Tables of typed columns.
tt.frame = require "tt.frame"

--- Files and folders.
tt.fs = require "tt.fs"

--- SHA-256.
tt.hash = require "tt.hash"

--- Prints the documentation of a module, function, class or object.
tt.help = require "tt.help"

--- HTTP requests.
tt.http = require "tt.http"

--- Remembers what is done, so that a killed script goes on where it stopped.
tt.journal = require "tt.journal"

--- JSON, strict both ways.
tt.json = require "tt.json"

--- Lines about what happens, for people or machines.
tt.log = require "tt.log"

--- Layers, losses, and modules run side by side.
tt.nn = require "tt.nn"

--- Networks as ONNX files.
tt.onnx = require "tt.onnx"

--- Parquet files.
tt.parquet = require "tt.parquet"

--- PostgREST's filters, queries and pages by key.
tt.postgrest = require "tt.postgrest"

--- Shows how far a loop is.
tt.progress = require "tt.progress"

--- Columns of seeded random numbers.
tt.random = require "tt.random"

--- PostgreSQL and SQLite.
tt.sql = require "tt.sql"

--- Buckets of objects of a Supabase project.
tt.storage = require "tt.storage"

--- A Supabase project: its tables, functions and buckets.
tt.supabase = require "tt.supabase"

--- Float32 tensors with gradients.
tt.tensor = require "tt.tensor"

--- Checks for tests in plain Lua.
tt.test = require "tt.test"

--- Instants in UTC microseconds, and clocks.
tt.time = require "tt.time"

--- Optimizers, the training step, batches.
tt.train = require "tt.train"

--- YAML, core schema.
tt.yaml = require "tt.yaml"

return tt
