-- Databases of a run's own on the server of TT_TEST_PG_DSN: no other run has their names, and nothing else is dropped.
-- Used by `dofile`; a set of them is to be closed, which drops them, whatever has happened.
--   local databases <close> = dofile(".../support/databases.lua").open()
--   local dsn = databases:make("source")
local sql = require("tt.sql")
local time = require("tt.time")

local databases = {}

--- The DSN of the server that tests may make databases on; nil where there is none.
databases.server = os.getenv("TT_TEST_PG_DSN")
databases.reason = "TT_TEST_PG_DSN is not set"

--- The DSN of another database on the same server, for each way of writing one that libpq has.
---@param dsn string `postgresql://…`, or libpq's keywords, or nothing
---@param name string letters, digits and `_`
---@return string
function databases.beside(dsn, name)
    local scheme, rest = dsn:match("^(postgres%w*://)(.*)$")
    -- Of a keyword that stands twice the last one counts.
    if not scheme then return dsn .. " dbname=" .. name end
    local place, query = rest:match("^([^?]*)%??(.*)$")
    local kept = {}
    for word in query:gmatch("[^&]+") do
        if not word:find("^dbname=") then kept[#kept + 1] = word end
    end
    return scheme .. place:match("^[^/]*") .. "/" .. name .. (#kept > 0 and "?" .. table.concat(kept, "&") or "")
end

local function random_word()
    local source <close> = assert(io.open("/dev/urandom", "rb"))
    return (source:read(5):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Whoever has just left a template may still be seen there; the server itself waits five seconds for that.
local IN_USE = "55006"
local PATIENCE_S = 60

local function create(db, statement)
    local deadline = time.monotonic() + PATIENCE_S
    while true do
        local ok, raised = pcall(db.exec, db, statement)
        if ok then return end
        local state = type(raised) == "table" and raised.details and raised.details.sqlstate
        if state ~= IN_USE or time.monotonic() > deadline then error(raised, 0) end
    end
end

---@class tests.Databases
---@field word string
---@field made table<string, string> name by label
local Databases = {}
Databases.__index = Databases

--- Makes a set of databases, empty at first.
---@return tests.Databases
function databases.open() return setmetatable({ word = random_word(), made = {} }, Databases) end

local function drop(db, name) db:exec(("DROP DATABASE IF EXISTS %s WITH (FORCE)"):format(name)) end

--- Drops a database that a set of another process has made.
---@param dsn string
function databases.drop(dsn)
    local own <close> = sql.open(dsn)
    local name = own:query("SELECT current_database()::text AS name").name[1]
    if not name:find("^tt_test_%x+_") then error(("'%s' is no database of tests"):format(name), 2) end
    local db <close> = sql.open(databases.server)
    drop(db, name)
end

--- Makes an empty database, in place of the one that was made before under the same label.
---@param label string letters, digits and `_`
---@param template? string label of the one to copy
---@return string dsn
function Databases:make(label, template)
    local name = ("tt_test_%s_%s"):format(self.word, label)
    local db <close> = sql.open(databases.server)
    if self.made[label] then drop(db, name) end
    -- Noted first: an interruption may come when it is there already.
    self.made[label] = name
    create(db, "CREATE DATABASE " .. name .. (template and " TEMPLATE " .. self.made[template] or ""))
    return self:dsn(label)
end

--- The DSN of a database of the set.
---@param label string
---@return string
function Databases:dsn(label) return databases.beside(databases.server, self.made[label]) end

--- Drops the databases of the set.
function Databases:close()
    if not next(self.made) then return end
    local db <close> = sql.open(databases.server)
    for label, name in pairs(self.made) do
        drop(db, name)
        self.made[label] = nil
    end
end

function Databases:__close() self:close() end

return databases
