--- Payloads: all that features may depend on, one row per entity. A feature is a pure function of its payload, whether
--- the payload was aggregated here or comes from the functions of config/schema.sql, which do the same in SQL.

local payloads = {}

---@class two_tower.PayloadShape
---@field id string name of the id in the payload
---@field fields table[] column, kind ("number" or "time"), where it lies in the payload, and what stands for null: a
---  number, or an expression over the columns
---@field lists string[] token lists
---@field single string function that gives one payload
---@field batch string function that gives a page of them

---@type table<"user"|"item", two_tower.PayloadShape>
payloads.SHAPES = {
    user = {
        id = "user_id",
        fields = {
            { "profile_created_at", "time", "profile.created_at" },
            { "like_count", "number", "decision_stats.like_count", 0 },
            { "nope_count", "number", "decision_stats.nope_count", 0 },
            { "decision_count", "number", "decision_stats.decision_count", "like_count + nope_count" },
            { "recent_like_at", "time", "decision_stats.recent_like_at" },
            { "average_like_hour", "number", "decision_stats.average_like_hour", 12.0 },
            { "mean_price", "number", "price_stats.mean", 0.0 },
            { "median_price", "number", "price_stats.median", 0.0 },
        },
        lists = { "tags", "performers" },
        single = "get_user_embedding_features",
        batch = "get_user_embedding_feature_batch",
    },
    item = {
        id = "video_id",
        fields = {
            { "price", "number", "price" },
            { "duration_seconds", "number", "duration_seconds" },
            { "product_released_at", "time", "product_released_at" },
            { "distribution_started_at", "time", "distribution_started_at" },
            { "safety_level", "number", "safety_level" },
        },
        lists = { "tags", "performers" },
        single = "get_item_embedding_features",
        batch = "get_item_embedding_feature_batch",
    },
}

--- Puts what stands for null in its place.
---@param entity "user"|"item"
---@param rows tt.Frame the shape's fields, maybe with nulls
---@return tt.Frame
function payloads.fill(entity, rows)
    for _, field in ipairs(payloads.SHAPES[entity].fields) do
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

-- Token lists that are told as two tables: who holds what, and the tokens of what is held. A list that is asked for is
-- joined then; many are not, because a bag is made of the two tables.
---@param held table<string, { by: tt.Frame, tokens: tt.Frame }> `by` has user_id and video_id, `tokens` has video_id
---  and token
local function lists_of(held)
    return setmetatable({}, {
        held = held,
        __index = function(lists, name)
            local parts = held[name]
            if not parts then return nil end
            local joined <close> = parts.by:join(parts.tokens, { on = "video_id" })
            local list = joined:select({ "user_id", "token" }):rename({ user_id = "owner" })
            rawset(lists, name, list)
            return list
        end,
        __pairs = function(lists)
            for name in pairs(held) do local _ = lists[name] end
            return next, lists
        end,
    })
end

--- What a token list is made of, where nobody has asked for the list itself.
---@param lists table<string, tt.Frame> a payload's
---@param name string
---@return { by: tt.Frame, tokens: tt.Frame }|nil
function payloads.held(lists, name)
    local meta = rawget(lists, name) == nil and getmetatable(lists) or {}
    return meta.held and meta.held[name]
end

--- Payloads of users over a set of effective decisions.
---@param data two_tower.Data
---@param decisions tt.Frame effective decisions
---@param profiles tt.Frame whom to make payloads for: user_id, created_at
---@param now integer reference time, microseconds UTC
---@param counted? tt.Column bool per decision: those that count (default: all)
---@return two_tower.Payload
function payloads.users(data, decisions, profiles, now, counted)
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
    local users = profiles:select({ "user_id", "created_at" }):rename({ created_at = "profile_created_at" })
    for _, part in ipairs({ of("like", "like_count"), of("nope", "nope_count"),
        counts:group_by({ "user_id" }):agg({ { "n", "sum", as = "decision_count" } }), when, prices }) do
        users = users:join(part, { on = "user_id", how = "left" })
    end
    return {
        frame = payloads.with_now(payloads.fill("user", users:rename({ user_id = "id" })), now),
        lists = lists_of({ tags = { by = liked, tokens = data.tags },
            performers = { by = liked, tokens = data.performers } }),
    }
end

--- Payloads of items: their own columns and names.
---@param data { videos: tt.Frame, tags: tt.Frame, performers: tt.Frame }
---@param now integer|nil reference time; nil when no video has a release date
---@return two_tower.Payload
function payloads.items(data, now)
    local function names(frame) return frame:rename({ video_id = "owner" }) end
    return {
        frame = payloads.with_now(data.videos, now),
        lists = { tags = names(data.tags), performers = names(data.performers) },
    }
end

return payloads
