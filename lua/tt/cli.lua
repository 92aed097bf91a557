---@meta tt.cli

-- Declares a script's options: reads them, checks them, and writes the help from the same declaration.

local arguments = require "tt.internal.arguments"
local cli_help = require "tt.cli.help"

local _, native = ...

---@class tt.cli
local cli = {}

---@class tt.cli.Option
---@field flag string the long name, `--page-size`
---@field key? string the name in the result (default: the flag without dashes, `-` as `_`)
---@field short? string one letter, `-n`
---@field aliases? string[] other long names with the same meaning
---@field type? "string"|"int"|"number"|"bool"|"path"|"choice" (default: from `choices`, `default`, `value`; else bool)
---@field value? string what the help calls the value, `DSN` (default: from the type)
---@field help? string one sentence
---@field default? any the value when neither flag nor variable is given (bool: false; multiple: {})
---@field env? string an environment variable that is used when the flag is absent; an empty one counts as absent
---@field choices? string[] the allowed values of a choice
---@field min? number smallest allowed number
---@field max? number largest allowed number
---@field above? number the number must be greater
---@field below? number the number must be smaller
---@field multiple? boolean may be repeated; the result is a list
---@field required? boolean absent is wrong usage
---@field secret? boolean never show its default or value, not even in the list of processes

---@class tt.cli.Positional
---@field name string what the help calls it, `DIR`
---@field key? string the name in the result (default: the name in lower case, `-` as `_`)
---@field type? "string"|"int"|"number"|"path"|"choice" (default: "string")
---@field help? string
---@field default? any
---@field choices? string[]
---@field min? number
---@field max? number
---@field above? number
---@field below? number
---@field multiple? boolean takes all the rest; only for the last one
---@field required? boolean (default: true, unless it has a default)

---@class tt.cli.Spec
---@field name string the script, `train.lua`
---@field summary? string one sentence
---@field description? string a paragraph below the summary
---@field options? tt.cli.Option[]
---@field positional? tt.cli.Positional[]
---@field exclusive? table[] groups of flags of which at most one is given; `required = true` in a group: exactly one
---@field examples? string[] command lines shown at the end of the help

local PLACEHOLDER = { int = "N", number = "NUMBER", path = "PATH", string = "TEXT", choice = "NAME" }

local function with_common(fields)
    for _, name in ipairs { "type", "help", "key" } do fields[name] = "string" end
    for _, name in ipairs { "min", "max", "above", "below" } do fields[name] = "number" end
    fields.default, fields.choices, fields.multiple, fields.required = "any", "table", "boolean", "boolean"
    return fields
end

-- What a declaration holds, and of which kind it is.
local OPTION = with_common {
    flag = "string", short = "string", aliases = "table", value = "string", env = "string", secret = "boolean",
}
local POSITIONAL = with_common { name = "string" }
local SPEC = {
    name = "string", summary = "string", description = "string", options = "table", positional = "table",
    exclusive = "table", examples = "table",
}

--- Finds the name that a mistyped one probably means.
---
--- ```lua
--- assert(tt.cli.nearest("epcohs", { "epochs", "batch_size" }) == "epochs")
--- ```
---@param name string
---@param names string[] known names
---@return string? nearest nil when none is near
function cli.nearest(name, names) return native.nearest(name, names) end

--- Takes a word off the command line that the list of processes shows, or what follows `=` in one: other users of the
--- machine read asterisks instead. `cli.parse` does so with the values of secret options.
---
--- ```lua
--- tt.cli.conceal("a-word-that-is-not-there")
--- ```
---@param word string
function cli.conceal(word) native.conceal(word) end

--- Tells the width of the terminal on standard error.
---
--- ```lua
--- local columns = tt.cli.columns()
--- assert(columns == nil or columns > 0)
--- ```
---@return integer? columns nil when standard error is no terminal
function cli.columns() return native.columns() end

