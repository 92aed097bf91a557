--- Payloads: all that features may depend on, one row per entity. A feature is a pure function of its payload, whether
--- the payload was aggregated here or comes from the functions of config/schema.sql, which do the same in SQL.

local frame = require("tt.frame")

local payloads = {}

-- What decisions add up to: column, kind, where it lies in what the payload functions give, and what stands for null: a
-- number, or an expression over the columns.
local DECISIONS = {
    { "like_count", "number", "decision_stats.like_count", 0 },
    { "nope_count", "number", "decision_stats.nope_count", 0 },
    { "decision_count", "number", "decision_stats.decision_count", "like_count + nope_count" },
    { "recent_like_at", "time", "decision_stats.recent_like_at" },
    { "average_like_hour", "number", "decision_stats.average_like_hour", 12.0 },
    { "mean_price", "number", "price_stats.mean", 0.0 },
    { "median_price", "number", "price_stats.median", 0.0 },
}

local FUNCTIONS = {
    user = { id = "user_id", single = "get_user_embedding_features", batch = "get_user_embedding_feature_batch" },
    item = { id = "video_id", single = "get_item_embedding_features", batch = "get_item_embedding_feature_batch" },
}

---@class two_tower.PayloadShape
---@field id string name of the id in the payload
---@field fields table[] column, kind ("number", "time" or "text"), and where it lies in the payload
---@field lists { name: string, place: string }[] token lists, and where they lie
---@field single string function that gives one payload
---@field batch string function that gives a page of them

--- What the payload functions give of the declared columns and token lists.
---@param set two_tower.FeatureSet
---@return { user: two_tower.PayloadShape, item: two_tower.PayloadShape }
function payloads.shapes(set)
    local shapes = {}
    for entity, functions in pairs(FUNCTIONS) do
        local shape = { id = functions.id, single = functions.single, batch = functions.batch, fields = {}, lists = {} }
        for _, column in ipairs(set.declared.columns[entity]) do
            if column.payload then table.insert(shape.fields, { column[1], column[2], column.payload }) end
        end
        if entity == "user" then table.move(DECISIONS, 1, #DECISIONS, #shape.fields + 1, shape.fields) end
        for _, tokens in ipairs(set:tokens(entity)) do
            if tokens.payload then table.insert(shape.lists, { name = tokens.name, place = tokens.payload }) end
        end
        shapes[entity] = shape
    end
    return shapes
end

--- Puts what stands for null in its place.
---@param entity "user"|"item"
---@param rows tt.Frame
---@return tt.Frame
function payloads.fill(entity, rows)
    for _, field in ipairs(entity == "user" and DECISIONS or {}) do
        local name, default = field[1], field[4]
        if default ~= nil then
            rows = type(default) == "string" and rows:with({ { name, ("coalesce(%s, %s)"):format(name, default) } })
                or rows:fill_null({ [name] = default })
        end
    end
    return rows
end

--- Adds the reference time as a column.
---@param rows tt.Frame
---@param micros integer|nil
---@return tt.Frame
function payloads.with_now(rows, micros)
    return rows:with({ { "now", micros or "null" } }):cast({ now = "timestamp" })
end

-- Pairs of a user and a token, joined when somebody asks for them: there are many, and a bag needs them not.
local function lazy_lists(bags, own)
    return setmetatable(own, {
        __index = function(lists, name)
            local bag = bags[name]
            if not bag then return nil end
            local by = frame.from_columns({ { "owner", bag.owners }, { "held", bag.held } })
            local tokens = frame.from_columns({ { "held", bag.token_owners }, { "token", bag.tokens } })
            local joined <close> = by:join(tokens, { on = "held" })
            local list = joined:select({ "owner", "token" })
            rawset(lists, name, list)
            return list
        end,
        __pairs = function(lists)
            for name in pairs(bags) do local _ = lists[name] end
            return next, lists
        end,
    })
end

-- The users' lists: tokens of what they like, and their own.
local function lists_of(set, data, liked)
    local bags, own = {}, {}
    for _, tokens in ipairs(set:tokens("user")) do
        local list = data.lists[tokens.name]
        if tokens.of == "user" then
            own[tokens.name] = list
        else
            bags[tokens.name] = { owners = liked.user_id, held = liked.video_id, tokens = list.token,
                token_owners = list.owner }
        end
    end
    return bags, lazy_lists(bags, own)
end

--- Payloads of users over a set of effective decisions.
---@param set two_tower.FeatureSet
---@param data two_tower.Data
---@param decisions tt.Frame effective decisions
---@param profiles tt.Frame whom to make payloads for: user_id and the declared columns
---@param now integer reference time, microseconds UTC
---@param counted? tt.Column bool per decision: those that count (default: all)
---@return two_tower.Payload
function payloads.users(set, data, decisions, profiles, now, counted)
    -- By user and type: few rows, whatever the number of decisions.
    local counts = decisions:select({ "user_id", "decision_type" }):with({ { "counted", counted or "true" } })
        :group_by({ "user_id", "decision_type", "counted" }):agg({ { "*", "count", as = "n" } }):filter("counted")
    local function of(kind, name)
        return counts:filter(("decision_type == '%s'"):format(kind)):select({ "user_id", "n" }):rename({ n = name })
    end
    local liking = decisions.decision_type:eq("like")
    local likes <close> = decisions:select({ "user_id", "video_id", "created_at" })
        :filter(counted and liking & counted or liking)
    local when = likes:select({ "user_id", "created_at" }):with({ { "hour", "hour(created_at)" } })
        :group_by({ "user_id" })
        :agg({ { "created_at", "max", as = "recent_like_at" }, { "hour", "mean", as = "average_like_hour" } })
    -- A like of a video that is not in the table carries no names, as that video has none here.
    local liked = likes:select({ "user_id", "video_id" })
    local prices = liked:join(data.videos:select({ "id", "price" }), { left_on = "video_id", right_on = "id" })
        :group_by({ "user_id" })
        :agg({ { "price", "mean", as = "mean_price" }, { "price", "median", as = "median_price" } })
    local users = profiles
    for _, part in ipairs({ of("like", "like_count"), of("nope", "nope_count"),
        counts:group_by({ "user_id" }):agg({ { "n", "sum", as = "decision_count" } }), when, prices }) do
        users = users:join(part, { on = "user_id", how = "left" })
    end
    local bags, lists = lists_of(set, data, liked)
    return { frame = payloads.with_now(payloads.fill("user", users:rename({ user_id = "id" })), now), bags = bags,
        lists = lists }
end

--- Payloads of items: their own columns and tokens.
---@param set two_tower.FeatureSet
---@param data { videos: tt.Frame, lists: table<string, tt.Frame> }
---@param now integer|nil reference time; nil when no video has a release date
---@return two_tower.Payload
function payloads.items(set, data, now)
    local lists = {}
    for _, tokens in ipairs(set:tokens("item")) do lists[tokens.name] = data.lists[tokens.name] end
    return { frame = payloads.with_now(data.videos, now), lists = lists }
end

return payloads
