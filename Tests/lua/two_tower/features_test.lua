local config = require("two_tower.config")
local extract = require("two_tower.data.extract")
local feature_set = require("two_tower.feature_set")
local features = require("tt.features")
local frame = require("tt.frame")
local samples = require("two_tower.samples")
local set = require("two_tower.features")
local t = require("tt.test")

local input_database = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/input_database.lua")
local id, database = input_database.id, input_database.database

local function settings(overrides) return config.load(nil, { set = overrides }) end

-- Ten users with ten decisions each over forty videos.
local function crowd()
    local rows = { profiles = {}, videos = {}, video_tags = {}, video_performers = {}, user_video_decisions = {} }
    for video = 1, 40 do
        rows.videos[video] = { id(1000 + video), 100 * video, 60 * video, ("2025-01-%02d"):format(video % 28 + 1) }
        rows.video_tags[video] = { id(1000 + video), "tag" .. video % 4 }
        rows.video_performers[video] = { id(1000 + video), "name" .. video % 7 }
    end
    for user = 1, 10 do
        rows.profiles[user] = { id(user), ("2024-12-%02d"):format(user) }
        for turn = 1, 10 do
            local video = (user * 7 + turn * 3) % 40 + 1
            table.insert(rows.user_video_decisions, { id(user), id(1000 + video),
                video % 4 == user % 4 and "like" or "nope", ("2025-02-%02dT%02d:00:00Z"):format(user, turn) })
        end
    end
    return rows
end

t.test("the eight numbers, the hour and the bags of the documented example", function()
    local payload = {
        frame = frame.from_table({ { id = id(1), profile_created_at = "2025-01-01T00:00:00Z",
            now = "2025-01-31T12:00:00Z", recent_like_at = "2025-01-31T00:00:00Z", average_like_hour = 0.0,
            like_count = 3, nope_count = 1, decision_count = 4, mean_price = 1980.5, median_price = 1500.0 } },
            { schema = { id = "uuid", profile_created_at = "timestamp", now = "timestamp",
                recent_like_at = "timestamp" } }),
        lists = { tags = frame.from_table({ { owner = id(1), token = "a" }, { owner = id(1), token = "b" },
            { owner = id(1), token = "a" } }, { schema = { owner = "uuid" } }) },
    }
    payload.lists.performers = payload.lists.tags:head(0)
    local names = set:numbers("user", true)
    local zeros, ones = {}, {}
    for index = 1, #names do zeros[index], ones[index] = 0, 1 end
    local store = set:store("user", payload, features.scaler(names, zeros, ones),
        { tag = features.vocabulary({ "a", "c", "b" }), actress = features.vocabulary({}) })
    t.near(store:matrix():to_dense():to_table()[1],
        { 30.5, 1980.5, 1500, 0.75, 3, 1, 4, 0.5, 0, 0.894427, 0, 0.447214 }, 1e-6)
end)

t.test("declarations are checked", function()
    local function with(feature)
        return function() return set:extend({ features = { feature } }) end
    end
    t.error("features.declaration", with({ entity = "user", segment = "numeric", name = "x" }))
    t.error("features.declaration", with({ entity = "user", segment = "nowhere", name = "x", expr = "1" }))
    t.error("features.declaration", with({ entity = "shop", segment = "numeric", name = "x", expr = "1" }))
    t.error("features.declaration", with({ entity = "user", segment = "numeric", name = "like_count", expr = "1" }))
    t.error("features.declaration", with({ entity = "user", segment = "numeric", name = "x", vocabulary = "tag" }))
    t.error("features.declaration", with({ entity = "user", segment = "tag_vector", name = "x", vocabulary = "tag" }))
    t.error("features.declaration", with({ entity = "user", segment = "numeric", name = "x", exp = "1", expr = "1" }))
    t.error("features.declaration", feature_set.new, {
        segments = { user = { { name = "a", type = "l2_normalized_bow" }, { name = "b", type = "standard_score" } } },
        vocabularies = {}, features = {} })
end)