--- Says what is wrong with a number that should lie in a range.
---
--- ```lua
--- assert(tt.cli.outside(0, { min = 1, max = 10 }) == "must be in 1..10")
--- assert(tt.cli.outside(5, { min = 1, max = 10 }) == nil)
--- ```
---@param number number
---@param rule { min?: number, max?: number, above?: number, below?: number }
---@return string? problem nil when the number is in the range
function cli.outside(number, rule)
    arguments.check("outside", 1, number, "number")
    arguments.check("outside", 2, rule, "table")
    local fine = (not rule.min or number >= rule.min) and (not rule.max or number <= rule.max)
        and (not rule.above or number > rule.above) and (not rule.below or number < rule.below)
    if fine then return nil end
    if rule.min and rule.max then return ("must be in %s..%s"):format(rule.min, rule.max) end
    local parts = {}
    if rule.min then parts[#parts + 1] = "at least " .. rule.min end
    if rule.above then parts[#parts + 1] = "above " .. rule.above end
    if rule.max then parts[#parts + 1] = "at most " .. rule.max end
    if rule.below then parts[#parts + 1] = "below " .. rule.below end
    return "must be " .. table.concat(parts, " and ")
end

-- The declaration

local function mistake(format, ...) tt.error("argument", "cli: " .. format:format(...)) end

local function check_fields(what, given, kinds)
    local problem = arguments.problem(given, kinds)
    if problem then mistake("%s: %s", what, problem) end
end

local function key_of(text) return (text:lower():gsub("-", "_")) end

local function default_type(option)
    if option.choices then return "choice" end
    local kind = math.type(option.default) or type(option.default)
    if kind == "integer" then return "int" end
    if kind == "float" then return "number" end
    if kind == "boolean" then return "bool" end
    return (kind == "string" or option.value) and "string" or "bool"
end

local function with_rules(what, given, kind)
    local rule = {}
    for name, value in pairs(given) do rule[name] = value end
    rule.what, rule.type = what, kind
    if kind ~= "bool" and not PLACEHOLDER[kind] then mistake("%s has an unknown type '%s'", what, kind) end
    if kind == "choice" and not rule.choices then mistake("%s needs choices", what) end
    if kind ~= "bool" then rule.value = given.value or PLACEHOLDER[kind] end
    return rule
end

-- Checks the declaration and gives { name, options, positional, exclusive, by_name, names }.
local function declare(spec)
    check_fields("the declaration", spec, SPEC)
    if not spec.name then mistake("the declaration needs the name of the script") end
    local command = { spec = spec, options = {}, positional = {}, exclusive = {}, by_name = {}, names = {} }
    local keys = {}
    local function take_key(what, key)
        if keys[key] then mistake("%s and %s have the same key '%s'", keys[key], what, key) end
        keys[key] = what
    end
    local function take_name(name, option)
        if command.by_name[name] then mistake("'%s' is declared twice", name) end
        command.by_name[name] = option
        command.names[#command.names + 1] = name
    end
    for index, given in ipairs(spec.options or {}) do
        check_fields("option " .. index, given, OPTION)
        local flag = given.flag
        if type(flag) ~= "string" or not flag:match("^%-%-[%w][%w-]*$") then
            mistake("option %d needs a flag such as '--name'", index)
        end
        local option = with_rules(("option '%s'"):format(flag), given, given.type or default_type(given))
        option.key = given.key or key_of(flag:sub(3))
        take_key(option.what, option.key)
        take_name(flag, option)
        for _, alias in ipairs(given.aliases or {}) do take_name(alias, option) end
        if given.short then
            if not given.short:match("^%-%a$") then mistake("'%s' is no short name such as '-n'", given.short) end
            take_name(given.short, option)
        end
        command.options[index] = option
    end
    for index, given in ipairs(spec.positional or {}) do
        check_fields("positional " .. index, given, POSITIONAL)
        if not given.name then mistake("positional %d needs a name", index) end
        local kind = given.type or (given.choices and "choice") or "string"
        local positional = with_rules(("argument %s"):format(given.name), given, kind)
        positional.key = given.key or key_of(given.name)
        if positional.required == nil then positional.required = given.default == nil end
        take_key(positional.what, positional.key)
        if given.multiple and index < #spec.positional then mistake("only the last argument can be multiple") end
        command.positional[index] = positional
    end
    for number, given in ipairs(spec.exclusive or {}) do
        if type(given) ~= "table" then mistake("exclusive group %d must be a list of flags", number) end
        local group = { required = given.required }
        for index, flag in ipairs(given) do
            group[index] = command.by_name[flag] or mistake("'%s' of an exclusive group is not declared", flag)
        end
        command.exclusive[#command.exclusive + 1] = group
    end
    return command
end

--- Gives the text that `--help` prints.
---
--- ```lua
--- local option = { flag = "--name", value = "NAME", default = "world" }
--- local text = tt.cli.help { name = "hello.lua", options = { option } }
--- assert(text:find("--name NAME  (default world)", 1, true))
--- ```
---@param spec tt.cli.Spec
---@return string text ends with a newline
function cli.help(spec) return cli_help.text(declare(spec)) end

-- The arguments

local TRUE = { ["1"] = true, ["true"] = true, yes = true, on = true }
local FALSE = { ["0"] = true, ["false"] = true, no = true, off = true }

local function wrong(command, format, ...)
    tt.error("usage", ("%s\nTry 'tt %s --help'."):format(format:format(...), command.spec.name))
end

-- The typed value of a text; `what` names its origin.
local function convert(command, rule, what, text)
    local function refuse(problem)
        wrong(command, "%s %s%s", what, problem, rule.secret and "" or (", not '%s'"):format(text))
    end
    if rule.type == "bool" then
        local lower = text:lower()
        if TRUE[lower] then return true end
        if FALSE[lower] then return false end
        return refuse("must be true or false")
    elseif rule.type == "int" or rule.type == "number" then
        local number
        if rule.type == "int" then
            number = text:match("^[+-]?%d+$") and math.tointeger(tonumber((text:gsub("^%+", ""))))
        else
            number = text:match("^[+-]?[%d.]+[eE]?[+-]?%d*$") and tonumber((text:gsub("^%+", "")))
            number = number and number + 0.0
        end
        if not number or number ~= number or number == math.huge or number == -math.huge then
            return refuse(rule.type == "int" and "must be a whole number" or "must be a number")
        end
        local problem = cli.outside(number, rule)
        if problem then return refuse(problem) end
        return number
    elseif rule.type == "choice" then
        for _, choice in ipairs(rule.choices) do
            if choice == text then return text end
        end
        return refuse("must be one of " .. table.concat(rule.choices, ", "))
    elseif rule.type == "path" and text == "" then
        return refuse("must not be empty")
    end
    return text
end

local function store(result, rule, value)
    if not rule.multiple then
        result[rule.key] = value
        return
    end
    result[rule.key] = result[rule.key] or {}
    table.insert(result[rule.key], value)
end

local function looks_like_option(token, command)
    if token:sub(1, 1) ~= "-" or token == "-" then return false end
    return not token:match("^%-[%d.]") or command.by_name[token:sub(1, 2)] ~= nil
end

-- The option, its inline text, and whether it was negated.
local function find_option(command, token)
    local name, text = token:match("^(%-%-[^=]+)=(.*)$")
    name = name or token
    local option = command.by_name[name]
    if option then return option, text, false end
    local positive = name:match("^%-%-no%-(.+)$")
    option = positive and command.by_name["--" .. positive]
    if option and option.type == "bool" and not text then return option, nil, true end
    if token:sub(2, 2) ~= "-" then
        option = command.by_name[token:sub(1, 2)]
        if option and option.type ~= "bool" then return option, token:sub(3), false end
    end
    local near = cli.nearest(name, { "--help", table.unpack(command.names) })
    wrong(command, "unknown option '%s'%s", name, near and ("; did you mean '" .. near .. "'?") or "")
end

local function read_arguments(command, args, result, origin)
    local rest, only_rest, index = {}, false, 0
    while index < #args do
        index = index + 1
        local token = args[index]
        if only_rest or not looks_like_option(token, command) then
            rest[#rest + 1] = token
        elseif token == "--" then
            only_rest = true
        else
            local option, text, negated = find_option(command, token)
            if option.type == "bool" and not text then
                store(result, option, not negated)
            else
                if not text then
                    index = index + 1
                    text = args[index]
                    if not text or looks_like_option(text, command) then
                        wrong(command, "%s needs a value: %s", option.what, cli_help.spelled(option))
                    end
                end
                if option.secret then cli.conceal(text) end
                store(result, option, convert(command, option, option.what, text))
            end
            origin[option.key] = "flag"
        end
    end
    return rest
end

local function read_positional(command, rest, result, origin)
    local at = 1
    for _, positional in ipairs(command.positional) do
        local last = positional.multiple and #rest or math.min(at, #rest)
        for index = at, last do
            store(result, positional, convert(command, positional, positional.what, rest[index]))
            origin[positional.key] = "argument"
            at = index + 1
        end
        if positional.required and result[positional.key] == nil then
            wrong(command, "missing argument %s", positional.name)
        end
    end
    if rest[at] then wrong(command, "unexpected argument '%s'", rest[at]) end
end

local function read_environment(command, result, origin, getenv)
    for _, option in ipairs(command.options) do
        local text = option.env and not origin[option.key] and getenv(option.env)
        -- A flag beats the variable of another option of its group too.
        for _, group in ipairs(text and text ~= "" and command.exclusive or {}) do
            local member, flagged = false, false
            for _, other in ipairs(group) do
                member = member or other == option
                flagged = flagged or origin[other.key] == "flag"
            end
            if member and flagged then text = nil end
        end
        if text and text ~= "" then
            local what = ("environment variable %s"):format(option.env)
            store(result, option, convert(command, option, what, text))
            origin[option.key] = "environment"
        end
    end
end

local function check_groups(command, origin)
    for _, group in ipairs(command.exclusive) do
        local given, all = {}, {}
        for index, option in ipairs(group) do
            all[index] = ("'%s'"):format(cli_help.spelled(option))
            if origin[option.key] then
                local variable = origin[option.key] == "environment" and (" (from %s)"):format(option.env) or ""
                given[#given + 1] = ("'%s'%s"):format(option.flag, variable)
            end
        end
        if #given > 1 then wrong(command, "options %s exclude each other", table.concat(given, " and ")) end
        if group.required and #given == 0 then wrong(command, "one of %s is required", table.concat(all, ", ")) end
    end
end

local function copied(value)
    if type(value) ~= "table" then return value end
    return table.move(value, 1, #value, 1, {})
end

--- Reads a script's arguments by their declaration.
---
--- Forms: `--flag value`, `--flag=value`, `-n value`, `-nvalue`, `--bool`, `--no-bool`, `--` before arguments that
--- start with a dash. A flag beats its environment variable, both beat the default; a repeated flag counts with its
--- last value unless it is `multiple`. `--help` prints the help and ends the program with status 0.
---
--- ```lua
--- local options, origin = tt.cli.parse({
---     name = "load.lua",
---     summary = "Loads a folder into a database.",
---     options = {
---         { flag = "--db", value = "DSN", env = "LOAD_DB", required = true, help = "database" },
---         { flag = "--page-size", type = "int", default = 1000, min = 1, max = 10000 },
---         { flag = "--dry-run", help = "write nothing" },
---     },
---     positional = { { name = "DIR", type = "path" } },
--- }, { "--db", "sqlite:a.db", "folder", "--page-size=20" })
--- assert(options.db == "sqlite:a.db" and options.page_size == 20 and options.dir == "folder")
--- assert(options.dry_run == false and origin.page_size == "flag" and origin.dry_run == nil)
--- ```
---
--- Raises `usage` (which ends the program with status 2 and no traceback) for wrong usage, `argument` for a declaration
--- that contradicts itself.
---@param spec tt.cli.Spec
---@param args? string[] (default: the script's own, `arg`)
---@param getenv? fun(name: string): string? (default: `os.getenv`)
---@return table<string, any> options by key
---@return table<string, "flag"|"environment"|"argument"> origin nil where a default was used
function cli.parse(spec, args, getenv)
    local command = declare(spec)
    arguments.check("parse", 2, args, "table", "nil")
    arguments.check("parse", 3, getenv, "function", "nil")
    args = args or arg or {}
    for index, token in ipairs(args) do
        if type(token) ~= "string" then
            arguments.refuse("parse", 2, ("element %d: string expected, got %s"):format(index, type(token)))
        end
    end
    for _, token in ipairs(args) do
        if token == "--" then break end
        if token == "--help" or (token == "-h" and not command.by_name["-h"]) then
            io.stdout:write(cli.help(spec))
            os.exit(0, true)
        end
    end
    local result, origin = {}, {}
    local rest = read_arguments(command, args, result, origin)
    read_environment(command, result, origin, getenv or os.getenv)
    check_groups(command, origin)
    for _, option in ipairs(command.options) do
        if option.required and not origin[option.key] then
            local variable = option.env and (" (or environment variable %s)"):format(option.env) or ""
            wrong(command, "missing option '%s'%s", cli_help.spelled(option), variable)
        end
    end
    read_positional(command, rest, result, origin)
    for _, list in ipairs { command.options, command.positional } do
        for _, rule in ipairs(list) do
            if result[rule.key] == nil then
                local default = copied(rule.default)
                if default == nil and rule.multiple then default = {} end
                if default == nil and rule.type == "bool" then default = false end
                result[rule.key] = default
            end
        end
    end
    return result, origin
end

return cli
