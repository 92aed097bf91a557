---@meta tt.internal.arguments

-- Checks what functions written in Lua are called with, in the words of the native ones. The errors have the code
-- `argument` and name the line that called the function.

---@class tt.internal.arguments
local arguments = {}

-- Whether a value is of a kind: a name that `type` gives, "integer", or "any".
local function is(kind, value) return kind == "any" or kind == type(value) or kind == math.type(value) end

--- Raises the error of a wrong argument.
---
--- ```lua
--- local arguments = require "tt.internal.arguments"
--- local function half(number)
---     if number % 2 ~= 0 then arguments.refuse("half", 1, "even number expected, got " .. number) end
---     return number // 2
--- end
--- local ok, problem = pcall(half, 3)
--- assert(not ok and problem.message == "bad argument #1 to 'half' (even number expected, got 3)")
--- ```
---@param name string of the function
---@param position integer of the argument, 1 for the first
---@param problem string
---@param level? integer whose line the error names, as in `error` (default: 3, the caller of the function that refuses)
function arguments.refuse(name, position, problem, level)
    tt.error("argument", ("bad argument #%d to '%s' (%s)"):format(position, name, problem), nil, level or 3)
end

--- Refuses an argument of other types than the given ones.
---
--- ```lua
--- local arguments = require "tt.internal.arguments"
--- local function shout(text)
---     arguments.check("shout", 1, text, "string")
---     return text:upper()
--- end
--- local ok, problem = pcall(shout, 5)
--- assert(not ok and problem.code == "argument")
--- assert(problem.message == "bad argument #1 to 'shout' (string expected, got number)")
--- ```
---@param name string of the function
---@param position integer of the argument, 1 for the first
---@param value any
---@param ... string names of types as `type` gives them, or "integer"
function arguments.check(name, position, value, ...)
    for index = 1, select("#", ...) do
        if is((select(index, ...)), value) then return end
    end
    local expected = {}
    for _, kind in ipairs { ... } do
        if kind ~= "nil" then expected[#expected + 1] = kind end
    end
    arguments.refuse(name, position, ("%s expected, got %s"):format(table.concat(expected, " or "), type(value)), 4)
end

--- Says what is wrong with a table of options.
---
--- ```lua
--- local arguments = require "tt.internal.arguments"
--- local kinds = { size = "integer", label = "string" }
--- assert(arguments.problem({ size = 5 }, kinds) == nil)
--- assert(arguments.problem({ size = "5" }, kinds) == "field 'size': integer expected, got string")
--- assert(arguments.problem({ sise = 5 }, kinds) == "unknown option 'sise' (did you mean 'size'?)")
--- ```
---@param options any
---@param kinds table<string, string> what may be in it: a type, "integer" or "any" by name
---@return string? problem nil when everything is fine
function arguments.problem(options, kinds)
    if type(options) ~= "table" then return ("table expected, got %s"):format(type(options)) end
    for name, value in pairs(options) do
        local kind = kinds[name]
        if not kind then
            local names = {}
            for known in pairs(kinds) do names[#names + 1] = known end
            table.sort(names)
            local near = require("tt.cli").nearest(tostring(name), names)
            return ("unknown option '%s' (%s)"):format(name,
                near and ("did you mean '%s'?"):format(near) or "there are: " .. table.concat(names, ", "))
        end
        if not is(kind, value) then
            return ("field '%s': %s expected, got %s"):format(name, kind, type(value))
        end
    end
    return nil
end

--- Refuses options that the function does not have, and values of other types.
---
--- ```lua
--- local arguments = require "tt.internal.arguments"
--- local function draw(opts)
---     opts = arguments.options("draw", 1, opts, { color = "string" })
---     return opts.color or "black"
--- end
--- assert(draw() == "black" and draw { color = "red" } == "red")
--- local ok, problem = pcall(draw, { colour = "red" })
--- assert(not ok and problem.message == "bad argument #1 to 'draw' (unknown option 'colour' (did you mean 'color'?))")
--- ```
---@param name string of the function
---@param position integer of the argument, 1 for the first
---@param options table? nil for none
---@param kinds table<string, string> what may be in it: a type, "integer" or "any" by name
---@return table options
function arguments.options(name, position, options, kinds)
    if options == nil then return {} end
    local problem = arguments.problem(options, kinds)
    if problem then arguments.refuse(name, position, problem, 4) end
    return options
end

return arguments
