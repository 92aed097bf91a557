---@meta tt.config

-- Reads a configuration by a schema that is written as nested Lua tables: defaults, types, ranges, strict names.

local arguments = require "tt.arguments"
local cli = require "tt.cli"
local fs = require "tt.fs"
local json = require "tt.json"
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

local Field = {}

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

-- The schema

local function is_null(value) return value == nil or value == json.null end

-- A section as { names = {…in order…}, fields = { name = field or section } }.
local function section_of(schema)
    local made = { kind = "section", names = {}, fields = {} }
    local function add(name, inner)
        if type(inner) ~= "table" then tt.error("argument", ("config: '%s' has no declaration"):format(name)) end
        made.names[#made.names + 1] = name
        made.fields[name] = getmetatable(inner) == Field and inner or section_of(inner)
    end
    if #schema > 0 then
        for index, pair in ipairs(schema) do
            if type(pair) ~= "table" or type(pair[1]) ~= "string" then
                tt.error("argument", ("config: entry %d of a schema must be { name, field }"):format(index))
            end
            add(pair[1], pair[2])
        end
    else
        for _, name in ipairs(json.keys(schema)) do add(name, schema[name]) end
    end
    return made
end

local function node_of(schema)
    return getmetatable(schema) == Field and schema or section_of(schema)
end

-- "map", "list", or "empty", which may be either.
local function shape(value)
    local meta = getmetatable(value)
    if type(meta) == "table" and meta.__order then return "map" end
    if type(meta) == "table" and meta.__array then return "list" end
    if #value > 0 then return "list" end
    return next(value) == nil and "empty" or "map"
end

local function describe(value)
    if is_null(value) then return "null" end
    if type(value) == "string" then return ("the text '%s'"):format(value) end
    if type(value) == "table" then return shape(value) == "list" and "a list" or "a map" end
    return tostring(value)
end

local function join(path, name) return path == "" and name or path .. "." .. name end

local function ordered(value, names)
    local present = {}
    for _, name in ipairs(names) do
        if value[name] ~= nil then present[#present + 1] = name end
    end
    return setmetatable(value, { __order = present })
end

local function copied(value)
    if type(value) ~= "table" then return value end
    local copy = {}
    for key, inner in pairs(value) do copy[key] = copied(inner) end
    local kind = shape(value)
    if kind == "map" then return ordered(copy, json.keys(value)) end
    return kind == "list" and json.array(copy) or setmetatable(copy, getmetatable(value))
end

-- The check. A run collects every problem, so that a file is mended in one go.

-- Where a key stands: the override that set it, or file:line, or the file.
local function place(run, path)
    local at = path
    while true do
        if run.overrides[at] then return "--set " .. run.overrides[at] .. ": " end
        if run.lines[at] then return ("%s:%d: "):format(run.file, run.lines[at]) end
        local parent = at:match("^(.*)%.[^.]*$") or at:match("^(.*)%[%d+%]$")
        if not parent then break end
        at = parent
    end
    return run.file and run.file .. ": " or ""
end

local function note(run, path, format, ...)
    run.problems[#run.problems + 1] = place(run, path) .. format:format(...)
end

-- By kind of field: the checked copy of a value, and what is wrong with it.
local checks = {}
local check_value

checks.int = function(_, rule, value)
    if math.type(value) ~= "integer" then return nil, "must be a whole number, not " .. describe(value) end
    local problem = cli.outside(value, rule)
    return value, problem and ("%s, not %s"):format(problem, value)
end

checks.number = function(_, rule, value)
    if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then
        return nil, "must be a number, not " .. describe(value)
    end
    local problem = cli.outside(value, rule)
    return value + 0.0, problem and ("%s, not %s"):format(problem, value)
end

checks.string = function(_, rule, value)
    if type(value) ~= "string" then return nil, ("must be text, not %s; quote it"):format(describe(value)) end
    if value == "" and not rule.empty then return nil, "must not be empty" end
    if rule.pattern and not value:match("^" .. rule.pattern .. "$") then
        return nil, ("does not allow '%s'; it must match the pattern %s"):format(value, rule.pattern)
    end
    return value
end

checks.bool = function(_, _, value)
    if type(value) ~= "boolean" then return nil, "must be true or false, not " .. describe(value) end
    return value
end

checks.choice = function(_, rule, value)
    for _, choice in ipairs(rule.choices) do
        if choice == value then return value end
    end
    local near = type(value) == "string" and cli.nearest(value, rule.choices)
    return nil, ("must be one of %s, not %s%s"):format(
        table.concat(rule.choices, ", "), describe(value), near and ("; did you mean '%s'?"):format(near) or "")
end

checks.any = function(_, _, value) return copied(value) end

checks.list = function(run, rule, value, path)
    if type(value) ~= "table" or shape(value) == "map" then return nil, "must be a list, not " .. describe(value) end
    local length = #value
    if rule.min_length and length < rule.min_length or rule.max_length and length > rule.max_length then
        local range = cli.outside(length, { min = rule.min_length, max = rule.max_length })
        if rule.min_length == rule.max_length then range = "must be " .. rule.min_length end
        return nil, ("%s elements, not %d"):format(range:gsub("^must be i?n? ?", "must have "), length)
    end
    local result = {}
    for index = 1, length do
        result[index] = check_value(run, node_of(rule.of or config.any()), value[index], ("%s[%d]"):format(path, index))
    end
    return json.array(result)
end

checks.map = function(run, rule, value, path)
    if type(value) ~= "table" or shape(value) == "list" then return nil, "must be a map, not " .. describe(value) end
    local result, keys = {}, json.keys(value)
    for _, key in ipairs(keys) do
        if type(key) ~= "string" then return nil, ("has the key %s; keys must be text"):format(key) end
        result[key] = check_value(run, node_of(rule.of or config.any()), value[key], join(path, key))
    end
    return ordered(result, keys)
end

local function unknown(run, section, path, key)
    local full = join(path, tostring(key))
    local near = cli.nearest(tostring(key), section.names)
    local advice = near and ("; did you mean '%s'?"):format(join(path, near))
        or ("; known here: %s"):format(table.concat(section.names, ", "))
    note(run, full, "unknown key '%s'%s", full, advice)
end

local function check_section(run, section, value, path)
    if is_null(value) then value = {} end
    if type(value) ~= "table" or shape(value) == "list" then
        local what = path == "" and "the configuration" or ("'%s'"):format(path)
        note(run, path, "%s must be a map, not %s", what, describe(value))
        return nil
    end
    for _, key in ipairs(json.keys(value)) do
        if not section.fields[key] then unknown(run, section, path, key) end
    end
    local result = {}
    for _, name in ipairs(section.names) do
        result[name] = check_value(run, section.fields[name], value[name], join(path, name))
    end
    return ordered(result, section.names)
end

-- One value by its rule: the checked copy, or nil after a problem has been noted.
check_value = function(run, rule, value, path)
    if rule.kind == "section" then return check_section(run, rule, value, path) end
    if value == nil or (value == json.null and rule.optional) then
        if value == nil and rule.default ~= nil then
            return rule.kind == "number" and rule.default + 0.0 or copied(rule.default)
        end
        if value == nil and not rule.optional then note(run, path, "'%s' is required", path) end
        return nil
    end
    local result, problem = checks[rule.kind](run, rule, value, path)
    if not problem and rule.check then
        problem = rule.check(result)
        problem = problem and ("%s, not %s"):format(problem, describe(value))
    end
    if problem then
        note(run, path, "'%s' %s", path, problem)
        return nil
    end
    return result
end

-- Puts one override, "a.b=text", into the raw values.
local function override(run, root, raw, text)
    local path, value = text:match("^%s*([^=]-)%s*=(.*)$")
    if not path or path == "" then
        tt.error("config", ("--set %s: write it as key=value, for example training.lr=0.01"):format(text))
    end
    run.overrides[path] = text
    local ok, decoded = pcall(yaml.decode, value)
    if not ok then
        if decoded.code == "interrupted" then error(decoded, 0) end
        -- The place within the override helps nobody.
        local why = decoded.message:gsub("^invalid YAML at line %d+, column %d+: ", "")
        tt.error("config", ("--set %s: %s"):format(text, why))
    end
    if decoded == nil then decoded = json.null end
    local names = {}
    for name in (path .. "."):gmatch("([^.]*)%.") do names[#names + 1] = name end
    local rule, at = root, ""
    for index, name in ipairs(names) do
        if rule.kind == "section" then
            if not rule.fields[name] then return unknown(run, rule, at, name) end
            rule = rule.fields[name]
        elseif rule.kind == "map" then
            rule = node_of(rule.of or config.any())
        elseif rule.kind ~= "any" then
            tt.error("config", ("--set %s: '%s' has no keys inside"):format(text, at))
        end
        at = join(at, name)
        if index == #names then
            raw[name] = decoded
        else
            -- A value of another kind stays, and is refused by the check of its own key.
            if is_null(raw[name]) then raw[name] = {} end
            if type(raw[name]) ~= "table" then return end
            raw = raw[name]
        end
    end
end

-- What a call gives; its errors are those of a configuration.
local function reading(call, ...)
    local ok, result = pcall(call, ...)
    if ok then return result end
    if result.code == "interrupted" then error(result, 0) end
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
    local run = { lines = {}, overrides = {}, problems = {} }
    local raw = source
    if type(source) == "string" then
        run.file = source
        raw, run.lines = read_file(source)
    end
    local root = section_of(schema)
    raw = type(raw) == "table" and copied(raw) or raw
    if is_null(raw) then raw = {} end
    for index, text in ipairs(opts.set or {}) do
        if type(text) ~= "string" then
            arguments.refuse("load", 3, ("field 'set[%d]': string expected, got %s"):format(index, type(text)))
        end
        if type(raw) == "table" then override(run, root, raw, text) end
    end
    local values = check_section(run, root, raw, "")
    local count = #run.problems
    if count == 1 then tt.error("config", run.problems[1]) end
    if count > 1 then
        local list = table.concat(run.problems, "\n  ")
        tt.error("config", ("%d problems in the configuration:\n  %s"):format(count, list))
    end
    return values
end

return config
