--- Brings a database to what config/schema.sql defines: looks at what is there, says what is to be done, does it in one
--- transaction.

local schema = require("two_tower.data.schema")
local sql = require("tt.sql")

local database = {}

-- pgvector's HNSW index takes vectors up to this size.
local HNSW_DIM = 2000

---@class two_tower.Step
---@field action "make"|"keep"|"replace"|"skip"|"run"
---@field what string "table", "index", "function", "extension" …
---@field name string
---@field sql string[] statements to run, in order
---@field note string|nil why, for people

local function fail(code, message, ...) tt.error("schema." .. code, message:format(...), nil, 2) end

-- Rows of a query as a list of tables.
local function rows(db, query, ...) return db:query(query, { ... }):to_table() end

-- What the schema `public` of a PostgreSQL database holds.
local function inspect(db)
    local state = { relations = {}, indexes = {}, functions = {}, roles = {} }
    for _, row in ipairs(rows(db, [[
        SELECT c.relname::text AS relation, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')]])) do
        state.relations[row.relation] = state.relations[row.relation] or {}
        state.relations[row.relation][row.name] = row.type
    end
    state.indexes = rows(db, [[
        SELECT c.relname::text AS name, t.relname::text AS on, m.amname::text AS method,
            i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AS plain,
            ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
                JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
            (SELECT o.opcname::text FROM pg_opclass AS o WHERE o.oid = i.indclass[0]) AS class
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
            JOIN pg_am AS m ON m.oid = c.relam
        WHERE t.relnamespace = 'public'::regnamespace ORDER BY c.relname]])
    state.functions = rows(db, [[
        SELECT p.proname::text AS name, oidvectortypes(p.proargtypes) AS argument_types,
            pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
        FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f']])
    for _, row in ipairs(rows(db, "SELECT rolname::text AS name FROM pg_roles")) do state.roles[row.name] = true end
    state.vector = rows(db, [[
        SELECT x.default_version AS version, n.nspname::text AS schema, e.extversion AS installed
        FROM pg_available_extensions AS x LEFT JOIN pg_extension AS e ON e.extname = x.name
            LEFT JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE x.name = 'vector']])[1]
    state.extensions_schema = #rows(db, "SELECT 1 AS x FROM pg_namespace WHERE nspname = 'extensions'") > 0
    return state
end

-- The query that gives (video_id, name) for one kind of name, as this database keeps them.
local function names_query(relations, kind)
    local link, named = "video_" .. kind .. "s", kind .. "s"
    local columns = relations[link]
    if not columns or columns[kind .. "_name"] then
        return ("SELECT link.video_id, link.%s_name AS name FROM public.%s AS link"):format(kind, link)
    end
    local target = relations[named]
    if not (columns[kind .. "_id"] and target and target.id and target.name) then
        fail("columns", "table '%s' has neither the column '%s_name' nor '%s_id' with a table %s(id, name) beside it",
            link, kind, kind, named)
    end
    return ("SELECT link.video_id, named.name FROM public.%s AS link JOIN public.%s AS named ON named.id = link.%s_id")
        :format(link, named, kind)
end

local planners = {}

function planners.extension(statement, state, step)
    if not state.vector then
        fail("no_vector", "the server does not have the extension 'vector' (pgvector); install it there (Debian: "
            .. "postgresql-NN-pgvector for version NN of the server) and run this again")
    end
    local version = state.vector.installed or state.vector.version
    local major, minor = version:match("^(%d+)%.(%d+)")
    if tonumber(major) == 0 and tonumber(minor) < 5 then
        fail("old_vector", "pgvector is of version %s; HNSW indexes need 0.5 or newer (install it on the server, then "
            .. "ALTER EXTENSION vector UPDATE)", version)
    end
    if state.vector.installed then
        step.action, step.note = "keep", "version " .. version
    else
        -- Supabase keeps extensions apart.
        step.sql[1] = statement.sql .. (state.extensions_schema and " WITH SCHEMA extensions" or "")
    end
end

local function check_embedding(columns, dim)
    local found, wanted = columns.embedding, ("vector(%d)"):format(dim)
    if not found then fail("columns", "table 'video_embeddings' has no column 'embedding'") end
    if found:match("[^.]+$") == wanted then return end
    fail("dimension", "video_embeddings.embedding is of type %s, the model's embeddings are %s. Vectors of another "
        .. "size are of no use to the new model; to start anew, run\n"
        .. "    TRUNCATE public.video_embeddings;\n"
        .. "    ALTER TABLE public.video_embeddings ALTER COLUMN embedding TYPE %s;\n"
        .. "then this program again, and upload the new embeddings; to keep the dimension there is, give it with --dim",
        found, wanted, wanted)
end

function planners.table(statement, state, step, values)
    local columns = state.relations[statement.name]
    if columns then
        step.action = "keep"
        if statement.name == "video_embeddings" then check_embedding(columns, values.embedding_dim) end
    elseif state.roles.anon then
        -- Supabase lets everyone who knows the public key read and change a table of `public`.
        step.sql[2] = ("ALTER TABLE public.%s ENABLE ROW LEVEL SECURITY"):format(statement.name)
        step.note = "row level security is on, without a policy yet"
    end
end

-- The index, or the primary key of a table that is made in the same run, that does what this one would.
local function covering(statement, state, definitions)
    local function begins(columns)
        for place, item in ipairs(statement.indexed) do
            if columns[place] ~= item.column then return false end
        end
        return true
    end
    for _, index in ipairs(state.indexes) do
        local class = statement.indexed[1].class
        if index.on == statement.on and index.method == statement.method and index.plain and begins(index.columns)
            and (not class or class == index.class) then
            return index.name
        end
    end
    local definition = definitions[statement.on]
    if not state.relations[statement.on] and definition and statement.method == "btree" and begins(definition.key) then
        return "the primary key"
    end
end

function planners.index(statement, state, step, values, definitions)
    local columns = state.relations[statement.on]
    for _, item in ipairs(statement.indexed) do
        if columns and not columns[item.column] then
            step.action, step.note = "skip", ("the table has no column '%s'"):format(item.column)
            return
        end
    end
    local other = covering(statement, state, definitions)
    if other == statement.name then
        step.action = "keep"
    elseif other then
        step.action, step.note = "skip", other .. " does its work"
    elseif statement.method == "hnsw" and values.embedding_dim > HNSW_DIM then
        step.action = "skip"
        step.note = ("HNSW takes vectors up to %d dimensions; queries will compare with every row"):format(HNSW_DIM)
    else
        for _, index in ipairs(state.indexes) do
            if index.name == statement.name then
                fail("index", "the index '%s' is another one than config/schema.sql defines, or is invalid; drop it "
                    .. "and run this again", index.name)
            end
        end
    end
end

planners["function"] = function(statement, state, step)
    step.name = ("%s(%s)"):format(step.name, statement.argument_types)
    for _, known in ipairs(state.functions) do
        if known.name == statement.name and known.argument_types == statement.argument_types then
            step.action, step.replaces = "replace", true
            if known.arguments ~= statement.arguments or known.result ~= statement.result then
                -- PostgreSQL does not rename a function's parameters.
                table.insert(step.sql, 1, ("DROP FUNCTION %s"):format(step.name))
                step.note = ("it was (%s) -> %s"):format(known.arguments, known.result)
            end
        elseif known.name == statement.name then
            fail("overloaded", "there is a function public.%s(%s) too; callers cannot tell the two apart: drop it and "
                .. "run this again", known.name, known.argument_types)
        end
    end
end

function planners.other(statement, state, step)
    step.action, step.what = "run", "statement"
    if statement.name == "DO $grants$" then
        step.what, step.name = "grants", "to Supabase's roles"
        if not state.roles.service_role then step.action, step.note = "skip", "there is no role service_role" end
    end
end

local EMPTY = { relations = {}, indexes = {}, functions = {}, roles = {}, vector = { version = "0.5" } }

---@class two_tower.SchemaPlan
---@field steps two_tower.Step[]
---@field search_path string schemas that unqualified names of the extension are looked for in

--- Tells what has to be done.
---@param db tt.Database|nil nil: an empty PostgreSQL database
---@param options { dim: integer }
---@return two_tower.SchemaPlan
function database.plan(db, options)
    local steps = {}
    if db and db:dialect() == "sqlite" then
        local present = {}
        for _, name in ipairs(db:tables()) do present[name] = true end
        for _, definition in ipairs(schema.input_tables()) do
            steps[#steps + 1] = { action = present[definition.name] and "keep" or "make", what = "table",
                name = definition.name, sql = { schema.creation(db, definition, true) } }
        end
        return { steps = steps }
    end
    local state = db and inspect(db) or EMPTY
    local values = { embedding_dim = options.dim, tag_names = names_query(state.relations, "tag"),
        performer_names = names_query(state.relations, "performer") }
    local definitions = {}
    for _, statement in ipairs(schema.read()) do
        if statement.kind == "table" then definitions[statement.name] = statement end
        statement.sql = statement.sql:gsub("{{([%l_]+)}}", function(name)
            if not values[name] then fail("text", "config/schema.sql: {{%s}} means nothing", name) end
            return tostring(values[name])
        end)
        local step = { action = "make", what = statement.kind, sql = { statement.sql },
            name = (statement.kind == "table" or statement.kind == "function") and "public." .. statement.name
                or statement.name }
        planners[statement.kind](statement, state, step, values, definitions)
        steps[#steps + 1] = step
    end
    local home = state.vector.schema or (state.extensions_schema and "extensions") or "public"
    return { steps = steps, search_path = home == "public" and "public" or "public, " .. sql.identifier(home) }
end

-- Adds to an error what was being made, and what may help.
local function explain(step, problem)
    if type(problem) ~= "table" or problem.code == "interrupted" then return end
    problem.message = ("%s %s: %s"):format(step.what, step.name, problem.message)
    local state = (problem.details or {}).sqlstate
    if state == "42501" and step.what == "extension" then
        problem.message = problem.message .. " (let an administrator run CREATE EXTENSION vector in this database)"
    elseif state == "42703" and step.what == "function" then
        problem.message = problem.message .. " (a table lacks a column that config/schema.sql gives it; add the column "
            .. "with ALTER TABLE … ADD COLUMN)"
    end
end

local function definition(db, name)
    local found = rows(db, "SELECT pg_get_functiondef(to_regprocedure($1)) AS text", name)
    return found[1] and found[1].text
end

local function run(db, step)
    local _ <close> = setmetatable({}, { __close = function(_, problem) explain(step, problem) end })
    local before = step.replaces and definition(db, step.name)
    for _, statement in ipairs(step.sql) do db:exec(statement) end
    if step.replaces and definition(db, step.name) == before then step.action = "keep" end
end

--- Does what has to be done, all or nothing.
---@param db tt.Database
---@param options { dim: integer }
---@param report fun(step: two_tower.Step) called after each step
function database.apply(db, options, report)
    db:transaction(function()
        -- Two of these at once would both want to make what is missing.
        if db:dialect() ~= "sqlite" then
            db:query("SELECT pg_advisory_xact_lock(hashtext('config/schema.sql'))::text AS locked")
        end
        local plan = database.plan(db, options)
        if plan.search_path then db:exec("SET LOCAL search_path = " .. plan.search_path) end
        for _, step in ipairs(plan.steps) do
            if step.action ~= "keep" and step.action ~= "skip" then run(db, step) end
            report(step)
        end
    end)
end

--- The plan as a script that psql could run.
---@param plan two_tower.SchemaPlan
---@return string
function database.script(plan)
    local lines = { "BEGIN;" }
    if plan.search_path then lines[#lines + 1] = ("SET LOCAL search_path = %s;"):format(plan.search_path) end
    for _, step in ipairs(plan.steps) do
        local about = step.note and (" (%s)"):format(step.note) or ""
        lines[#lines + 1] = ("\n-- %s %s %s%s"):format(step.action, step.what, step.name, about)
        if step.action ~= "keep" and step.action ~= "skip" then
            for _, statement in ipairs(step.sql) do lines[#lines + 1] = statement .. ";" end
        end
    end
    lines[#lines + 1] = "\nCOMMIT;"
    return table.concat(lines, "\n")
end

return database
