--- Samples: which decisions are learnt from, which validate, and the negatives drawn beside them.

local frame = require("tt.frame")
local features = require("tt.features")

local samples = {}

---@class two_tower.Side
---@field user tt.Indices row of the user store per sample
---@field item tt.Indices row of the item store per sample
---@field label tt.Tensor 1 or 0 per sample
---@field n integer samples, drawn negatives included

--- What a model is trained on: no frames, which are large.
---@class two_tower.Sides
---@field train two_tower.Side
---@field val two_tower.Side in the order of its items
---@field likes tt.Tensor likes of each item on the training side

---@class two_tower.Chosen
---@field trains tt.Column bool per effective decision: those to learn from
---@field validates tt.Column bool per effective decision: those that validate
---@field counted tt.Column bool per effective decision: false for those that validate; user features are made of the
---  others
---@field users tt.Frame profiles of users with an eligible decision; row order of the user store
---@field fitted tt.Column bool per user: has a decision to learn from
---@field validated tt.Column bool per user: has one that validates

--- Splits the eligible decisions: likes and nopes of users with a profile and videos that exist.
---@param data two_tower.Data
---@param seed integer
---@param share number part that validates, 0..1
---@return tt.Column trains bool per decision
---@return tt.Column validates bool per decision; neither where it is not eligible
function samples.split(data, seed, share)
    local all = data.decisions
    local eligible = frame.from_columns({
        { "known", all.decision_type:is_in({ "like", "nope" }) },
        { "user", all.user_id:is_in(data.profiles.user_id) },
        { "item", all.video_id:is_in(data.videos.id) },
    }):with({ { "all", "known and user and item" } }).all
    local validates = features.digest_split(tostring(seed), { all.user_id, all.video_id }, share, { among = eligible })
    return frame.from_columns({ { "eligible", eligible }, { "validates", validates } })
        :eval("eligible and not validates"), validates
end

-- Likes and nopes of each user among some decisions, in the order of `users`; 0 where there are none.
local function counted(side, users)
    local counts = side:group_by({ "user_id", "is_like" }):count()
    local function of(kind)
        return users:join(counts:filter(kind), { on = "user_id", how = "left" }):col("count"):fill_null(0)
    end
    return frame.from_columns({ { "likes", of("is_like") }, { "nopes", of("not is_like") } })
end

-- The videos each user has an effective decision on, on either side.
local function taken_by_users(all, index)
    local users <close> = index.user:indices(all.user_id)
    local items <close> = index.item:indices(all.video_id)
    return features.taken(users, items, { groups = #index.user, population = #index.item })
end

-- User row, item row and label of every sample of one side: its decisions first, then the negatives. Those are drawn
-- for each user: max(0, ratio * max(1, likes) - nopes) videos the user has not taken, without replacement; all there
-- are when there are fewer.
local function assemble(side, taken, users, index, options)
    local wanted = counted(side, users:select({ "user_id" })):eval(
        ("if(likes + nopes == 0, 0, greatest(0, greatest(likes, 1) * %d - nopes))"):format(options.ratio))
    local own_users <close> = index.user:indices(side.user_id)
    local own_items <close> = index.item:indices(side.video_id)
    local user, item = features.sample_without({ wanted = wanted, taken = taken, before_groups = own_users,
        before_items = own_items, seed = options.seed, stream = options.stream })
    return { user = user, item = item, label = features.to_tensor(side.is_like, { rows = #user }), n = #user }
end

-- The same samples in the order of their items.
local function by_item(side)
    local _ <close> = side.user
    local _ <close> = side.item
    local _ <close> = side.label
    local sorted <close> = frame.from_columns({ { "user", features.to_column(side.user) },
        { "item", features.to_column(side.item) }, { "label", features.to_column(side.label) } }):sort("item")
    return {
        user = features.indices(sorted.user),
        item = features.indices(sorted.item),
        label = features.to_tensor(sorted.label),
        n = side.n,
    }
end

-- Likes of each video among some decisions.
local function likes(videos, decisions)
    local counts = decisions:group_by({ "video_id", "is_like" }):count():filter("is_like")
    return features.to_tensor(videos:select({ "id" })
        :join(counts, { left_on = "id", right_on = "video_id", how = "left" })
        :col("count"):fill_null(0):cast("float32"))
end

--- Chooses who and what takes part.
---
--- Raises `samples.none` when there is nothing to train on.
---@param data two_tower.Data
---@param config table effective configuration
---@return two_tower.Chosen
function samples.choose(data, config)
    local trains, validates = samples.split(data, config.seed, config.training.train_val_split)
    local users = data.decisions:select({ "user_id" })
    local training <close> = users:filter(trains)
    local validating <close> = users:filter(validates)
    if #training == 0 then
        tt.error("samples.none", ("no sample to train on: %d decisions, %d profiles and %d videos were read, but no "
            .. "like or nope of a user with a profile on an existing video is on the training side")
            :format(data.decisions:height(), data.profiles:height(), data.videos:height()))
    end
    local sides = frame.from_columns({ { "fitted", data.profiles.user_id:is_in(training.user_id) },
        { "validated", data.profiles.user_id:is_in(validating.user_id) } })
    local known = sides.fitted | sides.validated
    sides = sides:filter(known)
    return {
        trains = trains,
        validates = validates,
        counted = ~validates,
        users = data.profiles:filter(known),
        fitted = sides.fitted,
        validated = sides.validated,
    }
end

-- The decisions of both sides, and what is taken. What takes part is a like or a nope; the words themselves take more
-- room than all else.
local function parts(decisions, chosen, index)
    local all <close> = decisions:select({ "user_id", "video_id" })
        :with({ { "is_like", decisions.decision_type:eq("like") } })
    return all:filter(chosen.trains), all:filter(chosen.validates), taken_by_users(all, index)
end

--- Makes the samples of both sides. `data.decisions`, the largest frame, ends with it.
---@param data two_tower.Data
---@param chosen two_tower.Chosen
---@param config table effective configuration
---@return two_tower.Sides
function samples.build(data, chosen, config)
    local users = chosen.users
    local index = { user = features.row_index(users.user_id), item = features.row_index(data.videos.id) }
    local train, val, taken = parts(data.decisions, chosen, index)
    local _ <close> = train
    local _ <close> = val
    local _ <close> = taken
    data.decisions = nil
    local function side(decisions, stream)
        -- What the statements before have left behind is large.
        collectgarbage()
        return assemble(decisions, taken, users, index,
            { ratio = config.training.negative_sampling_ratio, seed = config.seed, stream = stream })
    end
    return { likes = likes(data.videos, train), train = side(train, 1), val = by_item(side(val, 2)) }
end

return samples
