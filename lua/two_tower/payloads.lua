--- Payloads: all that features may depend on, one row per entity. A feature is a pure function of its payload, whether
--- the payload was aggregated here or comes from elsewhere.

local payloads = {}

local function with_now(rows, micros)
    return rows:with({ { "now", micros or "null" } }):cast({ now = "timestamp" })
end

--- Payloads of users over a set of effective decisions.
---@param data two_tower.Data
---@param decisions tt.Frame the decisions that count (the training view, or all)
---@param profiles tt.Frame whom to make payloads for: user_id, created_at
---@param now integer reference time, microseconds UTC
---@return two_tower.Payload
function payloads.users(data, decisions, profiles, now)
    local known = decisions:join(profiles, { on = "user_id", how = "semi" })
    local likes = known:filter("decision_type == 'like'")
    local stats = known:with({
        { "is_like", "if(decision_type == 'like', 1, 0)" },
        { "is_nope", "if(decision_type == 'nope', 1, 0)" },
        { "liked_at", "if(decision_type == 'like', created_at, null)" },
        { "like_hour", "if(decision_type == 'like', hour(created_at), null)" },
    }):group_by({ "user_id" }):agg({
        { "is_like", "sum", as = "like_count" },
        { "is_nope", "sum", as = "nope_count" },
        { "*", "count", as = "decision_count" },
        { "liked_at", "max", as = "recent_like_at" },
        { "like_hour", "mean", as = "average_like_hour" },
    })
    local prices = likes:select({ "user_id", "video_id" })
        :join(data.videos:select({ "id", "price" }), { left_on = "video_id", right_on = "id" })
        :group_by({ "user_id" })
        :agg({ { "price", "mean", as = "mean_price" }, { "price", "median", as = "median_price" } })
    local users = profiles:select({ "user_id", "created_at" })
        :rename({ created_at = "profile_created_at" })
        :join(stats, { on = "user_id", how = "left" })
        :join(prices, { on = "user_id", how = "left" })
        :fill_null({ like_count = 0, nope_count = 0, decision_count = 0, average_like_hour = 12.0,
            mean_price = 0.0, median_price = 0.0 })
        :rename({ user_id = "id" })
    -- A like of a video that is not in the table carries no names, as that video has none here.
    local liked = likes:select({ "user_id", "video_id" })
    local function names(frame)
        return liked:join(frame, { on = "video_id" }):select({ "user_id", "token" }):rename({ user_id = "owner" })
    end
    return {
        frame = with_now(users, now),
        lists = { tags = names(data.tags), performers = names(data.performers) },
    }
end

--- Payloads of items: their own columns and names.
---@param data { videos: tt.Frame, tags: tt.Frame, performers: tt.Frame }
---@param now integer|nil reference time; nil when no video has a release date
---@return two_tower.Payload
function payloads.items(data, now)
    local function names(frame) return frame:rename({ video_id = "owner" }) end
    return {
        frame = with_now(data.videos, now),
        lists = { tags = names(data.tags), performers = names(data.performers) },
    }
end

return payloads
