-- A development server (scripts/supabase-dev) for tests, over a database of its own on the server of TT_TEST_PG_DSN.
local json = require("tt.json")
local sql = require("tt.sql")

local dev_server = {}

local root = arg[0]:match("^(.*)/Tests/lua/[^/]*$") or "."

local databases = dofile(root .. "/Tests/lua/support/databases.lua")
local quote = dofile(root .. "/Tests/lua/support/shell.lua").quote

local function capture(command)
    local pipe = assert(io.popen(command))
    local output = pipe:read("a")
    return output, (pipe:close())
end

local Server = {}
Server.__index = Server

--- Starts a server, which is to be stopped or kept in a `<close>` variable. Gives nil and a reason where there is none
--- to be had.
---@param label string of its database
---@param folder string
---@param options? string for scripts/supabase-dev
function dev_server.start(label, folder, options)
    if not databases.server then return nil, databases.reason end
    local own = databases.open()
    local self = setmetatable({ folder = folder, databases = own, dsn = own:make(label) }, Server)
    local lines, fine = capture(("%s start %s --pg-dsn %s %s"):format(quote(root .. "/scripts/supabase-dev"),
        quote(folder), quote(self.dsn), options or ""))
    if not fine then
        own:close()
        return nil, "scripts/supabase-dev does not start"
    end
    self.url = lines:match("SUPABASE_URL='?([^'\n]+)")
    self.key = lines:match("SUPABASE_SERVICE_ROLE_KEY='?([^'\n]+)")
    self.db = sql.open(self.dsn)
    return self
end

-- A request to what the server has for tests.
function Server:control(method, path, value)
    local http = require("tt.http")
    return http.request({ method = method, url = self.url .. path, json = value, proxy = "", retry = false })
end

--- Sets how the server misbehaves; without rules it behaves.
function Server:faults(rules)
    local answer = self:control("POST", "/_dev/faults", json.array(rules or {}))
    assert(answer.ok, answer.body)
end

--- How often each rule has fired.
function Server:fired()
    local counts = {}
    for index, rule in ipairs(self:control("GET", "/_dev/faults"):json()) do counts[index] = rule.fired end
    return counts
end

--- Requests since the log was emptied: method and path.
function Server:requests() return self:control("GET", "/_dev/requests"):json() end
function Server:forget_requests() self:control("DELETE", "/_dev/requests") end

--- The environment of a child process.
function Server:environment()
    return ("SUPABASE_URL=%s SUPABASE_SERVICE_ROLE_KEY=%s"):format(quote(self.url), quote(self.key))
end

--- Stops it and drops its database.
function Server:stop()
    self.db:close()
    capture(("%s stop %s"):format(quote(root .. "/scripts/supabase-dev"), quote(self.folder)))
    self.databases:close()
end

function Server:__close() self:stop() end

return dev_server
