local config = require("two_tower.config")
local databases = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/databases.lua")
local extract = require("two_tower.data.extract")
local features = require("tt.features")
local payloads = require("two_tower.data.payloads")
local schema = require("two_tower.data.schema")
local set = require("two_tower.features")
local sql = require("tt.sql")
local t = require("tt.test")
local time = require("tt.time")
local input_database = dofile(arg[0]:match("^(.*)/two_tower/") .. "/support/input_database.lua")
local TAGS = set:tokens("item")[1]
local id, database = input_database.id, input_database.database

t.test("reading cleans dates, numbers, names and ids", function()
    local db <close> = database({
        profiles = { { id(2):upper(), "infinity" }, { id(1), "2025-01-01T09:00:00+09:00" } },
        videos = { { id(12), "NaN", nil, "no date", n = 4 }, { id(11), "1980.50", 60, "2025-01-01 00:00:00.5" },
            { id(13), 9e999, 61.0, "2024-12-31" } },
        video_tags = { { id(11), "b" }, { id(11), "" }, { id(11), "b" }, { id(12), "B" }, { id(11), "a " } },
        user_video_decisions = {},
        video_performers = {},
    }, { keys = false })
    local data = extract.read(db, set)
    t.equal(data.profiles.user_id:to_table(), { id(1), id(2) })
    t.equal(time.format(data.profiles.profile_created_at[1]), "2025-01-01T00:00:00Z")
    t.equal(data.profiles.profile_created_at[2], nil)
    t.equal(data.videos.id:to_table(), { id(11), id(12), id(13) })
    t.equal({ data.videos.price[1], data.videos.price[2], data.videos.price[3] }, { 1980.5 })
    t.equal(data.videos.duration_seconds[3], 61.0)
    t.equal(time.format(data.item_reference_time), "2025-01-01T00:00:00.500000Z")
    t.equal(data.lists.tags:sort({ "owner", "token" }).token:to_table(), { "a ", "b", "B" })
    t.equal(data.reference_time, nil)
end)

