--- Flags that several stage scripts share, and what follows from them.

local cli = require("tt.cli")
local config = require("two_tower.config")
local log = require("tt.log")
local sql = require("tt.sql")
local supabase = require("tt.supabase")

local options = {}

local DATABASE = {
    { flag = "--pg-dsn", value = "DSN", help = "PostgreSQL database, as libpq takes it" },
    { flag = "--db", value = "DSN", help = "database: sqlite:PATH or a PostgreSQL DSN; instead of --pg-dsn" },
}
local CONFIG = {
    { flag = "--config", type = "path", value = "FILE",
        help = "configuration (default: config/default.yaml, or what that file says where it is not at hand)" },
    { flag = "--set", value = "KEY=VALUE", multiple = true, help = "override one key, training.lr=0.01" },
}
-- The key has no default and is shown nowhere; on a command line it can be seen by others until it is read.
local REMOTE = {
    { flag = "--supabase-url", value = "URL", env = "SUPABASE_URL", help = "address of the project" },
    { flag = "--service-role-key", value = "KEY", env = "SUPABASE_SERVICE_ROLE_KEY", secret = true,
        help = "the project's service role key; better given by the variable, as others can see a command line" },
}
-- Without a default, so that it is known whether it was asked for.
local RPC = {
    { flag = "--rpc", choices = { "database", "rest" }, help = "where payloads of training.use_rpc_features come from: "
        .. "the functions of the database, or those of a Supabase project by REST (default: database)" },
}
local LOG = {
    { flag = "--log-json", help = "write the log as one JSON object per line" },
}

--- Parses a stage's command line.
---@param spec { name: string, summary: string, options?: table[], positional?: table[], examples?: string[],
---  database?: true|"optional", config?: boolean, remote?: boolean, rpc?: boolean, exclusive?: table[] }
---@return table options
---@return table<string, string> origin of those that are no defaults, as `cli.parse` gives it
function options.parse(spec)
    local all, exclusive = {}, { table.unpack(spec.exclusive or {}) }
    local function add(list) table.move(list, 1, #list, #all + 1, all) end
    if spec.database then
        add(DATABASE)
        exclusive[#exclusive + 1] = { "--pg-dsn", "--db", required = spec.database ~= "optional" }
    end
    if spec.config then add(CONFIG) end
    if spec.rpc then add(RPC) end
    if spec.remote then add(REMOTE) end
    add(spec.options or {})
    add(LOG)
    local given, origin = cli.parse({ name = spec.name, summary = spec.summary, options = all,
        positional = spec.positional, exclusive = exclusive, examples = spec.examples })
    log.configure({ json = given.log_json })
    -- Others see a command line; a path or a host on it may stay.
    for _, dsn in pairs(given) do
        if type(dsn) == "string" and log.masked(dsn) ~= dsn then cli.conceal(dsn) end
    end
    return given, origin
end

--- Warns of flags that were given and are of no use.
---@param origin table<string, string> as `options.parse` gives it
---@param flags string[]
---@param why string
function options.warn_unused(origin, flags, why)
    for _, flag in ipairs(flags) do
        if origin[flag:sub(3):gsub("-", "_")] == "flag" then log.warn(("%s is of no use %s"):format(flag, why)) end
    end
end

--- Opens a database that a flag names.
---@param dsn string
---@param flag string for the message
---@param settings? table options of `sql.open`
---@return tt.Database
function options.open_dsn(dsn, flag, settings)
    -- A DSN that cannot be read is wrong usage; a database that cannot be reached is not.
    local _ <close> = setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.code == "sql.dsn" then
            problem.code = "usage"
            problem.message = ("%s: %s"):format(flag, problem.message)
        end
    end })
    local db = sql.open(dsn, settings)
    return db
end

--- Opens the database that `--pg-dsn` or `--db` names.
---@param given table
---@param settings? table options of `sql.open`
---@return tt.Database
function options.open(given, settings)
    return options.open_dsn(given.pg_dsn or given.db, given.pg_dsn and "--pg-dsn" or "--db", settings)
end

--- Opens the project that the flags and variables name.
---@param given table
---@param settings? table further options of `supabase.open`
---@return tt.supabase.Project
function options.open_project(given, settings)
    local all = { url = given.supabase_url, key = given.service_role_key }
    for name, value in pairs(settings or {}) do all[name] = value end
    return supabase.open(all)
end

--- Opens the project that payloads come from by REST; nil when `--rpc` does not ask for it.
---@param given table
---@param config_? table the effective configuration, which must want payloads from functions when `--rpc` is given
---@return tt.supabase.Project|nil
function options.open_rpc(given, config_)
    if given.rpc and config_ and not config_.training.use_rpc_features then
        tt.error("usage", "--rpc: the configuration has training.use_rpc_features: false, which uses no functions")
    end
    return given.rpc == "rest" and options.open_project(given) or nil
end

--- Loads the configuration that the flags name.
---@param given table
---@return table effective
function options.load_config(given)
    return config.load(given.config, { set = given.set })
end

--- The configuration if the command line mentions one, for stages that go by a checkpoint and only refuse a
--- configuration that contradicts it.
---@param given table
---@return table|nil effective
function options.explicit_config(given)
    if given.config or #given.set > 0 then return options.load_config(given) end
    return nil
end

return options
