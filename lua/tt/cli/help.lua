---@meta tt.cli.help

-- Lays out the text that `--help` prints, from what a script declared to `tt.cli`.

---@class tt.cli.help
local cli_help = {}

local WIDTH = 100

local function wrap(text, width)
    local lines, line = {}, ""
    for word in text:gmatch("%S+") do
        local longer = line == "" and word or line .. " " .. word
        if line ~= "" and (utf8.len(longer) or #longer) > width then
            lines[#lines + 1] = line
            longer = word
        end
        line = longer
    end
    lines[#lines + 1] = line
    return lines
end

--- Gives an option as it is written on a command line: `--page-size N`.
---@param option table of a declaration
---@return string
function cli_help.spelled(option)
    return option.type == "bool" and option.flag or option.flag .. " " .. option.value
end

local function shown(value)
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    for index, element in ipairs(value) do parts[index] = tostring(element) end
    return table.concat(parts, ", ")
end

local function facts(rule)
    local list = {}
    local function add(...) list[#list + 1] = string.format(...) end
    if rule.required then add("required") end
    if rule.type == "choice" then
        add("one of %s", table.concat(rule.choices, ", "))
    elseif rule.type == "int" or rule.type == "number" then
        local range = ""
        if rule.min and rule.max then
            range = (" %s..%s"):format(rule.min, rule.max)
        else
            for _, name in ipairs { "min", "above", "max", "below" } do
                local word = ({ min = "from", max = "up to" })[name] or name
                if rule[name] then range = ("%s %s %s"):format(range, word, rule[name]) end
            end
        end
        add("%s%s", rule.type, range)
    end
    if rule.multiple then add("may be repeated") end
    local default = rule.default
    local empty = default == nil or default == false or (type(default) == "table" and #default == 0)
    if not empty and not rule.secret then add("default %s", shown(default)) end
    if rule.env then add("environment %s", rule.env) end
    if rule.aliases and #rule.aliases > 0 then add("also %s", table.concat(rule.aliases, ", ")) end
    return #list > 0 and ("(%s)"):format(table.concat(list, "; ")) or ""
end

local function section(lines, title, rows)
    if #rows == 0 then return end
    -- Text starts in one column; a name too long for it has its text on the next line.
    local column = 0
    for _, row in ipairs(rows) do
        local length = utf8.len(row[1]) or #row[1]
        if length <= 28 then column = math.max(column, length + 2) end
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = title
    for _, row in ipairs(rows) do
        local left = "  " .. row[1]
        local length = utf8.len(row[1]) or #row[1]
        local text = wrap(row[2], WIDTH - column - 2)
        if length + 2 > column then
            lines[#lines + 1] = left
        else
            lines[#lines + 1] = (left .. (" "):rep(column - length) .. table.remove(text, 1)):gsub("%s+$", "")
        end
        for _, more in ipairs(text) do lines[#lines + 1] = (" "):rep(column + 2) .. more end
    end
end

local function usage_line(command)
    local parts = { "Usage: tt " .. command.spec.name }
    local grouped = {}
    for _, group in ipairs(command.exclusive) do
        if group.required then
            local names = {}
            for index, option in ipairs(group) do
                names[index] = cli_help.spelled(option)
                grouped[option] = true
            end
            parts[#parts + 1] = ("(%s)"):format(table.concat(names, " | "))
        end
    end
    for _, option in ipairs(command.options) do
        if option.required and not grouped[option] then parts[#parts + 1] = cli_help.spelled(option) end
    end
    parts[#parts + 1] = "[options]"
    for _, positional in ipairs(command.positional) do
        local name = positional.name .. (positional.multiple and "..." or "")
        parts[#parts + 1] = positional.required and name or ("[%s]"):format(name)
    end
    return table.concat(parts, " ")
end

--- Gives the whole text.
---@param command table what a script declared, checked
---@return string text ends with a newline
function cli_help.text(command)
    local spec = command.spec
    local lines = { usage_line(command) }
    for _, text in ipairs { spec.summary or false, spec.description or false } do
        if text then
            lines[#lines + 1] = ""
            for _, line in ipairs(wrap(text, WIDTH)) do lines[#lines + 1] = line end
        end
    end
    local rows = {}
    for _, positional in ipairs(command.positional) do
        -- The usage line already tells which ones are required.
        local rule = setmetatable({ required = false }, { __index = positional })
        rows[#rows + 1] = { positional.name, (positional.help or "") .. " " .. facts(rule) }
    end
    section(lines, "Arguments:", rows)
    rows = {}
    for _, option in ipairs(command.options) do
        local left = cli_help.spelled(option)
        if option.type == "bool" and option.default then left = "--[no-]" .. option.flag:sub(3) end
        if option.short then left = option.short .. ", " .. left end
        rows[#rows + 1] = { left, (option.help or "") .. " " .. facts(option) }
    end
    rows[#rows + 1] = { command.by_name["-h"] and "--help" or "-h, --help", "Show this text and exit." }
    section(lines, "Options:", rows)
    if spec.examples then
        lines[#lines + 1] = ""
        lines[#lines + 1] = "Examples:"
        for _, example in ipairs(spec.examples) do lines[#lines + 1] = "  " .. example end
    end
    return table.concat(lines, "\n") .. "\n"
end

return cli_help
