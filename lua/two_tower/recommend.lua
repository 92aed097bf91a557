--- Recommendations, computed as the serving side does: features from the users' payloads, the user tower, cosines with
--- the item embeddings.

local artifacts = require("two_tower.bundle.artifacts")
local checkpoint = require("two_tower.bundle.checkpoint")
local frame = require("tt.frame")
local declared = require("two_tower.features")
local extract = require("two_tower.data.extract")
local features = require("tt.features")
local nn = require("tt.nn")
local parquet = require("tt.parquet")
local payloads = require("two_tower.data.payloads")
local time = require("tt.time")

local recommend = {}

-- The user with a profile and the most likes, the first by id among equals.
local function most_active(data)
    local counted = data.decisions:filter("decision_type == 'like'")
        :join(data.profiles, { on = "user_id", how = "semi" })
        :group_by({ "user_id" }):agg({ { "*", "count", as = "likes" } })
        :sort({ "-likes", "user_id" })
    if counted:height() == 0 then tt.error("recommend.no_user", "no user with a profile has liked anything") end
    return counted.user_id[1]
end

local function read_embeddings(path, loaded)
    local file <close> = parquet.open(path)
    if file:metadata()[artifacts.FINGERPRINT_KEY] ~= loaded.fingerprint then
        tt.error("recommend.mismatch", ("'%s' was not written with the checkpoint '%s'; run generate_embeddings.lua")
            :format(path, loaded.path))
    end
    return parquet.read(path)
end

---@class two_tower.RecommendOptions
---@field top integer how many videos for a user
---@field checkpoint string
---@field embeddings string the Parquet file written with that checkpoint
---@field now? integer reference time (default: the checkpoint's)
---@field features? two_tower.FeatureSet

-- The best videos of the users with these profiles: user_id, video_id, score; users in order, best first.
local function rank(loaded, set, data, profiles, options)
    local embeddings = read_embeddings(options.embeddings, loaded)
    local now = options.now or loaded.reference_time or data.reference_time or time.now()
    local decided = data.decisions:join(profiles, { on = "user_id", how = "semi" })
    local payload = payloads.users(set, data, decided, profiles, now)
    local store = set:store("user", payload, loaded.scalers.user, loaded.vocabularies)
    local vectors = nn.embed(checkpoint.tower(loaded, "user"), store:matrix())

    local users, videos = payload.frame.id, embeddings.video_id:cast("uuid")
    local known = frame.from_columns({
        { "user", features.row_index(users):rows(decided.user_id) },
        { "video", features.row_index(videos):rows(decided.video_id) },
    }):filter("video is not null")
    -- Embeddings come ascending by id, so that equal scores do as well.
    local scores, places = nn.topk(vectors, features.to_tensor(embeddings.embedding), math.min(options.top, #videos),
        { exclude = { queries = features.indices(known.user), items = features.indices(known.video) } })
    local rows = frame.from_columns({ { "user_id", users }, { "score", features.to_column(scores) } }):explode("score")
        :filter("score is not null"):with({ { "place", features.to_column(places) } }):filter("place is not null")
    return rows:with({ { "video_id", videos:take(rows.place) } }):select({ "user_id", "video_id", "score" }), payload
end

--- Lists the best videos for every user with a profile, among those without a decision of theirs.
---@param db tt.Database
---@param options two_tower.RecommendOptions
---@return tt.Frame rows user_id, video_id, score; users in order of their ids, best first
function recommend.all(db, options)
    local set = options.features or declared
    local data = extract.read(db, set)
    return (rank(checkpoint.load(options.checkpoint, set), set, data, data.profiles, options))
end

---@class two_tower.UserRecommendOptions: two_tower.RecommendOptions
---@field user? string whom for (default: the user with the most likes)

---@class two_tower.Recommendation
---@field user string
---@field likes integer
---@field tastes string[] the user's most frequent tags
---@field rows tt.Frame video_id, score, title, tags; best first

--- Lists the best videos for a user among those without a decision of theirs.
---@param db tt.Database
---@param options two_tower.UserRecommendOptions
---@return two_tower.Recommendation
function recommend.list(db, options)
    local set = options.features or declared
    local loaded = checkpoint.load(options.checkpoint, set)
    local data = extract.read(db, set)
    local user = options.user and options.user:lower() or most_active(data)
    if not user:match("^%x+%-%x+%-%x+%-%x+%-%x+$") then
        tt.error("usage.user", ("'%s' is no UUID"):format(user))
    end
    local profile = data.profiles:filter(("user_id == uuid('%s')"):format(user))
    if profile:height() == 0 then tt.error("recommend.no_user", ("there is no profile of user %s"):format(user)) end
    local best, payload = rank(loaded, set, data, profile, options)
    local tags = data.lists.tags:rename({ owner = "video_id" }):group_by({ "video_id" })
        :agg({ { "token", "list", as = "tags" } })
    local rows = best:drop({ "user_id" })
        :join(extract.titles(db), { on = "video_id", how = "left" })
        :join(tags, { on = "video_id", how = "left" })
    local tastes = payload.lists.tags:value_counts("token"):head(5)
    return { user = user, likes = payload.frame.like_count[1], tastes = tastes.token:to_table(), rows = rows }
end

return recommend