t.test("every wrong declaration is named", function()
    local function more(section, entry, entity)
        local added = { columns = { user = {}, item = {} }, segments = { user = {}, item = {} } }
        if entity then table.insert(added[section][entity], entry) else added[section] = { entry } end
        return added
    end
    for _, case in ipairs({
        { "no section 'feature'", { feature = {} } },
        { "unknown field 'form'", more("columns", { "x", "text", form = "y" }, "item") },
        { "must be 'number', 'time' or 'text'", more("columns", { "x", "float" }, "item") },
        { "another of that name", more("columns", { "price", "number" }, "item") },
        { "another of that name", more("columns", { "now", "time" }, "user") },
        { "has no name of letters", more("columns", { "x; --", "text" }, "item") },
        { "has no name of letters", more("columns", { "x", "text", from = "a b" }, "item") },
        { "needs either link or column", more("tokens", { name = "makers" }) },
        { "needs either link or column", more("tokens", { name = "makers", column = "maker", link = "x" }) },
        { "declared twice", more("tokens", { name = "tags", column = "maker" }) },
        { "id and named go together", more("tokens", { name = "x", link = "y", id = "z" }) },
        { "the link needs token", more("tokens", { name = "x", link = "y" }) },
        { "must be 'text' or 'list'", more("tokens", { name = "x", column = "y", type = "json" }) },
        { "for a link", more("tokens", { name = "x", column = "y", token = "z" }) },
        { "come from a column of 'profiles'", more("tokens", { name = "x", of = "user", link = "y", token = "z" }) },
        { "'of' must be", more("tokens", { name = "x", of = "video", column = "y" }) },
        { "unknown field 'colunm'", more("tokens", { name = "x", colunm = "y" }) },
        { "no token list 'makers'", more("vocabularies", { name = "maker", tokens = "makers" }) },
        { "declared twice", more("vocabularies", { name = "tag", tokens = "tags" }) },
        { "min_freq must be", more("vocabularies", { name = "x", tokens = "tags", min_freq = -1 }) },
        { "max_size must be", more("vocabularies", { name = "x", tokens = "tags", max_size = 1.5 }) },
    }) do
        local wanted, added = table.unpack(case)
        t.ok(t.error("features.declaration", set.extend, set, added).message:find(wanted, 1, true), wanted)
    end
    local without = { user = set.declared.columns.user, item = {} }
    local declared = {}
    for name, section in pairs(set.declared) do declared[name] = section end
    declared.columns = without
    t.error("item needs the column", feature_set.new, declared)
end)

t.test("a limit names a key of the configuration, or is a number", function()
    local lists = { tags = frame.from_table({ { owner = id(1), token = "a" }, { owner = id(2), token = "a" },
        { owner = id(1), token = "b" } }, { schema = { owner = "uuid" } }) }
    lists.performers = lists.tags:head(0)
    local limits = settings().artifacts
    local function tokens(vocabulary)
        return set:extend({ vocabularies = { vocabulary } }):fit_vocabularies(lists, limits).x:tokens()
    end
    t.equal(tokens({ name = "x", tokens = "tags" }), { "a", "b" })
    t.equal(tokens({ name = "x", tokens = "tags", min_freq = 2 }), { "a" })
    t.equal(tokens({ name = "x", tokens = "tags", max_size = 1 }), { "a" })
    t.equal(tokens({ name = "x", tokens = "tags", min_freq = "min_actress_freq" }), { "a" })
    t.ok(t.error("features.declaration", tokens, { name = "x", tokens = "tags", min_freq = "min_tag_frequency" })
        .message:find("min_tag_frequency", 1, true))
end)

t.test("a declared feature widens everything that follows", function()
    local wider = set:extend({ features = {
        { entity = "user", segment = "numeric", name = "price_spread", expr = "mean_price - median_price" },
        { entity = "item", segment = "numeric", name = "is_long", fn = function(payload)
            return payload.duration_seconds:gt(5400)
        end },
    } })
    local segments, width = wider:segments("user", { tag = 4, actress = 2 })
    t.equal(width, 9 + 1 + 4 + 2)
    t.equal(segments[1].size, 9)
    t.equal(segments[1].features[9], "price_spread")
    t.equal(wider:config_section().numeric[9], "price_spread")
    t.equal(wider:numbers("item"), { "price", "recency_days", "duration_seconds", "is_long" })
    local items = wider:compute("item", { frame = frame.from_table({ { price = 1.0, duration_seconds = 6000.0,
        product_released_at = 0, now = 0 }, { price = 1.0, product_released_at = 0, now = 0 } },
        { schema = { product_released_at = "timestamp", now = "timestamp" } }) })
    t.equal(items.is_long:to_table(), { 1.0, 0.0 })
end)

t.test("the configuration section is the documented one", function()
    local section = set:config_section()
    t.equal(section.numeric, { "account_age_days", "mean_price", "median_price", "like_ratio", "like_count",
        "nope_count", "decision_count", "recent_like_days" })
    t.equal(section.bucketized, { "hour_of_day" })
    t.equal(section.aggregations, { recency_days = { kind = "numeric" }, tag_histogram = { kind = "tag" },
        actress_histogram = { kind = "actress" } })
end)

