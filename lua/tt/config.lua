---@meta tt.config

-- Reads a configuration by a schema that is written as nested Lua tables: defaults, types, ranges, strict names.

local arguments = require "tt.internal.arguments"
local check = require "tt.config.check"
local fs = require "tt.fs"
local yaml = require "tt.yaml"

---@class tt.config
local config = {}

---@class tt.config.Field

---@class tt.config.Rule
---@field default? any the value when the key is absent; a key without default must be there
---@field check? fun(value: any): string? says what is wrong with a value of the right type, "must be even"

---@class tt.config.NumberRule: tt.config.Rule
---@field min? number smallest allowed value
---@field max? number largest allowed value
---@field above? number the value must be greater
---@field below? number the value must be smaller

---@class tt.config.StringRule: tt.config.Rule
---@field empty? boolean the empty text is allowed (default: false)
---@field pattern? string a Lua pattern that the whole text must match

---@class tt.config.ListRule: tt.config.Rule
---@field of? tt.config.Field|table what each element is (default: anything)
---@field min_length? integer
---@field max_length? integer

---@class tt.config.MapRule: tt.config.Rule
---@field of? tt.config.Field|table what each value is (default: anything)

local Field <const> = check.Field

-- Declares a field of a kind, whose rule may have the fields of `kinds` beside the common ones.
local function field(kind, rule, kinds)
    kinds.default, kinds.check = "any", "function"
    local made = { kind = kind }
    for name, value in pairs(arguments.options(kind, 1, rule, kinds)) do made[name] = value end
    return setmetatable(made, Field)
end

local function bounds() return { min = "number", max = "number", above = "number", below = "number" } end

--- Declares a whole number.
---
--- ```lua
--- local config = tt.config
--- assert(config.load({ epochs = 3 }, { epochs = config.int { min = 1 } }).epochs == 3)
--- ```
---@param rule? tt.config.NumberRule
---@return tt.config.Field
function config.int(rule) return field("int", rule, bounds()) end

--- Declares a finite number; the result is a float, also when the file says `1`.
---
--- ```lua
--- local config = tt.config
--- assert(math.type(config.load({ lr = 1 }, { lr = config.number { above = 0 } }).lr) == "float")
--- ```
---@param rule? tt.config.NumberRule
---@return tt.config.Field
function config.number(rule) return field("number", rule, bounds()) end

--- Declares a text.
---
--- ```lua
--- local config = tt.config
--- assert(config.load({}, { name = config.string { default = "x" } }).name == "x")
--- ```
---@param rule? tt.config.StringRule
---@return tt.config.Field
function config.string(rule) return field("string", rule, { empty = "boolean", pattern = "string" }) end

--- Declares a boolean.
---
--- ```lua
--- local config = tt.config
--- assert(config.load({}, { verbose = config.bool { default = false } }).verbose == false)
--- ```
---@param rule? tt.config.Rule
---@return tt.config.Field
function config.bool(rule) return field("bool", rule, {}) end

--- Declares a list.
---
--- ```lua
--- local config = tt.config
--- local schema = { betas = config.list { of = config.number { min = 0, below = 1 }, min_length = 2, max_length = 2 } }
--- assert(config.load({ betas = { 0.9, 0.999 } }, schema).betas[1] == 0.9)
--- ```
---@param rule? tt.config.ListRule
---@return tt.config.Field
function config.list(rule)
    return field("list", rule, { of = "table", min_length = "integer", max_length = "integer" })
end

--- Declares a map with free keys.
---
--- ```lua
--- local config = tt.config
--- local schema = { weights = config.map { of = config.number(), default = {} } }
--- assert(config.load({ weights = { a = 2 } }, schema).weights.a == 2.0)
--- ```
---@param rule? tt.config.MapRule
---@return tt.config.Field
function config.map(rule) return field("map", rule, { of = "table" }) end

