--- Input parity: the input vectors that the consumer makes of the published files and one payload each, beside those
--- that the training side makes of the tables.

local checkpoint = require("two_tower.bundle.checkpoint")
local consumer = require("two_tower.check.consumer")
local declared = require("two_tower.features")
local extract = require("two_tower.data.extract")
local feature_parity = require("two_tower.check.feature_parity")
local frame = require("tt.frame")
local fs = require("tt.fs")
local json = require("tt.json")
local nn = require("tt.nn")
local payloads = require("two_tower.data.payloads")
local time = require("tt.time")

local input_parity = {}

-- How many users are taken when none is named.
local SPREAD = 5

---@class two_tower.ServingResult
---@field user_id string
---@field input number[] as the consumer makes it
---@field embedding number[] of the training side's input, by the checkpoint's user tower
---@field now integer
---@field slots integer
---@field differs integer slots that differ
---@field largest number largest difference
---@field where string|nil name of that slot

-- Users from those without a like to the one with the most.
local function spread(data)
    local ranked = feature_parity.everyone(data)
        :join(data.decisions:filter("decision_type == 'like'"):group_by({ "user_id" })
            :agg({ { "*", "count", as = "likes" } }), { on = "user_id", how = "left" })
        :fill_null({ likes = 0 }):sort({ "likes", "user_id" })
    local chosen = {}
    for index = 1, math.min(SPREAD, #ranked) do
        chosen[index] = ranked.user_id[1 + (index - 1) * (#ranked - 1) // math.max(1, math.min(SPREAD, #ranked) - 1)]
    end
    if #chosen == 0 then tt.error("serving.no_user", "the database has no users") end
    return chosen
end

local function compare(input, names, row)
    local result = { slots = #input, differs = 0, largest = 0.0 }
    if #input ~= #row then
        tt.error("serving.width", ("the consumer makes a vector of %d numbers, the training side of %d"):format(#input,
            #row), nil, 2)
    end
    for index, value in ipairs(input) do
        local apart = math.abs(value - row[index])
        local agrees = apart <= feature_parity.TOLERANCE * math.max(1, math.abs(value), math.abs(row[index]))
        if not agrees then result.differs = result.differs + 1 end
        if apart ~= apart or apart > result.largest then result.largest, result.where = apart, names[index] end
    end
    return result
end

local function check_users(list)
    local seen, users = {}, {}
    for _, text in ipairs(list) do
        local id = text:lower()
        if not id:match("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$") then
            tt.error("usage.user", ("--user: '%s' is no UUID"):format(text))
        end
        if not seen[id] then users[#users + 1] = id end
        seen[id] = true
    end
    return users
end

--- Compares the input vectors of some users.
---@param db tt.Database
---@param source two_tower.RpcSource
---@param options { artifacts: string, checkpoint: string, users?: string[], features?: two_tower.FeatureSet,
---  report?: fun(name: string, rows: integer) } without users a few are taken, from no like to the most
---@return two_tower.ServingResult[]
function input_parity.run(db, source, options)
    local set = options.features or declared
    local users = check_users(options.users or {})
    local published = consumer.read(options.artifacts)
    local loaded = checkpoint.load(options.checkpoint, set)
    if published.meta.model_fingerprint ~= loaded.fingerprint then
        tt.error("serving.mismatch", ("the files in '%s' are not of the model in '%s'; run the export stage again")
            :format(options.artifacts, options.checkpoint))
    end
    local results = {}
    extract.read(db, set, options.report, function(data)
        local now = published.now or data.reference_time or time.now()
        if #users == 0 then users = spread(data) end
        local chosen = frame.from_table({ user_id = frame.column(users, "uuid") })
        local profiles = chosen:join(data.profiles, { on = "user_id", how = "left" })
        local decided = data.decisions:join(chosen, { on = "user_id", how = "semi" })
        local matrix = set:store("user", payloads.users(set, data, decided, profiles, now), loaded.scalers.user,
            loaded.vocabularies):matrix()
        local rows = matrix:to_dense():to_table()
        local embeddings = nn.embed(checkpoint.tower(loaded, "user"), matrix):to_table()
        for index, user in ipairs(users) do
            local input, names = consumer.input(published, source:one("user", user), now)
            local result = compare(input, names, rows[index])
            result.user_id, result.input, result.embedding, result.now = user, input, embeddings[index], now
            results[index] = result
        end
    end)
    return results
end

--- Writes what an independent program needs to repeat the check.
---@param path string
---@param results two_tower.ServingResult[]
function input_parity.write(path, results)
    local list = {}
    for index, result in ipairs(results) do
        list[index] = json.object({ { "user_id", result.user_id }, { "now", time.format(result.now) },
            { "input", json.array(result.input) }, { "embedding", json.array(result.embedding) } })
    end
    fs.mkdir(fs.dirname(path))
    json.write(path, json.array(list))
end

return input_parity