t.test("the split takes the first digests, the view leaves them out, negatives are new videos", function()
    local rows = crowd()
    table.insert(rows.user_video_decisions, { id(1), id(5000), "like", "2025-03-01" }) -- no such video
    table.insert(rows.user_video_decisions, { id(77), id(1001), "like", "2025-03-01" }) -- no profile
    table.insert(rows.user_video_decisions, { id(2), id(1040), "watched", "2025-03-01" }) -- another type
    local db <close> = database(rows)
    local data = extract.read(db, set)
    local used = settings({ "training.train_val_split=0.2" })
    local chosen = samples.choose(data, used)
    local all = data.decisions
    local sides = samples.build(data, chosen, used)
    t.equal(data.decisions, nil)
    local split = { train = all:filter(chosen.trains), val = all:filter(chosen.validates) }
    t.equal(split.train:height() + split.val:height(), 100)
    t.equal(split.val:height(), 20)
    t.equal(all:filter(chosen.counted):height(), 103 - 20)
    t.equal(sides.likes:sum():item(), split.train:filter("decision_type == 'like'"):height() + 0.0)
    local digests = {}
    local hash = require("tt.hash")
    for row in frame.concat({ split.train, split.val }):rows() do
        digests[#digests + 1] = hash.sha256(("42:%s:%s"):format(row.user_id, row.video_id))
    end
    table.sort(digests)
    for row in split.val:rows() do
        t.equal(hash.sha256(("42:%s:%s"):format(row.user_id, row.video_id)) <= digests[20], true)
    end
    -- Every decision, and negatives: per user max(0, 3 * max(1, likes) - nopes) of them.
    for _, name in ipairs({ "train", "val" }) do
        local side, decisions = sides[name], split[name]
        local decided = {}
        for row in all:rows() do decided[row.user_id .. row.video_id] = true end
        local likes, nopes, drawn, label = {}, {}, {}, {}
        for row in decisions:rows() do
            local counts = row.decision_type == "like" and likes or nopes
            counts[row.user_id] = (counts[row.user_id] or 0) + 1
            label[row.user_id .. row.video_id] = row.decision_type == "like" and 1.0 or 0.0
        end
        local users, items, labels = side.user:to_table(), side.item:to_table(), side.label:to_table()
        for index = 1, side.n do
            local user, video = chosen.users.user_id[users[index]], data.videos.id[items[index]]
            local key = user .. video
            if label[key] then
                t.equal(labels[index], label[key])
                label[key] = nil
            else
                t.equal(labels[index], 0.0)
                t.equal(decided[key], nil)
                decided[key] = true
                drawn[user] = (drawn[user] or 0) + 1
            end
            if name == "val" and index > 1 then t.equal(items[index - 1] <= items[index], true) end
        end
        t.equal(next(label), nil)
        for row in chosen.users:rows() do
            local user = row.user_id
            local active = likes[user] or nopes[user]
            local wanted = active and math.max(0, 3 * math.max(1, likes[user] or 0) - (nopes[user] or 0)) or 0
            local counted = 0
            for decision in all:rows() do
                if decision.user_id == user and decision.video_id ~= id(5000) then counted = counted + 1 end
            end
            t.equal(drawn[user] or 0, math.min(wanted, 40 - counted))
        end
    end
end)

t.test("no split means no validation, no sample is an error", function()
    local db <close> = database(crowd())
    local data, used = extract.read(db, set), settings({ "training.train_val_split=0" })
    t.equal(samples.build(data, samples.choose(data, used), used).val.n, 0)
    local empty <close> = database({})
    t.error("samples.none", samples.choose, extract.read(empty, set), settings())
end)

t.test("the configuration refuses what it does not know", function()
    t.error("config", settings, { "training.lr=0" })
    t.error("config", settings, { "training.epochs=1.5" })
    t.error("config", settings, { "training.train_val_split=1" })
    t.error("config", settings, { "training.epocs=3" })
    t.error("config", settings, { "export.onnx_opset=18" })
    t.error("config.features", settings, { "features.numeric=[like_ratio]" })
    t.equal(settings({ "training.gradient_clip_norm=null" }).training.gradient_clip_norm, 0.0)
    t.equal(settings().training.logit_scale, 10.0)
end)

t.test("an older configuration file keeps its meaning", function()
    local folder = t.tmpdir()
    require("tt.fs").write(folder .. "/old.yaml", "training: {epochs: 3}\nfeatures: {bucketized: [hour_of_day]}\n")
    local old = config.load(folder .. "/old.yaml")
    t.equal({ old.training.epochs, old.training.logit_scale, old.training.logit_bias }, { 3, 1.0, false })
    t.equal(old.artifacts.embedding_dim, 256)
end)
