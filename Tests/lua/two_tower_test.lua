local bundle = require("two_tower.bundle")
local config = require("two_tower.config")
local databases = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/databases.lua")
local extract = require("two_tower.extract")
local feature_set = require("two_tower.feature_set")
local features = require("tt.features")
local frame = require("tt.frame")
local payloads = require("two_tower.payloads")
local samples = require("two_tower.samples")
local schema = require("two_tower.schema")
local set = require("two_tower.features")
local sql = require("tt.sql")
local t = require("tt.test")
local time = require("tt.time")

local function id(number) return ("00000000-0000-4000-8000-%012x"):format(number) end

-- A database of the input tables with the given rows, each a list of values in the order of the columns named.
local function database(rows, options)
    local db = sql.open("sqlite::memory:")
    schema.create(db, options)
    local columns = {
        profiles = "user_id, created_at", videos = "id, price, duration_seconds, product_released_at",
        video_tags = "video_id, tag_name", video_performers = "video_id, performer_name",
        user_video_decisions = "user_id, video_id, decision_type, created_at",
    }
    for name, list in pairs(rows) do
        for _, row in ipairs(list) do
            local marks = ("?, "):rep(row.n or #row):sub(1, -3)
            db:exec(("INSERT INTO %s (%s) VALUES (%s)"):format(name, columns[name], marks), row)
        end
    end
    return db
end

local function settings(overrides) return config.load(nil, { set = overrides }) end

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
        return function() return set:extend({ feature }) end
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

t.test("a declared feature widens everything that follows", function()
    local wider = set:extend({
        { entity = "user", segment = "numeric", name = "price_spread", expr = "mean_price - median_price" },
        { entity = "item", segment = "numeric", name = "is_long", fn = function(payload)
            return payload.duration_seconds:gt(5400)
        end },
    })
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

t.test("reading cleans dates, numbers, names and ids", function()
    local db <close> = database({
        profiles = { { id(2):upper(), "infinity" }, { id(1), "2025-01-01T09:00:00+09:00" } },
        videos = { { id(12), "NaN", nil, "no date", n = 4 }, { id(11), "1980.50", 60, "2025-01-01 00:00:00.5" },
            { id(13), 9e999, 61.0, "2024-12-31" } },
        video_tags = { { id(11), "b" }, { id(11), "" }, { id(11), "b" }, { id(12), "B" }, { id(11), "a " } },
        user_video_decisions = {},
        video_performers = {},
    }, { keys = false })
    local data = extract.read(db)
    t.equal(data.profiles.user_id:to_table(), { id(1), id(2) })
    t.equal(time.format(data.profiles.created_at[1]), "2025-01-01T00:00:00Z")
    t.equal(data.profiles.created_at[2], nil)
    t.equal(data.videos.id:to_table(), { id(11), id(12), id(13) })
    t.equal({ data.videos.price[1], data.videos.price[2], data.videos.price[3] }, { 1980.5 })
    t.equal(data.videos.duration_seconds[3], 61.0)
    t.equal(time.format(data.item_reference_time), "2025-01-01T00:00:00.500000Z")
    t.equal(data.tags:sort({ "video_id", "token" }).token:to_table(), { "a ", "b", "B" })
    t.equal(data.reference_time, nil)
end)

t.test("reading cleans infinite dates and numbers of PostgreSQL, in any time zone", function()
    if not databases.server then t.skip(databases.reason) end
    local own <close> = databases.open()
    local db <close> = sql.open(own:make("two_tower"))
    schema.create(db)
    schema.create(db, { replace = true, keys = false })
    db:exec("SET TIME ZONE 'Asia/Tokyo'")
    db:exec(([[
        INSERT INTO profiles (user_id, created_at) VALUES ('%s', 'infinity'), ('%s', '2025-01-01 09:00+09');
        INSERT INTO videos (id, price, duration_seconds, product_released_at) VALUES
            ('%s', 'NaN', NULL, '-infinity'), ('%s', 1980.50, 60, '2025-01-01 00:00:00.5+00');
        INSERT INTO user_video_decisions VALUES ('%s', '%s', 'like', '2025-02-01 08:30+09');
    ]]):format(id(2), id(1), id(12), id(11), id(1), id(11)))
    local data = extract.read(db)
    t.equal(data.profiles.user_id:to_table(), { id(1), id(2) })
    t.equal(time.format(data.profiles.created_at[1]), "2025-01-01T00:00:00Z")
    t.equal(data.profiles.created_at[2], nil)
    t.equal({ data.videos.price[1], data.videos.price[2] }, { 1980.5 })
    t.equal(data.videos.product_released_at[2], nil)
    t.equal(time.format(data.item_reference_time), "2025-01-01T00:00:00.500000Z")
    local payload = payloads.users(data, data.decisions, data.profiles, data.reference_time)
    t.equal(payload.frame.average_like_hour[1], 23.0)
end)

t.test("the newest decision counts, undated ones are oldest, ties go by code point", function()
    local early, late = "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"
    local db <close> = database({ user_video_decisions = {
        { id(1), id(11), "like", early }, { id(1), id(11), "nope", late }, { id(1), id(11), "like", nil, n = 4 },
        { id(1), id(12), "nope", late }, { id(1), id(12), "like", late },
        { id(1), id(13), "like", nil, n = 4 }, { id(1), id(13), "like", nil, n = 4 },
        { id(1), id(14), "nope", "2025-01-01T00:00:00.000001Z" }, { id(1), id(14), "like", early },
    } }, { keys = false })
    local decisions, rows = extract.decisions(db)
    t.equal(rows, 9)
    t.equal(decisions.decision_type:to_table(), { "nope", "like", "like", "nope" })
end)

t.test("names are read from the pair of tables as well", function()
    local db <close> = sql.open("sqlite::memory:")
    db:exec([[
        CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE video_tags (video_id TEXT, tag_id INTEGER);
        INSERT INTO tags VALUES (1, 'war'), (2, 'love'), (3, '');
    ]])
    db:exec("INSERT INTO video_tags VALUES (?, 1), (?, 2), (?, 3)", { id(1), id(1), id(1) })
    t.equal(extract.names(db, "tag").token:sort():to_table(), { "love", "war" })
end)

t.test("names of videos that are not there count nowhere", function()
    local db <close> = database({
        videos = { { id(11):upper(), 1, 1, "2025-01-01" } },
        video_tags = { { id(11), "a" }, { id(12), "a" }, { id(12), "gone" } },
    }, { keys = false })
    db:exec("DROP TABLE video_performers")
    db:exec("CREATE TABLE video_performers (video_id TEXT, performer_name TEXT)")
    db:exec("INSERT INTO video_performers VALUES (NULL, 'nobody'), (?, 'gone')", { id(12) })
    local data = extract.items(db)
    t.equal(data.tags.token:to_table(), { "a" })
    t.equal(data.performers:height(), 0)
    local fitted = set:fit_vocabularies(payloads.items(data, nil), settings({ "artifacts.min_tag_freq=1",
        "artifacts.min_actress_freq=0" }).artifacts)
    t.equal(fitted.tag:tokens(), { "a" })
    t.equal(#fitted.actress, 0)
end)

t.test("a missing table or column is named", function()
    local db <close> = sql.open("sqlite::memory:")
    t.error("extract.no_table", extract.read, db)
    db:exec("CREATE TABLE videos (id TEXT, price NUMERIC)")
    local ok, problem = pcall(extract.videos, db)
    t.equal(ok, false)
    t.equal(problem.code, "extract.no_column")
    t.equal(problem.details.column, "duration_seconds")
    db:exec("CREATE TABLE video_tags (video_id TEXT, label TEXT)")
    t.error("neither the column 'tag_name' nor 'tag_id'", extract.names, db, "tag")
    db:exec("ALTER TABLE video_tags RENAME COLUMN label TO tag_id")
    t.error("extract.no_table", extract.names, db, "tag")
    db:exec("CREATE TABLE tags (id INTEGER, label TEXT)")
    t.error("table 'tags' has no column 'name'", extract.names, db, "tag")
end)

t.test("an id that is missing counts for nothing; one that stands twice or is none is named with its table", function()
    local db <close> = sql.open("sqlite::memory:")
    db:exec("CREATE TABLE profiles (user_id TEXT, created_at TEXT)")
    db:exec("INSERT INTO profiles VALUES (?, NULL), (NULL, NULL), (NULL, NULL)", { id(1):upper() })
    t.equal(extract.profiles(db).user_id:to_table(), { id(1) })
    db:exec("INSERT INTO profiles VALUES (?, NULL)", { id(1) })
    t.error("table 'profiles' holds user_id " .. id(1) .. " more than once", extract.profiles, db)
    db:exec("INSERT INTO profiles VALUES ('someone', NULL)")
    t.error("table 'profiles': the value of column 'user_id'", extract.profiles, db)
end)

t.test("a payload follows the effective decisions", function()
    local db <close> = database({
        profiles = { { id(1), "2025-01-01T00:00:00Z" }, { id(2), nil, n = 2 } },
        videos = { { id(11), 100, 60, nil, n = 4 }, { id(12), 300, 60, nil, n = 4 }, { id(13), nil, 60, nil, n = 4 },
            { id(14), 1000, 60, nil, n = 4 } },
        video_tags = { { id(11), "a" }, { id(12), "a" }, { id(12), "b" }, { id(14), "c" } },
        video_performers = { { id(13), "p" } },
        user_video_decisions = {
            { id(1), id(11), "like", "2025-03-01T00:30:00Z" }, { id(1), id(12), "like", "2025-03-02T09:59:00Z" },
            { id(1), id(13), "like", nil, n = 4 }, { id(1), id(14), "nope", "2025-03-03T00:00:00Z" },
            { id(1), id(99), "like", "2025-03-04T23:00:00Z" }, { id(1), id(98), "watched", "2025-03-05T00:00:00Z" },
        },
    })
    local data = extract.read(db)
    local payload = payloads.users(data, data.decisions, data.profiles, data.reference_time)
    local row = payload.frame:row(1)
    t.equal({ row.like_count, row.nope_count, row.decision_count }, { 4, 1, 6 })
    t.equal(time.format(row.recent_like_at), "2025-03-04T23:00:00Z")
    t.near(row.average_like_hour, (0 + 9 + 23) / 3, 1e-12)
    t.equal({ row.mean_price, row.median_price }, { 200.0, 200.0 })
    t.equal(payload.lists.tags.token:sort():to_table(), { "a", "a", "b" })
    t.equal(payload.lists.performers.token:to_table(), { "p" })
    local none = payload.frame:row(2)
    t.equal({ none.like_count, none.decision_count, none.average_like_hour, none.mean_price }, { 0, 0, 12.0, 0.0 })
    local numbers = set:compute("user", payload):row(2)
    t.equal({ numbers.account_age_days, numbers.like_ratio, numbers.recent_like_days }, { 0.0, 0.5, 0.0 })
    t.near(numbers.hour_of_day, 12 / 23, 1e-12)
end)

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

t.test("the split takes the first digests, the view leaves them out, negatives are new videos", function()
    local rows = crowd()
    table.insert(rows.user_video_decisions, { id(1), id(5000), "like", "2025-03-01" }) -- no such video
    table.insert(rows.user_video_decisions, { id(77), id(1001), "like", "2025-03-01" }) -- no profile
    table.insert(rows.user_video_decisions, { id(2), id(1040), "watched", "2025-03-01" }) -- another type
    local db <close> = database(rows)
    local data = extract.read(db)
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
    local data, used = extract.read(db), settings({ "training.train_val_split=0" })
    t.equal(samples.build(data, samples.choose(data, used), used).val.n, 0)
    local empty <close> = database({})
    t.error("samples.none", samples.choose, extract.read(empty), settings())
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

t.test("a version is checked", function()
    bundle.check_version("20250101T000000Z-abc1234")
    t.error("usage.version", bundle.check_version, "current")
    t.error("usage.version", bundle.check_version, ".x")
    t.error("usage.version", bundle.check_version, ("x"):rep(129))
    t.error("usage.version", bundle.check_version, "")
end)