--- Declares one of a few texts.
---
--- ```lua
--- local config = tt.config
--- local schema = { optimizer = config.choice { "adamw", "adam", "sgd", default = "adamw" } }
--- assert(config.load(nil, schema).optimizer == "adamw")
--- ```
---@param rule tt.config.Rule the texts, and the rule's own fields
---@return tt.config.Field
function config.choice(rule)
    arguments.check("choice", 1, rule, "table")
    local options, choices = {}, table.move(rule, 1, #rule, 1, {})
    for name, value in pairs(rule) do
        if math.type(name) ~= "integer" then options[name] = value end
    end
    local made = field("choice", options, {})
    made.choices = choices
    return made
end

--- Declares any plain value, unchecked.
---
--- ```lua
--- local config = tt.config
--- assert(config.load({ extra = { 1, 2 } }, { extra = config.any() }).extra[2] == 2)
--- ```
---@param rule? tt.config.Rule
---@return tt.config.Field
function config.any(rule) return field("any", rule, {}) end

--- Allows a field to be null, and to be absent without a default. Null gives nil.
---
--- ```lua
--- local config = tt.config
--- local schema = { clip = config.optional(config.number { default = 5 }) }
--- assert(config.load(nil, schema).clip == 5.0)
--- assert(config.load(tt.yaml.decode("clip: null"), schema).clip == nil)
--- ```
---@param inner tt.config.Field
---@return tt.config.Field
function config.optional(inner)
    if getmetatable(inner) ~= Field then
        arguments.refuse("optional", 1, "field expected, as config.int() makes one, got " .. type(inner))
    end
    local made = {}
    for name, value in pairs(inner) do made[name] = value end
    made.optional = true
    return setmetatable(made, Field)
end

-- What a call gives; its errors are those of a configuration.
local function reading(call, ...)
    local ok, result = pcall(call, ...)
    if ok then return result end
    tt.error("config", result.message)
end

local function read_file(path)
    local text = reading(fs.read, path)
    return reading(yaml.decode, text, path), reading(yaml.lines, text, path)
end

--- Reads a YAML file (or takes a table), merges it over the schema's defaults and checks every value.
---
--- A schema is a table of fields and of further tables; written as a list of `{ name, field }` pairs it also fixes the
--- order of the result, otherwise names are sorted. Sections may be absent. All problems are reported together, each
--- with its file and line, the full name of its key and, for an unknown key, the nearest known one.
---
--- ```lua
--- local config = tt.config
--- local schema = {
---     { "seed", config.int { default = 42, min = 0 } },
---     { "training", {
---         { "epochs", config.int { default = 25, min = 1 } },
---         { "lr", config.number { default = 0.001, above = 0 } },
---     } },
--- }
--- tt.fs.write("my.yaml", "training:\n  lr: 0.01\n")
--- local values = config.load("my.yaml", schema, { set = { "training.epochs=3" } })
--- assert(values.seed == 42 and values.training.lr == 0.01 and values.training.epochs == 3)
---
--- tt.fs.write("my.yaml", "training:\n  epoch: 3\n")
--- local ok, problem = pcall(config.load, "my.yaml", schema)
--- assert(not ok and problem.code == "config")
--- assert(problem.message == "my.yaml:2: unknown key 'training.epoch'; did you mean 'training.epochs'?")
--- ```
---
--- Raises `config` (which ends the program with status 2 and no traceback).
---@param source string|table|nil path of a YAML file, or values, or nil for the defaults alone
---@param schema table
---@param opts? { set?: string[] } overrides `key.inner=value`, the value in YAML's scalar or flow syntax
---@return table values nested like the schema, complete and in its order
function config.load(source, schema, opts)
    arguments.check("load", 1, source, "string", "table", "nil")
    arguments.check("load", 2, schema, "table")
    opts = arguments.options("load", 3, opts, { set = "table" })
    for index, text in ipairs(opts.set or {}) do
        if type(text) ~= "string" then
            arguments.refuse("load", 3, ("field 'set[%d]': string expected, got %s"):format(index, type(text)))
        end
    end
    local raw, facts = source, { set = opts.set }
    if type(source) == "string" then
        facts.file = source
        raw, facts.lines = read_file(source)
    end
    return check.values(raw, schema, facts)
end

return config
