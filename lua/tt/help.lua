---@meta tt.help

-- Prints what the comments of the library's files say about a module, a function, a class or an object: the same text
-- that editors read.

local cli = require "tt.cli"

---@class tt.help
local help = {}

-- Reading the comments

---@class tt.help.Entry
---@field name string full name, `tt.frame.concat`
---@field kind "module"|"function"|"class"|"value"
---@field text string[] lines of the description, examples included
---@field params { name: string, text: string }[]
---@field returns string[]
---@field fields { name: string, text: string }[] of a class
---@field signature? string the arguments, `frames, opts?`
---@field members? string[] full names, in the order of the file

local entries       -- by full name, once read
local names         -- full names in the order of the files

local function add(entry)
    if entries[entry.name] then return entries[entry.name] end
    entries[entry.name] = entry
    names[#names + 1] = entry.name
    return entry
end

-- A block of `---` lines as an entry without a name.
local function parse_comment(lines)
    local entry = { text = {}, params = {}, returns = {}, fields = {} }
    local open
    for _, line in ipairs(lines) do
        local body = line:match("^%-%-%- ?(.*)$")
        local tag, rest = body:match("^@(%w+)%s*(.*)$")
        if tag then
            open = nil
            local name, text = rest:match("^(%S+)%s*(.*)$")
            if tag == "param" or tag == "field" then
                open = { name = name or "", text = text or "" }
                local list = tag == "param" and entry.params or entry.fields
                list[#list + 1] = open
            elseif tag == "return" then
                entry.returns[#entry.returns + 1] = rest
            elseif tag == "class" then
                entry.class = rest:match("^([%w_.]+)")
            elseif tag == "type" then
                entry.type = rest
            end
        elseif open and body:match("%S") then
            open.text = open.text .. " " .. body:match("^%s*(.*)$")
        else
            open = nil
            entry.text[#entry.text + 1] = body
        end
    end
    while entry.text[1] == "" do table.remove(entry.text, 1) end
    while entry.text[#entry.text] == "" do table.remove(entry.text) end
    return entry
end

-- The arguments as the comment spells them, with ? behind optional ones.
local function signature_of(entry, arguments)
    local optional = {}
    for _, param in ipairs(entry.params) do
        local name = param.name:match("^(.*)%?$")
        if name then optional[name] = true end
    end
    return (arguments:gsub("[%w_]+", function(name) return optional[name] and name .. "?" or nil end))
end

-- What follows a comment: a class's table, a function, a value, or nothing of interest.
local function attach(entry, line, module, owners)
    local variable = line:match("^local ([%w_]+) = ") or line:match("^([%w_]+) = ")
    if entry.class then
        entry.name, entry.kind, entry.members = entry.class, "class", {}
        if variable then owners[variable] = entry.class == module and entries[module] or add(entry) end
        if entry.class == module then
            for _, text in ipairs(entry.text) do table.insert(entries[module].text, text) end
        elseif not variable then
            add(entry)
        end
        return
    end
    if variable and owners[variable] then
        for _, text in ipairs(entry.text) do table.insert(owners[variable].text, text) end
        return
    end
    local owner, separator, name, arguments = line:match("^function ([%w_]+)([.:])([%w_]+)%((.-)%)")
    if not owner then owner, name = line:match("^([%w_]+)%.([%w_]+) = ") end
    local holder = owner and owners[owner]
    if not holder or #entry.text == 0 then return end
    entry.name = holder.name .. (separator or ".") .. name
    entry.kind = arguments and "function" or "value"
    entry.signature = arguments and signature_of(entry, arguments)
    table.insert(holder.members, entry.name)
    add(entry)
end

-- Reads one file. Its module is known from the first line, `---@meta tt.name`.
local function read(source)
    local module = source:match("^%-%-%-@meta ([%w_.]+)")
    if not module then return end
    add { name = module, kind = "module", text = {}, params = {}, returns = {}, fields = {}, members = {} }
    local owners, comment, started = {}, {}, false
    owners[source:match("return ([%w_]+)%s*$") or ""] = entries[module]
    for line in (source .. "\n"):gmatch("(.-)\n") do
        if line:match("^%-%-%-") and not line:match("^%-%-%-@meta") then
            comment[#comment + 1] = line
        else
            -- The paragraph below the first line describes the module.
            local plain = not started and not line:match("^%-%-%-") and line:match("^%-%- ?(.*)$")
            if plain then table.insert(entries[module].text, plain) end
            if line:match("^local ") or #comment > 0 then started = true end
            if #comment > 0 then attach(parse_comment(comment), line, module, owners) end
            comment = {}
        end
    end
end

local function load_all()
    if entries then return end
    entries, names = {}, {}
    for _, path in ipairs(tt.carried()) do
        if path:match("^lua/meta/.*%.lua$") or path:match("^lua/tt/[^/]*%.lua$") then read(tt.carried(path)) end
    end
end

-- Finding the entry of a value

local function name_of(value)
    if type(value) == "string" then return value end
    for _, module in ipairs(tt.modules()) do
        local loaded = package.loaded[module]
        if loaded ~= nil and rawequal(loaded, value) then return module end
        if type(loaded) == "table" then
            for name, member in next, loaded do
                if type(name) == "string" and rawequal(member, value) then return module .. "." .. name end
            end
        end
    end
    for _, class in ipairs(tt.classes()) do
        local methods = tt.class(class)
        if rawequal(methods, value) then return class end
        for name, member in next, methods do
            if rawequal(member, value) then return class .. ":" .. name end
        end
    end
    local meta = debug.getmetatable(value)
    return type(meta) == "table" and type(meta.__name) == "string" and meta.__name or nil
end

local function find(name)
    local function spelled(text) return entries[text] or entries[(text:gsub("[.:]([%w_]+)$", ":%1"))] end
    return spelled(name) or spelled("tt." .. name)
end

-- Writing

local function first_sentence(entry)
    local paragraph = {}
    for _, line in ipairs(entry.text) do
        if line == "" or line:match("^```") then break end
        paragraph[#paragraph + 1] = line
    end
    local text = table.concat(paragraph, " ")
    text = text:match("^(.-)%.%s") or text
    if #text > 100 then text = text:match("^(.-):%s") or text end
    return (text:gsub("[.:]$", ""))
end

local function rows(lines, title, list)
    if #list == 0 then return end
    local column = 0
    for _, row in ipairs(list) do column = math.max(column, math.min(utf8.len(row[1]) or #row[1], 28)) end
    lines[#lines + 1] = ""
    lines[#lines + 1] = title
    for _, row in ipairs(list) do
        local length = utf8.len(row[1]) or #row[1]
        lines[#lines + 1] = ("  %s%s  %s"):format(row[1], (" "):rep(column - length), row[2]):gsub("%s+$", "")
    end
end

-- The description without the fences of its examples, which are indented instead.
local function describe(lines, entry)
    local inside = false
    for _, line in ipairs(entry.text) do
        if line:match("^```") then
            inside = not inside
        else
            lines[#lines + 1] = inside and "    " .. line or line
        end
    end
end

-- Parameters, those that are tables of options with their fields.
local function parameters(entry)
    local list = {}
    for _, param in ipairs(entry.params) do
        list[#list + 1] = { param.name, param.text }
        local class = param.text:match("^([%w_.]+)")
        local options = class and entries[class]
        for _, inner in ipairs(options and options.kind == "class" and options.fields or {}) do
            list[#list + 1] = { "  " .. inner.name, inner.text }
        end
    end
    return list
end

local function render(entry)
    local lines = {}
    local head = entry.name
    if entry.signature then head = ("%s(%s)"):format(head, entry.signature) end
    if entry.type then head = ("%s: %s"):format(head, entry.type) end
    lines[1] = head
    lines[2] = ""
    describe(lines, entry)
    if lines[#lines] == "" then table.remove(lines) end
    rows(lines, "Parameters:", parameters(entry))
    local results = {}
    for _, text in ipairs(entry.returns) do results[#results + 1] = { text, "" } end
    rows(lines, "Returns:", results)
    local fields = {}
    for _, field in ipairs(entry.fields) do fields[#fields + 1] = { field.name, field.text } end
    rows(lines, "Fields:", fields)
    local members = {}
    for _, name in ipairs(entry.members or {}) do
        local member = entries[name]
        members[#members + 1] = { name:match("[.:]([%w_]+)$"), first_sentence(member) }
    end
    rows(lines, entry.kind == "module" and "Holds:" or "Methods:", members)
    return table.concat(lines, "\n") .. "\n"
end

local function overview()
    local list = {}
    for _, module in ipairs(tt.modules()) do
        local entry = entries[module]
        list[#list + 1] = { module, entry and first_sentence(entry) or "" }
    end
    local lines = { "help(tt.fs) tells about a module, help(tt.fs.glob) about a function, help(x) about an object." }
    rows(lines, "Modules:", list)
    return table.concat(lines, "\n") .. "\n"
end

--- Gives the text that `help` prints.
---
--- ```lua
--- local text = tt.help.text(tt.json.decode)
--- assert(text:find("tt.json.decode(text)", 1, true) == 1)
--- assert(tt.help.text("json.decode") == text)
--- ```
---
--- Raises `help.not_found` for what has no text, with the nearest name.
---@param value? any module, function, class, object, or a name such as "tt.frame.concat"; without it an overview
---@return string text ends with a newline
function help.text(value)
    load_all()
    if value == nil then return overview() end
    local name = name_of(value)
    local entry = name and find(name)
    if entry then return render(entry) end
    if type(value) ~= "string" then
        tt.error("help.not_found", ("there is no help for this %s"):format(type(value)), nil, 2)
    end
    local near = cli.nearest(name, names) or cli.nearest("tt." .. name, names)
    local advice = near and ("; did you mean '%s'?"):format(near) or "; help() lists the modules"
    tt.error("help.not_found", ("there is no help for '%s'%s"):format(name, advice), nil, 2)
end

--- Prints what the library's comments say about a value. Calling the module does the same: `help(tt.frame)`.
---
--- ```lua
--- tt.help.show("time.now")
--- ```
---
--- Raises `help.not_found` for what has no text, with the nearest name.
---@param value? any module, function, class, object, or a name; without it an overview
function help.show(value) io.stdout:write(help.text(value)) end

setmetatable(help, { __call = function(_, value) help.show(value) end })

return help
