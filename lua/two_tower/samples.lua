--- Samples: which decisions are learnt from, which validate, and the negatives drawn beside them.

local columns = require("two_tower.columns")
local features = require("tt.features")
local frame = require("tt.frame")

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

---@class two_tower.Samples
---@field view tt.Frame all effective decisions but those that validate: what user features are made of
---@field users tt.Frame profiles of users with an eligible decision; row order of the user store
---@field fitted tt.Column bool per user: has a sample to train on
---@field decisions { train: tt.Frame, val: tt.Frame } eligible decisions of each side
---@field sides two_tower.Sides

--- Splits the eligible decisions: likes and nopes of users with a profile and videos that exist.
---@param data two_tower.Data
---@param seed integer
---@param share number part that validates, 0..1
---@return tt.Frame train
---@return tt.Frame val
function samples.split(data, seed, share)
    local eligible <close> = data.decisions:filter("decision_type in ('like', 'nope')")
        :join(data.profiles, { on = "user_id", how = "semi" })
        :join(data.videos, { left_on = "video_id", right_on = "id", how = "semi" })
    local validates = features.digest_split(tostring(seed), { eligible.user_id, eligible.video_id }, share)
    return eligible:filter(~validates), eligible:filter(validates)
end

-- Draws negatives for each user of one side: max(0, ratio * max(1, likes) - nopes) videos the user has no effective
-- decision on, drawn without replacement; all there are when there are fewer.
local function negatives(side, users, taken, population, options)
    local counts = side:with({
        { "is_like", "if(decision_type == 'like', 1, 0)" },
        { "is_nope", "if(decision_type == 'nope', 1, 0)" },
    }):group_by({ "user_id" }):agg({ { "is_like", "sum", as = "likes" }, { "is_nope", "sum", as = "nopes" } })
    local wanted = users:select({ "user_id" }):join(counts, { on = "user_id", how = "left" })
        :with({ { "wanted", ("if(likes is null, 0, greatest(0, greatest(likes, 1) * %d - nopes))")
            :format(options.ratio) } })
        .wanted
    return features.sample_without({ wanted = wanted, population = population, taken_group = taken.user_row,
        taken_item = taken.item_row, seed = options.seed, stream = options.stream })
end

-- Decisions first, then the drawn negatives, or in the order of a column: user row, item row and label of every sample.
local function assemble(side, user_index, item_index, drawn, order)
    local decided <close> = columns.frame({
        { "user", user_index:rows(side.user_id) },
        { "item", item_index:rows(side.video_id) },
        { "label", columns.eval(side, "if(decision_type == 'like', 1.0, 0.0)") },
    })
    local joined <close> = frame.concat({ decided, drawn:rename({ group = "user" }):with({ { "label", "0.0" } }) })
    local sorted <close> = order and joined:sort(order) or nil
    local all = sorted or joined
    return {
        user = features.indices(all.user),
        item = features.indices(all.item),
        label = features.to_tensor(all.label),
        n = all:height(),
    }
end

-- Likes of each video among some decisions.
local function likes(videos, decisions)
    local counts = decisions:filter("decision_type == 'like'"):group_by({ "video_id" })
        :agg({ { "*", "count", as = "likes" } })
    return features.to_tensor(videos:select({ "id" })
        :join(counts, { left_on = "id", right_on = "video_id", how = "left" })
        .likes:fill_null(0):cast("float32"))
end

--- Makes the samples of both sides.
---@param data two_tower.Data
---@param config table effective configuration
---@return two_tower.Samples
function samples.build(data, config)
    local training = config.training
    local train, val = samples.split(data, config.seed, training.train_val_split)
    if train:height() == 0 then
        tt.error("samples.none", ("no sample to train on: %d decisions, %d profiles and %d videos were read, but no "
            .. "like or nope of a user with a profile on an existing video is on the training side")
            :format(data.decisions:height(), data.profiles:height(), data.videos:height()))
    end
    local decided <close> = frame.concat({ train:select({ "user_id" }), val:select({ "user_id" }) })
    local users = data.profiles:join(decided, { on = "user_id", how = "semi" })
    local user_index, item_index = features.row_index(users.user_id), features.row_index(data.videos.id)
    local taken = { user_row = user_index:rows(data.decisions.user_id),
        item_row = item_index:rows(data.decisions.video_id) }
    local function side(decisions, stream, order)
        local drawn <close> = negatives(decisions, users, taken, data.videos:height(),
            { ratio = training.negative_sampling_ratio, seed = config.seed, stream = stream })
        return assemble(decisions, user_index, item_index, drawn, order)
    end
    return {
        view = data.decisions:join(val, { on = { "user_id", "video_id" }, how = "anti" }),
        users = users,
        fitted = users.user_id:is_in(train.user_id),
        decisions = { train = train, val = val },
        sides = { train = side(train, 1), val = side(val, 2, "item"), likes = likes(data.videos, train) },
    }
end

return samples
