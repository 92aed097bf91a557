--- Compares payloads from elsewhere with those aggregated here: the first difference is an error that names it.

local frame = require("tt.frame")
local json = require("tt.json")
local log = require("tt.log")
local progress = require("tt.progress")
local rpc = require("two_tower.data.rpc")
local time = require("tt.time")

local payload_parity = {}

-- Means may be summed in another order; everything else is exact, and far above this.
local TOLERANCE = 1e-9

local function shown(kind, value)
    if value == nil then return "null" end
    if kind == "text" then return ("'%s'"):format(value) end
    return kind == "time" and time.format(value) or ("%.17g"):format(value)
end

local function disagree(source, entity, id, field, theirs, ours)
    tt.error("rpc.disagrees", ("the payload of %s %s by %s of %s disagrees with the tables: %s is %s, the tables give "
        .. "%s; %s, or set training.use_rpc_features to false"):format(entity, id, source.shapes[entity].batch,
        source.name, field, theirs, ours, source.advice), { entity = entity, id = id, field = field }, 2)
end

local function check_fields(source, entity, own, theirs)
    local both = own:join(theirs, { on = "id" })
    for _, field in ipairs(source.shapes[entity].fields) do
        local name, kind = field[1], field[2]
        local other = name .. "_right"
        local apart = kind ~= "number" and ("%s != %s"):format(name, other)
            or ("abs(%s - %s) > %g * greatest(1, abs(%s), abs(%s))"):format(name, other, TOLERANCE, name, other)
        local bad = both:filter(("if(%s is null, 1, 0) != if(%s is null, 1, 0) or %s"):format(name, other, apart))
            :sort({ "id" }):head(1)
        if #bad > 0 then
            disagree(source, entity, bad.id[1], field[3], shown(kind, bad:col(other)[1]), shown(kind, bad:col(name)[1]))
        end
    end
end

-- Names count as often as they stand there; their order means nothing.
local function check_list(source, entity, list, own, theirs)
    local function counted(pairs_) return pairs_:group_by({ "owner", "token" }):agg({ { "*", "count", as = "n" } }) end
    local key = { "owner", "token" }
    own, theirs = counted(own), counted(theirs)
    local bad = frame.concat({
        own:join(theirs, { on = key, how = "left" }):fill_null({ n_right = 0 }):filter("n != n_right"),
        theirs:join(own, { on = key, how = "anti" }):rename({ n = "n_right" }):with({ { "n", "0" } })
            :select({ "owner", "token", "n", "n_right" }),
    }):sort(key):head(1)
    if #bad > 0 then
        local function times(n) return ("%d times '%s'"):format(n, bad.token[1]) end
        disagree(source, entity, bad.owner[1], list, times(bad.n_right[1]), times(bad.n[1]))
    end
end

--- Compares the payloads of one entity. Their values are not taken over: what agrees is taken as it was computed here,
--- so that no byte of a model depends on where payloads come from.
---@param source two_tower.RpcSource
---@param entity "user"|"item"
---@param own two_tower.Payload
---@param ids tt.Frame `id` of the payloads that must be there and agree
---@param each? fun(rows: integer) called per page read
---@return integer compared
function payload_parity.require_equal(source, entity, own, ids, each)
    local compared, missing = 0, ids
    for block in rpc.blocks(source, entity, { only = ids, each = each }) do
        local part = rpc.only(own, block.frame)
        check_fields(source, entity, part.frame, block.frame)
        for _, list in ipairs(source.shapes[entity].lists) do
            check_list(source, entity, list.name, part.lists[list.name], block.lists[list.name])
        end
        missing = missing:join(block.frame, { on = "id", how = "anti" })
        compared = compared + #block.frame
    end
    if #missing > 0 then
        tt.error("rpc.missing", ("%s of %s gave no payload for %d of %d %ss, the first is %s; %s"):format(
            source.shapes[entity].batch, source.name, #missing, #ids, entity, missing:sort({ "id" }).id[1],
            source.advice), { entity = entity, id = missing:sort({ "id" }).id[1] }, 2)
    end
    return compared
end

--- Ids of the items whose payloads are in the pages: the videos that are active.
---@param db tt.Database
---@return tt.Frame ids column `id`
function payload_parity.active_items(db)
    local name, where = db:dialect() == "sqlite" and "videos" or "public.videos", ""
    for _, column in ipairs(db:columns(name)) do
        if column.name == "is_active" then where = " AND is_active" end
    end
    return db:read(("SELECT id FROM %s WHERE id IS NOT NULL%s"):format(name, where), { types = { id = "uuid" } })
end

--- Compares what training is made of. Payloads count all decisions, so users who have validation decisions are left to
--- the aggregation here, as are videos that are not active.
---@param source two_tower.RpcSource
---@param db tt.Database still showing the moment that the tables were read
---@param prepared { chosen: two_tower.Chosen, users: two_tower.Payload, items: two_tower.Payload }
function payload_parity.training(source, db, prepared)
    local started = time.monotonic()
    local users = prepared.chosen.users:filter(~prepared.chosen.validated)
        :select({ "user_id" }):rename({ user_id = "id" })
    local items = payload_parity.active_items(db)
    local bar <close> = progress.bar({ label = "payloads", unit = "rows" })
    local function each(rows) bar:update(rows) end
    -- Pages come in the order of ids: where no user is of interest there is none to read.
    local compared = {
        users = #users > 0 and payload_parity.require_equal(source, "user", prepared.users, users, each) or 0,
        items = payload_parity.require_equal(source, "item", prepared.items, items, each),
    }
    bar:close()
    log.info("payloads", json.object({ { "from", source.name }, { "users", compared.users },
        { "aggregated_users", #prepared.users.frame - compared.users }, { "items", compared.items },
        { "aggregated_items", #prepared.items.frame - compared.items }, { "seconds", time.monotonic() - started } }))
end

return payload_parity
