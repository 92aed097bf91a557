--- The tables: their one definition is config/schema.sql, written for PostgreSQL; SQLite's are made from the same text.

local fs = require("tt.fs")

local schema = {}

schema.PATH = "config/schema.sql"

---@class two_tower.Statement
---@field kind "extension"|"table"|"index"|"function"|"other"
---@field name string name of the thing without its schema; the first words of another statement
---@field sql string without the final semicolon
---@field columns? { name: string, type: string, extra: string }[] of a table
---@field key? string[] primary key of a table
---@field on? string table of an index
---@field method? string access method of an index
---@field indexed? { column: string, class: string|nil }[] what an index is made of
---@field arguments? string of a function, as PostgreSQL would spell them
---@field argument_types? string the same without names and defaults
---@field result? string of a function

local function words(text) return (text:gsub("%s+", " "):match("^ ?(.-) ?$")) end

local function items(list)
    local found = {}
    for item in list:gmatch("[^,]+") do found[#found + 1] = words(item) end
    return found
end

-- What each kind of statement is recognised by, and what is read from it.
local readers = {
    { "extension", "^CREATE EXTENSION IF NOT EXISTS ([%w_]+)" },
    { "table", "^CREATE TABLE IF NOT EXISTS public%.([%w_]+) %((.*)%)$", function(statement, body)
        statement.columns = {}
        for line in body:gmatch("[^\n]+") do
            local key = line:match("^%s*PRIMARY KEY %((.-)%)")
            local name, kind, extra = line:match("^%s*([%l_]+) ([%l_]+%S*)%s?(.-),?%s*$")
            if key then
                statement.key = items(key)
            elseif name then
                statement.columns[#statement.columns + 1] = { name = name, type = kind:gsub(",$", ""), extra = extra }
            end
        end
    end },
    { "index", "^CREATE INDEX IF NOT EXISTS ([%w_]+) ON public%.([%w_]+)%s+(.*)$", function(statement, on, rest)
        statement.on = on
        statement.method = rest:match("^USING ([%l_]+)") or "btree"
        statement.indexed = {}
        for _, item in ipairs(items(rest:match("%((.*)%)") or "")) do
            table.insert(statement.indexed, { column = item:match("^%S+"), class = item:match("^%S+ (%S+)$") })
        end
    end },
    { "function", "^CREATE OR REPLACE FUNCTION public%.([%w_]+)(%b())%s+RETURNS (.-)%s+LANGUAGE",
        function(statement, arguments, result)
            statement.arguments, statement.result = words(arguments:sub(2, -2)), words(result):gsub(" %(", "(")
            local types = {}
            for index, argument in ipairs(items(statement.arguments)) do
                types[index] = argument:gsub(" DEFAULT .*$", ""):gsub("^%S+ ", "")
            end
            statement.argument_types = table.concat(types, ", ")
        end },
    { "other", "^(%S+ ?%S*)" },
}

local function understand(sql)
    for _, reader in ipairs(readers) do
        local kind, pattern, read = table.unpack(reader)
        local found = table.pack(sql:match(pattern))
        if found[1] then
            local statement = { kind = kind, name = found[1], sql = sql }
            if read then read(statement, table.unpack(found, 2, found.n)) end
            return statement
        end
    end
end

--- Splits a script into its statements. A statement ends with a semicolon at the end of a line, unless that line is
--- inside of a body in dollar quotes.
---@param text string
---@return two_tower.Statement[]
function schema.parse(text)
    local statements, lines, quote = {}, {}, nil
    for line in text:gmatch("[^\n]+") do
        if #lines > 0 or not line:match("^%s*%-%-") then
            lines[#lines + 1] = line
            for mark in line:gmatch("%$[%w_]*%$") do
                if not quote then quote = mark elseif quote == mark then quote = nil end
            end
            if not quote and line:match(";%s*$") then
                statements[#statements + 1] = understand(table.concat(lines, "\n"):gsub(";%s*$", ""))
                lines = {}
            end
        end
    end
    if #lines > 0 then
        tt.error("schema.text", ("the statement that begins with '%s' does not end: a semicolon at the end of a line "
            .. "is missing"):format(lines[1]))
    end
    return statements
end

-- The file that belongs with this one: beside it on disk, or inside the program.
local function default_text()
    local here = debug.getinfo(1, "S").source:match("^@(.*)lua/two_tower/data/schema%.lua$")
    local path = here and not here:find("^tt:") and fs.join(here == "" and "." or here, schema.PATH)
    if path and fs.exists(path) then return fs.read(path) end
    return tt.carried(schema.PATH) or tt.error("schema.missing", ("'%s' is missing"):format(schema.PATH))
end

--- Reads the definitions.
---@param path? string (default: config/schema.sql beside these scripts)
---@return two_tower.Statement[]
function schema.read(path) return schema.parse(path and fs.read(path) or default_text()) end

-- The tables that the pipeline reads; the others are written by it.
local INPUT = { profiles = true, videos = true, video_tags = true, video_performers = true,
    user_video_decisions = true }

--- The definitions of the input tables.
---@return two_tower.Statement[]
function schema.input_tables()
    local found = {}
    for _, statement in ipairs(schema.read()) do
        if statement.kind == "table" and INPUT[statement.name] then found[#found + 1] = statement end
    end
    return found
end

local SQLITE = { numeric = "NUMERIC", integer = "INTEGER", smallint = "INTEGER", boolean = "BOOLEAN" }
local SQLITE_EXTRA = { ["DEFAULT '{}'"] = "DEFAULT '[]'", ["DEFAULT true"] = "DEFAULT 1",
    ["DEFAULT false"] = "DEFAULT 0" }

local function prefix(db) return db:dialect() == "sqlite" and "" or "public." end

--- The name of a table as statements and `db:write` take it.
---@param db tt.Database
---@param name string
---@return string
function schema.table_name(db, name) return prefix(db) .. name end

--- The statement that makes a table on this kind of database.
---@param db tt.Database
---@param definition two_tower.Statement
---@param keys boolean with its primary key
---@return string
function schema.creation(db, definition, keys)
    local lines, is_sqlite = {}, db:dialect() == "sqlite"
    for _, column in ipairs(definition.columns) do
        local kind, extra = column.type, column.extra
        if is_sqlite then kind, extra = SQLITE[kind] or "TEXT", SQLITE_EXTRA[extra] or extra end
        lines[#lines + 1] = words(("%s %s %s"):format(column.name, kind, extra))
    end
    if keys then lines[#lines + 1] = ("PRIMARY KEY (%s)"):format(table.concat(definition.key, ", ")) end
    return ("CREATE TABLE %s%s (%s)"):format(prefix(db), definition.name, table.concat(lines, ", "))
end

local function present_tables(db)
    local present = {}
    for _, name in ipairs(db:tables()) do present[name] = true end
    return present
end

--- Makes the empty input tables.
---@param db tt.Database
---@param options? { replace?: boolean, keys?: boolean } `replace` drops tables of these names first, else they are an
---  error; `keys = false` leaves out primary keys, as some databases do that hold every repeat of a decision
function schema.create(db, options)
    options = options or {}
    local present = present_tables(db)
    for _, definition in ipairs(schema.input_tables()) do
        if present[definition.name] then
            if not options.replace then
                tt.error("schema.exists", ("the database has a table '%s' already; with --replace the input tables "
                    .. "are dropped and made anew"):format(definition.name), { table = definition.name })
            end
            db:exec("DROP TABLE " .. prefix(db) .. definition.name)
        end
        db:exec(schema.creation(db, definition, options.keys ~= false))
    end
end

--- Makes those input tables that are missing, with their primary keys.
---@param db tt.Database
---@return string[] made names, in the order of the definitions
function schema.ensure(db)
    local present, made = present_tables(db), {}
    for _, definition in ipairs(schema.input_tables()) do
        if not present[definition.name] then
            db:exec(schema.creation(db, definition, true))
            made[#made + 1] = definition.name
        end
    end
    return made
end

return schema
