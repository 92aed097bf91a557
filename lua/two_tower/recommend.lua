--- Recommendations for one user, computed as the serving side does: features from the user's payload, the user tower,
--- cosines with the item embeddings.

local artifacts = require("two_tower.artifacts")
local checkpoints = require("two_tower.checkpoints")
local columns = require("two_tower.columns")
local declared = require("two_tower.features")
local extract = require("two_tower.extract")
local features = require("tt.features")
local nn = require("tt.nn")
local parquet = require("tt.parquet")
local payloads = require("two_tower.payloads")
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

---@class two_tower.Recommendation
---@field user string
---@field likes integer
---@field tastes string[] the user's most frequent tags
---@field rows tt.Frame video_id, score, title, tags; best first

--- Lists the best videos for a user among those without a decision of theirs.
---@param db tt.Database
---@param options { user?: string, top: integer, checkpoint: string, embeddings: string, now?: integer,
---  features?: two_tower.FeatureSet } `now` defaults to the checkpoint's reference time
---@return two_tower.Recommendation
function recommend.list(db, options)
    local set = options.features or declared
    local loaded = checkpoints.load(options.checkpoint, set)
    local embeddings = read_embeddings(options.embeddings, loaded)
    local data = extract.read(db)
    local user = options.user and options.user:lower() or most_active(data)
    if not user:match("^%x+%-%x+%-%x+%-%x+%-%x+$") then
        tt.error("usage.user", ("'%s' is no UUID"):format(user))
    end
    local of_user = ("user_id == uuid('%s')"):format(user)
    local profile = data.profiles:filter(of_user)
    if profile:height() == 0 then tt.error("recommend.no_user", ("there is no profile of user %s"):format(user)) end
    local decided = data.decisions:filter(of_user)

    local now = options.now or loaded.reference_time or data.reference_time or time.now()
    local payload = payloads.users(data, decided, profile, now)
    local store = set:store("user", payload, loaded.scalers.user, loaded.vocabularies)
    local towers = checkpoints.model(loaded)
    local vector = nn.embed(towers.user, store:matrix())
    local items = features.to_tensor(embeddings.embedding)
    local scores = items:matmul(vector:transpose(1, 2)):reshape({ items:size(1) })

    local tags = data.tags:group_by({ "video_id" }):agg({ { "token", "list", as = "tags" } })
    local rows = columns.frame({ { "video_id", embeddings.video_id:cast("uuid") },
            { "score", features.to_column(scores) } })
        :join(decided, { on = "video_id", how = "anti" })
        :sort({ "-score", "video_id" }):head(options.top)
        :join(extract.titles(db), { on = "video_id", how = "left" })
        :join(tags, { on = "video_id", how = "left" })
    local tastes = payload.lists.tags:value_counts("token"):head(5)
    return { user = user, likes = payload.frame.like_count[1], tastes = tastes.token:to_table(), rows = rows }
end

return recommend