t.test("reading asks for the declared columns, of each table once", function()
    local db <close> = database({ profiles = {}, videos = {}, video_tags = {}, user_video_decisions = {},
        video_performers = {} }, { keys = false })
    local trace <close> = sql.trace()
    extract.read(db, set)
    local asked, statements = {}, trace:statements()
    for _, statement in ipairs(statements) do
        t.equal(statement:find("SELECT %*"), nil, statement)
        for name in statement:gmatch("FROM%s+[%w_.\"]*") do
            local tab = name:match("(%w[%w_]*)\"?$")
            asked[tab] = (asked[tab] or 0) + 1
        end
    end
    for _, name in ipairs { "profiles", "videos", "video_tags", "video_performers", "user_video_decisions" } do
        t.equal(asked[name], 1, name .. ":\n" .. table.concat(statements, "\n"))
    end
    -- All of them see one state of the database.
    t.equal({ statements[1], statements[#statements] }, { "BEGIN", "COMMIT" })
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
    local data = extract.read(db, set)
    t.equal(data.profiles.user_id:to_table(), { id(1), id(2) })
    t.equal(time.format(data.profiles.profile_created_at[1]), "2025-01-01T00:00:00Z")
    t.equal(data.profiles.profile_created_at[2], nil)
    t.equal({ data.videos.price[1], data.videos.price[2] }, { 1980.5 })
    t.equal(data.videos.product_released_at[2], nil)
    t.equal(time.format(data.item_reference_time), "2025-01-01T00:00:00.500000Z")
    local payload = payloads.users(set, data, data.decisions, data.profiles, data.reference_time)
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
    t.equal(extract.tokens(db, TAGS).token:sort():to_table(), { "love", "war" })
end)

t.test("names of videos that are not there count nowhere", function()
    local db <close> = database({
        videos = { { id(11):upper(), 1, 1, "2025-01-01" } },
        video_tags = { { id(11), "a" }, { id(12), "a" }, { id(12), "gone" } },
    }, { keys = false })
    db:exec("DROP TABLE video_performers")
    db:exec("CREATE TABLE video_performers (video_id TEXT, performer_name TEXT)")
    db:exec("INSERT INTO video_performers VALUES (NULL, 'nobody'), (?, 'gone')", { id(12) })
    local data = extract.items(db, set)
    t.equal(data.lists.tags.token:to_table(), { "a" })
    t.equal(data.lists.performers:height(), 0)
    local settings = config.load(nil, { set = { "artifacts.min_tag_freq=1", "artifacts.min_actress_freq=0" } })
    local fitted = set:fit_vocabularies(data.lists, settings.artifacts)
    t.equal(fitted.tag:tokens(), { "a" })
    t.equal(#fitted.actress, 0)
end)

t.test("a missing table or column is named", function()
    local db <close> = sql.open("sqlite::memory:")
    t.error("extract.no_table", extract.read, db, set)
    db:exec("CREATE TABLE videos (id TEXT, price NUMERIC)")
    local ok, problem = pcall(extract.videos, db, set)
    t.equal(ok, false)
    t.equal(problem.code, "extract.no_column")
    t.equal(problem.details.column, "duration_seconds")
    db:exec("CREATE TABLE video_tags (video_id TEXT, label TEXT)")
    t.error("neither the column 'tag_name' nor 'tag_id'", extract.tokens, db, TAGS)
    db:exec("ALTER TABLE video_tags RENAME COLUMN label TO tag_id")
    t.error("extract.no_table", extract.tokens, db, TAGS)
    db:exec("CREATE TABLE tags (id INTEGER, label TEXT)")
    t.error("table 'tags' has no column 'name'", extract.tokens, db, TAGS)
end)

t.test("an id that is missing counts for nothing; one that stands twice or is none is named with its table", function()
    local db <close> = sql.open("sqlite::memory:")
    db:exec("CREATE TABLE profiles (user_id TEXT, created_at TEXT)")
    db:exec("INSERT INTO profiles VALUES (?, NULL), (NULL, NULL), (NULL, NULL)", { id(1):upper() })
    t.equal(extract.profiles(db, set).user_id:to_table(), { id(1) })
    db:exec("INSERT INTO profiles VALUES (?, NULL)", { id(1) })
    t.error("table 'profiles' holds user_id " .. id(1) .. " more than once", extract.profiles, db, set)
    db:exec("INSERT INTO profiles VALUES ('someone', NULL)")
    t.error("table 'profiles': the value of column 'user_id'", extract.profiles, db, set)
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
    local data = extract.read(db, set)
    local payload = payloads.users(set, data, data.decisions, data.profiles, data.reference_time)
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

-- What a data scientist adds: a text column of videos, an array, a table of links, a column of profiles.
local MORE = {
    columns = { user = { { "name", "text", from = "display_name" } }, item = { { "maker_code", "text" } } },
    tokens = {
        { name = "makers", column = "maker" }, { name = "regions", column = "region_codes", type = "list" },
        { name = "genres", link = "video_genres", token = "genre" },
        { name = "countries", of = "user", column = "display_name" },
    },
    segments = {
        user = { { name = "maker_vector", type = "l2_normalized_bow" },
            { name = "country_vector", type = "l2_normalized_bow" } },
        item = { { name = "maker_vector", type = "l2_normalized_bow" },
            { name = "region_vector", type = "l2_normalized_bow" },
            { name = "genre_vector", type = "l2_normalized_bow" } },
    },
    vocabularies = { { name = "maker", tokens = "makers" }, { name = "region", tokens = "regions" },
        { name = "genre", tokens = "genres" }, { name = "country", tokens = "countries" } },
    features = {
        { entity = "user", segment = "maker_vector", name = "maker_histogram", vocabulary = "maker" },
        { entity = "user", segment = "country_vector", name = "country_histogram", vocabulary = "country" },
        { entity = "user", segment = "numeric", name = "is_named", expr = "if(name is null, 0, 1)" },
        { entity = "item", segment = "maker_vector", name = "maker_histogram", vocabulary = "maker" },
        { entity = "item", segment = "region_vector", name = "region_histogram", vocabulary = "region" },
        { entity = "item", segment = "genre_vector", name = "genre_histogram", vocabulary = "genre" },
        { entity = "item", segment = "numeric", name = "is_long_code", expr = "if(len(maker_code) > 3, 1, 0)" },
    },
}

local function check_more(db, empty, list)
    local wider = set:extend(MORE)
    db:exec(([[
        INSERT INTO profiles (user_id, display_name, created_at) VALUES ('%s', 'JP', '2025-01-01'), ('%s', '%s', NULL);
        INSERT INTO videos (id, maker, maker_code, region_codes, price) VALUES ('%s', 'acme', 'ACME', '%s', 5),
            ('%s', '', NULL, '%s', 7);
        CREATE TABLE video_genres (video_id %s, genre TEXT);
        INSERT INTO video_genres VALUES ('%s', 'war'), ('%s', 'war'), ('%s', 'love'), ('%s', '');
        INSERT INTO user_video_decisions VALUES ('%s', '%s', 'like', '2025-02-01');
    ]]):format(id(1), id(2), "", id(11), list, id(12), empty, db:dialect() == "sqlite" and "TEXT" or "uuid", id(11),
        id(11), id(12), id(99), id(1), id(11)))
    local told = {}
    local data = extract.read(db, wider, function(name, rows) told[#told + 1] = ("%s %d"):format(name, rows) end)
    t.equal(table.concat(told, ", "), "videos 2, video_tags 0, video_performers 0, videos.maker 1, "
        .. "videos.region_codes 3, video_genres 3, profiles 2, profiles.display_name 1, user_video_decisions 1")
    local function texts(name) return data.lists[name]:sort({ "owner", "token" }).token:to_table() end
    t.equal({ texts("makers"), texts("regions"), texts("genres"), texts("countries") },
        { { "acme" }, { "JP", "US" }, { "war", "love" }, { "JP" } })
    local fitted = wider:fit_vocabularies(data.lists, config.load(nil, { features = wider }).artifacts)
    local users = payloads.users(wider, data, data.decisions, data.profiles, data.reference_time)
    local items = payloads.items(wider, data, nil)
    t.equal(users.lists.makers.token:to_table(), { "acme" })
    t.equal(wider:compute("user", users).is_named:to_table(), { 1.0, 1.0 })
    t.equal(wider:compute("item", items).is_long_code:to_table(), { 1.0, 0.0 })
    local function bags(entity, payload)
        local names = wider:numbers(entity, true)
        local zeros, ones = {}, {}
        for index = 1, #names do zeros[index], ones[index] = 0, 1 end
        local matrix = wider:store(entity, payload, features.scaler(names, zeros, ones), fitted):matrix()
        local first, skipped = matrix:to_dense():to_table()[1], #wider:numbers(entity)
        return table.move(first, skipped + 1, #first, 1, {})
    end
    -- The tags' and performers' vocabularies are empty. maker; country, and maker; regions JP US; genres by frequency.
    t.near(bags("user", users), { 1, 1 }, 1e-6)
    t.near(bags("item", items), { 1, 2 ^ -0.5, 2 ^ -0.5, fitted.genre:tokens()[1] == "war" and 1 or 0,
        fitted.genre:tokens()[1] == "war" and 0 or 1 }, 1e-6)
end

t.test("columns and token lists that are declared are read and nothing else needs an edit", function()
    local db <close> = database({})
    check_more(db, "[]", '["JP","US","JP"]')
    db:exec("ALTER TABLE videos DROP COLUMN maker")
    t.ok(t.error("extract.no_column", extract.read, db, set:extend(MORE)).message:find("'maker'", 1, true))
    db:exec("DROP TABLE video_genres")
    t.ok(t.error("extract.no_column", extract.read, db, set:extend(MORE)))
end)

t.test("declared columns and token lists are read the same from PostgreSQL", function()
    if not databases.server then t.skip(databases.reason) end
    local own <close> = databases.open()
    local db <close> = sql.open(own:make("inputs"))
    schema.create(db, { replace = true, keys = false })
    check_more(db, "{}", "{JP,US,JP}")
end)
