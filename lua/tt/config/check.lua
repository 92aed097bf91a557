---@meta tt.config.check

-- Checks the values of a configuration: the half of `tt.config` that reads what the other half declares.

local cli = require "tt.cli"
local json = require "tt.json"
local yaml = require "tt.yaml"

---@class tt.config.check
local config_check = {}

--- The metatable of fields, which tells them from sections.
---
--- ```lua
--- local check = require "tt.config.check"
--- assert(getmetatable(tt.config.int()) == check.Field)
--- ```
config_check.Field = {}

local Field = config_check.Field
local ANY = setmetatable({ kind = "any" }, Field)

-- ---- the schema

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

-- ---- the check: a run collects every problem, so that a file is mended in one go

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
        result[index] = check_value(run, node_of(rule.of or ANY), value[index], ("%s[%d]"):format(path, index))
    end
    return json.array(result)
end

checks.map = function(run, rule, value, path)
    if type(value) ~= "table" or shape(value) == "list" then return nil, "must be a map, not " .. describe(value) end
    local result, keys = {}, json.keys(value)
    for _, key in ipairs(keys) do
        if type(key) ~= "string" then return nil, ("has the key %s; keys must be text"):format(key) end
        result[key] = check_value(run, node_of(rule.of or ANY), value[key], join(path, key))
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
            rule = node_of(rule.of or ANY)
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

---@class tt.config.check.Facts
---@field file? string where the values come from, for messages
---@field lines? table<string, integer> the lines of their keys, as `yaml.lines` gives them
---@field set? string[] overrides `key.inner=value`

--- Checks values and fills in defaults, as `config.load` does once it has read its file.
---
--- ```lua
--- local check = require "tt.config.check"
--- local schema = { epochs = tt.config.int { default = 25, min = 1 } }
--- assert(check.values({}, schema, { set = { "epochs=3" } }).epochs == 3)
--- local facts = { file = "a.yaml", lines = { epochs = 7 } }
--- local ok, problem = pcall(check.values, { epochs = 0 }, schema, facts)
--- assert(not ok and problem.message == "a.yaml:7: 'epochs' must be at least 1, not 0")
--- ```
---
--- Raises `config` with all problems, `argument` for a schema that is none.
---@param raw any the values, not changed
---@param schema table
---@param facts tt.config.check.Facts
---@return table values nested like the schema, complete and in its order
function config_check.values(raw, schema, facts)
    local run = { file = facts.file, lines = facts.lines or {}, overrides = {}, problems = {} }
    local root = section_of(schema)
    raw = type(raw) == "table" and copied(raw) or raw
    if is_null(raw) then raw = {} end
    for _, text in ipairs(facts.set or {}) do
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

return config_check
